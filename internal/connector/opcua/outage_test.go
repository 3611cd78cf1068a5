package opcua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/connector/connectortest"
	"github.com/iotops/iotops/internal/connector/opcua"
	"github.com/iotops/iotops/internal/pki"
	simulate "github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// points returns an assignment of one asset whose points, by name, have these sources.
func points(url string, sources map[string]string) *model.Assignment {
	asset := &model.Asset{Meta: model.Meta{Name: "oven", Parent: "default/default"}}
	d := model.Dataset{
		Name: "main", DatasetConfiguration: `{"publishingInterval":20,"samplingInterval":0,"queueSize":1000}`,
		Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "t"}}},
	}
	for name, source := range sources {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: name, DataSource: source})
	}
	asset.Properties.Datasets = []model.Dataset{d}
	return &model.Assignment{
		Endpoint:     model.Endpoint{EndpointType: model.EndpointOPCUA, Address: url, AdditionalConfiguration: `{"security":{"securityMode":"none"}}`},
		EndpointName: "plc", Assets: []*model.Asset{asset},
	}
}

func seen(t *testing.T, h *connectortest.Host, name string, n int) []record.Point {
	t.Helper()
	return record.Points(h.Out.Wait(t, name, func(list []*message.Message) bool { return len(record.Points(list, "t", name)) >= n }), "t", name)
}

// TestMissingNotificationsAreFetchedAgain loses notifications on the way: each
// value still comes, once and in order.
func TestMissingNotificationsAreFetchedAgain(t *testing.T) {
	s, err := simulate.Start(simulate.Options{Beat: 10 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.AddCounters(1)
	h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
	h.Start(t, points(s.URL(), map[string]string{"c": "ns=2;s=Counter.0"}))
	for range 3 {
		seen(t, h, "c", len(record.Points(h.Out.Messages(), "t", "c"))+5)
		before := s.Stats().Republished.Load()
		s.LoseNotifications(3)
		require.Eventually(t, func() bool { return s.Stats().Republished.Load() >= before+3 }, connectortest.Patience, time.Millisecond)
	}
	list := seen(t, h, "c", len(record.Points(h.Out.Messages(), "t", "c"))+5)
	for i := 1; i < len(list); i++ {
		require.InDelta(t, list[i-1].Value.(float64)+1, list[i].Value, 0)
	}
	require.EqualValues(t, 9, h.Report.Counter(connector.CountRepublished))
	require.Zero(t, h.Report.Counter(connector.CountLost))
}

// TestWhatTheServerNoLongerHasIsCountedAsLost does not wait for it for ever.
func TestWhatTheServerNoLongerHasIsCountedAsLost(t *testing.T) {
	s := newSimulated(t, simulate.Options{})
	h := connectortest.NewHost(s.conn)
	h.Start(t, points(s.URL(), map[string]string{"p": s.DataSource(0)}))
	seen(t, h, "p", 1)
	s.LoseNotifications(1)
	before := s.Stats().Notifications.Load()
	s.Set(0, 1)
	require.Eventually(t, func() bool { return s.Stats().Notifications.Load() > before }, connectortest.Patience, time.Millisecond)
	s.ForgetNotifications()
	s.Set(0, 2)
	list := seen(t, h, "p", 2)
	require.InDelta(t, 2, list[1].Value, 0)
	require.Positive(t, h.Report.Counter(connector.CountLost))
	require.True(t, h.Report.Healthy())
}

// TestNamespacesInAnotherOrder lets a server come back with its namespaces
// moved, and with nodes that could be taken for the old ones.
func TestNamespacesInAnotherOrder(t *testing.T) {
	first, err := simulate.Start(simulate.Options{Namespaces: []string{"urn:plant", "urn:gone", "urn:other"}})
	require.NoError(t, err)
	folder := first.Objects().Folder("P", "P")
	folder.Variable("Temperature", "Temperature", 20.0)
	folder.In(3).Variable("Speed", "Speed", 1.0)
	address := strings.TrimPrefix(first.URL(), "opc.tcp://")
	a := points(first.URL(), map[string]string{
		"byIndex": "ns=2;s=Temperature", "byName": "nsu=urn:plant;s=Temperature", "gone": "ns=3;s=Speed",
	})
	h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
	h.Start(t, a)
	for _, name := range []string{"byIndex", "byName", "gone"} {
		seen(t, h, name, 1)
	}
	first.Close()
	require.Error(t, h.Ended(t))

	second, err := simulate.Start(simulate.Options{Listen: address, Namespaces: []string{"urn:new", "urn:other", "urn:plant"}})
	require.NoError(t, err)
	t.Cleanup(second.Close)
	folder = second.Objects().Folder("P", "P")
	folder.Variable("Temperature", "Temperature", -1.0)       // a decoy
	folder.In(3).Variable("Speed", "Speed", -1.0)             // another one
	folder.In(4).Variable("Temperature", "Temperature", 21.0) // the right one
	h.Start(t, a)
	for _, name := range []string{"byIndex", "byName"} {
		list := seen(t, h, name, 2)
		require.InDelta(t, 21, list[1].Value, 0, name)
	}
	require.Len(t, record.Points(h.Out.Messages(), "t", "gone"), 1, "no value of another node")
	require.Contains(t, h.Log.String(), "urn:plant")
	var refused error
	require.Eventually(t, func() bool {
		refused, _ = h.Report.ItemError(model.ItemRef{Kind: model.ItemDataPoint, Asset: "oven", Group: "main", Item: "gone"})
		return refused != nil
	}, connectortest.Patience, time.Millisecond)
	require.ErrorContains(t, refused, `no namespace "urn:gone" any more`)

	// What is added now means the server as it is now.
	h.Update(points(first.URL(), map[string]string{
		"byIndex": "ns=2;s=Temperature", "byName": "nsu=urn:plant;s=Temperature", "gone": "ns=3;s=Speed", "added": "ns=2;s=Temperature",
	}))
	require.InDelta(t, -1, seen(t, h, "added", 1)[0].Value, 0)
}

// TestAnEndThatIsNoDisconnectLeavesNoSession ends runs on a good connection.
func TestAnEndThatIsNoDisconnectLeavesNoSession(t *testing.T) {
	s := newSimulated(t, simulate.Options{})
	h := connectortest.NewHost(s.conn)
	for i := range 5 {
		h.Start(t, points(s.URL(), map[string]string{"p": s.DataSource(0)}))
		seen(t, h, "p", i+1)
		s.ForgetSubscriptions()
		require.ErrorContains(t, h.Ended(t), "lost our subscriptions")
	}
	require.Zero(t, s.Sessions())
}

// TestALargeArrayHarmsNobody is a waveform beside a counter.
func TestALargeArrayHarmsNobody(t *testing.T) {
	s := newSimulated(t, simulate.Options{})
	s.Objects().Folder("Wave", "Wave").Variable("Wave", "Wave", make([]float64, 200_000))
	h := connectortest.NewHost(s.conn)
	h.Start(t, points(s.URL(), map[string]string{"wave": "ns=2;s=Wave", "p": s.DataSource(0)}))
	require.Len(t, seen(t, h, "wave", 1)[0].Value, 200_000)
	seen(t, h, "p", 1)
}

// TestNothingSafeKeepsTheSession holds all completions back until we do not ask
// for more, for longer than the session lasts without a word.
func TestNothingSafeKeepsTheSession(t *testing.T) {
	s, err := simulate.Start(simulate.Options{Beat: 2 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.AddCounters(1)
	a := points(s.URL(), map[string]string{"c": "ns=2;s=Counter.0"})
	a.Assets[0].Properties.Datasets[0].DatasetConfiguration = `{"publishingInterval":10,"samplingInterval":0,"queueSize":10000}`
	a.Endpoint.AdditionalConfiguration = `{"security":{"securityMode":"none"},"session":{"timeoutMilliseconds":3000}}`
	h := connectortest.NewHost(opcua.New(pki.New(t.TempDir())))
	h.Start(t, a)
	seen(t, h, "c", 1)
	h.Out.Hold()
	var blocked int64
	require.Eventually(t, func() bool { // until the server is asked for no more
		was := blocked
		blocked = s.Stats().Notifications.Load()
		return blocked > 2000 && was == blocked
	}, 2*connectortest.Patience, 500*time.Millisecond)
	before := s.Reads()
	require.Eventually(t, func() bool { return s.Reads() > before+2 }, connectortest.Patience, 10*time.Millisecond)
	require.True(t, h.Report.Healthy())
	h.Out.Release(message.Safe)
	seen(t, h, "c", int(blocked)+10)
}
