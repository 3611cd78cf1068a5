package mqtt_test

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/pkg/message"
)

// moody is a broker that ends the connection of whoever publishes "poison".
type moody struct {
	listener net.Listener
	limit    uint32 // MaximumPacketSize; 0 = none
	deaf     bool   // it reads nothing after the login
	wg       sync.WaitGroup
	closed   atomic.Int64
	done     chan struct{}

	mu  sync.Mutex
	got map[string]bool
}

func newMoody(t *testing.T, limit uint32, deaf bool) *moody {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &moody{listener: l, limit: limit, deaf: deaf, done: make(chan struct{}), got: map[string]bool{}}
	m.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.wg.Go(func() { m.serve(c) })
		}
	})
	t.Cleanup(func() { close(m.done); _ = l.Close(); m.wg.Wait() })
	return m
}

func (m *moody) url() string { return "mqtt://" + m.listener.Addr().String() }

func (m *moody) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		var answer *packets.ControlPacket
		switch x := p.Content.(type) {
		case *packets.Connect:
			answer = packets.NewControlPacket(packets.CONNACK)
			if m.limit > 0 {
				answer.Content.(*packets.Connack).Properties.MaximumPacketSize = &m.limit
			}
		case *packets.Publish:
			if string(x.Payload) == "poison" {
				m.closed.Add(1)
				return
			}
			m.mu.Lock()
			m.got[string(x.Payload)] = true
			m.mu.Unlock()
			answer = packets.NewControlPacket(packets.PUBACK)
			answer.Content.(*packets.Puback).PacketID = x.PacketID
		case *packets.Pingreq:
			answer = packets.NewControlPacket(packets.PINGRESP)
		default:
			continue
		}
		if _, err := answer.WriteTo(c); err != nil {
			return
		}
		if m.deaf {
			<-m.done
			return
		}
	}
}

// all reports whether every payload came.
func (m *moody) all(want ...string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range want {
		if !m.got[p] {
			return false
		}
	}
	return true
}

// TestWhatTheBrokerDisconnectsForHarmsNothingElse gives up the one message, says
// so, and goes on.
func TestWhatTheBrokerDisconnectsForHarmsNothingElse(t *testing.T) {
	m := newMoody(t, 0, false)
	c := start(t, mqtt.Options{URL: m.url(), ClientID: "edge", Spool: newSpool(t)})
	connected(t, c)
	var want []string
	for i := range 20 {
		payload := strconv.Itoa(i)
		if i == 5 {
			payload = "poison"
		} else {
			want = append(want, payload)
		}
		require.NoError(t, c.Publish(t.Context(), &message.Message{Topic: "x", Payload: []byte(payload), QoS: 1}))
	}
	require.Eventually(t, func() bool { return m.all(want...) }, 2*time.Minute, 10*time.Millisecond)
	require.EqualValues(t, 1, c.Stats().Refused)
	require.GreaterOrEqual(t, m.closed.Load(), int64(5), "not at the first sign")
}

// TestWhatIsTooLargeForTheBrokerIsNotSent keeps to the limit that the broker says.
func TestWhatIsTooLargeForTheBrokerIsNotSent(t *testing.T) {
	m := newMoody(t, 1000, false)
	c := start(t, mqtt.Options{URL: m.url(), ClientID: "edge"})
	connected(t, c)
	outcomes := make(chan message.Outcome, 2)
	for _, payload := range []string{strings.Repeat("x", 2000), "small"} {
		require.NoError(t, c.Publish(t.Context(), &message.Message{
			Topic: "x", Payload: []byte(payload), QoS: 1, Done: message.CompletionFunc(func(o message.Outcome) { outcomes <- o }),
		}))
	}
	require.Equal(t, message.Dropped, <-outcomes)
	require.Equal(t, message.Safe, <-outcomes)
	require.True(t, m.all("small"))
	require.EqualValues(t, 1, c.Stats().Connects)
}

// TestABrokerThatDoesNotReadDoesNotHoldUpTheEnd fills the line first.
func TestABrokerThatDoesNotReadDoesNotHoldUpTheEnd(t *testing.T) {
	m := newMoody(t, 0, true)
	spool := newSpool(t)
	c, err := mqtt.New(mqtt.Options{URL: m.url(), ClientID: "edge", Spool: spool})
	require.NoError(t, err)
	run(t, c, func() {
		connected(t, c)
		for range 100 {
			require.NoError(t, c.Publish(t.Context(), &message.Message{Topic: "x", Payload: make([]byte, 1<<20), QoS: 1}))
		}
		time.Sleep(time.Second) // until the buffers of the line are full
	})
	require.EqualValues(t, 100, spool.Len(), "kept for the next process")
}
