package opcua

import (
	"context"
	"slices"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
)

// subscription is one subscription. It outlives the session that made it.
type subscription struct {
	id        uint32
	session   *session // nil = nobody's
	interval  time.Duration
	keepAlive uint32 // cycles
	lifetime  uint32 // cycles
	most      int    // notifications per publish; 0 = all
	enabled   bool
	items     map[uint32]*item
	order     []*item // by creation

	due      time.Time
	idle     uint32 // cycles without anything to say
	starving uint32 // cycles without a publish request
	sequence uint32 // of the next notification
	sent     []*ua.NotificationMessage
	first    bool // nothing was said yet
}

// item is one monitored item.
type item struct {
	id, handle uint32
	n          *node
	size       int
	oldest     bool // discard the oldest
	values     []*ua.DataValue
}

// queue appends a value. Where the queue is full, one is dropped and the value
// at the gap has the overflow bit (OPC 10000-4, 5.12.1.5).
func (it *item) queue(v *ua.DataValue) {
	if len(it.values) < it.size {
		it.values = append(it.values, v)
		return
	}
	if it.size == 1 {
		it.values[0] = v // a queue of one overflows without saying so
		return
	}
	if it.oldest {
		copy(it.values, it.values[1:])
		it.values[len(it.values)-1] = v
		it.values[0] = overflowed(it.values[0])
		return
	}
	it.values[len(it.values)-1] = overflowed(v)
}

// overflowed returns a copy of v with the overflow bit.
func overflowed(v *ua.DataValue) *ua.DataValue {
	c := *v
	c.EncodingMask |= ua.DataValueStatusCode
	c.Status |= 0x480 // info type DataValue, overflow
	return &c
}

func (s *Server) createSubscription(sess *session, r *ua.CreateSubscriptionRequest) ua.Response {
	if len(s.subs) >= maxSubscriptions {
		return failure(ua.StatusBadTooManySubscriptions)
	}
	sub := &subscription{id: s.id(), session: sess, enabled: r.PublishingEnabled, items: map[uint32]*item{}, sequence: 1, first: true, due: time.Now()}
	sub.set(r.RequestedPublishingInterval, r.RequestedMaxKeepAliveCount, r.RequestedLifetimeCount, r.MaxNotificationsPerPublish)
	s.subs[sub.id] = sub
	return &ua.CreateSubscriptionResponse{
		SubscriptionID: sub.id, RevisedPublishingInterval: float64(sub.interval) / float64(time.Millisecond),
		RevisedLifetimeCount: sub.lifetime, RevisedMaxKeepAliveCount: sub.keepAlive,
	}
}

func (sub *subscription) set(interval float64, keepAlive, lifetime, most uint32) {
	sub.interval = min(max(time.Duration(interval*float64(time.Millisecond)), 10*time.Millisecond), time.Hour)
	sub.keepAlive = min(max(keepAlive, 1), 100_000)
	sub.lifetime = min(max(lifetime, 3*sub.keepAlive), 1_000_000)
	sub.most = int(most)
}

func (s *Server) own(sess *session, id uint32) *subscription {
	if sub := s.subs[id]; sub != nil && sub.session == sess {
		return sub
	}
	return nil
}

func (s *Server) modifySubscription(sess *session, r *ua.ModifySubscriptionRequest) ua.Response {
	sub := s.own(sess, r.SubscriptionID)
	if sub == nil {
		return failure(ua.StatusBadSubscriptionIDInvalid)
	}
	sub.set(r.RequestedPublishingInterval, r.RequestedMaxKeepAliveCount, r.RequestedLifetimeCount, r.MaxNotificationsPerPublish)
	return &ua.ModifySubscriptionResponse{
		RevisedPublishingInterval: float64(sub.interval) / float64(time.Millisecond), RevisedLifetimeCount: sub.lifetime, RevisedMaxKeepAliveCount: sub.keepAlive,
	}
}

func (s *Server) deleteSubscriptions(sess *session, r *ua.DeleteSubscriptionsRequest) ua.Response {
	results := make([]ua.StatusCode, len(r.SubscriptionIDs))
	for i, id := range r.SubscriptionIDs {
		if sub := s.own(sess, id); sub != nil {
			sub.delete(s)
		} else {
			results[i] = ua.StatusBadSubscriptionIDInvalid
		}
	}
	return &ua.DeleteSubscriptionsResponse{Results: results}
}

func (sub *subscription) delete(s *Server) {
	for _, it := range sub.items {
		delete(it.n.items, it)
	}
	delete(s.subs, sub.id)
}

func (s *Server) setPublishingMode(sess *session, r *ua.SetPublishingModeRequest) ua.Response {
	results := make([]ua.StatusCode, len(r.SubscriptionIDs))
	for i, id := range r.SubscriptionIDs {
		if sub := s.own(sess, id); sub != nil {
			sub.enabled = r.PublishingEnabled
		} else {
			results[i] = ua.StatusBadSubscriptionIDInvalid
		}
	}
	return &ua.SetPublishingModeResponse{Results: results}
}

func (s *Server) transfer(sess *session, r *ua.TransferSubscriptionsRequest) ua.Response {
	results := make([]*ua.TransferResult, len(r.SubscriptionIDs))
	for i, id := range r.SubscriptionIDs {
		sub := s.subs[id]
		if sub == nil {
			results[i] = &ua.TransferResult{StatusCode: ua.StatusBadSubscriptionIDInvalid}
			continue
		}
		sub.session, sub.starving = sess, 0
		var available []uint32
		for _, m := range sub.sent {
			available = append(available, m.SequenceNumber)
		}
		if r.SendInitialValues {
			for _, it := range sub.order {
				it.queue(it.n.value)
			}
		}
		results[i] = &ua.TransferResult{AvailableSequenceNumbers: available}
	}
	return &ua.TransferSubscriptionsResponse{Results: results}
}

func (s *Server) republish(sess *session, r *ua.RepublishRequest) ua.Response {
	sub := s.own(sess, r.SubscriptionID)
	if sub == nil {
		return failure(ua.StatusBadSubscriptionIDInvalid)
	}
	for _, m := range sub.sent {
		if m.SequenceNumber == r.RetransmitSequenceNumber {
			s.stats.Republished.Add(1)
			return &ua.RepublishResponse{NotificationMessage: m}
		}
	}
	return failure(ua.StatusBadMessageNotAvailable)
}

func (s *Server) createItems(sess *session, r *ua.CreateMonitoredItemsRequest) ua.Response {
	sub := s.own(sess, r.SubscriptionID)
	switch {
	case sub == nil:
		return failure(ua.StatusBadSubscriptionIDInvalid)
	case len(r.ItemsToCreate) == 0:
		return failure(ua.StatusBadNothingToDo)
	case len(r.ItemsToCreate) > s.o.Limits.Monitor:
		return failure(ua.StatusBadTooManyOperations)
	}
	results := make([]*ua.MonitoredItemCreateResult, len(r.ItemsToCreate))
	for i, c := range r.ItemsToCreate {
		results[i] = s.createItem(sub, c)
	}
	return &ua.CreateMonitoredItemsResponse{Results: results}
}

func (s *Server) createItem(sub *subscription, c *ua.MonitoredItemCreateRequest) *ua.MonitoredItemCreateResult {
	refuse := func(code ua.StatusCode) *ua.MonitoredItemCreateResult {
		return &ua.MonitoredItemCreateResult{StatusCode: code, FilterResult: ua.NewExtensionObject(nil)}
	}
	if c.ItemToMonitor == nil || c.RequestedParameters == nil {
		return refuse(ua.StatusBadInvalidArgument)
	}
	n := s.space.nodes[c.ItemToMonitor.NodeID.String()]
	if n == nil {
		return refuse(ua.StatusBadNodeIDUnknown)
	}
	if c.ItemToMonitor.AttributeID != ua.AttributeIDValue || n.class != ua.NodeClassVariable {
		return refuse(ua.StatusBadAttributeIDInvalid)
	}
	p := c.RequestedParameters
	it := &item{id: s.id(), handle: p.ClientHandle, n: n, size: min(max(int(p.QueueSize), 1), maxQueue), oldest: p.DiscardOldest}
	sub.items[it.id] = it
	sub.order = append(sub.order, it)
	n.items[it] = true
	it.queue(n.value)
	return &ua.MonitoredItemCreateResult{
		MonitoredItemID: it.id, RevisedSamplingInterval: max(p.SamplingInterval, 0), RevisedQueueSize: uint32(it.size), //nolint:gosec // bounded
		FilterResult: ua.NewExtensionObject(nil),
	}
}

func (s *Server) deleteItems(sess *session, r *ua.DeleteMonitoredItemsRequest) ua.Response {
	sub := s.own(sess, r.SubscriptionID)
	if sub == nil {
		return failure(ua.StatusBadSubscriptionIDInvalid)
	}
	results := make([]ua.StatusCode, len(r.MonitoredItemIDs))
	for i, id := range r.MonitoredItemIDs {
		it := sub.items[id]
		if it == nil {
			results[i] = ua.StatusBadMonitoredItemIDInvalid
			continue
		}
		delete(sub.items, id)
		delete(it.n.items, it)
	}
	sub.order = slices.DeleteFunc(sub.order, func(it *item) bool { return sub.items[it.id] == nil })
	return &ua.DeleteMonitoredItemsResponse{Results: results}
}

// publish queues a request for notifications, and takes its acknowledgements.
func (s *Server) publish(sess *session, c *conn, id uint32, r *ua.PublishRequest) (ua.Response, bool) {
	some := slices.ContainsFunc(slices.Collect(mapsValues(s.subs)), func(sub *subscription) bool { return sub.session == sess })
	if !some {
		return failure(ua.StatusBadNoSubscription), false
	}
	if len(sess.publish) >= maxPublish {
		return failure(ua.StatusBadTooManyPublishRequests), false
	}
	w := waiting{c: c, id: id, req: r, results: make([]ua.StatusCode, len(r.SubscriptionAcknowledgements))}
	for i, a := range r.SubscriptionAcknowledgements {
		w.results[i] = s.acknowledge(sess, a)
	}
	sess.publish = append(sess.publish, w)
	return nil, true
}

func mapsValues(m map[uint32]*subscription) func(func(*subscription) bool) {
	return func(yield func(*subscription) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func (s *Server) acknowledge(sess *session, a *ua.SubscriptionAcknowledgement) ua.StatusCode {
	sub := s.own(sess, a.SubscriptionID)
	if sub == nil {
		return ua.StatusBadSubscriptionIDInvalid
	}
	i := slices.IndexFunc(sub.sent, func(m *ua.NotificationMessage) bool { return m.SequenceNumber == a.SequenceNumber })
	if i < 0 {
		return ua.StatusBadSequenceNumberUnknown
	}
	sub.sent = slices.Delete(sub.sent, i, i+1)
	s.stats.Acknowledged.Add(1)
	return ua.StatusOK
}

// publishLoop runs the publishing cycles.
func (s *Server) publishLoop(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, a := range s.cycles(time.Now()) {
			s.send(ctx, a.w.c, a.w.id, a.w.req, a.res)
		}
	}
}

// answer is a publish request with its response.
type answer struct {
	w   waiting
	res *ua.PublishResponse
}

// cycles returns the answers of all subscriptions that are due.
func (s *Server) cycles(now time.Time) []answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return nil
	}
	var out []answer
	for _, sub := range s.subs {
		if now.Before(sub.due) {
			continue
		}
		sub.due = now.Add(sub.interval)
		for more := true; more; {
			var a *answer
			a, more = s.cycle(sub)
			if a != nil {
				out = append(out, *a)
			}
		}
	}
	return out
}

// cycle makes one answer, and says whether there is more to say at once.
func (s *Server) cycle(sub *subscription) (*answer, bool) {
	pending := sub.enabled && slices.ContainsFunc(sub.order, func(it *item) bool { return len(it.values) > 0 })
	if !pending && !sub.first {
		if sub.idle++; sub.idle < sub.keepAlive {
			return nil, false
		}
	}
	if sub.session == nil || len(sub.session.publish) == 0 {
		if sub.starving++; sub.starving > sub.lifetime {
			sub.delete(s)
		}
		return nil, false
	}
	losing := pending && s.losing > 0
	w := sub.session.publish[0]
	if !losing {
		sub.session.publish = sub.session.publish[1:]
	}
	sub.idle, sub.starving, sub.first = 0, 0, false
	msg := &ua.NotificationMessage{SequenceNumber: sub.sequence, PublishTime: time.Now(), NotificationData: []*ua.ExtensionObject{}}
	more := false
	if pending {
		var n *ua.DataChangeNotification
		n, more = sub.collect()
		msg.NotificationData = append(msg.NotificationData, ua.NewExtensionObject(n))
		if sub.sequence++; sub.sequence == 0 {
			sub.sequence = 1
		}
		sub.sent = append(sub.sent, msg)
		if len(sub.sent) > maxRetransmit {
			sub.sent = sub.sent[1:]
		}
		s.stats.Notifications.Add(1)
	}
	if losing {
		s.losing--
		return nil, more
	}
	var available []uint32
	for _, m := range sub.sent {
		available = append(available, m.SequenceNumber)
	}
	return &answer{w, &ua.PublishResponse{
		SubscriptionID: sub.id, AvailableSequenceNumbers: available, MoreNotifications: more, NotificationMessage: msg, Results: w.results,
	}}, more
}

// mostValues bounds one notification, whatever the client says.
const mostValues = 10_000

// collect takes values out of the queues, in order.
func (sub *subscription) collect() (*ua.DataChangeNotification, bool) {
	most := sub.most
	if most <= 0 || most > mostValues {
		most = mostValues
	}
	n := &ua.DataChangeNotification{}
	for _, it := range sub.order {
		for len(it.values) > 0 {
			if len(n.MonitoredItems) >= most {
				return n, true
			}
			n.MonitoredItems = append(n.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: it.handle, Value: it.values[0]})
			it.values[0] = nil
			it.values = it.values[1:]
		}
		it.values = nil
	}
	return n, false
}
