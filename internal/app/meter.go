package app

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iotops/iotops/pkg/message"
)

// meter is a Publisher that counts what becomes of messages. It allocates
// nothing per message.
type meter struct {
	next message.Publisher

	accepted, refused, bytes, pending atomic.Int64
	outcomes                          [message.Dropped + 1]atomic.Int64
	pool                              sync.Pool // of *metered
}

// metered is one message on its way. It is used again once it is complete and
// Publish has returned, whichever comes last.
type metered struct {
	m     *meter
	msg   message.Message
	done  message.Completion
	users atomic.Int32
}

// Publish implements message.Publisher.
func (m *meter) Publish(ctx context.Context, msg *message.Message) error {
	c, ok := m.pool.Get().(*metered)
	if !ok {
		c = &metered{m: m}
	}
	c.msg, c.done = *msg, msg.Done
	c.msg.Done = c
	c.users.Store(2)
	m.pending.Add(1)
	err := m.next.Publish(ctx, &c.msg)
	if err != nil {
		m.refused.Add(1)
		m.pending.Add(-1)
		c.users.Store(1) // nobody completes it
	} else {
		m.accepted.Add(1)
		m.bytes.Add(int64(len(msg.Payload)))
	}
	c.release()
	return err
}

// Complete implements message.Completion.
func (c *metered) Complete(o message.Outcome) {
	m, done := c.m, c.done
	if int(o) < len(m.outcomes) {
		m.outcomes[o].Add(1)
	}
	m.pending.Add(-1)
	c.release()
	if done != nil {
		done.Complete(o)
	}
}

func (c *metered) release() {
	if c.users.Add(-1) == 0 {
		m := c.m
		c.msg, c.done = message.Message{}, nil
		m.pool.Put(c)
	}
}

func (m *meter) count(o message.Outcome) int64 { return m.outcomes[o].Load() }

// published returns how many messages were accepted.
func (m *meter) published() int64 { return m.accepted.Load() }

// wait waits until nothing is in flight, at most for d.
func (m *meter) wait(d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.pending.Load() > 0 {
		select {
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}
