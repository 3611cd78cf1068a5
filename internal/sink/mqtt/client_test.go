package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/sink/embedded"
	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/spool"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o mqtt.Options) *mqtt.Client {
	t.Helper()
	c, err := mqtt.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return c
}

func broker(t *testing.T, address string) *embedded.Broker {
	t.Helper()
	var b *embedded.Broker
	require.Eventually(t, func() bool {
		var err error
		b, err = embedded.Start(embedded.Options{TCP: address})
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	t.Cleanup(b.Close)
	return b
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

func newSpool(t *testing.T) *spool.Spool {
	t.Helper()
	s, err := spool.Open(t.TempDir(), spool.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// subscribe records what a subscriber of its own gets.
func subscribe(t *testing.T, url, filter string) *record.Publisher {
	t.Helper()
	rec := record.New()
	c := start(t, mqtt.Options{URL: url, ClientID: "subscriber-" + strings.ReplaceAll(t.Name(), "/", "-") + strconv.Itoa(os.Getpid())})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Subscribe(ctx, filter, rec) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	// It is subscribed once it hears itself.
	require.Eventually(t, func() bool {
		probe := strings.TrimSuffix(filter, "#") + "probe"
		_ = c.Publish(t.Context(), &message.Message{Topic: probe, Payload: []byte("x"), QoS: 0})
		return len(rec.Messages()) > 0
	}, 20*time.Second, 20*time.Millisecond)
	return rec
}

// numbers returns the payloads of a topic as numbers.
func numbers(list []*message.Message, topic string) []int {
	var out []int
	for _, m := range list {
		if m.Topic == topic {
			n, err := strconv.Atoi(string(m.Payload))
			if err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func publishNumbers(t *testing.T, c *mqtt.Client, topic string, from, to int, safe *atomic.Int64) {
	t.Helper()
	for i := from; i < to; i++ {
		m := &message.Message{Topic: topic, Payload: []byte(strconv.Itoa(i)), QoS: 1}
		m.Done = message.CompletionFunc(func(o message.Outcome) {
			if o == message.Safe {
				safe.Add(1)
			}
		})
		require.NoError(t, c.Publish(t.Context(), m))
	}
}

// requireAll waits for numbers 0 to n-1 in order; repeats are allowed where again is set.
func requireAll(t *testing.T, rec *record.Publisher, topic string, n int, again bool) {
	t.Helper()
	list := rec.Wait(t, fmt.Sprintf("%d messages", n), func(list []*message.Message) bool {
		got := numbers(list, topic)
		return len(got) > 0 && got[len(got)-1] == n-1
	})
	next := 0
	for _, x := range numbers(list, topic) {
		if again && x < next {
			continue
		}
		require.Equal(t, next, x)
		next++
	}
	require.Equal(t, n, next)
}

func TestMessagesArriveWhole(t *testing.T) {
	b := broker(t, "127.0.0.1:0")
	rec := subscribe(t, b.URL(), "plant/#")
	c := start(t, mqtt.Options{URL: b.URL(), ClientID: "whole", Spool: newSpool(t)})
	done := make(chan message.Outcome, 1)
	m := &message.Message{
		Topic: "plant/oven", Payload: []byte(`{"a":1}`), ContentType: "application/json", Text: true, QoS: 1, Expiry: time.Minute,
		Static: []message.Prop{{Key: "specversion", Value: "1.0"}}, Props: []message.Prop{{Key: "id", Value: "x"}},
		Done: message.CompletionFunc(func(o message.Outcome) { done <- o }),
	}
	require.NoError(t, c.Publish(t.Context(), m))
	clear(m.Payload) // the caller may reuse it
	require.Equal(t, message.Safe, <-done)
	list := rec.Wait(t, "the message", func(list []*message.Message) bool { return list[len(list)-1].Topic == "plant/oven" })
	got := list[len(list)-1]
	require.JSONEq(t, `{"a":1}`, string(got.Payload))
	require.Equal(t, "application/json", got.ContentType)
	require.True(t, got.Text)
	require.LessOrEqual(t, got.Expiry, time.Minute)
	require.NotZero(t, got.Expiry)
	require.Contains(t, got.Props, message.Prop{Key: "specversion", Value: "1.0"})
	require.Contains(t, got.Props, message.Prop{Key: "id", Value: "x"})
}

func TestOrderUnderLoad(t *testing.T) {
	b := broker(t, "127.0.0.1:0")
	rec := subscribe(t, b.URL(), "load/#")
	c := start(t, mqtt.Options{URL: b.URL(), ClientID: "load", Spool: newSpool(t), Window: 100})
	var safe atomic.Int64
	publishNumbers(t, c, "load/x", 0, 3000, &safe)
	requireAll(t, rec, "load/x", 3000, false)
	require.Eventually(t, func() bool { return safe.Load() == 3000 }, 20*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return c.Stats().InFlight == 0 && c.Stats().Spool.Messages == 0 }, 20*time.Second, time.Millisecond)
}

func TestABrokerThatIsAwayAtTheStart(t *testing.T) {
	address := freeAddress(t)
	c := start(t, mqtt.Options{URL: "mqtt://" + address, ClientID: "away", Spool: newSpool(t)})
	var safe atomic.Int64
	publishNumbers(t, c, "t/x", 0, 500, &safe)
	require.Eventually(t, func() bool { return safe.Load() == 500 }, 20*time.Second, time.Millisecond, "safe: they are on disk")
	require.False(t, c.Status().Connected)
	var dropped atomic.Int64
	require.NoError(t, c.Publish(t.Context(), &message.Message{Topic: "t/q0", Done: message.CompletionFunc(func(o message.Outcome) {
		if o == message.Dropped {
			dropped.Add(1)
		}
	})}))
	require.EqualValues(t, 1, dropped.Load(), "QoS 0 does not wait")
	require.EqualValues(t, 1, c.Stats().Dropped)
	b := broker(t, address)
	rec := subscribe(t, b.URL(), "t/#")
	requireAllOrEarlier(t, rec, c)
}

// requireAllOrEarlier accepts that messages went out before the subscriber was there.
func requireAllOrEarlier(t *testing.T, rec *record.Publisher, c *mqtt.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return c.Stats().Sent == 500 }, 20*time.Second, time.Millisecond)
	got := numbers(rec.Messages(), "t/x")
	for i := 1; i < len(got); i++ {
		require.Equal(t, got[i-1]+1, got[i])
	}
}

func TestABrokerThatRestartsAgainAndAgain(t *testing.T) {
	address := freeAddress(t)
	b := broker(t, address)
	rec := record.New()
	c := start(t, mqtt.Options{URL: "mqtt://" + address, ClientID: "restart", Spool: newSpool(t), Window: 50})
	// The subscriber is the same client: what it receives on each connection is recorded.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Subscribe(ctx, "t/#", rec) })
	require.Eventually(t, func() bool { return c.Status().Connected }, 20*time.Second, time.Millisecond)
	var safe atomic.Int64
	for round := range 3 {
		publishNumbers(t, c, "t/x", round*300, round*300+150, &safe)
		b.Close()
		publishNumbers(t, c, "t/x", round*300+150, round*300+300, &safe)
		b = broker(t, address)
	}
	require.Eventually(t, func() bool { return safe.Load() == 900 }, 60*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { s := c.Stats(); return s.InFlight == 0 && s.Spool.Messages == 0 }, 60*time.Second, time.Millisecond)
	cancel()
	wg.Wait()
	require.Zero(t, c.Stats().Spool.Dropped)
	require.GreaterOrEqual(t, c.Stats().Sent, int64(900))
}

func TestWrongCredentials(t *testing.T) {
	b, err := embedded.Start(embedded.Options{TCP: "127.0.0.1:0", User: "u", Password: connector.NewSecret("right")})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	c := start(t, mqtt.Options{URL: b.URL(), ClientID: "wrong", User: "u", Password: connector.NewSecret("wr0ng")})
	require.Eventually(t, func() bool { return fault.Is(c.Status().Err, fault.Denied) }, 20*time.Second, time.Millisecond)
	require.NotContains(t, c.Status().Err.Error(), "wr0ng")
	ok := start(t, mqtt.Options{URL: b.URL(), ClientID: "right", User: "u", Password: connector.NewSecret("right")})
	require.Eventually(t, func() bool { return ok.Status().Connected }, 20*time.Second, time.Millisecond)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []mqtt.Options{
		{URL: "http://x"},
		{URL: "nonsense"},
		{URL: "mqtt://u:p@x"},
		{URL: "mqtt://x", CAFile: "ca.pem"},
		{URL: "mqtts://x", CAFile: "/no/such/file"},
		{URL: "mqtts://x", CertFile: "only-cert"},
	} {
		_, err := mqtt.New(o)
		require.True(t, fault.Is(err, fault.Invalid), o.URL)
		require.NotContains(t, err.Error(), ":p@")
	}
}

// connected waits until a client has its broker.
func connected(t *testing.T, c *mqtt.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return c.Status().Connected }, 20*time.Second, time.Millisecond)
}

// run runs a client while fn does, and requires that it ends soon after.
func run(t *testing.T, c *mqtt.Client, fn func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	fn()
	cancel()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(8 * time.Second):
		t.Error("Run does not end")
		require.NoError(t, <-done)
	}
}

// TestNoSubscriptionIsForgottenWhileConnecting subscribes while the connection
// comes up, again and again: one that came in between was never asked for.
func TestNoSubscriptionIsForgottenWhileConnecting(t *testing.T) {
	b := broker(t, "127.0.0.1:0")
	for i := range 50 {
		c := start(t, mqtt.Options{URL: b.URL(), ClientID: "watch-" + strconv.Itoa(i)})
		ctx, cancel := context.WithCancel(t.Context())
		var recs []*record.Publisher
		done := make(chan error, 10)
		for f := range 10 {
			rec := record.New()
			recs = append(recs, rec)
			go func() { done <- c.Subscribe(ctx, "f"+strconv.Itoa(f)+"/#", rec) }()
		}
		for f, rec := range recs {
			require.Eventually(t, func() bool {
				require.NoError(t, b.Publish(t.Context(), &message.Message{Topic: "f" + strconv.Itoa(f) + "/x", Payload: []byte("1")}))
				return len(rec.Messages()) > 0
			}, 20*time.Second, time.Millisecond)
		}
		cancel()
		for range recs {
			require.NoError(t, <-done)
		}
	}
}
