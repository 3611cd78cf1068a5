package reconcile_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/reconcile"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/supervise"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience  = 20 * time.Second
	namespace = "default/default"
)

func instance() model.Key {
	return model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"}
}

// ledger is a Board, and the Runner of the group, that remember.
type ledger struct {
	mu      sync.Mutex
	running map[string]*model.Assignment // by the key's text
	starts  map[string]int
	updates map[string]int
	posts   map[string]string // what became of each resource
}

func newLedger() *ledger {
	return &ledger{
		running: map[string]*model.Assignment{}, starts: map[string]int{}, updates: map[string]int{}, posts: map[string]string{},
	}
}

func (l *ledger) run(ctx context.Context, key model.UnitKey, a *model.Assignment, updates <-chan *model.Assignment) error {
	set := func(a *model.Assignment) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if a == nil {
			delete(l.running, key.String())
			return
		}
		l.running[key.String()] = a
	}
	l.mu.Lock()
	l.starts[key.String()]++
	l.mu.Unlock()
	set(a)
	defer set(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-updates:
			l.mu.Lock()
			l.updates[key.String()]++
			l.mu.Unlock()
			set(a)
		}
	}
}

func (l *ledger) post(k model.Key, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if what == "" {
		delete(l.posts, k.Fold().String())
		return
	}
	l.posts[k.Fold().String()] = what
}

func (l *ledger) Source(o model.Object) { l.post(o.Key(), "there") }
func (l *ledger) Serve(o model.Object, unit model.UnitKey) {
	l.post(o.Key(), "served by "+unit.String())
}

func (l *ledger) Refuse(o model.Object, err error)    { l.post(o.Key(), fault.CodeOf(err)) }
func (l *ledger) Idle(o model.Object, code, _ string) { l.post(o.Key(), code) }
func (l *ledger) Forget(k model.Key)                  { l.post(k, "") }
func (*ledger) ForgetUnit(model.UnitKey)              {}
func (l *ledger) read(fn func())                      { l.mu.Lock(); defer l.mu.Unlock(); fn() }

type fixture struct {
	*ledger

	t     *testing.T
	own   *registry.Store // the loop's
	other *registry.Store // another process's
	loop  *reconcile.Loop
	stop  func()
}

func start(t *testing.T, fill ...model.Object) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{ledger: newLedger(), t: t}
	var err error
	f.own, err = registry.Open(t.Context(), dir, registry.Options{})
	require.NoError(t, err)
	f.other, err = registry.Open(t.Context(), dir, registry.Options{})
	require.NoError(t, err)
	f.put(fill...)
	f.begin(reconcile.Options{Registry: f.own, Instance: instance(), TopicNamespace: "test"})
	t.Cleanup(func() {
		f.stop()
		require.NoError(t, f.own.Close())
		require.NoError(t, f.other.Close())
	})
	return f
}

func (f *fixture) begin(o reconcile.Options) {
	group := supervise.NewGroup(f.run, supervise.Options{StartSlot: time.Millisecond})
	f.loop = reconcile.New(o, group, f.ledger)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.loop.Run(ctx)
	}()
	f.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		group.Stop()
	})
}

func (f *fixture) put(objects ...model.Object) {
	f.t.Helper()
	require.NoError(f.t, f.other.Update(f.t.Context(), func(tx *registry.Tx) error {
		for _, o := range objects {
			if err := tx.Put(f.t.Context(), o, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (f *fixture) remove(keys ...model.Key) {
	f.t.Helper()
	require.NoError(f.t, f.other.Update(f.t.Context(), func(tx *registry.Tx) error {
		for _, k := range keys {
			if err := tx.Delete(f.t.Context(), k, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
}

// settle waits until everything written is in force.
func (f *fixture) settle() {
	f.t.Helper()
	rev, err := f.other.Revision(f.t.Context())
	require.NoError(f.t, err)
	require.Eventually(f.t, func() bool {
		st := f.loop.Status()
		return st.CaughtUp && st.Revision >= rev
	}, patience, time.Millisecond)
}

// units waits until exactly these units run.
func (f *fixture) units(want ...string) {
	f.t.Helper()
	slices.Sort(want)
	var got []string
	require.Eventually(f.t, func() bool {
		f.read(func() { got = slices.Sorted(maps.Keys(f.running)) })
		return slices.Equal(got, want)
	}, patience, time.Millisecond, "want %v, have %v", want, &got)
}

func (f *fixture) started(unit string) (n int) {
	f.read(func() { n = f.starts[unit] })
	return n
}

func (f *fixture) updated(unit string) (n int) {
	f.read(func() { n = f.updates[unit] })
	return n
}

func (f *fixture) became(k model.Key) (what string) {
	f.read(func() { what = f.posts[k.Fold().String()] })
	return what
}

func device(name string, endpoints ...string) *model.Device {
	d := &model.Device{Meta: model.Meta{Name: name, Parent: namespace, Location: "local"}}
	d.Properties.UUID = "uuid-" + name
	d.Properties.Endpoints.Inbound = map[string]*model.Endpoint{}
	for _, e := range endpoints {
		d.Properties.Endpoints.Inbound[e] = &model.Endpoint{EndpointType: model.EndpointOPCUA, Address: "opc.tcp://" + e + ":4840"}
	}
	return d
}

func asset(name, device, endpoint string, points ...string) *model.Asset {
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: namespace, Location: "local"}}
	a.Properties.UUID = "uuid-" + name
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: device, EndpointName: endpoint}
	d := model.Dataset{Name: "main", Destinations: []model.Destination{}, DataPoints: []model.DataPoint{}}
	for _, p := range points {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: p, DataSource: "ns=2;s=" + p})
	}
	a.Properties.Datasets = []model.Dataset{d}
	return a
}

func profile(name string) *model.EndpointProfile {
	p := &model.EndpointProfile{Meta: model.Meta{Name: name, Parent: "default", Location: "local"}}
	p.Properties = model.EndpointProfileProperties{UUID: "uuid-" + name, TargetAddress: "opc.tcp://x:4840", EndpointProfileType: model.EndpointOPCUA}
	return p
}

func classic(name, profile string) *model.ClassicAsset {
	a := &model.ClassicAsset{Meta: model.Meta{Name: name, Parent: "default", Location: "local"}}
	a.Properties.UUID, a.Properties.AssetEndpointProfileRef = "uuid-"+name, profile
	return a
}

func off() *bool { no := false; return &no }

func TestFollowsChangesAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	d := device("line1", "plc", "robot")
	oven, press := asset("oven", "line1", "plc", "temp"), asset("press", "LINE1", "plc", "force")
	f := start(t, d, oven, press)
	f.units("line1/plc/oven", "line1/plc/press")
	require.Equal(t, "served by line1/plc/oven", f.became(oven.Key()))

	began := time.Now()
	f.put(asset("oven", "line1", "plc", "temp", "speed"))
	require.Eventually(t, func() bool { return f.updated("line1/plc/oven") == 1 }, patience, time.Millisecond)
	require.Less(t, time.Since(began), time.Second)

	f.put(asset("mixer", "line1", "robot", "rpm"))
	f.units("line1/plc/oven", "line1/plc/press", "line1/robot/mixer")

	// An edit of the device that leaves the endpoints alone is nobody's business.
	d.Properties.Manufacturer = "ACME"
	f.put(d)
	f.settle()

	// So is one endpoint to the assets of the other.
	d.Properties.Endpoints.Inbound["robot"].Address = "opc.tcp://elsewhere:4840"
	f.put(d)
	require.Eventually(t, func() bool { return f.started("line1/robot/mixer") == 2 }, patience, time.Millisecond)

	disabled := asset("mixer", "line1", "robot", "rpm")
	disabled.Properties.Enabled = off()
	f.put(disabled)
	f.units("line1/plc/oven", "line1/plc/press")
	require.Equal(t, "AssetDisabled", f.became(disabled.Key()))

	f.remove(oven.Key())
	f.units("line1/plc/press")
	require.Empty(t, f.became(oven.Key()))

	require.Equal(t, 1, f.started("line1/plc/press"))
	require.Zero(t, f.updated("line1/plc/press"))
}

func TestMovesBetweenEndpointsAndDevices(t *testing.T) {
	t.Parallel()
	f := start(t, device("line1", "plc", "robot"), device("line2", "plc"), asset("oven", "line1", "plc"), asset("press", "line2", "plc"))
	f.units("line1/plc/oven", "line2/plc/press")
	f.put(asset("oven", "line1", "robot"))
	f.units("line1/robot/oven", "line2/plc/press")
	f.put(asset("oven", "line2", "plc"))
	f.units("line2/plc/oven", "line2/plc/press")
	require.Equal(t, 1, f.started("line2/plc/press"))
	require.Zero(t, f.updated("line2/plc/press"))
}

func TestPointingNowhere(t *testing.T) {
	t.Parallel()
	d, a := device("line1", "plc"), asset("oven", "line1", "plc")
	f := start(t, a, asset("press", "line1", "ghost"))
	f.settle()
	require.Equal(t, "DeviceNotFound", f.became(a.Key()))
	f.put(d)
	f.units("line1/plc/oven")
	require.Equal(t, "EndpointNotFound", f.became(asset("press", "", "").Key()))

	// Decision 33: a device may go while assets refer to it; their status says so.
	f.remove(d.Key())
	f.units()
	require.Equal(t, "DeviceNotFound", f.became(a.Key()))
	require.Empty(t, f.became(d.Key()))

	d = device("line1", "plc")
	d.Properties.Enabled = off()
	f.put(d)
	f.settle()
	require.Equal(t, "DeviceDisabled", f.became(a.Key()))
	f.units()
	d.Properties.Enabled = nil
	f.put(d)
	f.units("line1/plc/oven")
}

func TestDeletedAndMadeAnew(t *testing.T) {
	t.Parallel()
	d, a := device("line1", "plc"), asset("oven", "line1", "plc")
	f := start(t, d, a)
	f.units("line1/plc/oven")
	for i := range 5 {
		again := asset("oven", "line1", "plc")
		again.Properties.UUID = fmt.Sprintf("again-%d", i)
		f.remove(a.Key())
		f.put(again)
	}
	f.settle()
	require.Eventually(t, func() bool {
		id := ""
		f.read(func() {
			if u := f.running["line1/plc/oven"]; u != nil {
				id = u.Assets[0].Properties.UUID
			}
		})
		return id == "again-4"
	}, patience, time.Millisecond)
	require.GreaterOrEqual(t, f.started("line1/plc/oven"), 2)
	require.Zero(t, f.updated("line1/plc/oven"), "the new asset has nothing to do with the old one")
}

func TestSharedEndpoint(t *testing.T) {
	t.Parallel()
	d := device("line1", "plc")
	d.Properties.Endpoints.Inbound["plc"].AdditionalConfiguration = `{"shared":true}`
	f := start(t, d, asset("oven", "line1", "plc"), asset("press", "line1", "plc"))
	f.units("line1/plc")
	f.put(asset("mixer", "line1", "plc"))
	require.Eventually(t, func() bool { return f.updated("line1/plc") == 1 }, patience, time.Millisecond)
	f.read(func() { require.Len(t, f.running["line1/plc"].Assets, 3) })
	f.remove(asset("oven", "", "").Key())
	require.Eventually(t, func() bool { return f.updated("line1/plc") == 2 }, patience, time.Millisecond)
	require.Equal(t, 1, f.started("line1/plc"))

	d.Properties.Endpoints.Inbound["plc"].AdditionalConfiguration = ""
	f.put(d)
	f.units("line1/plc/press", "line1/plc/mixer")
}

func TestClassicAssets(t *testing.T) {
	t.Parallel()
	p, a := profile("plc-1"), classic("oven", "plc-1")
	f := start(t, p, a)
	f.units("plc-1/oven")
	require.Equal(t, "served by plc-1/oven", f.became(a.Key()))
	elsewhere := classic("press", "plc-1")
	elsewhere.Parent = "othergroup"
	f.put(elsewhere)
	f.settle()
	f.units("plc-1/oven")
	f.remove(p.Key())
	f.units()
	require.Equal(t, "DeviceNotFound", f.became(a.Key()))
}

func TestSecretChange(t *testing.T) {
	t.Parallel()
	with, without := device("line1", "plc"), device("line2", "plc")
	with.Properties.Endpoints.Inbound["plc"].Authentication = &model.Authentication{
		Method:                      model.AuthUsernamePassword,
		UsernamePasswordCredentials: &model.UsernamePasswordCredentials{UsernameSecretName: "plc/user", PasswordSecretName: "plc/password"},
	}
	f := start(t, with, without, asset("oven", "line1", "plc"), asset("press", "line2", "plc"))
	f.units("line1/plc/oven", "line2/plc/press")
	secret := func(instance, name, entry string) {
		require.NoError(t, f.other.Update(t.Context(), func(tx *registry.Tx) error {
			return tx.PutSecret(t.Context(), registry.SecretRow{Instance: instance, Name: name, Entry: entry, Nonce: []byte{1}, Ciphertext: []byte{2}})
		}))
		f.settle()
	}
	secret("default/other", "plc", "password")
	secret("default/default", "unrelated", "password")
	require.Equal(t, 1, f.started("line1/plc/oven"))
	secret("default/default", "plc", "password")
	require.Eventually(t, func() bool { return f.started("line1/plc/oven") == 2 }, patience, time.Millisecond)
	require.Equal(t, 1, f.started("line2/plc/press"))
}

func TestNamespaceOfTheInstanceChanges(t *testing.T) {
	t.Parallel()
	f := start(t, device("line1", "plc"), asset("oven", "line1", "plc"))
	f.units("line1/plc/oven")
	ns := &model.Namespace{Meta: model.Meta{Name: "second", Parent: "default", Location: "local"}}
	d, a := device("line9", "plc"), asset("mixer", "line9", "plc")
	d.Parent, a.Parent = "default/second", "default/second"
	f.put(ns, d, a)
	f.settle()
	f.units("line1/plc/oven")
	_, err := registry.Edit(t.Context(), f.other, instance(), func(i *model.Instance) error {
		i.Properties.ADRNamespaceRef = &model.ResourceRef{ResourceID: model.ID(ns.Key())}
		return nil
	})
	require.NoError(t, err)
	f.units("line9/plc/mixer")
	require.Empty(t, f.became(asset("oven", "", "").Key()))
}

func TestOnlyOneAsset(t *testing.T) {
	t.Parallel()
	f := start(t, device("line1", "plc"), asset("oven", "line1", "plc"), asset("press", "line1", "plc"))
	f.units("line1/plc/oven", "line1/plc/press")
	f.stop()
	f.begin(reconcile.Options{Registry: f.own, Instance: instance(), TopicNamespace: "test", Only: asset("PRESS", "", "").Key()})
	f.units("line1/plc/press")
}

func TestMissingInstanceComesBack(t *testing.T) {
	t.Parallel()
	f := start(t, device("line1", "plc"), asset("oven", "line1", "plc"))
	f.units("line1/plc/oven")
	old, err := registry.Get[*model.Instance](t.Context(), f.other, instance())
	require.NoError(t, err)
	f.remove(instance())
	f.units()
	require.Eventually(t, func() bool { return f.loop.Status().Err != nil }, patience, time.Millisecond)
	require.False(t, f.loop.Status().CaughtUp)
	f.put(old)
	f.units("line1/plc/oven")
	f.settle()
}

func TestAThousandUnits(t *testing.T) {
	t.Parallel()
	f := start(t, many(1000)...)
	require.Eventually(t, func() bool {
		n := 0
		f.read(func() { n = len(f.running) })
		return n == 1000
	}, patience, 5*time.Millisecond)
	// The pass that started the last of them ends a little later.
	require.Eventually(t, func() bool { return f.loop.Status().Units == 1000 }, patience, time.Millisecond)
	before := map[string]int{}
	f.read(func() { before = maps.Clone(f.starts) })
	f.put(asset("asset-500", "line-500", "plc", "new"))
	require.Eventually(t, func() bool { return f.updated("line-500/plc/asset-500") == 1 }, patience, time.Millisecond)
	f.read(func() {
		require.Equal(t, before, f.starts)
		require.Len(t, f.updates, 1)
	})
}

func many(n int) []model.Object {
	var all []model.Object
	for i := range n {
		all = append(all, device(fmt.Sprintf("line-%d", i), "plc"), asset(fmt.Sprintf("asset-%d", i), fmt.Sprintf("line-%d", i), "plc", "a", "b", "c"))
	}
	return all
}

// BenchmarkStart measures how long 1,000 units take from an empty loop to all wanted.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	store, err := registry.Open(b.Context(), dir, registry.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	require.NoError(b, store.Update(b.Context(), func(tx *registry.Tx) error {
		for _, o := range many(1000) {
			if err := tx.Put(b.Context(), o, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
	for b.Loop() {
		l := newLedger()
		group := &counting{done: make(chan struct{}), want: 1000}
		loop := reconcile.New(reconcile.Options{Registry: store, Instance: instance(), TopicNamespace: "t"}, group, l)
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); loop.Run(ctx) }()
		<-group.done
		cancel()
		<-ended
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/1000units")
}

type counting struct {
	n, want int
	done    chan struct{}
}

func (c *counting) Set(model.UnitKey, *model.Assignment) {
	if c.n++; c.n == c.want {
		close(c.done)
	}
}
func (*counting) Drop(model.UnitKey) {}

// TestAChangeThatCannotBeAppliedIsNotForgotten deletes an asset while its
// device cannot be read.
func TestAChangeThatCannotBeAppliedIsNotForgotten(t *testing.T) {
	t.Parallel()
	f := start(t, device("line1", "plc"), asset("oven", "line1", "plc"), asset("press", "line1", "plc"))
	f.units("line1/plc/oven", "line1/plc/press")
	db, err := sql.Open("sqlite", filepath.Join(f.own.Dir(), "registry.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var doc string
	require.NoError(t, db.QueryRow(`SELECT doc FROM object WHERE nkey = 'line1'`).Scan(&doc))
	_, err = db.Exec(`UPDATE object SET doc = '{"properties": 5}' WHERE nkey = 'line1'`)
	require.NoError(t, err)
	f.remove(asset("oven", "", "").Key())
	require.Eventually(t, func() bool { return f.loop.Status().Err != nil }, patience, time.Millisecond)
	_, err = db.Exec(`UPDATE object SET doc = ? WHERE nkey = 'line1'`, doc)
	require.NoError(t, err)
	f.units("line1/plc/press")
	require.Eventually(t, func() bool { return f.loop.Status().CaughtUp }, patience, time.Millisecond)
}
