// Package sinktest is the conformance suite that every sink passes: the rules
// of message.Publisher, held against the far end.
package sinktest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/message"
)

// patience is how long a part waits for something that must happen.
const patience = 30 * time.Second

// Sink is one running sink with somebody at its far end.
type Sink struct {
	Publisher message.Publisher
	// Far records what arrives for topics below "sinktest/".
	Far *record.Publisher
	// TooLarge is a payload size that the sink does not carry; 0 = there is none.
	TooLarge int
}

// Run checks that a sink keeps the contract. open starts a fresh one.
func Run(t *testing.T, open func(t *testing.T) Sink) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Sink)
	}{
		{"completes each message once", completesOnce},
		{"the caller may reuse everything", reuse},
		{"keeps the order of a topic", order},
		{"is safe for concurrent use", concurrent},
		{"delivers the message whole", whole},
		{"a cancelled context does not hang", cancelled},
		{"nobody need wait for a completion", withoutDone},
		{"what is too large harms nothing else", tooLarge},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// done counts the completions of one message.
type done struct {
	n       atomic.Int64
	outcome atomic.Int64
}

// Complete implements message.Completion.
func (d *done) Complete(o message.Outcome) {
	d.outcome.Store(int64(o))
	d.n.Add(1)
}

func topicOf(name string) string { return "sinktest/" + name }

// numbers returns the payloads of a topic as numbers.
func numbers(list []*message.Message, topic string) []int {
	var out []int
	for _, m := range list {
		if m.Topic == topic {
			if n, err := strconv.Atoi(string(m.Payload)); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func waitFor(t *testing.T, s Sink, topic string, n int) []int {
	t.Helper()
	list := s.Far.Wait(t, fmt.Sprintf("%d messages on %s", n, topic), func(list []*message.Message) bool {
		return len(numbers(list, topic)) >= n
	})
	return numbers(list, topic)
}

func completesOnce(t *testing.T, s Sink) {
	all := make([]done, 200)
	for i := range all {
		m := &message.Message{Topic: topicOf("once"), Payload: []byte(strconv.Itoa(i)), QoS: byte(i % 2), Done: &all[i]}
		require.NoError(t, s.Publisher.Publish(t.Context(), m))
	}
	waitFor(t, s, topicOf("once"), len(all))
	for i := range all {
		require.Eventually(t, func() bool { return all[i].n.Load() > 0 }, patience, time.Millisecond, "message %d", i)
		require.EqualValues(t, 1, all[i].n.Load())
		require.Equal(t, message.Safe, message.Outcome(all[i].outcome.Load())) //nolint:gosec // an outcome
	}
}

func reuse(t *testing.T, s Sink) {
	const n = 200
	payload, prop := make([]byte, 8), make([]byte, 8)
	m := &message.Message{Topic: topicOf("reuse"), QoS: 1}
	for i := range n {
		text := strconv.Itoa(i)
		m.Payload = payload[:copy(payload, text)]
		size := copy(prop, text)
		m.Props = append(m.Props[:0], message.Prop{Key: "n", Value: unsafe.String(&prop[0], size)})
		require.NoError(t, s.Publisher.Publish(t.Context(), m))
		for _, buf := range [][]byte{payload, prop} { // poison
			for j := range buf {
				buf[j] = 'x'
			}
		}
	}
	waitFor(t, s, topicOf("reuse"), n)
	next := 0
	for _, m := range s.Far.Messages() {
		if m.Topic != topicOf("reuse") {
			continue
		}
		require.Equal(t, strconv.Itoa(next), string(m.Payload))
		require.Contains(t, m.Props, message.Prop{Key: "n", Value: strconv.Itoa(next)})
		next++
	}
	require.Equal(t, n, next)
}

func order(t *testing.T, s Sink) {
	const n = 1000
	for i := range n {
		require.NoError(t, s.Publisher.Publish(t.Context(), &message.Message{Topic: topicOf("order"), Payload: []byte(strconv.Itoa(i)), QoS: 1}))
	}
	for i, x := range waitFor(t, s, topicOf("order"), n) {
		require.Equal(t, i, x)
	}
}

func concurrent(t *testing.T, s Sink) {
	const publishers, each = 8, 100
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				m := &message.Message{Topic: topicOf("concurrent/" + strconv.Itoa(p)), Payload: []byte(strconv.Itoa(i)), QoS: 1}
				if err := s.Publisher.Publish(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for p := range publishers {
		for i, x := range waitFor(t, s, topicOf("concurrent/"+strconv.Itoa(p)), each) {
			require.Equal(t, i, x, "publisher %d", p)
		}
	}
}

func whole(t *testing.T, s Sink) {
	require.NoError(t, s.Publisher.Publish(t.Context(), &message.Message{
		Topic: topicOf("whole"), Payload: []byte("7"), ContentType: "application/json", Text: true, QoS: 1, Expiry: time.Minute,
		Static: []message.Prop{{Key: "specversion", Value: "1.0"}}, Props: []message.Prop{{Key: "id", Value: "x"}},
	}))
	waitFor(t, s, topicOf("whole"), 1)
	for _, m := range s.Far.Messages() {
		if m.Topic != topicOf("whole") {
			continue
		}
		require.Equal(t, "application/json", m.ContentType)
		require.True(t, m.Text)
		require.EqualValues(t, 1, m.QoS)
		require.Positive(t, m.Expiry)
		require.LessOrEqual(t, m.Expiry, time.Minute)
		require.Contains(t, m.Props, message.Prop{Key: "specversion", Value: "1.0"})
		require.Contains(t, m.Props, message.Prop{Key: "id", Value: "x"})
	}
}

func cancelled(t *testing.T, s Sink) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &done{}
	err := s.Publisher.Publish(ctx, &message.Message{Topic: topicOf("cancelled"), Payload: []byte("1"), QoS: 1, Done: d})
	if err != nil {
		require.Zero(t, d.n.Load(), "not accepted, so nobody completes it")
		return
	}
	require.Eventually(t, func() bool { return d.n.Load() == 1 }, patience, time.Millisecond)
}

func withoutDone(t *testing.T, s Sink) {
	for qos := range byte(2) {
		require.NoError(t, s.Publisher.Publish(t.Context(), &message.Message{Topic: topicOf("alone"), Payload: []byte("1"), QoS: qos}))
	}
	waitFor(t, s, topicOf("alone"), 2)
}

func tooLarge(t *testing.T, s Sink) {
	if s.TooLarge == 0 {
		t.Skip("the sink carries everything")
	}
	d := &done{}
	err := s.Publisher.Publish(t.Context(), &message.Message{Topic: topicOf("large"), Payload: make([]byte, s.TooLarge), QoS: 1, Done: d})
	if err == nil {
		require.Eventually(t, func() bool { return d.n.Load() == 1 }, patience, time.Millisecond)
		require.Equal(t, message.Dropped, message.Outcome(d.outcome.Load())) //nolint:gosec // an outcome
	}
	require.NoError(t, s.Publisher.Publish(t.Context(), &message.Message{Topic: topicOf("large"), Payload: []byte("1"), QoS: 1}))
	waitFor(t, s, topicOf("large"), 1)
}
