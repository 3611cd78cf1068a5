// Package opcua is an OPC UA server of ours, for the demo, for load and for
// tests: values that are set or move by themselves, real queues, and switches
// for what goes wrong in a plant.
//
// It uses a library's binary codec and secure channel; the services are its own
// (OPC 10000-4). It knows security policy None only and is meant for loopback.
package opcua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uacp"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uasc"
	"github.com/iotops/iotops/pkg/fault"
)

// Limits are what the server takes in one request; 0 = 1000.
type Limits struct{ Read, Browse, Monitor int }

// Options say where the server listens, and what it is like.
type Options struct {
	Listen         string            // host:port; "" = 127.0.0.1:0
	ApplicationURI string            // "" = urn:iotops:simulator
	Namespaces     []string          // from index 2 on; nil = urn:iotops:simulator:plant
	Users          map[string]string // user -> password; empty = anonymous only
	Limits         Limits
	Beat           time.Duration // how often Every's functions are called; 0 = 100 ms
	Log            *slog.Logger  // nil = discard
}

// Bounds of what clients may have.
const (
	maxSessions      = 200
	maxSubscriptions = 1000
	maxPublish       = 50     // publish requests waiting per session
	maxQueue         = 10_000 // values per monitored item
	maxRetransmit    = 1000   // notifications kept for Republish per subscription
)

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	o          Options
	listener   *uacp.Listener
	namespaces []string
	beats      keeper
	wg         sync.WaitGroup
	cancel     context.CancelFunc

	mu       sync.Mutex
	space    *space
	conns    map[*conn]bool
	sessions map[string]*session // by authentication token
	subs     map[uint32]*subscription
	next     uint32 // ids of sessions, subscriptions, items
	frozen   bool
	losing   int // data notifications that will not be sent
	refusing bool
	closed   bool

	connections atomic.Int64
	stats       Stats
}

// Stats count what happened since the start.
type Stats struct {
	Notifications atomic.Int64 // data notifications sent
	Republished   atomic.Int64
	Acknowledged  atomic.Int64
	Reads         atomic.Int64 // requests
}

// conn is one connection of a client.
type conn struct {
	c       *uacp.Conn
	channel *uasc.SecureChannel
}

// Start opens the port and serves until Close.
func Start(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.ApplicationURI == "" {
		o.ApplicationURI = "urn:iotops:simulator"
	}
	if o.Namespaces == nil {
		o.Namespaces = []string{"urn:iotops:simulator:plant"}
	}
	for _, n := range []*int{&o.Limits.Read, &o.Limits.Browse, &o.Limits.Monitor} {
		if *n <= 0 {
			*n = 1000
		}
	}
	if o.Beat <= 0 {
		o.Beat = 100 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := uacp.Listen(ctx, "opc.tcp://"+o.Listen, nil)
	if err != nil {
		cancel()
		return nil, fault.As(fault.Unavailable, err, "the simulator cannot listen on %s", o.Listen)
	}
	s := &Server{
		o: o, listener: l, cancel: cancel,
		namespaces: append([]string{"http://opcfoundation.org/UA/", o.ApplicationURI}, o.Namespaces...),
		conns:      map[*conn]bool{}, sessions: map[string]*session{}, subs: map[uint32]*subscription{},
	}
	s.space = newSpace(s)
	s.wg.Go(func() { s.accept(ctx) })
	s.wg.Go(func() { s.beat(ctx) })
	s.wg.Go(func() { s.publishLoop(ctx) })
	return s, nil
}

// URL returns the address of the server.
func (s *Server) URL() string { return "opc.tcp://" + s.listener.Addr().String() }

// Close ends everything and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	_ = s.listener.Close()
	s.DropConnections()
	s.wg.Wait()
}

// Connections returns how many connections clients made so far.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Stats returns the counters.
func (s *Server) Stats() *Stats { return &s.stats }

// DropConnections cuts all connections. Sessions and subscriptions stay.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.c.Close()
	}
}

// Freeze stops answering without closing anything; Thaw goes on.
func (s *Server) Freeze() { s.setFrozen(true) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.setFrozen(false) }

func (s *Server) setFrozen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = on
}

// Refuse makes the server close new connections at once, or take them again.
func (s *Server) Refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = on
}

// ForgetSessions ends all sessions and subscriptions, as a restart does.
func (s *Server) ForgetSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		sub.delete(s)
	}
	clear(s.sessions)
}

// LoseNotifications keeps the next n data notifications to itself, as a line
// does that drops them: they can be had with Republish only.
func (s *Server) LoseNotifications(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losing = n
}

// ForgetNotifications drops what is kept for Republish.
func (s *Server) ForgetNotifications() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		sub.sent = nil
	}
}

// ForgetSubscriptions ends all subscriptions; sessions stay.
func (s *Server) ForgetSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		sub.delete(s)
	}
	for _, sess := range s.sessions {
		for _, w := range sess.publish {
			s.wg.Go(func() { s.send(context.Background(), w.c, w.id, w.req, failure(ua.StatusBadNoSubscription)) })
		}
		sess.publish = nil
	}
}

// Sessions returns how many sessions there are.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Reads returns how many Read requests came.
func (s *Server) Reads() int64 { return s.stats.Reads.Load() }

// Unacknowledged returns how many notifications wait for an acknowledgement.
func (s *Server) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sub := range s.subs {
		n += len(sub.sent)
	}
	return n
}

// Items returns how many monitored items there are.
func (s *Server) Items() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sub := range s.subs {
		n += len(sub.items)
	}
	return n
}

func (s *Server) id() uint32 {
	s.next++
	return s.next
}

func (s *Server) accept(ctx context.Context) {
	for ctx.Err() == nil {
		c, err := s.listener.Accept(ctx)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) && errors.Is(op.Err, net.ErrClosed) {
				return
			}
			continue
		}
		s.mu.Lock()
		refuse := s.refusing || s.closed || len(s.conns) >= maxSessions
		s.mu.Unlock()
		if refuse {
			_ = c.Close()
			continue
		}
		s.connections.Add(1)
		s.wg.Go(func() { s.serve(ctx, c) })
	}
}

// serve answers one connection until it ends. What is wrong with it, even a
// panic of the codec, ends it alone.
func (s *Server) serve(ctx context.Context, uc *uacp.Conn) {
	c := &conn{c: uc}
	defer func() {
		if p := recover(); p != nil {
			s.o.Log.Error("connection panicked", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		_ = uc.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	s.mu.Lock()
	number := s.id()
	s.conns[c] = true
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	cfg := &uasc.Config{SecurityPolicyURI: ua.SecurityPolicyURINone, SecurityMode: ua.MessageSecurityModeNone, Lifetime: 3600_000, RequestTimeout: time.Minute}
	channel, err := uasc.NewServerSecureChannel("", uc, cfg, make(chan error, 1), number, 1, number)
	if err != nil {
		return
	}
	c.channel = channel
	for {
		msg := channel.Receive(ctx)
		if msg.Err != nil {
			return
		}
		req := msg.Request()
		if req == nil {
			continue // the channel's own business
		}
		if _, ok := req.(*ua.CloseSecureChannelRequest); ok {
			return
		}
		s.handle(ctx, c, msg.RequestID, req)
	}
}

// handle answers one request, unless the server is frozen.
func (s *Server) handle(ctx context.Context, c *conn, id uint32, req ua.Request) {
	s.mu.Lock()
	res, later := s.dispatch(c, id, req)
	frozen := s.frozen
	s.mu.Unlock()
	if later || frozen {
		return
	}
	s.send(ctx, c, id, req, res)
}

// send sends a response. A connection that cannot be written to ends by itself.
func (s *Server) send(ctx context.Context, c *conn, id uint32, req ua.Request, res ua.Response) {
	var handle uint32
	if h := req.Header(); h != nil {
		handle = h.RequestHandle
	}
	status := ua.StatusOK
	if h := res.Header(); h != nil {
		status = h.ServiceResult
	}
	res.SetHeader(&ua.ResponseHeader{
		Timestamp: time.Now(), RequestHandle: handle, ServiceResult: status,
		ServiceDiagnostics: &ua.DiagnosticInfo{}, StringTable: []string{}, AdditionalHeader: ua.NewExtensionObject(nil),
	})
	if err := c.channel.SendResponseWithContext(ctx, id, res); err != nil {
		_ = c.c.Close()
	}
}

// failure returns a service fault.
func failure(code ua.StatusCode) ua.Response {
	return &ua.ServiceFault{ResponseHeader: &ua.ResponseHeader{ServiceResult: code}}
}

// beat keeps the clock and what moves by itself.
func (s *Server) beat(ctx context.Context) {
	tick := time.NewTicker(s.o.Beat)
	defer tick.Stop()
	s.mu.Lock()
	clock := &Variable{s, s.space.nodes[ua.NewNumericNodeID(0, idCurrentTime).String()]}
	s.mu.Unlock()
	for n := 0; ; n++ {
		s.beats.mu.Lock()
		list := append([]func(int){}, s.beats.list...)
		s.beats.mu.Unlock()
		for _, fn := range list {
			fn(n)
		}
		clock.Set(time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
