package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/internal/registry"
	simulator "github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/internal/sink/embedded"
	"github.com/iotops/iotops/pkg/model"
)

const namespace = "default/default"

func device(name, address string) *model.Device {
	d := &model.Device{Meta: model.Meta{Name: name, Parent: namespace, Location: "local"}}
	d.Properties.UUID = "uuid-" + name
	d.Properties.Endpoints.Inbound = map[string]*model.Endpoint{"plc": {
		EndpointType: model.EndpointOPCUA, Address: address,
		AdditionalConfiguration: `{"security":{"securityMode":"none","autoAcceptUntrustedServerCertificates":true},"session":{"reconnectPeriodMilliseconds":200}}`,
	}}
	return d
}

func asset(name, device string, points ...string) *model.Asset {
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: namespace, Location: "local"}}
	a.Properties.UUID = "uuid-" + name
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: device, EndpointName: "plc"}
	d := model.Dataset{
		Name: "main", DatasetConfiguration: `{"samplingInterval":50,"publishingInterval":50}`, DataPoints: []model.DataPoint{},
		Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "plant/" + name, QoS: "Qos1"}}},
	}
	for _, p := range points {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: strings.ToLower(p[strings.LastIndexByte(p, '=')+1:]), DataSource: p})
	}
	a.Properties.Datasets = []model.Dataset{d}
	return a
}

func (s *served) put(objects ...model.Object) {
	s.t.Helper()
	require.NoError(s.t, s.store.Update(s.t.Context(), func(tx *registry.Tx) error {
		for _, o := range objects {
			if err := tx.Put(s.t.Context(), o, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
}

// listener is an MQTT client by other hands that remembers what comes.
type listener struct {
	t  *testing.T
	mu sync.Mutex
	by map[string][]map[string]json.RawMessage // payloads by topic
}

func listen(t *testing.T, broker, filter string) *listener {
	t.Helper()
	u, err := url.Parse(broker)
	require.NoError(t, err)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	require.NoError(t, err)
	l := &listener{t: t, by: map[string][]map[string]json.RawMessage{}}
	c := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
		var doc map[string]json.RawMessage
		if json.Unmarshal(p.Packet.Payload, &doc) == nil {
			l.mu.Lock()
			l.by[p.Packet.Topic] = append(l.by[p.Packet.Topic], doc)
			l.mu.Unlock()
		}
		return true, nil
	}}})
	_, err = c.Connect(t.Context(), &paho.Connect{ClientID: "test", CleanStart: true, KeepAlive: 60})
	require.NoError(t, err)
	_, err = c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return l
}

// count returns how many messages of a topic came that hold a point.
func (l *listener) count(topic, point string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, doc := range l.by[topic] {
		if _, ok := doc[point]; ok {
			n++
		}
	}
	return n
}

// more waits until n more messages of a topic that hold a point came.
func (l *listener) more(n int, topic, point string) {
	l.t.Helper()
	want := l.count(topic, point) + n
	require.Eventually(l.t, func() bool { return l.count(topic, point) >= want }, patience, 5*time.Millisecond, "%s %s", topic, point)
}

// numbers returns the values of an integer point of a topic.
func (l *listener) numbers(topic, point string) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []int64
	for _, doc := range l.by[topic] {
		var x struct{ Value int64 }
		if raw, ok := doc[point]; ok && json.Unmarshal(raw, &x) == nil {
			list = append(list, x.Value)
		}
	}
	return list
}

// quiet requires that nothing more of a topic comes.
func (l *listener) quiet(topic, point string) {
	l.t.Helper()
	n := -1
	require.Eventually(l.t, func() bool { // what is on its way may still come
		was := n
		n = l.count(topic, point)
		return was == n
	}, patience, 300*time.Millisecond)
}

func (s *served) remove(keys ...model.Key) {
	s.t.Helper()
	require.NoError(s.t, s.store.Update(s.t.Context(), func(tx *registry.Tx) error {
		for _, k := range keys {
			if err := tx.Delete(s.t.Context(), k, registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
}

// resource waits until the status of a resource is as ok wants it.
func (s *served) resource(k model.Key, ok func(*model.Status) bool) *model.Status {
	s.t.Helper()
	var last *model.Status
	require.Eventually(s.t, func() bool {
		st, err := registry.Status(context.Background(), s.store, k)
		last = st
		return err == nil && st != nil && ok(st)
	}, patience, 10*time.Millisecond, "%+v", &last)
	return last
}

func health(want string) func(*model.Status) bool {
	return func(st *model.Status) bool { return st.HealthState != nil && st.HealthState.Status == want }
}

// unit returns what a unit is doing.
func (s *served) unit(name string) *app.UnitStatus {
	s.t.Helper()
	for _, u := range s.status().Units {
		if u.Unit == name {
			return &u
		}
	}
	return nil
}

// proxy stands between a connector and a server, so that the line can break.
type proxy struct {
	t        *testing.T
	address  string
	target   string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

// newProxy returns a proxy that is down.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{t: t, target: target, conns: map[net.Conn]bool{}, address: "127.0.0.1:0"}
	p.up()
	p.down()
	t.Cleanup(p.down)
	return p
}

func (p *proxy) up() {
	p.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.address)
	require.NoError(p.t, err)
	p.address, p.listener = l.Addr().String(), l
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.carry(c) })
		}
	})
}

func (p *proxy) carry(c net.Conn) {
	d, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	p.conns[c], p.conns[d] = true, true
	p.mu.Unlock()
	p.wg.Go(func() { _, _ = io.Copy(d, c); _ = d.Close() })
	_, _ = io.Copy(c, d)
	_ = c.Close()
}

// down refuses new connections and breaks those that are there.
func (p *proxy) down() {
	if p.listener == nil {
		return
	}
	_ = p.listener.Close()
	p.listener = nil
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
	p.mu.Unlock()
	p.wg.Wait()
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Host
}

// steady requires that an asset is left alone while fn happens: no new
// connection, no restart, and no number of its counter missing.
func (s *served) steady(l *listener, unit, topic, point string, fn func()) {
	s.t.Helper()
	before := s.unit(unit)
	require.NotNil(s.t, before)
	fn()
	l.more(3, topic, point)
	after := s.unit(unit)
	require.NotNil(s.t, after)
	require.Equal(s.t, before.Restarts, after.Restarts)
	require.Equal(s.t, before.Since, after.Since, "connected all along")
	require.Zero(s.t, after.Counters["reconnects"])
	require.Zero(s.t, after.Counters["lost"])
}

func TestChangesTakeEffectWithinASecond(t *testing.T) {
	t.Run("server of ours", func(t *testing.T) { changes(t, startPlant(t)) })
	t.Run("server by other hands", func(t *testing.T) { changes(t, otherPlant(t)) })
}

func changes(t *testing.T, plant *plant) {
	s := serve(t, t.TempDir(), options())
	l := listen(t, s.BrokerURL, "plant/#")
	within := func(what string, fn func()) {
		t.Helper()
		began := time.Now()
		fn()
		t.Log(what, "took", time.Since(began).Round(time.Millisecond))
		require.Less(t, time.Since(began), slack*time.Second, what)
	}
	s.put(device("line1", plant.url), asset("oven", "line1", plant.point(0), plant.point(1)), asset("press", "line1", plant.point(2)))
	oven0, press := plant.name(0), plant.name(2)
	l.more(3, "plant/oven", oven0)
	l.more(3, "plant/press", press)
	s.resource(asset("oven", "").Key(), health(model.HealthAvailable))

	s.steady(l, "line1/plc/press", "plant/press", press, func() {
		within("add a point", func() {
			s.put(asset("oven", "line1", plant.point(0), plant.point(1), plant.point(3)))
			l.more(1, "plant/oven", plant.name(3))
		})
		within("delete a point", func() {
			s.put(asset("oven", "line1", plant.point(0), plant.point(3)))
			require.Eventually(t, func() bool { return s.quietFor(l, "plant/oven", plant.name(1)) }, patience, time.Millisecond)
		})
		within("add an asset", func() {
			s.put(asset("mixer", "line1", plant.point(4)))
			l.more(1, "plant/mixer", plant.name(4))
		})
		within("change a dataset's destination", func() {
			a := asset("mixer", "line1", plant.point(4))
			a.Properties.Datasets[0].Destinations[0].Configuration.Topic = "plant/elsewhere"
			s.put(a)
			l.more(1, "plant/elsewhere", plant.name(4))
		})
		within("add a dataset", func() {
			a := asset("mixer", "line1", plant.point(4))
			d := asset("mixer", "line1", plant.point(5)).Properties.Datasets[0]
			d.Name, d.Destinations[0].Configuration.Topic = "second", "plant/second"
			a.Properties.Datasets = append(a.Properties.Datasets, d)
			s.put(a)
			l.more(1, "plant/second", plant.name(5))
		})
		within("disable an asset", func() {
			a := asset("mixer", "line1", plant.point(4))
			no := false
			a.Properties.Enabled = &no
			s.put(a)
			require.Eventually(t, func() bool { return s.unit("line1/plc/mixer") == nil }, patience, time.Millisecond)
		})
		within("delete an asset", func() {
			s.remove(asset("oven", "").Key())
			require.Eventually(t, func() bool { return s.unit("line1/plc/oven") == nil }, patience, time.Millisecond)
		})
		l.quiet("plant/oven", oven0)
	})
	s.resource(asset("mixer", "").Key(), func(st *model.Status) bool { return st.HealthState.ReasonCode == "AssetDisabled" })

	// Decision 33: the device goes, its assets say so; it comes back, and they with it.
	s.remove(device("line1", "").Key())
	st := s.resource(asset("press", "").Key(), func(st *model.Status) bool { return st.Config != nil && st.Config.Error != nil })
	require.Equal(t, "DeviceNotFound", st.Config.Error.Code)
	l.quiet("plant/press", press)
	s.put(device("line1", plant.url))
	l.more(2, "plant/press", press)
	st = s.resource(device("line1", "").Key(), func(st *model.Status) bool {
		return st.Endpoints != nil && st.Endpoints.Inbound["plc"].HealthState.Status == model.HealthAvailable
	})
	require.Nil(t, st.Endpoints.Inbound["plc"].Error)
}

// quietFor reports whether nothing of a point came for a while.
func (s *served) quietFor(l *listener, topic, point string) bool {
	n := l.count(topic, point)
	time.Sleep(250 * time.Millisecond) // absence takes time
	return l.count(topic, point) == n
}

func TestANodeThatDoesNotExist(t *testing.T) {
	plant := startPlant(t)
	s := serve(t, t.TempDir(), options())
	l := listen(t, s.BrokerURL, "plant/#")
	a := asset("oven", "line1", plant.point(0), "ns=2;s=Nowhere")
	s.put(device("line1", plant.url), a)
	l.more(3, "plant/oven", plant.name(0))
	st := s.resource(a.Key(), health(model.HealthDegraded))
	require.Equal(t, "BadNodeIdUnknown", st.Datasets[0].Error.Code)
	require.Equal(t, "nowhere", st.Datasets[0].Error.Details[0].Code)
	require.Equal(t, "ns=2;s=Nowhere", st.Datasets[0].Error.Details[0].Info)
	require.EqualValues(t, 1, st.Config.Version)
}

func TestServerDownAtStartThenUpThenLost(t *testing.T) {
	plant := startPlant(t)
	line := newProxy(t, hostOf(t, plant.url))
	s := serve(t, t.TempDir(), options())
	l := listen(t, s.BrokerURL, "plant/#")
	a := asset("oven", "line1", plant.point(0))
	d := device("line1", strings.Replace(plant.url, hostOf(t, plant.url), line.address, 1))
	s.put(d, a)
	st := s.resource(a.Key(), health(model.HealthUnavailable))
	require.Contains(t, st.HealthState.Message, line.address)
	s.ready()
	require.Contains(t, []string{"waiting", "connecting"}, s.unit("line1/plc/oven").State)

	line.up()
	l.more(3, "plant/oven", plant.name(0))
	s.resource(a.Key(), health(model.HealthAvailable))

	line.down()
	s.resource(a.Key(), health(model.HealthUnavailable))
	end := s.resource(d.Key(), func(st *model.Status) bool { return st.Endpoints.Inbound["plc"].Error != nil })
	require.Equal(t, model.HealthUnavailable, end.Endpoints.Inbound["plc"].HealthState.Status)

	line.up()
	l.more(3, "plant/oven", plant.name(0))
	s.resource(a.Key(), health(model.HealthAvailable))
	require.Positive(t, s.unit("line1/plc/oven").Counters["reconnects"])
}

// TestExternalBrokerAway holds serve to losing nothing of QoS 1 while the
// broker is not there.
func TestExternalBrokerAway(t *testing.T) {
	plant := startPlant(t)
	first, err := embedded.Start(embedded.Options{TCP: "127.0.0.1:0"})
	require.NoError(t, err)
	address := hostOf(t, first.URL())
	first.Close()

	dir, o := t.TempDir(), options()
	o.Broker = app.BrokerOptions{MQTT: config.MQTT{URL: "mqtt://" + address, ClientID: "edge"}, Spool: config.Spool{MaxBytes: 1 << 26, MaxAge: 3600}}
	s := serve(t, dir, o)
	s.put(device("line1", plant.url), asset("oven", "line1", plant.point(0)))
	s.ready()
	require.Eventually(t, func() bool {
		u := s.unit("line1/plc/oven")
		return u != nil && u.Counters["values"] > 20
	}, patience, 20*time.Millisecond)
	kept := int(s.unit("line1/plc/oven").Counters["values"])
	_, metrics := s.get("/metrics")
	require.NotContains(t, metrics, "iotops_spool_messages 0\n")
	require.Contains(t, s.status().Broker.Reason, "kept on disk")

	// What is on disk survives the process, too.
	require.NoError(t, s.end())
	broker, err := embedded.Start(embedded.Options{TCP: address})
	require.NoError(t, err)
	defer broker.Close()
	l := listen(t, broker.URL(), "plant/#")
	s = serve(t, dir, o)
	l.more(kept+20, "plant/oven", plant.name(0))
	numbers := l.numbers("plant/oven", plant.name(0))
	for i := 1; i < kept; i++ { // the counter goes up by one, and the server keeps each value until it is safe
		require.Equal(t, numbers[i-1]+1, numbers[i], "%v", numbers)
	}
	require.Zero(t, s.status().Broker.Dropped)
}

// TestExternalBrokerGoesAndComesBack breaks the line to the broker again and
// again: each value of QoS 1 arrives, some of them twice.
func TestExternalBrokerGoesAndComesBack(t *testing.T) {
	plant := startPlant(t)
	broker, err := embedded.Start(embedded.Options{TCP: "127.0.0.1:0"})
	require.NoError(t, err)
	defer broker.Close()
	l := listen(t, broker.URL(), "plant/#")
	line := newProxy(t, hostOf(t, broker.URL()))
	o := options()
	o.Broker = app.BrokerOptions{
		MQTT: config.MQTT{URL: "mqtt://" + line.address, ClientID: "edge"}, Spool: config.Spool{MaxBytes: 1 << 26, MaxAge: 3600},
	}
	s := serve(t, t.TempDir(), o)
	s.put(device("line1", plant.url), asset("oven", "line1", plant.point(0)))
	for range 3 {
		line.up()
		l.more(10, "plant/oven", plant.name(0))
		line.down()
		more := s.unit("line1/plc/oven").Counters["values"] + 5
		require.Eventually(t, func() bool { return s.unit("line1/plc/oven").Counters["values"] >= more }, patience, 10*time.Millisecond)
	}
	line.up()
	l.more(30, "plant/oven", plant.name(0))
	numbers := l.numbers("plant/oven", plant.name(0))
	seen := map[int64]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	first, last := slices.Min(numbers), slices.Max(numbers)
	for n := first; n <= last-15; n++ { // the newest may still be on their way
		require.True(t, seen[n], "%d of %d…%d is missing", n, first, last)
	}
	require.Zero(t, s.status().Broker.Dropped)
}

// TestServerForgetsEverything is a server that comes back without our session.
func TestServerForgetsEverything(t *testing.T) {
	plant := startPlant(t)
	s := serve(t, t.TempDir(), options())
	l := listen(t, s.BrokerURL, "plant/#")
	s.put(device("line1", plant.url), asset("oven", "line1", plant.point(0)))
	l.more(3, "plant/oven", plant.name(0))
	plant.sim.ForgetSessions()
	plant.sim.DropConnections()
	require.Eventually(t, func() bool { return s.unit("line1/plc/oven").Counters["reconnects"] > 0 }, patience, 10*time.Millisecond)
	l.more(3, "plant/oven", plant.name(0))
}

// slack is how much slower a machine may be than what users are promised.
const slack = 3

// plant is an OPC UA server with counters that go up several times a second.
type plant struct {
	url string
	sim *simulator.Server // nil = a server by other hands
}

// point returns the node of the i-th counter.
func (*plant) point(i int) string { return fmt.Sprintf("ns=2;s=Counter.%d", i) }

// name returns what the asset function calls its data point.
func (*plant) name(i int) string { return fmt.Sprintf("counter.%d", i) }

// startPlant starts a server of ours.
func startPlant(t *testing.T) *plant {
	t.Helper()
	sim, err := simulator.Start(simulator.Options{})
	require.NoError(t, err)
	sim.AddCounters(20)
	t.Cleanup(sim.Close)
	return &plant{sim.URL(), sim}
}

// otherPlant returns a server by other hands, where one runs.
func otherPlant(t *testing.T) *plant {
	t.Helper()
	address := os.Getenv("IOTOPS_TEST_OPCUA")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "opcua") {
			t.Fatal("IOTOPS_TEST_OPCUA is not set")
		}
		t.Skip("IOTOPS_TEST_OPCUA is not set: .ci/test starts the server")
	}
	return &plant{url: address}
}
