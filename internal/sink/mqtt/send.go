package mqtt

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	pahosession "github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"

	"github.com/iotops/iotops/pkg/message"
)

// session is the library's session, which outlives connections and sends again
// what was not acknowledged. It tells us the answer to each publication, which
// the library keeps to itself when it does not wait for it.
type session struct {
	*state.State

	mu          sync.Mutex
	next        *item          // the one that is being published
	outstanding map[*item]bool // those without an answer
}

var _ pahosession.SessionManager = (*session)(nil)

// AddToSession implements pahosession.SessionManager.
func (s *session) AddToSession(ctx context.Context, p pahosession.Packet, resp chan<- packets.ControlPacket) error {
	s.mu.Lock()
	it := s.next
	s.mu.Unlock()
	if it != nil && p.Type() == packets.PUBLISH {
		resp = it.ack
	}
	return s.State.AddToSession(ctx, p, resp)
}

// answer gives an item its answer, unless it has one.
func (it *item) answer(p packets.ControlPacket) {
	select {
	case it.ack <- p:
	default:
	}
}

// send sends what waits, oldest first, until the connection is lost.
func (c *Client) send(ctx context.Context, conn *paho.Client) error {
	for {
		it, err := c.oldest(ctx)
		if err != nil {
			return err
		}
		if err := c.sendOne(ctx, conn, it); err != nil {
			return err
		}
	}
}

// oldest returns the message whose turn it is: one that must be sent again,
// else one of the window, else one of the spool.
func (c *Client) oldest(ctx context.Context) (*item, error) {
	for {
		if it := c.takeRetry(); it != nil {
			return it, nil
		}
		select {
		case it := <-c.window:
			return it, nil
		default:
		}
		c.mu.Lock()
		spooling := c.spooling
		if spooling && len(c.window) == 0 && c.o.Spool.Len() == 0 {
			c.spooling, spooling = false, false
		}
		c.mu.Unlock()
		if !spooling {
			select {
			case it := <-c.window:
				return it, nil
			case <-time.After(50 * time.Millisecond): // a message may have gone to the spool
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if len(c.window) > 0 {
			continue
		}
		e, err := c.o.Spool.Next(ctx)
		if err != nil {
			return nil, err
		}
		return &item{m: e.Message, entry: e, ack: make(chan packets.ControlPacket, 1)}, nil
	}
}

func (c *Client) takeRetry() *item {
	c.sess.mu.Lock()
	defer c.sess.mu.Unlock()
	if len(c.retry) == 0 {
		return nil
	}
	it := c.retry[0]
	c.retry = c.retry[1:]
	return it
}

// sendOne publishes a message without waiting for the answer. What happens to it from
// then on is the session's affair, and collect hears of it.
func (c *Client) sendOne(ctx context.Context, conn *paho.Client, it *item) error {
	if it.seq == 0 {
		c.seq++
		it.seq = c.seq
	}
	select {
	case c.flight <- it:
		c.inFlight.Add(1)
	case <-ctx.Done():
		c.again(it)
		return ctx.Err()
	}
	if c.limit > 0 && packetSize(it.m) > c.limit {
		it.answer(packets.ControlPacket{Content: &packets.Puback{ReasonCode: packets.PubackQuotaExceeded}})
		return nil
	}
	c.sess.mu.Lock()
	c.sess.next, c.sess.outstanding[it] = it, true
	c.sess.mu.Unlock()
	_, err := conn.PublishWithOptions(ctx, publish(it.m), paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
	c.sess.mu.Lock()
	c.sess.next = nil
	c.sess.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, paho.ErrNetworkErrorAfterStored):
		return err // the session sends it again
	case errors.Is(err, paho.ErrInvalidArguments):
		c.o.Log.Warn("message refused", "topic", it.m.Topic, "err", err)
		it.answer(packets.ControlPacket{Content: &packets.Puback{ReasonCode: packets.PubackTopicNameInvalid}})
		return nil
	default:
		it.answer(packets.ControlPacket{}) // never stored: it must be sent again
		return err
	}
}

// packetSize returns at least as much as a message takes as a packet.
func packetSize(m *message.Message) int {
	size := 64 + len(m.Topic) + len(m.ContentType) + len(m.Payload)
	for _, list := range [][]message.Prop{m.Static, m.Props} {
		for _, x := range list {
			size += 5 + len(x.Key) + len(x.Value)
		}
	}
	return size
}

// collect hears what became of each message, in the order in which they were
// sent: brokers acknowledge in that order (MQTT 5.0, 4.6).
func (c *Client) collect(ctx context.Context) {
	for {
		var it *item
		select {
		case it = <-c.flight:
		case <-ctx.Done():
			return
		}
		c.head.Store(it)
		select {
		case answer := <-it.ack:
			c.head.Store(nil)
			c.settleItem(it, answer)
		case <-ctx.Done():
			c.left = it
			return
		}
	}
}

// settleItem completes a message, or has it sent again.
func (c *Client) settleItem(it *item, answer packets.ControlPacket) {
	c.sess.mu.Lock()
	delete(c.sess.outstanding, it)
	poison := it.poison
	c.sess.mu.Unlock()
	defer c.inFlight.Add(-1)
	ack, ok := answer.Content.(*packets.Puback)
	if !ok && poison {
		c.o.Log.Error("the broker ends the connection for a message: it is given up", "topic", it.m.Topic, "bytes", len(it.m.Payload))
		ack, ok = &packets.Puback{ReasonCode: packets.PubackUnspecifiedError}, true
	}
	if !ok {
		c.again(it)
		return
	}
	outcome := message.Safe
	if ack.ReasonCode >= 0x80 {
		outcome = message.Dropped
		c.counts.refused.Add(1)
		c.o.Log.Warn("message refused by the broker", "topic", it.m.Topic, "reason", ack.ReasonCode)
	} else {
		c.counts.sent.Add(1)
	}
	if it.entry.Message != nil {
		c.o.Spool.Commit(it.entry) // its source was told when it was synced
		return
	}
	it.m.Complete(outcome)
}

// again has a message sent before all others. Only while nothing else is sent:
// the connection is gone, or not up yet.
func (c *Client) again(it *item) {
	it.ack = make(chan packets.ControlPacket, 1)
	c.sess.mu.Lock()
	at, _ := slices.BinarySearchFunc(c.retry, it, bySeq)
	c.retry = slices.Insert(c.retry, at, it)
	c.sess.mu.Unlock()
}
