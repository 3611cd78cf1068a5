// Package message defines what travels to a broker or a file, who carries it,
// and when it is safe.
//
// Publisher is the io.Writer of this program: connectors, decorators, sinks,
// data-flow stages and test recorders all meet in its one method.
package message

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is one publication. It belongs to the caller of Publish, who may
// reuse it and everything it points to as soon as Publish returns: a Publisher
// that keeps a message beyond that makes a copy (see Clone).
type Message struct {
	Topic       string
	Payload     []byte        // valid only during Publish
	ContentType string        // MQTT 5 content type, such as "application/json"
	Text        bool          // payload is UTF-8 text: MQTT 5 payload format indicator 1
	Static      []Prop        // user properties built once per assignment: shared, read-only
	Props       []Prop        // user properties of this message: valid only during Publish
	QoS         byte          // 0 or 1
	Retain      bool          // keep as the topic's last value
	Expiry      time.Duration // counts from sending; 0 = never
	Done        Completion    // told once what became of the message; may be nil
}

// Prop is one MQTT 5 user property.
type Prop struct{ Key, Value string }

// Clone returns a copy of m that shares no memory with it that the caller of
// Publish may reuse. Static properties and Done are shared.
func (m *Message) Clone() *Message {
	c := *m
	c.Payload = append([]byte(nil), m.Payload...)
	c.Props = append([]Prop(nil), m.Props...)
	for i := range c.Props {
		// A property's value may lie in a buffer that the caller reuses.
		c.Props[i].Value = string(append([]byte(nil), c.Props[i].Value...))
	}
	return &c
}

// Complete tells m.Done, if there is one, what became of m.
func (m *Message) Complete(o Outcome) {
	if m.Done != nil {
		m.Done.Complete(o)
	}
}

// Publisher accepts messages.
//
//  1. Publish does not change m and does not keep it, or anything it points
//     to, after it returns; Done is the exception.
//  2. An error means that m was not accepted: nobody will complete it.
//  3. After nil, m.Done is completed exactly once, from any goroutine, at any
//     time, even before Publish returns, and in any order among messages.
//     A Publisher that swallows a message completes it; one that splits it
//     completes it with the last part; a tee when every required branch has.
//  4. A message that is not completed when the process ends is not safe.
//  5. Messages of one topic that one goroutine publishes keep their order.
//  6. Concurrent calls are safe. Publish blocks at most until ctx ends.
type Publisher interface {
	Publish(ctx context.Context, m *Message) error
}

// PublisherFunc lets a function be a Publisher.
type PublisherFunc func(ctx context.Context, m *Message) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, m *Message) error { return f(ctx, m) }

// Subscriber delivers the messages of all topics that match filter to a
// Publisher, until ctx ends (nil) or the connection is lost (why).
type Subscriber interface {
	Subscribe(ctx context.Context, filter string, to Publisher) error
}

// Stage is a decorator or a data-flow step: it passes messages on to next,
// changed, delayed or dropped.
type Stage func(next Publisher) Publisher

// CleanText returns a text as MQTT can carry it (MQTT 5.0, 1.5.4): valid UTF-8
// without control characters, of at most 65,535 bytes. Brokers end the
// connection of whoever sends anything else. A good text is returned as it is.
func CleanText(s string) string {
	const most = 65_535
	bad := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
	if len(s) <= most && utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	s = s[:min(len(s), most/utf8.UTFMax)] // what replaces a byte may be longer
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// Outcome is what became of an accepted message.
type Outcome uint8

// The outcomes, from best to worst.
const (
	Safe    Outcome = iota + 1 // the broker acknowledged it, or it is synced to disk; for QoS 0: it was handed on
	Expired                    // its expiry passed before it could be delivered
	Dropped                    // a bound was reached and it was given up; a counter knows
)

// String returns the outcome's name as used in metrics.
func (o Outcome) String() string {
	switch o {
	case Safe:
		return "safe"
	case Expired:
		return "expired"
	case Dropped:
		return "dropped"
	default:
		return "unknown"
	}
}

// Completion is told once what became of a message. Complete is called from
// any goroutine, must not block, and must not publish.
type Completion interface {
	Complete(o Outcome)
}

// CompletionFunc lets a function be a Completion.
type CompletionFunc func(Outcome)

// Complete calls f.
func (f CompletionFunc) Complete(o Outcome) { f(o) }
