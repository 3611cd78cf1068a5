package mqtt

import (
	"context"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/topic"
)

// subscription is one call of Subscribe.
type subscription struct {
	filter string
	to     message.Publisher
	failed chan error   // capacity 1: the broker refuses it
	on     *paho.Client // connection that was asked for it; behind the Client's mu
}

// Subscribe implements message.Subscriber. It outlives connections.
func (c *Client) Subscribe(ctx context.Context, filter string, to message.Publisher) error {
	if err := topic.CheckFilter(filter); err != nil {
		return err
	}
	s := &subscription{filter: filter, to: to, failed: make(chan error, 1)}
	c.mu.Lock()
	c.subs[s] = true
	conn := c.conn
	s.on = conn
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.subs, s)
		c.mu.Unlock()
	}()
	if conn != nil {
		if err := c.subscribe(ctx, conn, s); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// subscribe asks the broker. A lost connection is no error: the next one asks again.
func (c *Client) subscribe(ctx context.Context, conn *paho.Client, s *subscription) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	ack, err := conn.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: s.filter, QoS: 1, RetainAsPublished: true}}})
	if ack != nil && len(ack.Reasons) > 0 && ack.Reasons[0] >= 0x80 {
		return fault.New(fault.Denied, "the broker refuses the subscription to %s (reason 0x%02x)", s.filter, ack.Reasons[0])
	}
	if err != nil && ctx.Err() == nil {
		c.o.Log.Debug("subscribe", "filter", s.filter, "err", err)
	}
	return nil
}

// resubscribe asks on a new connection for everything that was not asked for
// there yet.
func (c *Client) resubscribe(ctx context.Context, conn *paho.Client) error {
	c.mu.Lock()
	list := make([]*subscription, 0, len(c.subs))
	for s := range c.subs {
		if s.on != conn {
			s.on = conn
			list = append(list, s)
		}
	}
	c.mu.Unlock()
	for _, s := range list {
		if err := c.subscribe(ctx, conn, s); err != nil {
			select {
			case s.failed <- err:
			default:
			}
		}
	}
	return ctx.Err()
}

// received hands a message to the subscriptions that want it.
func (c *Client) received(p paho.PublishReceived) (bool, error) {
	m := &message.Message{Topic: p.Packet.Topic, Payload: p.Packet.Payload, QoS: p.Packet.QoS, Retain: p.Packet.Retain}
	if x := p.Packet.Properties; x != nil {
		m.ContentType = x.ContentType
		m.Text = x.PayloadFormat != nil && *x.PayloadFormat == 1
		if x.MessageExpiry != nil {
			m.Expiry = time.Duration(*x.MessageExpiry) * time.Second
		}
		for _, u := range x.User {
			m.Props = append(m.Props, message.Prop{Key: u.Key, Value: u.Value})
		}
	}
	c.mu.Lock()
	var to []message.Publisher
	for s := range c.subs {
		if topic.Match(s.filter, m.Topic) {
			to = append(to, s.to)
		}
	}
	c.mu.Unlock()
	for _, t := range to {
		_ = t.Publish(context.Background(), m) // a subscriber that refuses a message has counted it
	}
	return true, nil
}
