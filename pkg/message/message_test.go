package message_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/message"
)

func TestCloneSharesNothingThatIsUsedAgain(t *testing.T) {
	payload := []byte("abc")
	props := []message.Prop{{Key: "id", Value: "1"}}
	m := &message.Message{Topic: "t", Payload: payload, Props: props, Static: []message.Prop{{Key: "s", Value: "x"}}, QoS: 1}
	c := m.Clone()
	payload[0], props[0].Value = 'X', "2"
	require.Equal(t, "abc", string(c.Payload))
	require.Equal(t, "1", c.Props[0].Value)
	require.Equal(t, m.Static, c.Static)
	require.Equal(t, byte(1), c.QoS)
}

func TestCompleteWithoutDone(t *testing.T) {
	require.NotPanics(t, func() { new(message.Message).Complete(message.Safe) })
}

func TestBatchCompletesOnceWithTheWorst(t *testing.T) {
	var got []message.Outcome
	done := message.CompletionFunc(func(o message.Outcome) { got = append(got, o) })
	var b message.Batch
	for _, outcomes := range [][]message.Outcome{
		{}, {message.Safe}, {message.Dropped, message.Safe, message.Expired}, {message.Safe, message.Expired},
	} {
		got = nil
		want := message.Safe
		b.Open(done) // the same batch again: batches are pooled
		for range outcomes {
			b.Add()
		}
		for _, o := range outcomes {
			b.Complete(o)
			want = max(want, o)
		}
		require.Empty(t, got, "not before Close: more may be added")
		b.Close()
		require.Equal(t, []message.Outcome{want}, got)
	}
}

func TestBatchFromManyGoroutines(t *testing.T) {
	const n = 200
	got := make(chan message.Outcome, 2)
	var b message.Batch
	var wg sync.WaitGroup
	b.Open(message.CompletionFunc(func(o message.Outcome) { got <- o }))
	for i := range n {
		b.Add()
		wg.Go(func() {
			if i == n/2 {
				b.Complete(message.Dropped)
				return
			}
			b.Complete(message.Safe)
		})
	}
	b.Close()
	wg.Wait()
	require.Equal(t, message.Dropped, <-got)
	require.Empty(t, got)
}

func TestOutcomesHaveNames(t *testing.T) {
	for o, want := range map[message.Outcome]string{
		message.Safe: "safe", message.Expired: "expired", message.Dropped: "dropped", 0: "unknown",
	} {
		require.Equal(t, want, o.String())
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "urn:plant": "urn:plant", "Grüße": "Grüße", "urn:M\xfcnchen:PLC": "urn:M\ufffdnchen:PLC", "a\x00": "a\ufffd", "a\nb\u0085": "a\ufffdb\ufffd",
	} {
		require.Equal(t, want, message.CleanText(in))
	}
	long := message.CleanText(strings.Repeat("ü", 40_000))
	require.LessOrEqual(t, len(long), 65_535)
	require.True(t, utf8.ValidString(long))
	require.Zero(t, testing.AllocsPerRun(100, func() { message.CleanText("urn:plant") }))
}
