// Package record has a Publisher for tests that remembers what it was given.
package record

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/iotops/iotops/pkg/message"
)

// patience is how long a test waits for something that must happen. It is far
// longer than it takes: tests run on slow machines.
const patience = 30 * time.Second

// Publisher remembers copies of messages. It is safe for concurrent use.
type Publisher struct {
	mu       sync.Mutex
	messages []*message.Message
	held     []*message.Message
	hold     bool
	err      error
	changed  chan struct{}
}

// New returns an empty Publisher, which completes what it gets as Safe.
func New() *Publisher { return &Publisher{changed: make(chan struct{})} }

// Publish implements message.Publisher.
func (p *Publisher) Publish(_ context.Context, m *message.Message) error {
	p.mu.Lock()
	if p.err != nil {
		defer p.mu.Unlock()
		return p.err
	}
	c := m.Clone()
	p.messages = append(p.messages, c)
	hold := p.hold
	if hold {
		p.held = append(p.held, c)
	}
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if !hold {
		m.Complete(message.Safe)
	}
	return nil
}

// Refuse makes Publish fail with err; nil ends that.
func (p *Publisher) Refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Hold keeps messages from being completed until Release.
func (p *Publisher) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = true
}

// Release completes what was held, and completes at once from now on.
func (p *Publisher) Release(o message.Outcome) {
	p.mu.Lock()
	held := p.held
	p.held, p.hold = nil, false
	p.mu.Unlock()
	for _, m := range held {
		m.Complete(o)
	}
}

// Messages returns what was published so far.
func (p *Publisher) Messages() []*message.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*message.Message(nil), p.messages...)
}

// Wait waits until ok says that the messages so far are enough, and returns them.
func (p *Publisher) Wait(t testing.TB, what string, ok func([]*message.Message) bool) []*message.Message {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		changed, list := p.changed, append([]*message.Message(nil), p.messages...)
		p.mu.Unlock()
		if ok(list) {
			return list
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s: %d messages came", what, len(list))
			return nil
		}
	}
}

// Point is one value of a dataset message.
type Point struct {
	SourceTimestamp time.Time
	Value           any
	StatusCode      *struct {
		Code   uint32
		Symbol string
	}
}

// Points returns the values of a point on a topic, in the order in which they
// came; "" is every topic.
func Points(list []*message.Message, topic, name string) []Point {
	var out []Point
	for _, m := range list {
		if topic != "" && m.Topic != topic {
			continue
		}
		var doc map[string]Point
		if json.Unmarshal(m.Payload, &doc) != nil {
			continue
		}
		if p, ok := doc[name]; ok {
			out = append(out, p)
		}
	}
	return out
}
