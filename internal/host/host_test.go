package host_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/host"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/supervise"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// scripted is a connector that does what a test tells it to.
type scripted struct {
	sessions chan connector.Session
	end      chan error // ends a run
	crash    chan any
}

func newScripted() *scripted {
	return &scripted{sessions: make(chan connector.Session, 16), end: make(chan error), crash: make(chan any)}
}

func (*scripted) Info() connector.Info {
	return connector.Info{Name: "scripted", EndpointTypes: []string{"Test.Scripted"}, Style: connector.StyleOPCUA}
}

// Validate refuses the address "bad" and data sources "bad".
func (*scripted) Validate(a *model.Assignment) error {
	var errs []error
	if a.Endpoint.Address == "bad" {
		errs = append(errs, fault.New(fault.Invalid, "address: bad"))
	}
	for _, asset := range a.Assets {
		for _, d := range asset.Properties.Datasets {
			for _, x := range d.DataPoints {
				if x.DataSource == "bad" {
					errs = append(errs, fault.New(fault.Invalid, "%s: bad source", x.Name))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (c *scripted) Run(ctx context.Context, s connector.Session) error {
	c.sessions <- s
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.end:
		return err
	case p := <-c.crash:
		panic(p)
	}
}

func (c *scripted) session(t *testing.T) connector.Session {
	t.Helper()
	select {
	case s := <-c.sessions:
		return s
	case <-time.After(patience):
		t.Fatal("no run")
		return connector.Session{}
	}
}

// statuses lets a registry be a host.StatusStore, and counts writes.
type statuses struct {
	*registry.Store

	mu     sync.Mutex
	writes map[model.Key][]time.Time
}

func (s *statuses) LoadStatus(ctx context.Context, k model.Key) (*model.Status, error) {
	return registry.Status(ctx, s.Store, k)
}

func (s *statuses) SetStatus(ctx context.Context, k model.Key, st *model.Status) error {
	s.mu.Lock()
	s.writes[k.Fold()] = append(s.writes[k.Fold()], time.Now())
	s.mu.Unlock()
	return s.Store.SetStatus(ctx, k, st)
}

func (s *statuses) written(k model.Key) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.writes[k.Fold()]...)
}

type fixture struct {
	*host.Host

	t     *testing.T
	c     *scripted
	group *supervise.Group[model.UnitKey, *model.Assignment]
	store *statuses
	out   *record.Publisher
	stop  func()
}

type nothing struct{}

func (nothing) Load(context.Context, string) ([]byte, error) { return nil, nil }
func (nothing) Save(context.Context, string, []byte) error   { return nil }
func (nothing) Delete(context.Context, string) error         { return nil }

func start(t *testing.T) *fixture {
	t.Helper()
	store, err := registry.Open(t.Context(), t.TempDir(), registry.Options{})
	require.NoError(t, err)
	f := &fixture{t: t, c: newScripted(), store: &statuses{Store: store, writes: map[model.Key][]time.Time{}}, out: record.New()}
	f.Host = host.New(host.Options{
		Connectors: connector.NewSet(f.c), Out: f.out, Status: f.store, ClientID: "test",
		State: func(string) connector.State { return nothing{} },
	})
	f.group = supervise.NewGroup(f.Run, supervise.Options{MinWait: time.Millisecond, MaxWait: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.WriteStatus(ctx)
	}()
	f.stop = sync.OnceFunc(func() {
		f.group.Stop()
		cancel()
		<-done
	})
	t.Cleanup(func() {
		f.stop()
		require.NoError(t, store.Close())
	})
	return f
}

const namespace = "default/default"

func device(address string) *model.Device {
	return &model.Device{
		Meta: model.Meta{Name: "line1", Parent: namespace, Location: "local"},
		Properties: model.DeviceProperties{UUID: "d-1", Endpoints: model.DeviceEndpoints{Inbound: map[string]*model.Endpoint{
			"plc": {EndpointType: "Test.Scripted", Address: address},
		}}},
	}
}

func asset(name string, sources ...string) *model.Asset {
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: namespace, Location: "local"}}
	a.Properties.UUID = "a-" + name
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: "line1", EndpointName: "plc"}
	d := model.Dataset{Name: "main", Destinations: []model.Destination{}, DataPoints: []model.DataPoint{}}
	for i, s := range sources {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: "p" + string(rune('0'+i)), DataSource: s})
	}
	a.Properties.Datasets = []model.Dataset{d}
	return a
}

// put writes resources and returns what they make the units of a scope.
func (f *fixture) put(objects ...model.Object) {
	f.t.Helper()
	require.NoError(f.t, f.store.Update(f.t.Context(), func(tx *registry.Tx) error {
		for _, o := range objects {
			if err := tx.Put(f.t.Context(), o, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
}

func assign(t *testing.T, d *model.Device, assets ...model.Object) []*model.Assignment {
	t.Helper()
	scope := model.Scope{
		Instance:  model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"},
		Namespace: namespace, TopicNamespace: "test",
	}
	units, refused := scope.AssignDevice(d, assets)
	require.Empty(t, refused)
	return units
}

// serve puts d and assets into the registry and runs their units.
func (f *fixture) serve(d *model.Device, assets ...*model.Asset) []*model.Assignment {
	f.t.Helper()
	f.put(d)
	f.Source(d)
	objects := make([]model.Object, 0, len(assets))
	for _, a := range assets {
		f.put(a)
		objects = append(objects, a)
	}
	units := assign(f.t, d, objects...)
	for _, u := range units {
		for _, a := range u.Assets {
			f.Serve(a, u.Unit)
		}
		f.group.Set(u.Unit, u)
	}
	return units
}

// status waits until the status of k is as ok wants it.
func (f *fixture) status(k model.Key, ok func(*model.Status) bool) *model.Status {
	f.t.Helper()
	var last *model.Status
	require.Eventually(f.t, func() bool {
		st, err := registry.Status(context.Background(), f.store.Store, k)
		last = st
		return err == nil && st != nil && ok(st)
	}, patience, 5*time.Millisecond, "last: %+v", &last)
	return last
}

func health(want string) func(*model.Status) bool {
	return func(st *model.Status) bool { return st.HealthState != nil && st.HealthState.Status == want }
}

func TestStatusFollowsTheConnector(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("x"), asset("oven", "s0", "s1", "s2")
	f.serve(d, a)
	s := f.c.session(t)
	st := f.status(a.Key(), health(model.HealthUnknown))
	require.Equal(t, "NotContactedYet", st.HealthState.ReasonCode)
	require.Nil(t, st.Config)

	added, _ := s.Out.Update(s.Assignment)
	require.Len(t, added, 3)
	s.Report.Applied(s.Assignment)
	s.Report.Health("OpcUaConnectorAssetConnected", nil)
	st = f.status(a.Key(), health(model.HealthAvailable))
	require.EqualValues(t, 1, st.Config.Version)
	require.Equal(t, "OpcUaConnectorAssetConnected", st.HealthState.ReasonCode)
	require.Equal(t, []model.DatasetStatus{{Name: "main"}}, st.Datasets)
	since := st.HealthState.LastTransitionTime
	require.False(t, since.IsZero())

	end := f.status(d.Key(), func(st *model.Status) bool {
		return st.Endpoints.Inbound["plc"].HealthState.Status == model.HealthAvailable
	}).Endpoints.Inbound["plc"]
	require.Equal(t, "OpcUaConnectorInboundEndpointConnected", end.HealthState.ReasonCode)

	for _, b := range added[1:] {
		s.Report.Item(b.Ref(), fault.WithCode(fault.New(fault.Invalid, "no such node"), "BadNodeIdUnknown"))
	}
	st = f.status(a.Key(), health(model.HealthDegraded))
	require.Equal(t, &model.StatusError{
		Code: "BadNodeIdUnknown", Message: "data point p1: no such node (and 1 more)", Details: []model.StatusErrorDetail{
			{Code: "p1", Message: "no such node", Info: "s1"}, {Code: "p2", Message: "no such node", Info: "s2"},
		},
	}, st.Datasets[0].Error)
	require.Equal(t, "2 of 3 items fail", st.HealthState.Message)

	s.Report.Item(added[0].Ref(), errors.New("this one too"))
	st = f.status(a.Key(), health(model.HealthUnavailable))
	require.Len(t, st.Datasets[0].Error.Details, 3)

	for _, b := range added {
		s.Report.Item(b.Ref(), nil)
	}
	st = f.status(a.Key(), health(model.HealthAvailable))
	require.Nil(t, st.Datasets[0].Error)
	require.EqualValues(t, 1, st.Config.Version)

	f.c.end <- fault.WithCode(fault.New(fault.Unavailable, "connection lost"), "BadConnectionClosed")
	st = f.status(a.Key(), health(model.HealthUnavailable))
	require.Equal(t, "BadConnectionClosed", st.HealthState.ReasonCode)
	require.Equal(t, "connection lost", st.HealthState.Message)
	end = f.status(d.Key(), func(st *model.Status) bool { return st.Endpoints.Inbound["plc"].Error != nil }).Endpoints.Inbound["plc"]
	require.Equal(t, "connection lost", end.Error.Message)

	s = f.c.session(t) // the next run
	s.Report.Health("OpcUaConnectorAssetConnected", nil)
	f.status(a.Key(), health(model.HealthAvailable))
	require.EqualValues(t, 1, f.Report()[0].Assets["oven"].N[connector.CountReconnects])

	f.stop()
	st = f.status(a.Key(), health(model.HealthUnknown))
	require.Equal(t, "NotRunning", st.HealthState.ReasonCode)
	require.EqualValues(t, 1, st.Config.Version, "what was applied stays known")
}

func TestWritesAtMostOnceASecondAndOnlyChanges(t *testing.T) {
	t.Parallel()
	f := start(t)
	a := asset("oven", "s0")
	f.serve(device("x"), a)
	s := f.c.session(t)
	until := time.Now().Add(2500 * time.Millisecond)
	for i := 0; time.Now().Before(until); i++ {
		s.Report.Item(model.ItemRef{Kind: model.ItemDataPoint, Asset: "oven", Group: "main", Item: "p0"}, fault.New(fault.Invalid, "%d", i))
		if i%1000 == 0 {
			s.Report.Health("c", nil)
		}
	}
	s.Report.Item(model.ItemRef{Kind: model.ItemDataPoint, Asset: "oven", Group: "main", Item: "p0"}, fault.New(fault.Invalid, "last"))
	f.status(a.Key(), func(st *model.Status) bool {
		return st.Datasets[0].Error != nil && st.Datasets[0].Error.Details[0].Message == "last"
	})
	writes := f.store.written(a.Key())
	require.LessOrEqual(t, len(writes), 5)
	for i := 1; i < len(writes); i++ {
		require.Greater(t, writes[i].Sub(writes[i-1]), 900*time.Millisecond)
	}
	s.Report.Health("c", nil) // nothing new
	s.Report.Applied(s.Assignment)
	f.status(a.Key(), func(st *model.Status) bool { return st.Config != nil })
	before := len(f.store.written(a.Key()))
	s.Report.Health("c", nil)
	require.Never(t, func() bool { return len(f.store.written(a.Key())) > before }, 1500*time.Millisecond, 50*time.Millisecond)
}

func TestRejectsWhatTheConnectorRefuses(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("bad"), asset("oven", "s0")
	unit := f.serve(d, a)[0]
	st := f.status(a.Key(), health(model.HealthUnavailable))
	require.Equal(t, "address: bad", st.Config.Error.Message)
	require.Equal(t, "InvalidConfiguration", st.Config.Error.Code)
	require.EqualValues(t, 1, st.Config.Version)
	require.Equal(t, supervise.Rejected, f.group.Status()[unit.Unit].State)
	require.Empty(t, f.c.sessions, "it never ran")

	good := device("y")
	f.put(good)
	f.Source(good)
	next := assign(t, good, a)[0]
	f.group.Set(next.Unit, next)
	s := f.c.session(t)
	s.Report.Applied(s.Assignment)
	s.Report.Health("c", nil)
	st = f.status(a.Key(), health(model.HealthAvailable))
	require.Nil(t, st.Config.Error)
}

func TestAnEndpointThatBecomesBad(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("x"), asset("oven", "s0")
	unit := f.serve(d, a)[0]
	s := f.c.session(t)
	s.Report.Applied(s.Assignment)
	s.Report.Health("c", nil)
	f.status(a.Key(), health(model.HealthAvailable))
	for _, address := range []string{"bad", "elsewhere"} {
		next := assign(t, device(address), a)[0]
		f.group.Drop(unit.Unit)
		f.group.Set(unit.Unit, next)
		if address == "bad" {
			st := f.status(a.Key(), health(model.HealthUnavailable))
			require.Equal(t, "address: bad", st.HealthState.Message)
		}
	}
	f.c.session(t)
	f.status(a.Key(), health(model.HealthUnknown))
}

func TestUnknownEndpointType(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("x"), asset("oven", "s0")
	d.Properties.Endpoints.Inbound["plc"].EndpointType = "Test.Unheard"
	f.serve(d, a)
	st := f.status(a.Key(), health(model.HealthUnavailable))
	require.Equal(t, "Unsupported", st.Config.Error.Code)
	require.Contains(t, st.Config.Error.Message, "Test.Unheard")
}

func TestABadUpdateLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("x"), asset("oven", "s0")
	unit := f.serve(d, a)[0]
	s := f.c.session(t)
	s.Report.Applied(s.Assignment)
	s.Report.Health("c", nil)
	f.status(a.Key(), health(model.HealthAvailable))

	worse := asset("oven", "s0", "bad")
	f.put(worse)
	next := assign(t, d, worse)[0]
	f.Serve(worse, next.Unit)
	f.group.Set(next.Unit, next)
	st := f.status(a.Key(), func(st *model.Status) bool { return st.Config.Error != nil })
	require.EqualValues(t, 2, st.Config.Version)
	require.Equal(t, model.HealthAvailable, st.HealthState.Status)
	require.Empty(t, s.Updates)

	better := asset("oven", "s0", "s1")
	f.put(better)
	next = assign(t, d, better)[0]
	f.Serve(better, next.Unit)
	f.group.Set(unit.Unit, next)
	got := <-s.Updates
	require.Len(t, got.Assets[0].Properties.Datasets[0].DataPoints, 2)
	s.Report.Applied(got)
	st = f.status(a.Key(), func(st *model.Status) bool { return st.Config.Error == nil })
	require.EqualValues(t, 3, st.Config.Version)
	require.Empty(t, f.c.sessions, "one run all along")
}

func TestOneBadAssetOfASharedEndpoint(t *testing.T) {
	t.Parallel()
	f := start(t)
	d := device("x")
	d.Properties.Endpoints.Inbound["plc"].AdditionalConfiguration = `{"shared":true}`
	good, bad := asset("good", "s0"), asset("worse", "bad")
	units := f.serve(d, good, bad)
	require.Len(t, units, 1)
	s := f.c.session(t)
	require.Len(t, s.Assignment.Assets, 1)
	s.Report.Applied(s.Assignment)
	s.Report.Health("c", nil)
	f.status(good.Key(), health(model.HealthAvailable))
	st := f.status(bad.Key(), func(st *model.Status) bool { return st.Config != nil && st.Config.Error != nil })
	require.Equal(t, "p0: bad source", st.Config.Error.Message)

	mended := asset("worse", "s1")
	f.put(mended)
	next := assign(t, d, good, mended)[0]
	f.Serve(mended, next.Unit)
	f.group.Set(next.Unit, next)
	got := <-s.Updates
	require.Len(t, got.Assets, 2)
	s.Report.Applied(got)
	f.status(mended.Key(), func(st *model.Status) bool { return st.Config != nil && st.Config.Error == nil })
}

func TestACrashIsSaidInTheStatus(t *testing.T) {
	t.Parallel()
	f := start(t)
	a := asset("oven", "s0")
	f.serve(device("x"), a)
	f.c.session(t)
	f.c.crash <- "index out of range"
	st := f.status(a.Key(), health(model.HealthUnavailable))
	require.Contains(t, st.HealthState.Message, "index out of range")
	f.c.session(t) // and it is tried again
}

func TestIdleRefusedForgotten(t *testing.T) {
	t.Parallel()
	f := start(t)
	d, a := device("x"), asset("oven", "s0")
	f.put(d, a)
	f.Source(d)
	f.Idle(a, "AssetDisabled", "the asset is disabled")
	st := f.status(a.Key(), health(model.HealthUnknown))
	require.Equal(t, "AssetDisabled", st.HealthState.ReasonCode)
	require.Nil(t, st.Config.Error)
	st = f.status(d.Key(), func(st *model.Status) bool { return st.Endpoints != nil })
	require.Equal(t, "NotUsed", st.Endpoints.Inbound["plc"].HealthState.ReasonCode)

	f.Refuse(a, fault.WithCode(fault.New(fault.NotFound, "device line1 does not exist"), "DeviceNotFound"))
	st = f.status(a.Key(), health(model.HealthUnavailable))
	require.Equal(t, &model.StatusError{Code: "DeviceNotFound", Message: "device line1 does not exist"}, st.Config.Error)

	f.Forget(a.Key())
	f.stop()
	st, err := registry.Status(t.Context(), f.store.Store, a.Key())
	require.NoError(t, err)
	require.Equal(t, model.HealthUnavailable, st.HealthState.Status, "a forgotten resource is left alone")
}

func TestAStatusThatWasWrittenBeforeKeepsItsTimes(t *testing.T) {
	t.Parallel()
	f := start(t)
	a := asset("oven", "s0")
	f.put(a)
	long := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, f.store.Store.SetStatus(t.Context(), a.Key(), &model.Status{
		Config:      &model.ConfigStatus{Version: 1, LastTransitionTime: long},
		HealthState: &model.HealthState{Status: model.HealthAvailable, ReasonCode: "c", LastTransitionTime: long, LastUpdateTime: long},
	}))
	f.serve(device("x"), a)
	s := f.c.session(t)
	s.Report.Applied(s.Assignment)
	s.Report.Health("c", nil)
	st := f.status(a.Key(), func(st *model.Status) bool {
		return st.HealthState.LastUpdateTime.After(long) && st.HealthState.Status == model.HealthAvailable
	})
	require.Equal(t, long, st.Config.LastTransitionTime)
}

func TestCounters(t *testing.T) {
	f := start(t)
	d := device("x")
	d.Properties.Endpoints.Inbound["plc"].AdditionalConfiguration = `{"shared":true}`
	unit := f.serve(d, asset("aaa", "s0"), asset("bbb", "s0"))[0]
	s := f.c.session(t)
	s.Report.Count(connector.CountValues, "aaa", 3)
	s.Report.Count(connector.CountValues, "", 2)
	s.Report.Count(connector.CountValues, "stranger", 1)
	s.Report.Count(connector.CountersEnd, "aaa", 1)
	r := f.Report()
	require.Len(t, r, 1)
	require.Equal(t, unit.Unit, r[0].Key)
	require.Equal(t, "scripted", r[0].Connector)
	require.EqualValues(t, 6, r[0].Total.N[connector.CountValues])
	require.EqualValues(t, 3, r[0].Assets["aaa"].N[connector.CountValues])
	require.Zero(t, r[0].Assets["bbb"].N[connector.CountValues])
	require.False(t, r[0].Assets["aaa"].Last.IsZero())
	require.True(t, r[0].Assets["bbb"].Last.IsZero())

	require.Zero(t, testing.AllocsPerRun(100, func() { s.Report.Count(connector.CountValues, "", 0) }), "it is on the value path")

	f.c.end <- errors.New("again")
	f.c.session(t).Report.Count(connector.CountValues, "aaa", 1)
	require.EqualValues(t, 4, f.Report()[0].Assets["aaa"].N[connector.CountValues], "counters outlive a run")
	f.group.Remove(unit.Unit)
	f.ForgetUnit(unit.Unit)
	require.Empty(t, f.Report())
}

func TestValuesGoOut(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.serve(device("x"), asset("oven", "s0"))
	s := f.c.session(t)
	added, _ := s.Out.Update(s.Assignment)
	require.True(t, s.Out.Put(added[0].Handle, &value.Sample{Value: value.OfInt(value.Int64, 7)}))
	require.NoError(t, s.Out.Flush(t.Context(), connector.Cycle{}))
	m := f.out.Messages()
	require.Len(t, m, 1)
	require.Equal(t, "test/data/oven", m[0].Topic)
	require.JSONEq(t, `{"p0":{"Value":7}}`, string(m[0].Payload))
}

func TestStateKeyIsMadeOfUUIDs(t *testing.T) {
	t.Parallel()
	d, a := device("x"), asset("oven", "s0")
	require.Equal(t, "d-1:plc:a-oven", host.StateKey(assign(t, d, a)[0]))
	d.Properties.UUID, a.Properties.UUID = "", ""
	require.Equal(t, "default/default/line1:plc:default/default/oven", host.StateKey(assign(t, d, a)[0]))
	d.Properties.Endpoints.Inbound["plc"].AdditionalConfiguration = `{"shared":true}`
	require.Equal(t, "default/default/line1:plc", host.StateKey(assign(t, d, a)[0]))
}
