package emit

import (
	"context"
	"errors"
	"sync"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// cycle tells a source's cycle that all of its messages are complete. It goes
// back to the pool by itself.
type cycle struct {
	batch message.Batch
	done  message.Completion
	pool  *sync.Pool
}

// Complete implements message.Completion: the batch calls it last.
func (c *cycle) Complete(o message.Outcome) {
	done := c.done
	c.done = nil
	c.pool.Put(c)
	done.Complete(o)
}

// Flush implements connector.Output.
func (p *Plan) Flush(ctx context.Context, c connector.Cycle) error {
	var done *message.Batch
	if c.Done != nil {
		if len(p.touched) == 0 {
			c.Done.Complete(message.Safe)
			return nil
		}
		cy := p.env.cycle()
		cy.done = c.Done
		done = &cy.batch
		done.Open(cy)
	}
	p.env.begin(p.o.Now(), c)
	var errs []error
	for _, t := range p.touched {
		t.touched = false
		var err error
		if t.event {
			err = p.flushEvents(ctx, t, done)
		} else {
			err = p.flushDataset(ctx, t, done)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	p.touched = p.touched[:0]
	if done != nil {
		done.Close()
	}
	return errors.Join(errs...)
}

// flushDataset publishes what waits in a dataset: the first samples of all
// points in one message, the second ones in the next, and so on. Nothing is
// overwritten, and however a source orders a queue of several samples, there are
// no more messages than samples of the busiest point.
func (p *Plan) flushDataset(ctx context.Context, t *target, done *message.Batch) error {
	p.sortIntoRounds(t)
	var errs error
	for _, r := range t.rounds {
		p.marks++
		t.buf = append(t.buf[:0], '{')
		for i := r.first; i >= 0; i = t.pending[i].next {
			w := &t.pending[i]
			x := &t.points[p.slots[w.h].index]
			if i != r.first {
				t.buf = append(t.buf, ',')
			}
			t.buf = appendSample(t.buf, x.prefix, &w.s)
			x.last, x.seen, x.mark = w.s, true, p.marks
		}
		errs = errors.Join(errs, p.closeDataset(ctx, t, done))
	}
	clear(t.pending) // let go of what the samples share
	t.pending = t.pending[:0]
	return errs
}

// sortIntoRounds chains what waits: the n-th samples of all points are round n.
func (p *Plan) sortIntoRounds(t *target) {
	p.cycles++
	t.rounds = t.rounds[:0]
	for i := range t.pending {
		w := &t.pending[i]
		w.next = -1
		s := p.slots[w.h]
		if s.t != t {
			continue // removed since
		}
		x := &t.points[s.index]
		if x.cycle != p.cycles {
			x.cycle, x.round = p.cycles, 0
		} else {
			x.round++
		}
		if x.round == len(t.rounds) {
			t.rounds = append(t.rounds, round{i, i})
			continue
		}
		r := &t.rounds[x.round]
		t.pending[r.last].next = i
		r.last = i
	}
}

// closeDataset makes a key frame of the message where one is due, and publishes it.
func (p *Plan) closeDataset(ctx context.Context, t *target, done *message.Batch) error {
	t.sinceKey++
	if t.keyFrames > 0 && t.sinceKey >= t.keyFrames {
		for i := range t.points {
			if x := &t.points[i]; x.seen && x.mark != p.marks {
				t.buf = append(t.buf, ',')
				t.buf = appendSample(t.buf, x.prefix, &x.last)
				x.mark = p.marks
			}
		}
		t.sinceKey = 0
	}
	t.buf = append(t.buf, '}')
	kind := "ua-deltaframe"
	if t.all(p.marks) {
		kind, t.sinceKey = "ua-keyframe", 0
	}
	return p.publish(ctx, t, t.buf, kind, p.env.at, done)
}

func (p *Plan) flushEvents(ctx context.Context, t *target, done *message.Batch) error {
	var errs error
	for i := range t.events {
		e := &t.events[i]
		at := e.at
		if at == 0 {
			at = p.env.at
		}
		errs = errors.Join(errs, p.publish(ctx, t, e.payload, "ua-event", at, done))
	}
	t.events = t.events[:0]
	return errs
}

// publish sends one message of a target.
func (p *Plan) publish(ctx context.Context, t *target, payload []byte, kind string, at int64, done *message.Batch) error {
	if t.err != nil {
		// The item is in an error state that says so: nothing is lost unseen,
		// and the source need not keep it.
		return nil //nolint:nilerr // for that reason
	}
	if t.sequence++; t.sequence == 0 {
		t.sequence = 1
	}
	m := &p.msg
	*m = message.Message{
		Topic: t.topic, Payload: payload, ContentType: "application/json", Text: true,
		Static: t.static, QoS: t.qos, Retain: t.retain, Expiry: t.expiry,
	}
	m.Props = p.env.props(p.o.Style, p.source, t, kind, at)
	if done == nil {
		return p.o.Out.Publish(ctx, m)
	}
	m.Done = done
	done.Add()
	err := p.o.Out.Publish(ctx, m)
	if err != nil {
		done.Complete(message.Dropped)
	}
	return err
}

// Publish implements connector.Output.
func (p *Plan) Publish(ctx context.Context, item model.ItemRef, m *message.Message) error {
	t := p.targets[item]
	if t == nil {
		return fault.New(fault.Invalid, "%s has no item %s %s", item.Asset, item.Group, item.Item)
	}
	if t.err != nil {
		return t.err
	}
	out := *m
	out.Topic, out.QoS, out.Retain, out.Expiry, out.Static = t.topic, t.qos, t.retain, t.expiry, t.static
	p.env.begin(p.o.Now(), connector.Cycle{})
	out.Props = append(p.env.props(connector.StyleSDK, p.source, t, "", p.env.at), m.Props...)
	return p.o.Out.Publish(ctx, &out)
}
