//go:build integration

package opcua_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/connector/connectortest"
	"github.com/iotops/iotops/internal/connector/opcua"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func nodeTarget(t *testing.T) connector.Target {
	t.Helper()
	return connector.Target{
		Endpoint: model.Endpoint{EndpointType: model.EndpointOPCUA, Address: server(t), AdditionalConfiguration: plain},
		Secrets:  connectortest.Secrets{}, Log: slog.New(slog.DiscardHandler),
	}
}

func browse(t *testing.T, q connector.BrowseQuery) []connector.Node {
	t.Helper()
	var list []connector.Node
	for n, err := range opcua.New(pki.New(t.TempDir())).Browse(t.Context(), nodeTarget(t), q) {
		require.NoError(t, err)
		list = append(list, n)
	}
	return list
}

func byID(list []connector.Node) map[string]connector.Node {
	m := map[string]connector.Node{}
	for _, n := range list {
		m[n.ID] = n
	}
	return m
}

func TestNodeBrowseWholeTree(t *testing.T) {
	list := browse(t, connector.BrowseQuery{Values: true})
	require.Greater(t, len(list), 2500)
	nodes := byID(list)
	for _, id := range []string{"ns=2;s=Counter.0", "ns=2;s=Counter.999", "ns=2;s=Counter.1000", "ns=2;s=Counter.1999"} {
		require.Contains(t, nodes, id, "more children than come in one answer")
	}
	double := nodes["ns=2;s=Scalar.Double"]
	require.Equal(t, connector.Node{
		Level: 1, Path: "Plant/ScalarDouble", ID: "ns=2;s=Scalar.Double", Name: "ScalarDouble", Class: "Variable", TypeID: "i=63",
		DataType: "Double", Access: double.Access, Value: "21.75", Match: true, Children: double.Children, Reference: "HasComponent",
	}, double)
	require.Equal(t, "rw", nodes["ns=2;s=Setpoint"].Access)
	require.Equal(t, `"Grüße"`, nodes["ns=2;s=Scalar.String"].Value)
	require.Equal(t, "[[1,2,3],[4,5,6]]", nodes["ns=2;s=Matrix"].Value)
	require.True(t, nodes["ns=2;s=Plant"].Children)
	// Parents come before their children, one level down each.
	level := -1
	paths := map[string]bool{}
	for _, n := range list {
		require.LessOrEqual(t, n.Level, level+1, n.Path)
		level = n.Level
		if i := strings.LastIndexByte(n.Path, '/'); i >= 0 && n.Level > 0 {
			require.True(t, paths[strings.TrimSuffix(n.Path, "/"+n.Name)], n.Path)
		}
		paths[n.Path] = true
	}
}

func TestNodeBrowseRootDepthSearch(t *testing.T) {
	for _, root := range []string{"ns=2;s=Plant", "nsu=urn:iotops:test:plant;s=Plant", "/2:Plant"} {
		list := browse(t, connector.BrowseQuery{Root: root, Depth: 1})
		require.Contains(t, byID(list), "ns=2;s=Counters", root)
		require.NotContains(t, byID(list), "ns=2;s=Counter.0", root)
	}
	list := browse(t, connector.BrowseQuery{Search: "counter1999"})
	var shown []string
	for _, n := range list {
		shown = append(shown, n.Path)
		require.Equal(t, n.Name == "Counter1999", n.Match)
	}
	require.Equal(t, []string{"Plant", "Plant/Counters", "Plant/Counters/Counter1999"}, shown)
}

func TestNodeBrowseEndsWhenTheCallerHasEnough(t *testing.T) {
	n := 0
	for _, err := range opcua.New(pki.New(t.TempDir())).Browse(t.Context(), nodeTarget(t), connector.BrowseQuery{Root: "ns=2;s=Counters"}) {
		require.NoError(t, err)
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range opcua.New(pki.New(t.TempDir())).Browse(ctx, nodeTarget(t), connector.BrowseQuery{}) {
		cancel()
		last = err
	}
	require.Equal(t, fault.Canceled, fault.KindOf(last), "%v", last)
}

func TestNodeBrowseBadRoot(t *testing.T) {
	for root, code := range map[string]string{"nonsense": "BadNodeIdInvalid", "nsu=urn:none;i=1": "BadNodeIdUnknown", "/2:NoSuch": "BadNoMatch"} {
		var got error
		for _, err := range opcua.New(pki.New(t.TempDir())).Browse(t.Context(), nodeTarget(t), connector.BrowseQuery{Root: root}) {
			got = err
		}
		require.Equal(t, code, fault.CodeOf(got), "%s: %v", root, got)
	}
	var got error
	for _, err := range opcua.New(pki.New(t.TempDir())).Browse(t.Context(), nodeTarget(t), connector.BrowseQuery{Root: "ns=2;s=NoSuch"}) {
		got = err
	}
	require.Equal(t, "BadNodeIdUnknown", fault.CodeOf(got), "%v", got)
}

func fact(r connector.ProbeResult, name string) string {
	for _, f := range r.Facts {
		if f.Name == name {
			return f.Value.Text()
		}
	}
	return ""
}

func TestNodeProbe(t *testing.T) {
	store := pki.New(t.TempDir())
	c, target := opcua.New(store), nodeTarget(t)
	r, err := c.Probe(t.Context(), target)
	require.NoError(t, err)
	require.Equal(t, "urn:iotops:test:server", fact(r, "applicationUri"))
	require.Contains(t, fact(r, "login"), "works")
	require.Contains(t, fact(r, "namespaces"), "urn:iotops:test:plant")
	require.Contains(t, fact(r, "certificateTrusted"), "no")
	require.Equal(t, "Running", fact(r, "state"))
	require.Len(t, fact(r, "certificateThumbprint"), 40)
	require.Contains(t, fact(r, "endpoint1"), "Anonymous")
	require.Contains(t, fact(r, "requestLimits"), "monitor 500")

	target.Endpoint.AdditionalConfiguration = ""
	r, err = c.Probe(t.Context(), target)
	require.Equal(t, "OpcUaConnectorCertificateRejected", fault.CodeOf(err), "%v", err)
	require.Contains(t, fact(r, "login"), "refused")
	refused, err := store.List(pki.Rejected)
	require.NoError(t, err)
	require.Len(t, refused, 1)

	target.Endpoint.Address = "opc.tcp://127.0.0.1:1"
	_, err = c.Probe(t.Context(), target)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
}
