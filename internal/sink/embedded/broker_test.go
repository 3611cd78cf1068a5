package embedded_test

import (
	"context"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/sink/embedded"
	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/sinktest"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

func start(t *testing.T, o embedded.Options) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(o)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// follow records what a client over TCP gets.
func follow(t *testing.T, b *embedded.Broker, filter string) *record.Publisher {
	t.Helper()
	c, err := mqtt.New(mqtt.Options{URL: b.URL(), ClientID: "far-" + strconv.FormatInt(time.Now().UnixNano(), 36)})
	require.NoError(t, err)
	rec := record.New()
	ctx, cancel := context.WithCancel(context.Background())
	running, following := make(chan error, 1), make(chan error, 1)
	before := b.Stats().Subscriptions
	go func() { running <- c.Run(ctx) }()
	go func() { following <- c.Subscribe(ctx, filter, rec) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-running)
		require.NoError(t, <-following)
	})
	require.Eventually(t, func() bool { return b.Stats().Subscriptions > before }, 30*time.Second, time.Millisecond)
	return rec
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Sink {
		b := start(t, embedded.Options{TCP: "127.0.0.1:0"})
		return sinktest.Sink{Publisher: b, Far: follow(t, b, "sinktest/#"), TooLarge: 17 << 20}
	})
}

// TestALoadOfQoS1DoesNotFreeze drives the path in which the library stops for
// ever without the guard.
func TestALoadOfQoS1DoesNotFreeze(t *testing.T) {
	b := start(t, embedded.Options{TCP: "127.0.0.1:0"})
	rec := follow(t, b, "load/#")
	const n, window = 20_000, 2000
	for i := range n {
		require.NoError(t, b.Publish(t.Context(), &message.Message{Topic: "load/x", Payload: []byte(strconv.Itoa(i)), QoS: 1}))
		if i%window == window-1 { // stay below the bound of what may wait for one client
			rec.Wait(t, "the subscriber to follow", func(list []*message.Message) bool { return len(list) > i })
		}
	}
	require.Zero(t, b.Stats().Dropped)
}

func TestRetainedMessagesReachWhoComesLate(t *testing.T) {
	b := start(t, embedded.Options{TCP: "127.0.0.1:0"})
	require.NoError(t, b.Publish(t.Context(), &message.Message{Topic: "state/x", Payload: []byte("on"), QoS: 1, Retain: true}))
	rec := follow(t, b, "state/#")
	list := rec.Wait(t, "the retained message", func(list []*message.Message) bool { return len(list) == 1 })
	require.Equal(t, "on", string(list[0].Payload))
	require.True(t, list[0].Retain)
	require.EqualValues(t, 1, b.Stats().Retained)
}

func TestDoorsAreClosed(t *testing.T) {
	for _, o := range []embedded.Options{
		{TCP: "0.0.0.0:0"}, {TCP: ":0"}, {TCP: "192.0.2.1:1883"}, {WebSocket: "127.0.0.1:0"}, {TCP: "127.0.0.1:0", User: "u"},
	} {
		_, err := embedded.Start(o)
		require.True(t, fault.Is(err, fault.Invalid), "%+v: %v", o, err)
		require.NotEmpty(t, fault.Hints(err))
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	b := start(t, embedded.Options{TCP: "127.0.0.1:0"})
	u, err := url.Parse(b.URL())
	require.NoError(t, err)
	_, err = embedded.Start(embedded.Options{TCP: u.Host})
	require.Equal(t, "AddressInUse", fault.CodeOf(err))
	require.ErrorContains(t, err, u.Host)
	start(t, embedded.Options{TCP: "127.0.0.1:0"}) // another one beside it
}

func TestUsers(t *testing.T) {
	b := start(t, embedded.Options{TCP: "127.0.0.1:0", User: "u", Password: connector.NewSecret("right")})
	for password, ok := range map[string]bool{"right": true, "wrong": false, "": false} {
		c, err := mqtt.New(mqtt.Options{URL: b.URL(), ClientID: "c" + password, User: "u", Password: connector.NewSecret(password)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		require.Eventually(t, func() bool { return c.Status().Connected == ok && (ok || fault.Is(c.Status().Err, fault.Denied)) }, 30*time.Second, time.Millisecond)
		cancel()
		require.NoError(t, <-done)
	}
}

func TestClosedIsClosed(t *testing.T) {
	b := start(t, embedded.Options{TCP: "127.0.0.1:0"})
	done := make(chan error, 1)
	rec := record.New()
	go func() { done <- b.Subscribe(context.Background(), "#", rec) }()
	require.Eventually(t, func() bool {
		require.NoError(t, b.Publish(t.Context(), &message.Message{Topic: "x"}))
		return len(rec.Messages()) > 0
	}, 30*time.Second, time.Millisecond)
	b.Close()
	b.Close()
	require.True(t, fault.Is(<-done, fault.Unavailable))
	require.True(t, fault.Is(b.Publish(t.Context(), &message.Message{Topic: "x"}), fault.Unavailable))
}
