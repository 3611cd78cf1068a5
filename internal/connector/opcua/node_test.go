//go:build integration

package opcua_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/connector/connectortest"
	"github.com/iotops/iotops/internal/connector/opcua"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// server returns the address of the OPC UA server by other hands.
func server(t *testing.T) string {
	t.Helper()
	address := os.Getenv("IOTOPS_TEST_OPCUA")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "opcua") {
			t.Fatal("IOTOPS_TEST_OPCUA is not set")
		}
		t.Skip("IOTOPS_TEST_OPCUA is not set: .ci/test starts the server")
	}
	return address
}

func assignment(t *testing.T, config string, sources map[string]string) *model.Assignment {
	t.Helper()
	asset := &model.Asset{Meta: model.Meta{Name: "oven", Parent: "default/default"}}
	d := model.Dataset{
		Name: "main", DatasetConfiguration: `{"publishingInterval":100,"samplingInterval":0,"queueSize":1000}`,
		Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "t"}}},
	}
	for name, source := range sources {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: name, DataSource: source})
	}
	asset.Properties.Datasets = []model.Dataset{d}
	return &model.Assignment{
		Endpoint:     model.Endpoint{EndpointType: model.EndpointOPCUA, Address: server(t), AdditionalConfiguration: config},
		EndpointName: "plc", Assets: []*model.Asset{asset},
	}
}

const plain = `{"security":{"securityPolicy":"http://opcfoundation.org/UA/SecurityPolicy#None","securityMode":"none"}}`

func run(t *testing.T, a *model.Assignment) *connectortest.Host {
	t.Helper()
	c := opcua.New(pki.New(t.TempDir()))
	require.NoError(t, c.Validate(a))
	h := connectortest.NewHost(c)
	h.Start(t, a)
	return h
}

func TestNodeEveryTypeArrives(t *testing.T) {
	want := map[string]any{
		"Boolean": true, "SByte": -8.0, "Byte": 8.0, "Int16": -16.0, "UInt16": 16.0, "Int32": -32.0, "UInt32": 32.0, "Int64": -64.0, "UInt64": 64.0,
		"Float": 0.5, "Double": 21.75, "String": "Grüße", "DateTime": "2026-09-14T07:31:05.118Z", "Guid": "72962B91-FA75-4AE6-8D28-B404DC7DAF63",
		"ByteString": "aGVsbG8=", "XmlElement": "<a/>", "NodeId": "ns=1;s=x", "QualifiedName": "qn", "LocalizedText": "text",
	}
	sources := map[string]string{
		"ArrayInt32": "ns=2;s=Array.Int32", "ArrayDouble": "ns=2;s=Array.Double", "ArrayString": "ns=2;s=Array.String", "Matrix": "ns=2;s=Matrix",
		"ArrayBoolean": "nsu=urn:iotops:test:plant;s=Array.Boolean", "Structure": "ns=2;s=Structure",
	}
	for name := range want {
		sources[name] = "ns=2;s=Scalar." + name
	}
	want["ArrayInt32"], want["ArrayDouble"] = []any{1.0, 2.0, 3.0}, []any{0.5, 1.5}
	want["ArrayString"], want["ArrayBoolean"] = []any{"a", "b"}, []any{true, false}
	want["Matrix"] = []any{[]any{1.0, 2.0, 3.0}, []any{4.0, 5.0, 6.0}}
	h := run(t, assignment(t, plain, sources))
	list := h.Out.Wait(t, "every point", func(list []*message.Message) bool {
		for name := range sources {
			if len(record.Points(list, "t", name)) == 0 {
				return false
			}
		}
		return true
	})
	for name, v := range want {
		got := record.Points(list, "t", name)[0]
		require.Nil(t, got.StatusCode, name)
		if name == "Guid" {
			require.Equal(t, strings.ToLower(v.(string)), strings.ToLower(got.Value.(string)))
			continue
		}
		require.Equal(t, v, got.Value, name)
	}
	structure := record.Points(list, "t", "Structure")[0].Value.(map[string]any)
	require.Equal(t, "arg", structure["Name"])
	require.Equal(t, "urn:iotops:test:server", prop(list[0], "source"))
}

func prop(m *message.Message, key string) string {
	for _, p := range slices.Concat(m.Static, m.Props) {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// counters returns n counter points.
func counters(n int) map[string]string {
	sources := map[string]string{}
	for i := range n {
		sources[fmt.Sprintf("c%d", i)] = fmt.Sprintf("ns=2;s=Counter.%d", i)
	}
	return sources
}

// requireNoGap checks that a counter was seen without a gap.
func requireNoGap(t *testing.T, list []*message.Message, name string) {
	t.Helper()
	points := record.Points(list, "t", name)
	for i := 1; i < len(points); i++ {
		require.InDelta(t, 1, points[i].Value.(float64)-points[i-1].Value.(float64), 0, "%s: %v after %v", name, points[i].Value, points[i-1].Value)
	}
}

func TestNodeTwoThousandCountersWithoutAGap(t *testing.T) {
	// More than the server takes in one request, and more than one subscription holds.
	h := run(t, assignment(t, `{"subscription":{"maxItems":700},"security":{"securityPolicy":"http://opcfoundation.org/UA/SecurityPolicy#None"}}`, counters(2000)))
	require.Eventually(t, func() bool { return h.Report.Counter(connector.CountValues) >= 20_000 }, connectortest.Patience, 10*time.Millisecond)
	list := h.Out.Messages()
	for i := 0; i < 2000; i += 97 {
		name := fmt.Sprintf("c%d", i)
		require.GreaterOrEqual(t, len(record.Points(list, "t", name)), 5, name)
		requireNoGap(t, list, name)
	}
	require.Zero(t, h.Report.Counter(connector.CountLost))
	require.Zero(t, h.Report.Counter(connector.CountOverflow))
}

func TestNodeSecuredEndpoints(t *testing.T) {
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
		for _, mode := range []string{"sign", "signAndEncrypt"} {
			t.Run(policy+"/"+mode, func(t *testing.T) {
				config := fmt.Sprintf(`{"security":{"autoAcceptUntrustedServerCertificates":true,"securityPolicy":"http://opcfoundation.org/UA/SecurityPolicy#%s","securityMode":%q}}`, policy, mode)
				a := assignment(t, config, counters(1))
				a.Endpoint.Authentication = userPassword()
				h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
				h.Secrets = connectortest.Secrets{"plc/username": "user1", "plc/password": "password1"}
				h.Start(t, a)
				h.Out.Wait(t, "values", func(list []*message.Message) bool { return len(record.Points(list, "t", "c0")) >= 3 })
			})
		}
	}
}

func userPassword() *model.Authentication {
	return &model.Authentication{Method: model.AuthUsernamePassword, UsernamePasswordCredentials: &model.UsernamePasswordCredentials{
		UsernameSecretName: "plc/username", PasswordSecretName: "plc/password",
	}}
}

func TestNodeAWrongPasswordIsDenied(t *testing.T) {
	for _, config := range []string{plain, `{"security":{"autoAcceptUntrustedServerCertificates":true}}`} {
		a := assignment(t, config, counters(1))
		a.Endpoint.Authentication = userPassword()
		h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
		h.Secrets = connectortest.Secrets{"plc/username": "user1", "plc/password": "wr0ng-passw0rd"}
		h.Start(t, a)
		err := h.Ended(t)
		require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
		require.NotEmpty(t, fault.Hints(err))
		require.NotContains(t, err.Error()+h.Log.String(), "wr0ng-passw0rd")
	}
}

func TestNodeAnUnknownCertificateIsRefusedUntilTrusted(t *testing.T) {
	store := pki.New(t.TempDir())
	a := assignment(t, "", counters(1))
	h := connectortest.NewHost(opcua.New(store))
	h.Start(t, a)
	err := h.Ended(t)
	require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
	require.Equal(t, "OpcUaConnectorCertificateRejected", fault.CodeOf(err))
	hint := strings.Join(fault.Hints(err), "\n")
	_, path, ok := strings.Cut(hint, "iotops connector opcua trust add --certificate-file ")
	require.True(t, ok, hint)
	cert, err := pki.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, store.Add(pki.Trusted, cert.Name, cert.DER))
	h.Start(t, a)
	h.Out.Wait(t, "values", func(list []*message.Message) bool { return len(record.Points(list, "t", "c0")) >= 3 })
}

func TestNodeABadNodeAmongGoodOnes(t *testing.T) {
	a := assignment(t, plain, map[string]string{"good": "ns=2;s=Counter.0", "unknown": "ns=2;s=NoSuchNode", "noNamespace": "nsu=urn:none;s=x", "path": "/2:Plant"})
	h := run(t, a)
	h.Out.Wait(t, "values", func(list []*message.Message) bool { return len(record.Points(list, "t", "good")) >= 3 })
	for name, code := range map[string]string{"unknown": "BadNodeIdUnknown", "noNamespace": "BadNodeIdUnknown", "path": "BadNodeIdInvalid"} {
		err, said := h.Report.ItemError(model.ItemRef{Kind: model.ItemDataPoint, Asset: "oven", Group: "main", Item: name})
		require.True(t, said, name)
		require.Equal(t, code, fault.CodeOf(err), name)
	}
	require.True(t, h.Report.Healthy())
}

func TestNodeBrowsePaths(t *testing.T) {
	a := assignment(t, plain, map[string]string{"byPath": "/2:Counters/2:Counter1", "byNode": "ns=2;s=Counter.1"})
	a.Assets[0].Properties.Datasets[0].DatasetConfiguration = `{"publishingInterval":100,"samplingInterval":0,"startInstance":"ns=2;s=Plant"}`
	h := run(t, a)
	h.Out.Wait(t, "values", func(list []*message.Message) bool {
		return len(record.Points(list, "t", "byPath")) >= 3 && len(record.Points(list, "t", "byNode")) >= 3
	})
}

func TestNodeLiveUpdateDisturbsNobody(t *testing.T) {
	h := run(t, assignment(t, plain, counters(50)))
	enough := func(name string, n int) func([]*message.Message) bool {
		return func(list []*message.Message) bool { return len(record.Points(list, "t", name)) >= n }
	}
	h.Out.Wait(t, "values", enough("c0", 5))
	h.Update(assignment(t, plain, counters(80)))
	h.Out.Wait(t, "new points", enough("c79", 5))
	h.Update(assignment(t, plain, counters(40)))
	seen := len(record.Points(h.Out.Messages(), "t", "c0"))
	list := h.Out.Wait(t, "more values", enough("c0", seen+10))
	for i := range 40 {
		requireNoGap(t, list, fmt.Sprintf("c%d", i))
	}
}

func TestNodeNothingIsAcknowledgedBeforeItIsSafe(t *testing.T) {
	h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
	h.Out.Hold()
	h.Start(t, assignment(t, plain, counters(1)))
	h.Out.Wait(t, "values", func(list []*message.Message) bool { return len(record.Points(list, "t", "c0")) >= 10 })
	h.Out.Release(message.Safe)
	list := h.Out.Wait(t, "more values", func(list []*message.Message) bool { return len(record.Points(list, "t", "c0")) >= 20 })
	requireNoGap(t, list, "c0")
	took, err := h.Stop(t)
	require.NoError(t, err)
	require.Less(t, took, 5*time.Second)
}
