package opcua

import (
	"context"
	"errors"
	"slices"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
)

// monitored is one data point and its monitored item on the server.
type monitored struct {
	binding connector.Binding
	want    item
	node    *ua.NodeID
	sub     *subscription
	id      uint32 // of the monitored item; 0 = there is none
}

// monitor makes monitored items. What the server refuses is reported for the
// point alone, and tried again later; an error means that the connection is bad.
func (r *run) monitor(ctx context.Context, list []*monitored) error {
	ready, err := r.resolve(ctx, list)
	if err != nil {
		return err
	}
	for len(ready) > 0 {
		sub, room, err := r.subscriptionFor(ctx, ready[0])
		if fault.CodeOf(err) == "BadTooManySubscriptions" {
			ready = r.refuseInterval(ready, err)
			continue
		}
		if err != nil {
			return err
		}
		// All that want the same publishing interval and still fit.
		var batch, rest []*monitored
		for _, m := range ready {
			if m.want.publishing == ready[0].want.publishing && len(batch) < room {
				batch = append(batch, m)
			} else {
				rest = append(rest, m)
			}
		}
		if err := r.createItems(ctx, sub, batch); err != nil {
			return err
		}
		ready = rest
	}
	return nil
}

// refuseInterval refuses the points that want the publishing interval of the
// first: the server has no subscription left for it. It returns the others.
func (r *run) refuseInterval(list []*monitored, err error) []*monitored {
	var rest []*monitored
	for _, m := range list {
		if m.want.publishing == list[0].want.publishing {
			r.refuse(m, err)
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}

// subscriptionFor returns a subscription with room for m, and how much room.
func (r *run) subscriptionFor(ctx context.Context, m *monitored) (*subscription, int, error) {
	most := number(r.settings.endpoint.Subscription.MaxItems, 1000)
	for _, sub := range r.subs {
		if sub.interval == m.want.publishing && sub.items < most {
			return sub, most - sub.items, nil
		}
	}
	sub, err := r.createSubscription(ctx, m.want.publishing)
	return sub, most, err
}

// resolve finds settings and node ids. Points for which there are none are
// reported and left out.
func (r *run) resolve(ctx context.Context, list []*monitored) ([]*monitored, error) {
	ready := make([]*monitored, 0, len(list))
	var pathed []*monitored
	var paths []*ua.BrowsePath
	for _, m := range list {
		r.items[m.binding.Handle] = m
		b := m.binding
		var err error
		if m.want, err = r.settings.resolve(b.Asset, b.Dataset, b.Point); err != nil {
			r.refuse(m, err)
			continue
		}
		if m.want.start != "" && isPath(b.Point.DataSource) {
			path, err := r.browsePath(m)
			if err != nil {
				r.refuse(m, err)
				continue
			}
			pathed, paths = append(pathed, m), append(paths, path)
			continue
		}
		if m.node, err = r.names.nodeID(sourceKey(b.Ref(), b.Point.DataSource), b.Point.DataSource); err != nil {
			r.refuse(m, err)
			continue
		}
		ready = append(ready, m)
	}
	nodes, errs, err := r.session.translatePaths(ctx, paths)
	if err != nil {
		return nil, err
	}
	for i, m := range pathed {
		if errs[i] != nil {
			r.refuse(m, errs[i])
			continue
		}
		m.node = nodes[i]
		ready = append(ready, m)
	}
	return ready, nil
}

func (r *run) browsePath(m *monitored) (*ua.BrowsePath, error) {
	start, err := r.names.nodeID(sourceKey(m.binding.Ref(), m.binding.Point.DataSource), m.want.start)
	if err != nil {
		return nil, err
	}
	path, err := r.names.path(sourceKey(m.binding.Ref(), m.binding.Point.DataSource), m.binding.Point.DataSource)
	return &ua.BrowsePath{StartingNode: start, RelativePath: path}, err
}

// refuse reports that a point cannot be monitored. It is tried again later:
// servers get new nodes while they run.
func (r *run) refuse(m *monitored, err error) {
	m.id, m.sub = 0, nil
	r.host.Report.Item(m.binding.Ref(), err)
	r.failed = append(r.failed, m)
}

// createItems makes the items of one subscription, in requests of a size that
// the server takes.
func (r *run) createItems(ctx context.Context, sub *subscription, list []*monitored) error {
	for len(list) > 0 {
		part := list[:min(len(list), r.session.limits.monitor)]
		res, err := call[*ua.CreateMonitoredItemsResponse](ctx, r.session, &ua.CreateMonitoredItemsRequest{
			SubscriptionID: sub.id, TimestampsToReturn: ua.TimestampsToReturnBoth, ItemsToCreate: requests(part),
		})
		if tooMany(err) && len(part) > 1 {
			r.session.limits.monitor = len(part) / 2 // the server says less than it means
			continue
		}
		if tooMany(err) { // one more than the server takes at all; the others stay
			r.refuse(part[0], r.session.translate(err, "node "+part[0].binding.Point.DataSource))
			list = list[1:]
			continue
		}
		if err != nil {
			return r.session.translate(err, "create monitored items")
		}
		if len(res.Results) != len(part) {
			return fault.New(fault.Unavailable, "create monitored items: %d answers to %d questions", len(res.Results), len(part))
		}
		for i, m := range part {
			if err := statusError(res.Results[i].StatusCode, "node "+m.binding.Point.DataSource); err != nil {
				r.refuse(m, err)
				continue
			}
			m.sub, m.id = sub, res.Results[i].MonitoredItemID
			sub.items++
			r.host.Report.Item(m.binding.Ref(), nil)
		}
		list = list[len(part):]
	}
	return nil
}

func tooMany(err error) bool {
	var code ua.StatusCode
	return errors.As(err, &code) && (code == ua.StatusBadTooManyOperations || code == ua.StatusBadTooManyMonitoredItems ||
		code == ua.StatusBadEncodingLimitsExceeded || code == ua.StatusBadRequestTooLarge || code == ua.StatusBadResponseTooLarge)
}

func requests(list []*monitored) []*ua.MonitoredItemCreateRequest {
	out := make([]*ua.MonitoredItemCreateRequest, len(list))
	for i, m := range list {
		sampling := float64(m.want.sampling.Milliseconds())
		if m.want.sampling < 0 {
			sampling = -1
		}
		out[i] = &ua.MonitoredItemCreateRequest{
			ItemToMonitor:  &ua.ReadValueID{NodeID: m.node, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}},
			MonitoringMode: ua.MonitoringModeReporting,
			RequestedParameters: &ua.MonitoringParameters{
				ClientHandle: uint32(m.binding.Handle), SamplingInterval: sampling, QueueSize: m.want.queue, DiscardOldest: true,
			},
		}
	}
	return out
}

// unmonitor deletes the items of handles that are no longer wanted, and
// subscriptions that have none left.
func (r *run) unmonitor(ctx context.Context, handles []connector.Handle) error {
	bySub := map[*subscription][]uint32{}
	for _, h := range handles {
		m := r.items[h]
		delete(r.items, h)
		r.failed = slices.DeleteFunc(r.failed, func(f *monitored) bool { return f == m })
		if m == nil {
			continue
		}
		r.host.Report.Item(m.binding.Ref(), nil)
		if m.id != 0 {
			bySub[m.sub] = append(bySub[m.sub], m.id)
		}
	}
	for sub, ids := range bySub {
		if sub.items -= len(ids); sub.items == 0 {
			delete(r.subs, sub.id)
			if _, err := call[*ua.DeleteSubscriptionsResponse](ctx, r.session, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{sub.id}}); err != nil {
				return r.session.translate(err, "delete subscription")
			}
			continue
		}
		for _, part := range chunks(ids, r.session.limits.monitor) {
			if _, err := call[*ua.DeleteMonitoredItemsResponse](ctx, r.session, &ua.DeleteMonitoredItemsRequest{SubscriptionID: sub.id, MonitoredItemIDs: part}); err != nil {
				return r.session.translate(err, "delete monitored items")
			}
		}
	}
	return nil
}

// retryFailed tries the points again that the server refused.
func (r *run) retryFailed(ctx context.Context) error {
	list := r.failed
	r.failed = nil
	return r.monitor(ctx, list)
}
