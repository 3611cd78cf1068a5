// Package mqtt publishes to an external MQTT 5 broker.
//
// Messages of QoS 1 are never lost for want of a connection: a bounded window
// is in memory, and what does not fit there, or comes while the broker is away,
// is on disk (package spool), in order. Messages of QoS 0 are handed on at once
// or, while the broker is away, dropped and counted.
package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"

	"github.com/iotops/iotops/internal/sink/spool"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// Options say which broker to use.
type Options struct {
	URL           string // mqtt://, mqtts://, ws:// or wss://HOST[:PORT][/PATH]
	ClientID      string // stable: the broker keeps the session under it
	User          string
	Password      connector.Secret
	CAFile        string // PEM; "" = the system's authorities
	CertFile      string // PEM of the client certificate; "" = none
	KeyFile       string
	SessionExpiry time.Duration // how long the broker keeps the session; 0 = 1 hour
	KeepAlive     time.Duration // 0 = 30 s
	Window        int           // most messages in memory; 0 = 1000
	Spool         *spool.Spool  // nil = QoS 1 messages are refused while the broker is away and the window is full
	Log           *slog.Logger  // nil = discard
}

// Bounds of waiting between two connections.
const (
	minWait = 500 * time.Millisecond
	maxWait = 30 * time.Second
)

// connectTimeout bounds connecting.
const connectTimeout = 10 * time.Second

// Client publishes to one broker. Publish works before, during and after Run;
// nothing leaves while Run does not. Its methods are safe for concurrent use.
type Client struct {
	o      Options
	url    *url.URL
	tls    *tls.Config
	window chan *item
	flight chan *item // sent and not acknowledged, in order

	mu       sync.Mutex // keeps the order of window and spool
	spooling bool       // newer messages go to the spool: older ones are there
	conn     *paho.Client
	warned   time.Time              // when a dropped message was last logged
	subs     map[*subscription]bool // what to subscribe to on each connection
	status   Status

	sess     *session
	retry    []*item              // to be sent before all others; behind sess.mu
	seq      uint64               // of the last one; of send's goroutine
	head     atomic.Pointer[item] // the oldest one without an answer
	suspect  *item                // head when the connection was last lost; of Run's goroutine
	since    time.Time            // when the connection came up; zero = it did not; of Run\'s goroutine
	strikes  int                  // how often in a row; of Run's goroutine
	clean    bool                 // the next connection begins a new session; of Run's goroutine
	limit    int                  // largest packet that the broker takes; 0 = it says none; of send's goroutine
	left     *item                // what collect waited for when it ended; of nobody else before that
	inFlight atomic.Int64
	counts   struct{ sent, refused, dropped, connects atomic.Int64 }
}

// item is one message of QoS 1 on its way.
type item struct {
	m      *message.Message
	entry  spool.Entry // of the spool; Message is nil for one of the window
	ack    chan packets.ControlPacket
	seq    uint64 // order in which they were first sent; 0 = not yet
	poison bool   // the broker ends the connection for it; behind sess.mu
}

// Status tells whether the broker can be reached.
type Status struct {
	Connected bool
	Since     time.Time
	Err       error // why not
}

// Stats are a client's numbers.
type Stats struct {
	Sent     int64 // acknowledged, or of QoS 0 and written
	Refused  int64 // the broker said no
	Dropped  int64 // of QoS 0, while the broker was away
	InFlight int64 // sent and not acknowledged
	Connects int64
	Spool    spool.Stats
}

// New checks the options and returns a client that is not connected yet.
func New(o Options) (*Client, error) {
	if o.SessionExpiry <= 0 {
		o.SessionExpiry = time.Hour
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 30 * time.Second
	}
	if o.Window <= 0 {
		o.Window = 1000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		o: o, url: u, window: make(chan *item, o.Window), flight: make(chan *item, o.Window),
		subs: map[*subscription]bool{}, status: Status{Since: time.Now(), Err: errors.New("not connected yet")},
	}
	if c.tls, err = tlsConfig(o, u); err != nil {
		return nil, err
	}
	c.sess = &session{State: state.NewInMemory(), outstanding: map[*item]bool{}}
	c.spooling = o.Spool != nil && o.Spool.Len() > 0
	return c, nil
}

// Publish implements message.Publisher.
func (c *Client) Publish(ctx context.Context, m *message.Message) error {
	if m.QoS == 0 {
		return c.publishNow(ctx, m)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.spooling && (c.o.Spool == nil || c.conn != nil) {
		select {
		case c.window <- &item{m: m.Clone(), ack: make(chan packets.ControlPacket, 1)}:
			return nil
		default:
		}
	}
	if c.o.Spool == nil {
		return fault.New(fault.Unavailable, "the broker %s is away, and the window is full", c.url.Host)
	}
	err := c.o.Spool.Append(m)
	if err == nil {
		c.spooling = true
		return nil
	}
	if !c.spooling { // the disk takes nothing: as long as memory does, nothing is lost
		select {
		case c.window <- &item{m: m.Clone(), ack: make(chan packets.ControlPacket, 1)}:
			return nil
		default:
		}
	}
	c.counts.dropped.Add(1)
	if now := time.Now(); now.Sub(c.warned) > time.Minute {
		c.warned = now
		c.o.Log.Error("messages are dropped", "err", err)
	}
	return err
}

// keepWindow puts what was not sent yet on disk, when the connection is lost:
// whoever waits for it is told that it is safe.
func (c *Client) keepWindow() {
	if c.o.Spool == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.window) > 0 && !c.spooling {
		it := <-c.window
		if err := c.o.Spool.Append(it.m); err != nil {
			c.sess.mu.Lock()
			c.retry = append(c.retry, it) // in memory, in its place
			c.sess.mu.Unlock()
		}
	}
	c.spooling = c.spooling || c.o.Spool.Len() > 0
}

// publishNow hands a message of QoS 0 on, or drops it.
func (c *Client) publishNow(ctx context.Context, m *message.Message) error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		c.counts.dropped.Add(1)
		m.Complete(message.Dropped)
		return nil
	}
	if _, err := conn.Publish(ctx, publish(m)); err != nil {
		c.counts.dropped.Add(1)
		m.Complete(message.Dropped)
		return nil //nolint:nilerr // it was accepted, and dropped: QoS 0
	}
	c.counts.sent.Add(1)
	m.Complete(message.Safe)
	return nil
}

// publish returns m as a packet. It shares m's memory.
func publish(m *message.Message) *paho.Publish {
	p := &paho.Publish{QoS: m.QoS, Retain: m.Retain, Topic: m.Topic, Payload: m.Payload, Properties: &paho.PublishProperties{ContentType: message.CleanText(m.ContentType)}}
	if m.Text {
		format := byte(1)
		p.Properties.PayloadFormat = &format
	}
	if m.Expiry > 0 {
		seconds := uint32(min((m.Expiry+time.Second-1)/time.Second, 1<<31)) //nolint:gosec // bounded
		p.Properties.MessageExpiry = &seconds
	}
	p.Properties.User = make(paho.UserProperties, 0, len(m.Static)+len(m.Props))
	for _, list := range [][]message.Prop{m.Static, m.Props} {
		for _, x := range list {
			p.Properties.User = append(p.Properties.User, paho.UserProperty{Key: message.CleanText(x.Key), Value: message.CleanText(x.Value)})
		}
	}
	return p
}

// Run keeps the connection until ctx ends. It returns nil then, and never
// before: what fails is tried again.
func (c *Client) Run(ctx context.Context) error {
	collector := make(chan struct{})
	go func() { defer close(collector); c.collect(ctx) }()
	defer func() {
		<-collector
		_ = c.sess.Close()
		c.keep()
	}()
	for wait := minWait; ; {
		began := time.Now()
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.keepWindow()
		c.suspectHead()
		c.setStatus(Status{Since: time.Now(), Err: err})
		if time.Since(began) > maxWait {
			wait = minWait
		}
		if fault.Is(err, fault.Denied) {
			wait = maxWait // accounts lock
		}
		pause := wait + rand.N(wait/4)
		log := c.o.Log
		if hints := fault.Hints(err); len(hints) > 0 {
			log = log.With("hint", strings.Join(hints, " "))
		}
		log.Warn("broker lost", "err", err, "retry_in", pause.Round(time.Millisecond).String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, maxWait)
	}
}

// poisonTime is how soon after connecting a broker ends the connection for a
// message that it does not like, and poisonStrikes how often in a row.
const (
	poisonTime    = 5 * time.Second
	poisonStrikes = 5
)

// suspectHead notices a message that the broker ends the connection for, again
// and again. Everything behind it would wait for ever: it is given up, and the
// session begins anew, because the library would send it again otherwise.
func (c *Client) suspectHead() {
	up := c.since
	c.since = time.Time{}
	if up.IsZero() { // it was not reached: that says nothing about a message
		return
	}
	head := c.head.Load()
	if head == nil || time.Since(up) > poisonTime {
		c.suspect, c.strikes = nil, 0
		return
	}
	if head != c.suspect {
		c.suspect, c.strikes = head, 0
	}
	if c.strikes++; c.strikes < poisonStrikes {
		return
	}
	c.sess.mu.Lock()
	head.poison = true
	c.sess.mu.Unlock()
	c.clean, c.suspect, c.strikes = true, nil, 0
}

// keep puts what is not acknowledged on disk, for the next process.
func (c *Client) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.o.Spool == nil {
		return
	}
	list := c.retry
	if c.left != nil {
		list = append(list, c.left)
	}
	for len(c.flight) > 0 {
		list = append(list, <-c.flight)
	}
	slices.SortStableFunc(list, bySeq)
	for len(c.window) > 0 {
		list = append(list, <-c.window)
	}
	list = slices.DeleteFunc(list, func(it *item) bool { return it.entry.Message != nil }) // they are there, and not committed
	if err := c.keepList(list); err != nil {
		c.o.Log.Error("messages not kept", "messages", len(list), "err", err)
	}
	c.retry, c.left, c.spooling = nil, nil, true
}

// keepList puts messages on disk: before newer ones that are there already.
func (c *Client) keepList(list []*item) error {
	if c.o.Spool.Len() > 0 {
		all := make([]*message.Message, len(list))
		for i, it := range list {
			all[i] = it.m
		}
		return c.o.Spool.Prepend(all)
	}
	var errs []error
	for _, it := range list {
		errs = append(errs, c.o.Spool.Append(it.m))
	}
	return errors.Join(errs...)
}

// bySeq orders items as they were first sent; those that never were come last.
func bySeq(a, b *item) int { return cmp.Compare(a.seq-1, b.seq-1) }

func (c *Client) setStatus(s Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
}

// Status returns whether the broker can be reached.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Stats returns the client's numbers.
func (c *Client) Stats() Stats {
	s := Stats{
		Sent: c.counts.sent.Load(), Refused: c.counts.refused.Load(), Dropped: c.counts.dropped.Load(),
		InFlight: c.inFlight.Load(), Connects: c.counts.connects.Load(),
	}
	if c.o.Spool != nil {
		s.Spool = c.o.Spool.Stats()
	}
	return s
}

// connection lives from dialling to the loss of the connection.
func (c *Client) connection(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	raw, err := c.dial(ctx)
	if err != nil {
		return c.unreachable(err)
	}
	nc, stop := bounded(ctx, raw)
	defer stop()
	lost := func(err error) { cancel(fault.As(fault.Unavailable, err, "connection to %s", c.url.Host)) }
	conn := paho.NewClient(paho.ClientConfig{
		ClientID: c.o.ClientID, Conn: nc, Session: c.sess, PacketTimeout: connectTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){c.received},
		OnClientError:     lost,
		OnServerDisconnect: func(d *paho.Disconnect) {
			lost(fault.New(fault.Unavailable, "the broker ended it with reason 0x%02x", d.ReasonCode))
		},
	})
	ack, err := c.login(ctx, conn)
	if err != nil {
		_ = nc.Close()
		return err
	}
	defer func() {
		_ = conn.Disconnect(&paho.Disconnect{ReasonCode: 0})
		_ = nc.Close()
		<-conn.Done()
	}()
	c.clean, c.limit = false, 0
	if p := ack.Properties; p != nil && p.MaximumPacketSize != nil {
		c.limit = int(*p.MaximumPacketSize)
	}
	if !ack.SessionPresent {
		c.forget(ctx) // what the old session had in flight must be sent again, first
	}
	if err := c.resubscribe(ctx, conn); err != nil {
		return err
	}
	c.mu.Lock()
	c.conn, c.status = conn, Status{Connected: true, Since: time.Now()}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.conn = nil
		c.mu.Unlock()
	}()
	if err := c.resubscribe(ctx, conn); err != nil { // those that came while the others were asked for
		return err
	}
	c.since = time.Now()
	c.counts.connects.Add(1)
	c.o.Log.Info("broker connected", "broker", c.url.Host, "session_present", ack.SessionPresent)
	err = c.send(ctx, conn)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// login sends CONNECT and says what a refusal means.
func (c *Client) login(ctx context.Context, conn *paho.Client) (*paho.Connack, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	expiry, receive := uint32(c.o.SessionExpiry/time.Second), uint16(1000) //nolint:gosec // an hour
	cp := &paho.Connect{
		ClientID: c.o.ClientID, KeepAlive: uint16(c.o.KeepAlive / time.Second), CleanStart: c.clean, //nolint:gosec // seconds
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry, ReceiveMaximum: &receive, RequestProblemInfo: true},
	}
	if c.o.User != "" {
		cp.Username, cp.UsernameFlag = c.o.User, true
	}
	if p := c.o.Password.Reveal(); p != "" { // brokers take an empty one for a violation of the protocol
		cp.Password, cp.PasswordFlag = []byte(p), true
	}
	ack, err := conn.Connect(ctx, cp)
	if err == nil {
		return ack, nil
	}
	if ack == nil {
		return nil, c.unreachable(err)
	}
	switch ack.ReasonCode {
	case 0x86, 0x87, 0x8a, 0x8c:
		return nil, fault.WithHint(fault.New(fault.Denied, "the broker %s refuses our login (reason 0x%02x)", c.url.Host, ack.ReasonCode),
			"Check the user, the password or the client certificate (--mqtt-user, --mqtt-password-ref, --mqtt-cert-file).")
	default:
		return nil, fault.New(fault.Unavailable, "the broker %s refuses the connection (reason 0x%02x)", c.url.Host, ack.ReasonCode)
	}
}

// unreachable says what an error on the way to the broker's answer means.
func (c *Client) unreachable(err error) error {
	out := fault.As(fault.Unavailable, err, "connect %s", c.url.Host)
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return fault.WithHint(out, "Name the authority that signed the broker's certificate with --mqtt-ca-file.")
	case strings.Contains(err.Error(), "certificate required"): // an alert of TLS has no type of its own
		return fault.WithHint(out, "The broker wants a client certificate: --mqtt-cert-file and --mqtt-key-file.")
	default:
		return out
	}
}

// forget tells everything in flight that no answer will come: the broker has
// no session of ours, and the library drops its own without a word.
func (c *Client) forget(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.inFlight.Load() > 0 && ctx.Err() == nil {
		c.sess.mu.Lock()
		for it := range c.sess.outstanding {
			it.answer(packets.ControlPacket{})
		}
		c.sess.mu.Unlock()
		<-tick.C
	}
}

// dial opens the connection below MQTT.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	switch c.url.Scheme {
	case "ws", "wss":
		return dialWebSocket(ctx, c.url, c.tls)
	case "mqtts":
		nc, err := (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.url.Host)
		if err != nil {
			return nil, err
		}
		return packets.NewThreadSafeConn(nc), nil
	default:
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.url.Host)
	}
}
