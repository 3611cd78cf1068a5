package emit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/emit"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

// recorder keeps a copy of what is published.
type recorder struct {
	messages []*message.Message
	hold     bool // do not complete
	err      error
}

func (r *recorder) Publish(_ context.Context, m *message.Message) error {
	if r.err != nil {
		return r.err
	}
	r.messages = append(r.messages, m.Clone())
	if !r.hold {
		m.Complete(message.Safe)
	}
	return nil
}

func (r *recorder) take() []*message.Message {
	list := r.messages
	r.messages = nil
	return list
}

var noon = time.Date(2026, 9, 14, 12, 0, 0, 250_000_000, time.UTC)

func assignment(points ...string) *model.Assignment {
	asset := &model.Asset{Meta: model.Meta{Name: "oven", Parent: "default/default"}}
	asset.Properties.UUID = "11111111-2222-3333-4444-555555555555"
	d := model.Dataset{Name: "main"}
	for _, name := range points {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: name, DataSource: "ns=2;s=" + name})
	}
	asset.Properties.Datasets = []model.Dataset{d}
	return &model.Assignment{TopicNamespace: "azure-iot-operations", Assets: []*model.Asset{asset}, EndpointName: "plc"}
}

func newPlan(out message.Publisher) *emit.Plan {
	return emit.New(emit.Options{Style: connector.StyleOPCUA, Out: out, Now: func() time.Time { return noon }})
}

func float(f float64) *value.Sample {
	return &value.Sample{Value: value.OfFloat64(f), Source: noon.UnixNano()}
}

func props(m *message.Message) map[string]string {
	all := map[string]string{}
	for _, p := range slices.Concat(m.Static, m.Props) {
		all[p.Key] = p.Value
	}
	return all
}

func TestAMessageOfOPCUA(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	a := assignment("temperature", "force")
	ttl := int64(60)
	a.Assets[0].Properties.Datasets[0].Destinations = []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{
		Topic: "plant/oven/main", QoS: "Qos1", Retain: "Keep", TTL: &ttl,
	}}}
	added, removed := p.Update(a)
	require.Len(t, added, 2)
	require.Empty(t, removed)
	p.SetSource("urn:acme:press")
	require.True(t, p.Put(added[0].Handle, float(54.2)))
	require.True(t, p.Put(added[1].Handle, &value.Sample{Status: 0x808c0000, Source: noon.UnixNano()}))
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{Published: noon.UnixNano() - 315300, Received: noon.UnixNano()}))
	require.Len(t, rec.messages, 1)
	m := rec.messages[0]
	require.Equal(t, "plant/oven/main", m.Topic)
	require.EqualValues(t, 1, m.QoS)
	require.True(t, m.Retain)
	require.True(t, m.Text)
	require.Equal(t, time.Minute, m.Expiry)
	require.Equal(t, "application/json", m.ContentType)
	require.JSONEq(t, `{"temperature":{"SourceTimestamp":"2026-09-14T12:00:00.25Z","Value":54.2},
		"force":{"SourceTimestamp":"2026-09-14T12:00:00.25Z","Value":null,"StatusCode":{"Code":2156658688,"Symbol":"BadSensorFailure"}}}`, string(m.Payload))
	got := props(m)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, got["id"])
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, got["traceparent"])
	delete(got, "id")
	delete(got, "traceparent")
	require.Equal(t, map[string]string{
		"specversion": "1.0", "type": "ua-keyframe", "source": "urn:acme:press", "subject": "oven", "sequence": "1",
		"time": "2026-09-14T12:00:00.2496847Z", "datacontenttype": "application/json", "recordedtime": "2026-09-14 12:00:00.250 +00:00",
		"uuid": "11111111-2222-3333-4444-555555555555", "externalAssetId": "11111111-2222-3333-4444-555555555555",
		"serverToConnectorMilliseconds": "0.3153", "aioassetref": "ms-aio:11111111-2222-3333-4444-555555555555", "__protVer": "1.0",
	}, got)
}

func TestTheDefaultTopic(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	a := assignment("x")
	added, _ := p.Update(a)
	p.Put(added[0].Handle, float(1))
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	a = assignment("x")
	a.Assets[0].Properties.Datasets = append(a.Assets[0].Properties.Datasets, model.Dataset{Name: "se/cond"})
	_, _ = p.Update(a)
	p.Put(added[0].Handle, float(1))
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Equal(t, "azure-iot-operations/data/oven", rec.messages[0].Topic)
	require.Equal(t, "azure-iot-operations/data/oven/main", rec.messages[1].Topic)
}

func TestNoSampleOverwritesAnother(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	added, _ := p.Update(assignment("a", "b"))
	p.Put(added[0].Handle, float(1))
	p.Put(added[1].Handle, float(10))
	p.Put(added[0].Handle, float(2))
	p.Put(added[0].Handle, float(3))
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Equal(t, []string{"a=1 b=10", "a=2", "a=3"}, flat(t, rec.take()))
	// A server sends the queue of one point after the other.
	for point := range 2 {
		for i := range 3 {
			p.Put(added[point].Handle, float(float64(10*point+i)))
		}
	}
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Equal(t, []string{"a=0 b=10", "a=1 b=11", "a=2 b=12"}, flat(t, rec.take()), "no more messages than samples of a point")
}

// flat returns messages as "name=value …", names sorted.
func flat(t *testing.T, list []*message.Message) []string {
	t.Helper()
	var out []string
	for _, m := range list {
		var doc map[string]struct{ Value any }
		require.NoError(t, json.Unmarshal(m.Payload, &doc))
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			parts = append(parts, fmt.Sprintf("%s=%v", name, doc[name].Value))
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func TestKeyFrames(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	a := assignment("a", "b")
	a.Assets[0].Properties.Datasets[0].DatasetConfiguration = `{"keyFrameCount":3}`
	added, _ := p.Update(a)
	p.Put(added[1].Handle, float(9))
	for i := range 6 {
		p.Put(added[0].Handle, float(float64(i)))
		require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	}
	var types []string
	for _, m := range rec.messages {
		types = append(types, props(m)["type"])
	}
	require.Equal(t, []string{"a=0 b=9", "a=1", "a=2", "a=3 b=9", "a=4", "a=5"}, flat(t, rec.messages))
	require.Equal(t, []string{"ua-keyframe", "ua-deltaframe", "ua-deltaframe", "ua-keyframe", "ua-deltaframe", "ua-deltaframe"}, types)
}

func TestUpdateKeepsWhatStays(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	added, _ := p.Update(assignment("a", "b", "c"))
	a, b, c := added[0].Handle, added[1].Handle, added[2].Handle
	next := assignment("b", "d")
	next.Assets[0].Properties.Datasets[0].Destinations = []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "new"}}}
	p.Put(b, float(1))
	p.Put(a, float(2))
	added, removed := p.Update(next)
	require.Len(t, added, 1)
	require.Equal(t, "d", added[0].Point.Name)
	require.ElementsMatch(t, []connector.Handle{a, c}, removed)
	require.False(t, p.Put(a, float(3)), "ignored at once")
	require.NotContains(t, []connector.Handle{a, b, c}, added[0].Handle, "not given out again before Free")
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Equal(t, []string{"b=1"}, flat(t, rec.messages))
	require.Equal(t, "new", rec.messages[0].Topic)
	p.Free(removed)
	added, _ = p.Update(assignment("b", "d", "e"))
	require.Contains(t, removed, added[0].Handle)
	changed := assignment("b", "d", "e")
	changed.Assets[0].Properties.Datasets[0].DataPoints[0].DataPointConfiguration = `{"samplingInterval":100}`
	added, removed = p.Update(changed)
	require.Len(t, added, 1)
	require.Equal(t, []connector.Handle{b}, removed, "another sampling interval is another item")
	_, removed = p.Update(&model.Assignment{})
	require.Len(t, removed, 3)
}

func TestCompletions(t *testing.T) {
	rec := &recorder{hold: true}
	p := newPlan(rec)
	added, _ := p.Update(assignment("a"))
	var got []message.Outcome
	done := message.CompletionFunc(func(o message.Outcome) { got = append(got, o) })
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{Done: done}))
	require.Equal(t, []message.Outcome{message.Safe}, got, "nothing to publish is safe")
	got = nil
	for i := range 3 {
		p.Put(added[0].Handle, float(float64(i)))
	}
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{Done: done}))
	require.Len(t, rec.messages, 3)
	rec.messages[2].Complete(message.Safe)
	rec.messages[0].Complete(message.Expired)
	require.Empty(t, got)
	rec.messages[1].Complete(message.Safe)
	require.Equal(t, []message.Outcome{message.Expired}, got, "the worst, once all are complete")
	got = nil
	rec.err = errors.New("full")
	p.Put(added[0].Handle, float(1))
	require.ErrorIs(t, p.Flush(t.Context(), connector.Cycle{Done: done}), rec.err)
	require.Equal(t, []message.Outcome{message.Dropped}, got)
}

func TestEvents(t *testing.T) {
	rec := &recorder{}
	p := newPlan(rec)
	a := assignment()
	a.Assets[0].Properties.EventGroups = []model.EventGroup{{Name: "alarms", Events: []model.Event{{Name: "hot"}}}}
	added, _ := p.Update(a)
	require.Len(t, added, 1)
	require.Equal(t, model.ItemRef{Kind: model.ItemEvent, Asset: "oven", Group: "alarms", Item: "hot"}, added[0].Ref())
	for i := range 2 {
		fields := []value.Field{{Name: "Severity", Value: value.OfInt(value.Int32, int64(i))}, {Name: "Message", Value: value.OfString("hot")}}
		require.True(t, p.PutEvent(added[0].Handle, noon.UnixNano(), fields))
	}
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Len(t, rec.messages, 2)
	require.JSONEq(t, `{"Severity":1,"Message":"hot"}`, string(rec.messages[1].Payload))
	require.Equal(t, "ua-event", props(rec.messages[0])["type"])
	require.Equal(t, "azure-iot-operations/events/oven", rec.messages[0].Topic)
}

func TestADestinationThatCannotBeServedIsSaid(t *testing.T) {
	rec := &recorder{}
	said := map[model.ItemRef]error{}
	p := emit.New(emit.Options{Out: rec, OnItem: func(ref model.ItemRef, err error) { said[ref] = err }})
	a := assignment("a")
	a.Assets[0].Properties.Datasets[0].Destinations = []model.Destination{{Target: model.TargetStorage, Configuration: model.DestinationConfiguration{Path: "x"}}}
	added, _ := p.Update(a)
	ref := model.ItemRef{Kind: model.ItemDataset, Asset: "oven", Group: "main"}
	require.ErrorContains(t, said[ref], "Storage")
	p.Put(added[0].Handle, float(1))
	require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
	require.Empty(t, rec.messages)
	_, _ = p.Update(assignment("a"))
	require.NoError(t, said[ref])
}

func TestAMessageOfAnSDKConnector(t *testing.T) {
	rec := &recorder{}
	p := emit.New(emit.Options{Out: rec, ClientID: "iotops-1", Now: func() time.Time { return noon }})
	a := assignment()
	a.Device = model.AssignedDevice{Key: model.Key{Name: "cam-gate"}, UUID: "u", ExternalID: "u"}
	a.Assets[0].Properties.Streams = []model.Stream{{Name: "snap"}}
	_, _ = p.Update(a)
	ref := model.ItemRef{Kind: model.ItemStream, Asset: "oven", Group: "snap"}
	require.NoError(t, p.Publish(t.Context(), ref, &message.Message{Payload: []byte{1}, ContentType: "image/jpeg"}))
	m := rec.messages[0]
	require.Equal(t, "azure-iot-operations/data/oven/snap", m.Topic)
	require.Equal(t, "image/jpeg", m.ContentType)
	got := props(m)
	require.Equal(t, "Stream", got["type"])
	require.Equal(t, "ms-aio:cam-gate", got["source"])
	require.Equal(t, "oven/snap", got["subject"])
	require.Equal(t, "ms-aio:u_plc", got["aiodeviceref"])
	require.Equal(t, fmt.Sprintf("%015d:00000:iotops-1", noon.UnixMilli()), got["__ts"])
	require.Error(t, p.Publish(t.Context(), model.ItemRef{Asset: "none"}, &message.Message{}))
}

// TestEverySampleIsPublishedOnceAndInOrder puts samples and changes the
// assignment at random.
func TestEverySampleIsPublishedOnceAndInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that repeats
	rec := &recorder{}
	p := newPlan(rec)
	names := []string{"a", "b", "c", "d", "e"}
	handles, want := map[string]connector.Handle{}, map[string][]float64{}
	bind := func() {
		n := 1 + rnd.IntN(len(names))
		rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		added, removed := p.Update(assignment(names[:n]...))
		p.Free(removed)
		for name, h := range handles {
			if slices.Contains(removed, h) {
				delete(handles, name)
			}
		}
		for _, b := range added {
			handles[b.Point.Name] = b.Handle
		}
		require.Len(t, handles, n)
	}
	for i := range 3000 {
		if i%50 == 0 {
			bind()
		}
		for name, h := range handles {
			if rnd.IntN(2) == 0 {
				require.True(t, p.Put(h, float(float64(i))))
				want[name] = append(want[name], float64(i))
			}
		}
		if rnd.IntN(3) == 0 || i%50 == 49 {
			require.NoError(t, p.Flush(t.Context(), connector.Cycle{}))
		}
	}
	got := map[string][]float64{}
	for _, m := range rec.messages {
		var doc map[string]struct{ Value float64 }
		require.NoError(t, json.Unmarshal(m.Payload, &doc))
		for name, x := range doc {
			got[name] = append(got[name], x.Value)
		}
	}
	require.Equal(t, want, got)
}

// sink completes everything and keeps nothing.
type sink struct{ n int }

func (s *sink) Publish(_ context.Context, m *message.Message) error {
	s.n += len(m.Payload)
	m.Complete(message.Safe)
	return nil
}

type counter struct{ n int }

func (c *counter) Complete(message.Outcome) { c.n++ }

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("point%d", i)
	}
	return list
}

func TestTheValuePathAllocatesNothing(t *testing.T) {
	p := emit.New(emit.Options{Style: connector.StyleOPCUA, Out: &sink{}, ClientID: "iotops"})
	added, _ := p.Update(assignment(names(10)...))
	p.SetSource("urn:x")
	done := &counter{}
	cycle := func() {
		for i := range added {
			s := value.Sample{Value: value.OfFloat64(float64(i)), Source: noon.UnixNano() + int64(i)*100}
			p.Put(added[i].Handle, &s)
		}
		_ = p.Flush(context.Background(), connector.Cycle{Published: 1, Received: 2, Done: done})
	}
	cycle()
	require.Zero(t, testing.AllocsPerRun(1000, cycle))
	require.NotZero(t, done.n)
}

func BenchmarkPutFlush(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("points=%d", n), func(b *testing.B) {
			p := emit.New(emit.Options{Style: connector.StyleOPCUA, Out: &sink{}, ClientID: "iotops"})
			added, _ := p.Update(assignment(names(n)...))
			b.ReportAllocs()
			for b.Loop() {
				for i := range added {
					s := value.Sample{Value: value.OfFloat64(float64(i)), Source: noon.UnixNano()}
					p.Put(added[i].Handle, &s)
				}
				_ = p.Flush(b.Context(), connector.Cycle{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
		})
	}
}
