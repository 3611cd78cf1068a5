// Package embedded is the built-in MQTT broker: 3.1.1 and 5, over TCP and
// WebSocket.
//
// It is the only package that knows the library behind it, because that will
// be replaced. Its limits are said in docs/guide/serve.md: messages for
// subscribers that are away are kept in memory, and at most 8,192 for each.
package embedded

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// Bounds of what clients may do.
const (
	maxClients = 1000
	maxPacket  = 16 << 20
	maxPending = 8192 // messages on their way to one slow client
)

// Options say where the broker listens, and who may come in.
type Options struct {
	TCP       string // host:port; "" = none
	WebSocket string // host:port; "" = none. Needs a user: any web page may try to connect
	User      string // "" = everybody may; allowed on loopback only
	Password  connector.Secret
	Log       *slog.Logger // nil = discard
}

// Broker is a running broker. Its methods are safe for concurrent use.
type Broker struct {
	server  *mochi.Server
	inline  *mochi.Client
	tcp, ws listeners.Listener
	subs    atomic.Int64
	closing sync.Once
	done    chan struct{}
}

// Start opens the ports and serves until Close. A port that is taken is an
// error of kind Unavailable with the code AddressInUse.
func Start(o Options) (*Broker, error) {
	if err := check(o); err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClients, caps.MaximumPacketSize, caps.MaximumClientWritesPending = maxClients, maxPacket, maxPending
	caps.MaximumMessageExpiryInterval = math.MaxInt32 // 0 and a small bound would both put an expiry on messages that have none
	b := &Broker{
		server: mochi.New(&mochi.Options{InlineClient: true, Capabilities: caps, Logger: slog.New(quiet{log.Handler()})}),
		done:   make(chan struct{}),
	}
	if err := b.server.AddHook(&hook{user: o.User, password: o.Password}, nil); err != nil {
		return nil, fault.Wrap(err, "start broker")
	}
	if err := b.listen(o); err != nil {
		_ = b.server.Close()
		return nil, err
	}
	if err := b.server.Serve(); err != nil {
		_ = b.server.Close()
		return nil, fault.Wrap(err, "start broker")
	}
	b.inline = b.server.NewClient(nil, mochi.LocalListener, "iotops", true)
	return b, nil
}

// check refuses doors that are open to others.
func check(o Options) error {
	for _, address := range []string{o.TCP, o.WebSocket} {
		if address != "" && o.User == "" && !loopback(address) {
			return fault.WithHint(fault.New(fault.Invalid, "the broker would listen on %s for everybody", address),
				"Set a user and a password (--broker-user, --broker-password-ref), or listen on 127.0.0.1.")
		}
	}
	if o.User != "" && o.Password.Reveal() == "" {
		return fault.WithHint(fault.New(fault.Invalid, "the broker's user %s has no password", o.User),
			"Store one with iotops secret set, and name it with --broker-password-ref.")
	}
	if o.WebSocket != "" && o.User == "" {
		return fault.WithHint(fault.New(fault.Invalid, "MQTT over WebSocket needs a user: any web page may connect to it"),
			"Set a user and a password (--broker-user, --broker-password-ref).")
	}
	return nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (b *Broker) listen(o Options) error {
	add := func(l listeners.Listener, address string) error {
		err := b.server.AddListener(l)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fault.WithHint(fault.WithCode(fault.New(fault.Unavailable, "the broker cannot listen on %s: the address is in use", address), "AddressInUse"),
				"Stop the other program, or choose another address with --broker-listen.")
		}
		return fault.As(fault.Unavailable, err, "the broker cannot listen on %s", address)
	}
	if o.TCP != "" {
		b.tcp = listeners.NewTCP(listeners.Config{ID: "tcp", Address: o.TCP})
		if err := add(b.tcp, o.TCP); err != nil {
			return err
		}
	}
	if o.WebSocket != "" {
		b.ws = listeners.NewWebsocket(listeners.Config{ID: "ws", Address: o.WebSocket})
		if err := add(b.ws, o.WebSocket); err != nil {
			return err
		}
	}
	return nil
}

// URL returns where clients find the broker, such as mqtt://127.0.0.1:1883.
func (b *Broker) URL() string {
	if b.tcp == nil {
		return ""
	}
	return (&url.URL{Scheme: "mqtt", Host: b.tcp.Address()}).String()
}

// Close ends all connections and gives the ports back.
func (b *Broker) Close() {
	b.closing.Do(func() {
		close(b.done)
		_ = b.server.Close()
	})
}

// Publish implements message.Publisher. A message is safe when the broker has
// taken it: what it does for subscribers is its own affair.
func (b *Broker) Publish(ctx context.Context, m *message.Message) error {
	select {
	case <-b.done:
		return fault.New(fault.Unavailable, "the broker is closed")
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	if len(m.Payload)+len(m.Topic) > maxPacket {
		m.Complete(message.Dropped)
		return nil
	}
	if err := b.server.InjectPacket(b.inline, packet(m)); err != nil {
		return fault.As(fault.Unavailable, err, "publish %s", m.Topic)
	}
	m.Complete(message.Safe)
	return nil
}

// packet copies a message: clients are written to later.
func packet(m *message.Message) packets.Packet {
	p := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: m.QoS, Retain: m.Retain},
		ProtocolVersion: 5, TopicName: m.Topic, Payload: bytes.Clone(m.Payload),
	}
	if m.QoS > 0 {
		p.PacketID = 1 // must have one, and with QoS 0 must not; nobody sees it
	}
	p.Properties.ContentType = m.ContentType
	if m.Text {
		p.Properties.PayloadFormat, p.Properties.PayloadFormatFlag = 1, true
	}
	if m.Expiry > 0 {
		p.Properties.MessageExpiryInterval = uint32(min((m.Expiry+time.Second-1)/time.Second, math.MaxInt32)) //nolint:gosec // bounded
	}
	size := 0
	for _, x := range m.Props {
		size += len(x.Value)
	}
	values, at := make([]byte, 0, size), 0
	for _, x := range m.Props {
		values = append(values, x.Value...)
	}
	text := string(values) // one copy for all of them
	p.Properties.User = make([]packets.UserProperty, 0, len(m.Static)+len(m.Props))
	for _, x := range m.Static {
		p.Properties.User = append(p.Properties.User, packets.UserProperty{Key: x.Key, Val: x.Value})
	}
	for _, x := range m.Props {
		p.Properties.User = append(p.Properties.User, packets.UserProperty{Key: x.Key, Val: text[at : at+len(x.Value)]})
		at += len(x.Value)
	}
	return p
}

// Subscribe implements message.Subscriber.
func (b *Broker) Subscribe(ctx context.Context, filter string, to message.Publisher) error {
	id := int(b.subs.Add(1))
	err := b.server.Subscribe(filter, id, func(_ *mochi.Client, _ packets.Subscription, p packets.Packet) {
		m := &message.Message{
			Topic: p.TopicName, Payload: p.Payload, ContentType: p.Properties.ContentType, Text: p.Properties.PayloadFormat == 1,
			QoS: p.FixedHeader.Qos, Retain: p.FixedHeader.Retain, Expiry: time.Duration(p.Properties.MessageExpiryInterval) * time.Second,
		}
		for _, u := range p.Properties.User {
			m.Props = append(m.Props, message.Prop{Key: u.Key, Value: u.Val})
		}
		_ = to.Publish(ctx, m) // a subscriber that refuses a message has counted it
	})
	if err != nil {
		return fault.As(fault.Invalid, err, "subscribe %s", filter)
	}
	defer func() { _ = b.server.Unsubscribe(filter, id) }()
	select {
	case <-ctx.Done():
		return nil
	case <-b.done:
		return fault.New(fault.Unavailable, "the broker is closed")
	}
}

// Stats are the broker's numbers.
type Stats struct {
	Clients       int64 // connected now
	Subscriptions int64 // of clients
	Retained      int64 // messages, without the broker's own below $SYS
	Received      int64 // messages from clients and from us
	Sent          int64 // messages to clients
	Dropped       int64 // messages that a client was too slow for, or that its queue had no room for
}

// Stats returns the broker's numbers.
func (b *Broker) Stats() Stats {
	i := b.server.Info.Clone()
	retained := int64(0)
	for topic := range b.server.Topics.Retained.GetAll() {
		if !strings.HasPrefix(topic, mochi.SysPrefix+"/") { // the library's own
			retained++
		}
	}
	return Stats{
		Clients: i.ClientsConnected, Subscriptions: i.Subscriptions, Retained: retained,
		Received: i.MessagesReceived, Sent: i.MessagesSent, Dropped: i.MessagesDropped + i.InflightDropped,
	}
}

// hook lets clients in, and guards against a deadlock of the library.
type hook struct {
	mochi.HookBase
	user     string
	password connector.Secret
}

// ID implements mochi.Hook.
func (*hook) ID() string { return "iotops" }

// Provides implements mochi.Hook.
func (*hook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck || b == mochi.OnSessionEstablish || b == mochi.OnSessionEstablished
}

// OnConnectAuthenticate implements mochi.Hook.
func (h *hook) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	if h.user == "" {
		return true
	}
	user := subtle.ConstantTimeCompare(pk.Connect.Username, []byte(h.user))
	password := subtle.ConstantTimeCompare(pk.Connect.Password, []byte(h.password.Reveal()))
	return user&password == 1
}

// OnACLCheck implements mochi.Hook.
func (*hook) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// OnSessionEstablish implements mochi.Hook.
//
// A client's send quota is never counted down from 0, so the library never
// enters the code in which it takes a read lock twice: with a writer in
// between, that stops the broker for ever. The price is that a client's receive
// maximum is not obeyed.
func (*hook) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	cl.State.Inflight.ResetSendQuota(0)
}

// OnSessionEstablished implements mochi.Hook: the library sets the quota in between.
func (*hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	cl.State.Inflight.ResetSendQuota(0)
}

// quiet passes on what a person needs to know of the library's log.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}
