package opcua

import (
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/connector/connectortest"
	"github.com/iotops/iotops/internal/emit"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uasc"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// stream is a run whose answers come from the test instead of a server.
type stream struct {
	*run
	sub    *subscription
	out    *record.Publisher
	report *connectortest.Report
	handle connector.Handle
}

// newStream begins before the notification with a number.
func newStream(t *testing.T, expect uint32) *stream {
	t.Helper()
	h := connectortest.NewHost(nil)
	plan := emit.New(emit.Options{Style: connector.StyleOPCUA, Out: h.Out})
	asset := &model.Asset{Meta: model.Meta{Name: "oven"}}
	asset.Properties.Datasets = []model.Dataset{{Name: "d", DataPoints: []model.DataPoint{{Name: "p", DataSource: "i=1"}}}}
	added, _ := plan.Update(&model.Assignment{TopicNamespace: "t", Assets: []*model.Asset{asset}})
	require.Len(t, added, 1)
	sub := &subscription{id: 7, expect: expect, held: map[uint32]*ua.NotificationMessage{}, keepAlive: time.Second, heard: time.Now()}
	return &stream{
		run: &run{
			host: connector.Session{Out: plan, Report: h.Report}, log: slog.New(slog.DiscardHandler),
			session: &session{timeout: time.Hour}, touched: time.Now(),
			pub: &publisher{room: make(chan struct{}, 1)}, subs: map[uint32]*subscription{sub.id: sub},
		},
		sub: sub, out: h.Out, report: h.Report, handle: added[0].Handle,
	}
}

// answer is a publish response whose one value is its sequence number.
func (s *stream) answer(n uint32) published {
	data := &ua.DataChangeNotification{MonitoredItems: []*ua.MonitoredItemNotification{{
		ClientHandle: uint32(s.handle),
		Value:        &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(n)},
	}}}
	return published{at: time.Now(), res: &ua.PublishResponse{SubscriptionID: s.sub.id, NotificationMessage: &ua.NotificationMessage{
		SequenceNumber: n, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(data)},
	}}}
}

func (s *stream) take(t *testing.T, numbers ...uint32) {
	t.Helper()
	for _, n := range numbers {
		require.NoError(t, s.run.take(t.Context(), s.answer(n)))
	}
}

func (s *stream) keepAlive(t *testing.T, next uint32) {
	t.Helper()
	require.NoError(t, s.run.take(t.Context(), published{at: time.Now(), res: &ua.PublishResponse{
		SubscriptionID: s.sub.id, NotificationMessage: &ua.NotificationMessage{SequenceNumber: next},
	}}))
}

// delivered returns the sequence numbers that came out, in order.
func (s *stream) delivered() []uint32 {
	var got []uint32
	for _, p := range record.Points(s.out.Messages(), "", "p") {
		if f, ok := p.Value.(float64); ok {
			got = append(got, uint32(f))
		}
	}
	return got
}

// acked returns the sequence numbers that the next request acknowledges.
func (s *stream) acked() []uint32 {
	var got []uint32
	for _, a := range s.pub.takeAcks() {
		got = append(got, a.SequenceNumber)
	}
	return got
}

func TestSequenceNumbersWrapToOne(t *testing.T) {
	require.Equal(t, uint32(1), following(math.MaxUint32))
	require.True(t, after(1, math.MaxUint32))
	require.False(t, after(math.MaxUint32, 1))
	s := newStream(t, math.MaxUint32-1)
	s.take(t, math.MaxUint32-1, 1, math.MaxUint32, 2)
	want := []uint32{math.MaxUint32 - 1, math.MaxUint32, 1, 2}
	require.Equal(t, want, s.delivered())
	require.Equal(t, want, s.acked())
	require.True(t, s.sub.since.IsZero(), "no gap is left")
}

func TestNotificationsAreReordered(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test that repeats
	s := newStream(t, 1)
	var want []uint32
	for base := uint32(1); base < 400; base += 8 {
		for _, i := range rnd.Perm(8) {
			s.take(t, base+uint32(i)) //nolint:gosec // below 8
		}
		for i := range uint32(8) {
			want = append(want, base+i)
		}
	}
	require.Equal(t, want, s.delivered())
	require.Equal(t, want, s.acked())
	require.Empty(t, s.sub.held)
	require.Zero(t, s.report.Counter(connector.CountDuplicate))
}

func TestTheFirstNotificationMayComeSecond(t *testing.T) {
	s := newStream(t, firstSequence)
	s.take(t, 2, 1)
	require.Equal(t, []uint32{1, 2}, s.delivered(), "the first is no duplicate")
	require.Zero(t, s.report.Counter(connector.CountDuplicate))
}

func TestADuplicateIsAcknowledgedAndNotDelivered(t *testing.T) {
	s := newStream(t, 1)
	s.take(t, 1, 2, 1)
	require.Equal(t, []uint32{1, 2}, s.delivered())
	require.Equal(t, []uint32{1, 2, 1}, s.acked())
	require.Equal(t, int64(1), s.report.Counter(connector.CountDuplicate))
}

func TestAGapIsNoticed(t *testing.T) {
	s := newStream(t, 1)
	s.take(t, 1, 4, 3)
	require.Equal(t, []uint32{1}, s.delivered(), "nothing overtakes what is missing")
	require.False(t, s.sub.since.IsZero())
	end, gap := s.sub.gapEnd()
	require.True(t, gap)
	require.Equal(t, uint32(3), end)
	require.NoError(t, s.watch(t.Context()), "within the grace nothing is asked for")
	s.take(t, 2)
	require.Equal(t, []uint32{1, 2, 3, 4}, s.delivered())
	_, gap = s.sub.gapEnd()
	require.False(t, gap)
}

func TestAKeepAliveShowsAGap(t *testing.T) {
	s := newStream(t, 1)
	s.keepAlive(t, 1)
	_, gap := s.sub.gapEnd()
	require.False(t, gap)
	s.keepAlive(t, 3)
	end, gap := s.sub.gapEnd()
	require.True(t, gap)
	require.Equal(t, uint32(3), end)
	s.take(t, 1, 2)
	require.Equal(t, []uint32{1, 2}, s.delivered())
	require.True(t, s.sub.since.IsZero())
	require.Zero(t, s.sub.gapTo)
}

func TestAcknowledgedOnlyWhenComplete(t *testing.T) {
	s := newStream(t, 1)
	s.out.Hold()
	s.take(t, 1, 2)
	require.Empty(t, s.acked())
	require.Equal(t, int64(2), s.pub.unacked.Load())
	s.out.Release(message.Safe)
	require.Equal(t, []uint32{1, 2}, s.acked())
	require.Zero(t, s.pub.unacked.Load())
}

func TestAServerWithoutSubscriptionsIsOnlyBelievedOfOlderOnes(t *testing.T) {
	s := newStream(t, 1)
	s.sub.born = time.Now()
	refused := func(asked time.Time) error {
		return s.run.take(t.Context(), published{asked: asked, at: time.Now(), err: ua.StatusBadNoSubscription})
	}
	require.NoError(t, refused(s.sub.born.Add(-time.Millisecond)), "the request was older than the subscription")
	require.Equal(t, "BadNoSubscription", fault.CodeOf(refused(s.sub.born.Add(time.Millisecond))))
	clear(s.subs)
	require.NoError(t, refused(time.Now()))
}

func TestWhatCannotBeDecodedIsLostAlone(t *testing.T) {
	s := newStream(t, 1)
	err := &uasc.DecodeError{Err: ua.StatusBadEncodingLimitsExceeded}
	require.NoError(t, s.run.take(t.Context(), published{asked: time.Now(), at: time.Now(), err: err}))
	require.True(t, gone(err), "it would not come out better a second time")
	require.True(t, gone(ua.StatusBadMessageNotAvailable))
	require.False(t, gone(ua.StatusBadSessionClosed))
	require.False(t, gone(io.EOF))
}

func TestAnAnswerOfADeletedSubscriptionIsIgnored(t *testing.T) {
	s := newStream(t, 1)
	delete(s.subs, s.sub.id)
	s.take(t, 1)
	require.Empty(t, s.delivered())
}
