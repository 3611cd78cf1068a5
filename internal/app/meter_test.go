package app

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/message"
)

func TestMeterCountsOutcomes(t *testing.T) {
	out := record.New()
	m := &meter{next: out}
	var told []message.Outcome
	publish := func() error {
		return m.Publish(t.Context(), &message.Message{
			Topic: "t", Payload: []byte("12345"), QoS: 1, Done: message.CompletionFunc(func(o message.Outcome) { told = append(told, o) }),
		})
	}
	require.NoError(t, publish())
	out.Hold()
	require.NoError(t, publish())
	require.NoError(t, publish())
	require.EqualValues(t, 2, m.pending.Load())
	out.Release(message.Dropped)
	out.Refuse(errors.New("no"))
	require.EqualError(t, publish(), "no")
	require.Equal(t, []message.Outcome{message.Safe, message.Dropped, message.Dropped}, told)
	require.EqualValues(t, 1, m.count(message.Safe))
	require.EqualValues(t, 2, m.count(message.Dropped))
	require.EqualValues(t, 3, m.published())
	require.EqualValues(t, 1, m.refused.Load())
	require.EqualValues(t, 15, m.bytes.Load())
	require.Zero(t, m.pending.Load())
}

func TestMeterAllocatesNothing(t *testing.T) {
	m := &meter{next: message.PublisherFunc(func(_ context.Context, m *message.Message) error {
		m.Complete(message.Safe)
		return nil
	})}
	msg := &message.Message{Topic: "t", Payload: []byte("x")}
	require.Zero(t, int(testing.AllocsPerRun(1000, func() { _ = m.Publish(context.Background(), msg) })))
	require.Nil(t, msg.Done, "the message is the caller's")
}

func TestMeterWithCompletionsFromElsewhere(t *testing.T) {
	var wg sync.WaitGroup
	m := &meter{next: message.PublisherFunc(func(_ context.Context, m *message.Message) error {
		done := m.Done
		wg.Go(func() { done.Complete(message.Safe) })
		if m.Topic != "t" { // whatever is completed already, the message is whole
			return errors.New("torn")
		}
		return nil
	})}
	var n atomic.Int64
	for range 1000 {
		err := m.Publish(t.Context(), &message.Message{Topic: "t", Done: message.CompletionFunc(func(message.Outcome) { n.Add(1) })})
		require.NoError(t, err)
	}
	wg.Wait()
	require.EqualValues(t, 1000, n.Load())
	require.EqualValues(t, 1000, m.count(message.Safe))
	m.wait(time.Second)
	require.Zero(t, m.pending.Load())
}

func TestMeterWaitsABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		m.pending.Store(1)
		began := time.Now()
		m.wait(3 * time.Second)
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.1)
	})
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestViewShowsWhatOneCanRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		v := newView(out, time.Now, func() string { return "summary" })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); v.run(ctx) }()
		stamp := time.Now().Add(-42 * time.Millisecond).UTC().Format(time.RFC3339Nano)
		m := &message.Message{Topic: "plant/\x1b[2J", Payload: make([]byte, 128), Props: []message.Prop{{Key: "time", Value: stamp}}}
		for range 100 {
			v.see(m)
			synctest.Wait()
		}
		time.Sleep(1100 * time.Millisecond)
		v.see(&message.Message{Topic: "t"})
		synctest.Wait()
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, linesASecond+2)
		require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3}  plant/\x{FFFD}\[2J +128 B +42 ms$`, lines[0])
		require.Equal(t, "summary   (90 more lines)", lines[linesASecond])
		require.Regexp(t, ` t +0 B +-$`, lines[linesASecond+1])
	})
}

func TestShortly(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 µs": 0, "999 µs": 999 * time.Microsecond, "1 ms": time.Millisecond, "2.5 s": 2500 * time.Millisecond, "1m30s": 90 * time.Second,
	} {
		require.Equal(t, want, shortly(d))
	}
}
