package opcua

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uasc"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// subscription is one subscription of the server, and what we know of its
// notifications. It belongs to Run's goroutine.
type subscription struct {
	id         uint32
	interval   time.Duration // as asked for; < 0 = the server's choice
	publishing time.Duration // as the server revised it
	keepAlive  time.Duration // longest silence that the server promises
	items      int           // monitored items on it

	expect uint32 // sequence number that comes next; 0 = not known yet
	held   map[uint32]*ua.NotificationMessage
	since  time.Time // when the first held one came; zero = none
	gapTo  uint32    // a keep-alive said that this number comes next; 0 = none
	heard  time.Time // last answer of the server
	born   time.Time
}

// following returns the sequence number after n: it wraps to 1 (OPC 10000-4, 5.13.2).
func following(n uint32) uint32 {
	if n++; n == 0 {
		return 1
	}
	return n
}

// after reports whether a comes after b, wrapping considered.
func after(a, b uint32) bool { return int32(a-b) > 0 } //nolint:gosec // the difference is meant to wrap

// firstSequence is the number of a subscription's first notification (OPC
// 10000-4, 5.13.1). It is not learnt from what comes first: with several
// requests in flight, that may be the second.
const firstSequence = 1

// reorderGrace is how long a missing notification may still be on its way:
// answers arrive in order, but are taken by several goroutines.
const reorderGrace = 250 * time.Millisecond

// maxGap bounds how many notifications are asked for again: no server keeps
// more, and what says so is wrong.
const maxGap = 10_000

// maxHeld bounds how many notifications wait for a missing one.
const maxHeld = 256

// createSubscription makes a subscription on the server.
func (r *run) createSubscription(ctx context.Context, interval time.Duration) (*subscription, error) {
	c := &r.settings.endpoint
	asked := float64(interval.Milliseconds())
	if interval < 0 {
		asked = 0
	}
	period := max(interval, 50*time.Millisecond)
	keepAlive := max(millis(c.KeepAlive, 10000)/period, 1)
	lifetime := max(millis(c.Subscription.LifeTime, 60000)/period, 3*keepAlive)
	res, err := call[*ua.CreateSubscriptionResponse](ctx, r.session, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: asked, RequestedMaxKeepAliveCount: uint32(keepAlive), RequestedLifetimeCount: uint32(lifetime), //nolint:gosec // small
		PublishingEnabled: true,
		// No limit of ours: a cap here would hold values back from cycle to cycle.
		MaxNotificationsPerPublish: 0,
	})
	if err != nil {
		return nil, r.session.translate(err, "create subscription")
	}
	sub := &subscription{
		id: res.SubscriptionID, interval: interval, publishing: time.Duration(res.RevisedPublishingInterval * float64(time.Millisecond)),
		expect: firstSequence, held: map[uint32]*ua.NotificationMessage{}, heard: time.Now(), born: time.Now(),
	}
	sub.keepAlive = max(sub.publishing, 50*time.Millisecond) * time.Duration(max(res.RevisedMaxKeepAliveCount, 1))
	r.subs[sub.id] = sub
	return sub, nil
}

// publisher keeps publish requests in flight: several goroutines, each with
// one request at a time.
type publisher struct {
	session   *session
	responses chan published
	wg        sync.WaitGroup
	ctx       context.Context //nolint:containedctx // the publisher owns it: stop cancels it
	cancel    context.CancelFunc
	running   int          // goroutines; of Run's goroutine
	timeout   atomic.Int64 // of a request, in nanoseconds

	mu      sync.Mutex
	acks    []*ua.SubscriptionAcknowledgement
	unacked atomic.Int64  // notifications that are not safe yet
	room    chan struct{} // capacity 1: unacked went down
}

// published is one answer to a publish request.
type published struct {
	res       *ua.PublishResponse
	asked, at time.Time
	err       error
}

// maxAcks bounds the acknowledgements of one request.
const maxAcks = 1000

// maxUnacked bounds the notifications that are handed on but not safe yet:
// beyond it the server is asked for no more, and its queues fill.
const maxUnacked = 2000

// newPublisher returns one that does not ask yet.
func newPublisher(ctx context.Context, s *session) *publisher {
	ctx, cancel := context.WithCancel(ctx)
	return &publisher{session: s, responses: make(chan published, maxInFlight), ctx: ctx, cancel: cancel, room: make(chan struct{}, 1)}
}

// maxInFlight bounds the publish requests that wait at the server.
const maxInFlight = 8

// ask keeps at least inFlight requests at the server, each of which may take
// as long as timeout.
func (p *publisher) ask(inFlight int, timeout time.Duration) {
	p.timeout.Store(int64(timeout))
	for p.running < min(inFlight, maxInFlight) {
		p.running++
		p.wg.Go(func() { p.loop(p.ctx) })
	}
}

// stop ends asking, and waits for it.
func (p *publisher) stop() {
	p.cancel()
	p.wg.Wait()
}

func (p *publisher) loop(ctx context.Context) {
	for ctx.Err() == nil {
		if !p.waitForRoom(ctx) {
			return
		}
		acks, asked := p.takeAcks(), time.Now()
		res, err := callFor[*ua.PublishResponse](ctx, p.session, &ua.PublishRequest{SubscriptionAcknowledgements: acks}, time.Duration(p.timeout.Load()))
		if err != nil {
			p.giveBack(acks)
		}
		select {
		case p.responses <- published{res, asked, time.Now(), err}:
		case <-ctx.Done():
			return
		}
		if err != nil && !pause(ctx, 100*time.Millisecond) {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitForRoom waits until enough notifications are safe.
func (p *publisher) waitForRoom(ctx context.Context) bool {
	for p.unacked.Load() >= maxUnacked {
		select {
		case <-p.room:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (p *publisher) takeAcks() []*ua.SubscriptionAcknowledgement {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.acks), maxAcks)
	taken := append([]*ua.SubscriptionAcknowledgement(nil), p.acks[:n]...)
	p.acks = append(p.acks[:0], p.acks[n:]...)
	return taken
}

func (p *publisher) giveBack(acks []*ua.SubscriptionAcknowledgement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acks = append(p.acks, acks...)
}

// ack is a notification that is acknowledged once all that it carried is safe.
type ack struct {
	p *publisher
	a ua.SubscriptionAcknowledgement
}

// Complete implements message.Completion. What was dropped or has expired is
// counted by whoever dropped it; the server need not keep it any longer.
func (a *ack) Complete(message.Outcome) {
	a.p.mu.Lock()
	a.p.acks = append(a.p.acks, &a.a)
	a.p.mu.Unlock()
	a.p.unacked.Add(-1)
	select {
	case a.p.room <- struct{}{}:
	default:
	}
}

// take handles one answer of the server.
func (r *run) take(ctx context.Context, p published) error {
	if p.err != nil {
		return r.publishFailed(p.err, p.asked)
	}
	r.touched = p.at
	sub := r.subs[p.res.SubscriptionID]
	msg := p.res.NotificationMessage
	if sub == nil || msg == nil {
		return nil // of a subscription that was deleted meanwhile
	}
	sub.heard = p.at
	if len(msg.NotificationData) == 0 {
		r.keepAlive(sub, msg.SequenceNumber)
		return nil
	}
	return r.sequence(ctx, sub, msg, p.at)
}

// publishFailed tells errors that end the run from those that do not.
func (r *run) publishFailed(err error, asked time.Time) error {
	code, isStatus := err.(ua.StatusCode) //nolint:errorlint // the library returns it bare
	if undecodable(err) {
		// One value of it is beyond our bounds, or wrong. The others go on; the gap
		// in the sequence numbers shows what was lost.
		r.log.Warn("a notification cannot be decoded", "err", err)
		return nil
	}
	if !isStatus {
		return r.session.translate(err, "connection to "+r.assignment.Endpoint.Address)
	}
	switch code { // the rest ends the run
	case ua.StatusBadTooManyPublishRequests:
		return nil // one goroutine more than the server likes: it pauses by itself
	case ua.StatusBadNoSubscription:
		older := false // than the request: the server's answer is about it
		for _, sub := range r.subs {
			older = older || sub.born.Before(asked)
		}
		if !older {
			return nil
		}
		return fault.WithCode(fault.New(fault.Unavailable, "the server has lost our subscriptions"), "BadNoSubscription")
	case ua.StatusBadTimeout:
		return nil // the watchdog knows better
	default:
		return r.session.translateStatus(code, "publish")
	}
}

// undecodable reports whether an answer came, and could not be read.
func undecodable(err error) bool {
	var decoding *uasc.DecodeError
	return errors.As(err, &decoding)
}

// keepAlive notes which number comes next.
func (r *run) keepAlive(sub *subscription, next uint32) {
	switch {
	case next == 0:
	case sub.expect == 0:
		sub.expect = next
	case after(next, sub.expect):
		sub.gapTo = next // what lies between is missing, or on its way
		if sub.since.IsZero() {
			sub.since = time.Now()
		}
	}
}

// sequence puts notifications into order, and delivers what is in order.
func (r *run) sequence(ctx context.Context, sub *subscription, msg *ua.NotificationMessage, at time.Time) error {
	n := msg.SequenceNumber
	if sub.expect == 0 {
		sub.expect = n
	}
	switch {
	case n == sub.expect:
		if err := r.deliver(ctx, sub, msg, at); err != nil {
			return err
		}
		return r.release(ctx, sub, at)
	case after(n, sub.expect):
		if sub.since.IsZero() {
			sub.since = time.Now()
		}
		sub.held[n] = msg
		if len(sub.held) > maxHeld {
			return r.fillGap(ctx, sub)
		}
		return nil
	default:
		r.host.Report.Count(connector.CountDuplicate, "", 1)
		r.acknowledge(sub.id, n)
		return nil
	}
}

// release delivers held notifications that have become due.
func (r *run) release(ctx context.Context, sub *subscription, at time.Time) error {
	for {
		msg := sub.held[sub.expect]
		if msg == nil {
			break
		}
		delete(sub.held, sub.expect)
		if err := r.deliver(ctx, sub, msg, at); err != nil {
			return err
		}
	}
	if len(sub.held) == 0 && (sub.gapTo == 0 || !after(sub.gapTo, sub.expect)) {
		sub.since, sub.gapTo = time.Time{}, 0
	}
	return nil
}

// fillGap asks for missing notifications again, until the next one that is
// there. What the server no longer has is counted as lost.
func (r *run) fillGap(ctx context.Context, sub *subscription) error {
	for {
		end, ok := sub.gapEnd()
		if !ok {
			break
		}
		if missing := end - sub.expect; missing > maxGap {
			r.host.Report.Count(connector.CountLost, "", int64(missing))
			return fault.New(fault.Unavailable, "%d notifications are missing: more than the server can still have", missing)
		}
		for sub.expect != end {
			if err := r.republish(ctx, sub); err != nil {
				return err
			}
		}
		if err := r.release(ctx, sub, time.Now()); err != nil {
			return err
		}
	}
	sub.since, sub.gapTo = time.Time{}, 0
	return nil
}

// republish fetches the next notification again, or counts it as lost.
func (r *run) republish(ctx context.Context, sub *subscription) error {
	res, err := call[*ua.RepublishResponse](ctx, r.session, &ua.RepublishRequest{SubscriptionID: sub.id, RetransmitSequenceNumber: sub.expect})
	if gone(err) {
		r.log.Warn("notification lost", "subscription", sub.id, "sequence", sub.expect)
		r.host.Report.Count(connector.CountLost, "", 1)
		sub.expect = following(sub.expect)
		return nil
	}
	if err != nil {
		return r.session.translate(err, "republish")
	}
	if res.NotificationMessage == nil || res.NotificationMessage.SequenceNumber != sub.expect {
		return fault.New(fault.Unavailable, "republish: the server sent another notification than the one asked for")
	}
	r.host.Report.Count(connector.CountRepublished, "", 1)
	return r.deliver(ctx, sub, res.NotificationMessage, time.Now())
}

// gone reports whether a notification cannot be had again, so that asking
// another time would not help.
func gone(err error) bool {
	if undecodable(err) {
		return true
	}
	code, _ := err.(ua.StatusCode) //nolint:errorlint // the library returns it bare
	switch code {
	case ua.StatusBadMessageNotAvailable, ua.StatusBadSequenceNumberUnknown, ua.StatusBadServiceUnsupported, ua.StatusBadNotImplemented:
		return true
	default:
		return false
	}
}

// gapEnd returns the first number after the gap, and whether there is a gap.
func (sub *subscription) gapEnd() (uint32, bool) {
	end, found := sub.gapTo, sub.gapTo != 0 && after(sub.gapTo, sub.expect)
	for n := range sub.held {
		if !found || after(end, n) {
			end, found = n, true
		}
	}
	return end, found && end != sub.expect
}

func (r *run) acknowledge(subscription, sequence uint32) {
	r.pub.giveBack([]*ua.SubscriptionAcknowledgement{{SubscriptionID: subscription, SequenceNumber: sequence}})
}

// deliver hands one notification on. It is acknowledged when all of it is safe.
func (r *run) deliver(ctx context.Context, sub *subscription, msg *ua.NotificationMessage, at time.Time) error {
	sub.expect = following(msg.SequenceNumber)
	for _, data := range msg.NotificationData {
		if data == nil {
			continue
		}
		switch n := data.Value.(type) {
		case *ua.DataChangeNotification:
			r.dataChange(n)
		case *ua.StatusChangeNotification:
			return fault.WithCode(fault.New(fault.Unavailable, "the server ended a subscription: %s", statusName(n.Status)), statusName(n.Status))
		}
	}
	r.pub.unacked.Add(1)
	err := r.host.Out.Flush(ctx, connector.Cycle{
		Published: nanos(msg.PublishTime), Received: at.UnixNano(),
		Done: &ack{r.pub, ua.SubscriptionAcknowledgement{SubscriptionID: sub.id, SequenceNumber: msg.SequenceNumber}},
	})
	if err != nil && ctx.Err() == nil {
		// The sink has counted and logged it; the connection is fine.
		r.log.Debug("publish", "err", err)
	}
	return nil
}

// dataChange records the samples of one notification.
func (r *run) dataChange(n *ua.DataChangeNotification) {
	var bad, overflow int64
	for _, item := range n.MonitoredItems {
		if item == nil || item.Value == nil {
			continue
		}
		sampleOf(item.Value, &r.sample)
		if !r.host.Out.Put(connector.Handle(item.ClientHandle), &r.sample) {
			continue
		}
		r.host.Report.Count(connector.CountValues, "", 1)
		if r.sample.Status&0x80000000 != 0 {
			bad++
		}
		// Info type DataValue with the overflow bit (OPC 10000-4, 7.39.1).
		if r.sample.Status&0x0c00 == 0x0400 && r.sample.Status&0x80 != 0 {
			overflow++
		}
	}
	if bad > 0 {
		r.host.Report.Count(connector.CountBad, "", bad)
	}
	if overflow > 0 {
		r.host.Report.Count(connector.CountOverflow, "", overflow)
	}
}

// touch keeps the session alive where no publish request does: while we do not
// ask because too much is not safe yet, and without any point. It notices a
// dead connection, too.
func (r *run) touch(ctx context.Context, now time.Time) error {
	period := min(r.session.timeout/3, millis(r.settings.endpoint.Session.KeepAlive, 10000))
	if now.Sub(r.touched) < max(period, time.Second) {
		return nil
	}
	_, err := call[*ua.ReadResponse](ctx, r.session, &ua.ReadRequest{
		NodesToRead: []*ua.ReadValueID{readOf(ua.NewNumericNodeID(0, idServerState), ua.AttributeIDValue)}, TimestampsToReturn: ua.TimestampsToReturnNeither,
	})
	if err != nil {
		return r.session.translate(err, "keep the session alive")
	}
	r.touched = time.Now()
	return nil
}

// watch fills gaps whose grace is over, and notices silence.
func (r *run) watch(ctx context.Context) error {
	now := time.Now()
	for len(r.resting) > 0 && now.Sub(r.resting[0].since) > restTime {
		r.host.Out.Free(r.resting[0].handles)
		r.resting = r.resting[1:]
	}
	if err := r.touch(ctx, now); err != nil {
		return err
	}
	blocked := r.pub != nil && r.pub.unacked.Load() >= maxUnacked
	for _, sub := range r.subs {
		if !sub.since.IsZero() && now.Sub(sub.since) > reorderGrace {
			if err := r.fillGap(ctx, sub); err != nil {
				return err
			}
		}
		if blocked {
			sub.heard = now // it is us who do not ask
			continue
		}
		if silence := now.Sub(sub.heard); silence > 3*sub.keepAlive+2*time.Second {
			return fault.New(fault.Unavailable, "the server has been silent for %s (it promised a sign of life each %s)",
				silence.Round(time.Second), sub.keepAlive)
		}
	}
	return nil
}
