package connectortest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// Harness is a real source that the suite can play with. New is called once
// for each part of the suite.
type Harness struct {
	New func(t *testing.T) Source
}

// Source is one running server with some numeric points.
type Source interface {
	// Connector returns the connector under test.
	Connector() connector.Connector
	// Endpoint says how to reach the source, with credentials where it wants some.
	Endpoint() model.Endpoint
	// Secrets resolve what Endpoint refers to.
	Secrets() map[string]string
	// DataSource returns what an asset calls point n; Set gives it a value.
	// Points hold 0 before.
	DataSource(n int) string
	Set(n int, v float64)
	// BadDataSource names a point that does not exist.
	BadDataSource() string
	// Drop cuts the connections that there are. New ones are fine.
	Drop()
	// Connections returns how many connections were made so far.
	Connections() int
}

// Holder is a Source that delivers again what was not acknowledged.
type Holder interface {
	// Unacknowledged returns how many deliveries the source still keeps.
	Unacknowledged() int
}

// Run checks that a connector keeps the contract.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Source)
	}{
		{"values arrive", valuesArrive},
		{"live update", liveUpdate},
		{"a bad item disturbs nobody", badItem},
		{"two assets", twoAssets},
		{"no points", noPoints},
		{"a lost connection ends Run, and the next one recovers", lostConnection},
		{"stops at once", stopsAtOnce},
		{"bad configuration is refused without the network", badConfiguration},
		{"secrets stay secret", secretsStaySecret},
		{"acknowledges what is safe only", acknowledges},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, h.New(t)) })
	}
}

// Topic is where Assignment's assets publish.
func Topic(asset string) string { return "test/" + asset }

// Assignment returns an assignment of one asset per list of points.
func Assignment(s Source, assets map[string][]int) *model.Assignment {
	a := &model.Assignment{
		TopicNamespace: "test", Device: model.AssignedDevice{Key: model.Key{Kind: model.KindDevice, Parent: "default/default", Name: "device"}},
		EndpointName: "endpoint", Endpoint: s.Endpoint(),
	}
	for name, points := range assets {
		asset := &model.Asset{Meta: model.Meta{Name: name, Parent: "default/default"}}
		asset.Properties.DeviceRef = model.DeviceRef{DeviceName: "device", EndpointName: "endpoint"}
		d := model.Dataset{
			Name: "data", DatasetConfiguration: `{"publishingInterval":50,"samplingInterval":10,"queueSize":100}`,
			Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: Topic(name)}}},
		}
		for _, n := range points {
			d.DataPoints = append(d.DataPoints, model.DataPoint{Name: PointName(n), DataSource: s.DataSource(n)})
		}
		asset.Properties.Datasets = []model.Dataset{d}
		a.Assets = append(a.Assets, asset)
	}
	slices.SortFunc(a.Assets, func(x, y *model.Asset) int { return len(x.Name) - len(y.Name) })
	return a
}

// PointName is what Assignment calls point n.
func PointName(n int) string { return fmt.Sprintf("p%d", n) }

func start(t *testing.T, s Source, a *model.Assignment) *Host {
	t.Helper()
	h := NewHost(s.Connector())
	h.Secrets = s.Secrets()
	require.NoError(t, s.Connector().Validate(a))
	h.Start(t, a)
	return h
}

// waitFor waits until a point had a value.
func waitFor(t *testing.T, h *Host, asset string, n int, want float64) {
	t.Helper()
	h.Out.Wait(t, fmt.Sprintf("%s of %s to be %v", PointName(n), asset, want), func(list []*message.Message) bool {
		return slices.Contains(values(list, asset, n), want)
	})
}

func values(list []*message.Message, asset string, n int) []float64 {
	var got []float64
	for _, p := range record.Points(list, Topic(asset), PointName(n)) {
		if f, ok := p.Value.(float64); ok {
			got = append(got, f)
		}
	}
	return got
}

func valuesArrive(t *testing.T, s Source) {
	a := Assignment(s, map[string][]int{"oven": {0, 1}})
	h := start(t, s, a)
	waitFor(t, h, "oven", 0, 0)
	for i := 1; i <= 20; i++ {
		s.Set(0, float64(i))
		waitFor(t, h, "oven", 0, float64(i))
	}
	got := values(h.Out.Messages(), "oven", 0)
	require.True(t, slices.IsSorted(got), "values come in the order in which they were set: %v", got)
	require.Len(t, got, 21, "each value once: %v", got)
	require.Eventually(t, h.Report.Healthy, Patience, time.Millisecond)
	require.True(t, h.Report.HasApplied(a))
	require.GreaterOrEqual(t, h.Report.Counter(connector.CountValues), int64(22))
}

func liveUpdate(t *testing.T, s Source) {
	h := start(t, s, Assignment(s, map[string][]int{"oven": {0}}))
	waitFor(t, h, "oven", 0, 0)
	connections := s.Connections()
	more := Assignment(s, map[string][]int{"oven": {0, 1}})
	h.Update(more)
	waitFor(t, h, "oven", 1, 0)
	s.Set(0, 1)
	s.Set(1, 10)
	waitFor(t, h, "oven", 0, 1)
	waitFor(t, h, "oven", 1, 10)
	fewer := Assignment(s, map[string][]int{"oven": {0}})
	h.Update(fewer)
	require.Eventually(t, func() bool { return h.Report.HasApplied(fewer) }, Patience, time.Millisecond)
	s.Set(1, 11)
	s.Set(0, 2)
	waitFor(t, h, "oven", 0, 2)
	s.Set(0, 3)
	waitFor(t, h, "oven", 0, 3)
	require.NotContains(t, values(h.Out.Messages(), "oven", 1), 11.0, "a point that was removed")
	require.Equal(t, []float64{0, 1, 2, 3}, values(h.Out.Messages(), "oven", 0), "the point that stayed was not disturbed")
	require.Equal(t, connections, s.Connections(), "all of it on one connection")
}

func badItem(t *testing.T, s Source) {
	a := Assignment(s, map[string][]int{"oven": {0, 1}})
	a.Assets[0].Properties.Datasets[0].DataPoints[1].DataSource = s.BadDataSource()
	h := start(t, s, a)
	waitFor(t, h, "oven", 0, 0)
	ref := model.ItemRef{Kind: model.ItemDataPoint, Asset: "oven", Group: "data", Item: PointName(1)}
	require.Eventually(t, func() bool { err, said := h.Report.ItemError(ref); return said && err != nil }, Patience, time.Millisecond)
	ref.Item = PointName(0)
	err, _ := h.Report.ItemError(ref)
	require.NoError(t, err)
	require.Eventually(t, h.Report.Healthy, Patience, time.Millisecond)
}

func twoAssets(t *testing.T, s Source) {
	h := start(t, s, Assignment(s, map[string][]int{"a": {0}, "bb": {0, 1}}))
	s.Set(0, 5)
	waitFor(t, h, "a", 0, 5)
	waitFor(t, h, "bb", 0, 5)
}

func noPoints(t *testing.T, s Source) {
	a := Assignment(s, map[string][]int{"oven": {}})
	h := start(t, s, a)
	require.Eventually(t, func() bool { return h.Report.HasApplied(a) && h.Report.Healthy() }, Patience, time.Millisecond)
	h.Update(Assignment(s, map[string][]int{"oven": {0}}))
	waitFor(t, h, "oven", 0, 0)
}

func lostConnection(t *testing.T, s Source) {
	a := Assignment(s, map[string][]int{"oven": {0}})
	h := start(t, s, a)
	waitFor(t, h, "oven", 0, 0)
	s.Drop()
	err := h.Ended(t)
	require.Error(t, err)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	require.False(t, h.Report.Healthy())
	h.Start(t, a)
	s.Set(0, 7)
	waitFor(t, h, "oven", 0, 7)
	require.Eventually(t, h.Report.Healthy, Patience, time.Millisecond)
}

func stopsAtOnce(t *testing.T, s Source) {
	h := start(t, s, Assignment(s, map[string][]int{"oven": {0}}))
	waitFor(t, h, "oven", 0, 0)
	took, err := h.Stop(t)
	require.NoError(t, err)
	require.Less(t, took, 5*time.Second, "two seconds, on a slow machine")
}

func badConfiguration(t *testing.T, s Source) {
	for name, spoil := range map[string]func(*model.Assignment){
		"endpoint": func(a *model.Assignment) { a.Endpoint.AdditionalConfiguration = `{"noSuchMember":1}` },
		"dataset": func(a *model.Assignment) {
			a.Assets[0].Properties.Datasets[0].DatasetConfiguration = `{"noSuchMember":1}`
		},
		"data point": func(a *model.Assignment) {
			a.Assets[0].Properties.Datasets[0].DataPoints[0].DataPointConfiguration = `[]`
		},
		"address": func(a *model.Assignment) { a.Endpoint.Address = "nonsense" },
	} {
		a := Assignment(s, map[string][]int{"oven": {0}})
		spoil(a)
		before := s.Connections()
		err := s.Connector().Validate(a)
		require.Error(t, err, name)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%s: %v", name, err)
		require.Equal(t, before, s.Connections())
	}
}

func secretsStaySecret(t *testing.T, s Source) {
	if len(s.Secrets()) == 0 {
		t.Skip("the source wants no credentials")
	}
	a := Assignment(s, map[string][]int{"oven": {0}})
	h := start(t, s, a)
	waitFor(t, h, "oven", 0, 0)
	_, err := h.Stop(t)
	require.NoError(t, err)
	wrong := NewHost(s.Connector())
	wrong.Secrets = Secrets{}
	for ref := range s.Secrets() {
		wrong.Secrets[ref] = "wr0ng-" + ref
	}
	wrong.Start(t, a)
	err = wrong.Ended(t)
	require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
	for ref, plain := range s.Secrets() {
		for _, text := range []string{h.Log.String(), wrong.Log.String(), err.Error()} {
			require.NotContains(t, text, plain)
			require.NotContains(t, text, "wr0ng-"+ref)
		}
		require.False(t, h.State.Holds(plain))
	}
	missing := NewHost(s.Connector())
	missing.Start(t, a)
	require.Equal(t, "SecretNotFound", fault.CodeOf(missing.Ended(t)))
}

func acknowledges(t *testing.T, s Source) {
	holder, ok := s.(Holder)
	if !ok {
		t.Skip("the source does not wait for acknowledgements")
	}
	h := start(t, s, Assignment(s, map[string][]int{"oven": {0}}))
	waitFor(t, h, "oven", 0, 0)
	require.Eventually(t, func() bool { return holder.Unacknowledged() == 0 }, Patience, time.Millisecond)
	h.Out.Hold()
	for i := 1; i <= 3; i++ {
		s.Set(0, float64(i))
		waitFor(t, h, "oven", 0, float64(i))
	}
	// An acknowledgement that comes too early may still be on its way.
	require.Never(t, func() bool { return holder.Unacknowledged() < 3 }, 500*time.Millisecond, time.Millisecond, "nothing of it is safe yet")
	h.Out.Release(message.Safe)
	s.Set(0, 4)
	waitFor(t, h, "oven", 0, 4)
	require.Eventually(t, func() bool { return holder.Unacknowledged() == 0 }, Patience, time.Millisecond)
}
