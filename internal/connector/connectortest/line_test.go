package connectortest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

const password = "correct-horse"

// lineServer speaks a protocol of lines: LOGIN password; SUB point handle;
// UNSUB point handle (answered GONE handle); it sends V number handle value,
// and keeps each until ACK number.
type lineServer struct {
	conn     connector.Connector
	listener net.Listener

	mu     sync.Mutex
	points map[string]float64
	peers  map[*peer]bool
	made   int
}

type peer struct {
	net.Conn
	subs map[string]string // handle -> point
	sent int
	kept map[string]bool
}

func newLineServer(t *testing.T, c connector.Connector) *lineServer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &lineServer{conn: c, listener: l, points: map[string]float64{"0": 0, "1": 0}, peers: map[*peer]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p := &peer{Conn: conn, subs: map[string]string{}, kept: map[string]bool{}}
			s.mu.Lock()
			s.made++
			s.peers[p] = true
			s.mu.Unlock()
			wg.Go(func() { s.serve(p) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.Drop()
		wg.Wait()
	})
	return s
}

func (s *lineServer) serve(p *peer) {
	defer func() {
		s.mu.Lock()
		delete(s.peers, p)
		s.mu.Unlock()
		_ = p.Close()
	}()
	for in := bufio.NewScanner(p); in.Scan(); {
		words := strings.Fields(in.Text())
		s.mu.Lock()
		switch words[0] {
		case "LOGIN":
			if words[1] == password {
				_, _ = fmt.Fprintln(p, "OK")
			} else {
				_, _ = fmt.Fprintln(p, "NO")
			}
		case "SUB":
			if v, ok := s.points[words[1]]; ok {
				p.subs[words[2]] = words[1]
				p.send(words[2], v)
			} else {
				_, _ = fmt.Fprintln(p, "BAD", words[2])
			}
		case "UNSUB":
			delete(p.subs, words[2])
			_, _ = fmt.Fprintln(p, "GONE", words[2])
		case "ACK":
			delete(p.kept, words[1])
		}
		s.mu.Unlock()
	}
}

func (p *peer) send(handle string, v float64) {
	p.sent++
	p.kept[strconv.Itoa(p.sent)] = true
	_, _ = fmt.Fprintln(p, "V", p.sent, handle, v)
}

func (s *lineServer) Connector() connector.Connector { return s.conn }
func (s *lineServer) Secrets() map[string]string {
	return map[string]string{"line/user": "line-user-7", "line/password": password}
}
func (s *lineServer) DataSource(n int) string { return strconv.Itoa(n) }
func (s *lineServer) BadDataSource() string   { return "99" }

func (s *lineServer) Endpoint() model.Endpoint {
	return model.Endpoint{EndpointType: "Test.Line", Address: "tcp://" + s.listener.Addr().String(), Authentication: &model.Authentication{
		Method:                      model.AuthUsernamePassword,
		UsernamePasswordCredentials: &model.UsernamePasswordCredentials{UsernameSecretName: "line/user", PasswordSecretName: "line/password"},
	}}
}

func (s *lineServer) Set(n int, v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points[strconv.Itoa(n)] = v
	for p := range s.peers {
		for handle, point := range p.subs {
			if point == strconv.Itoa(n) {
				p.send(handle, v)
			}
		}
	}
}

func (s *lineServer) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.peers {
		_ = p.Close()
	}
}

func (s *lineServer) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

func (s *lineServer) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for p := range s.peers {
		n += len(p.kept)
	}
	return n
}

// lineConnector is a right connector, unless it is told to do something wrong.
type lineConnector struct{ wrong string }

func (*lineConnector) Info() connector.Info {
	return connector.Info{Name: "line", EndpointTypes: []string{"Test.Line"}, Style: connector.StyleOPCUA}
}

func (c *lineConnector) Validate(a *model.Assignment) error {
	if c.wrong == "accepts anything" {
		return nil
	}
	if !strings.HasPrefix(a.Endpoint.Address, "tcp://") {
		return fault.New(fault.Invalid, "address: not tcp://host:port")
	}
	texts := map[string]any{a.Endpoint.AdditionalConfiguration: &struct{}{}}
	for _, asset := range a.Assets {
		for _, d := range asset.Properties.Datasets {
			texts[d.DatasetConfiguration] = &struct{ PublishingInterval, SamplingInterval, QueueSize int }{}
			for _, p := range d.DataPoints {
				texts[p.DataPointConfiguration] = &struct{}{}
			}
		}
	}
	delete(texts, "")
	for text, into := range texts {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return fault.As(fault.Invalid, err, "configuration")
		}
	}
	return nil
}

func (c *lineConnector) Run(ctx context.Context, s connector.Session) error {
	err := c.run(ctx, s)
	if ctx.Err() != nil {
		if c.wrong == "sleeps on stop" {
			time.Sleep(6 * time.Second) // this is what is wrong with it
		}
		return nil
	}
	if c.wrong != "stays healthy" {
		s.Report.Health("lost", err)
	}
	return err
}

func (c *lineConnector) run(ctx context.Context, s connector.Session) error {
	secret, err := s.Secrets.Resolve(ctx, "line/password")
	if err != nil {
		return err
	}
	if c.wrong == "logs the secret" {
		s.Log.Info("login", "password", secret.Reveal())
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.Assignment.Endpoint.Address, "tcp://"))
	if err != nil {
		return fault.As(fault.Unavailable, err, "connect")
	}
	lines := make(chan []string)
	var wg sync.WaitGroup
	stop, cancel := context.WithCancel(ctx)
	wg.Go(func() {
		defer close(lines)
		for in := bufio.NewScanner(conn); in.Scan(); {
			select {
			case lines <- strings.Fields(in.Text()):
			case <-stop.Done():
				return
			}
		}
	})
	defer func() { cancel(); _ = conn.Close(); wg.Wait() }()
	_, _ = fmt.Fprintln(conn, "LOGIN", secret.Reveal())
	return (&lineRun{c.wrong, s, conn, map[string]connector.Binding{}}).loop(ctx, lines)
}

type lineRun struct {
	wrong string
	connector.Session
	conn  net.Conn
	items map[string]connector.Binding
}

func (r *lineRun) apply(a *model.Assignment) {
	added, removed := r.Out.Update(a)
	for _, h := range removed {
		_, _ = fmt.Fprintln(r.conn, "UNSUB", "-", h)
	}
	for _, b := range added {
		r.items[fmt.Sprint(b.Handle)] = b
		_, _ = fmt.Fprintln(r.conn, "SUB", b.Point.DataSource, b.Handle)
	}
	r.Report.Applied(a)
}

func (r *lineRun) loop(ctx context.Context, lines <-chan []string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-r.Updates:
			if r.wrong == "reconnects on update" {
				again, err := new(net.Dialer).DialContext(ctx, "tcp", r.conn.RemoteAddr().String())
				if err == nil {
					_ = again.Close()
				}
			}
			r.apply(a)
		case words, ok := <-lines:
			if !ok && r.wrong == "names no kind" {
				return fmt.Errorf("lost %s", r.conn.RemoteAddr())
			}
			if !ok {
				return fault.New(fault.Unavailable, "connection lost")
			}
			if err := r.take(ctx, words); err != nil {
				return err
			}
		}
	}
}

func (r *lineRun) take(ctx context.Context, words []string) error {
	switch words[0] {
	case "NO":
		return fault.New(fault.Denied, "login refused")
	case "OK":
		r.apply(r.Assignment)
		r.Report.Health("ok", nil)
	case "BAD":
		r.Report.Item(r.items[words[1]].Ref(), fault.New(fault.NotFound, "no such point"))
	case "GONE":
		var h connector.Handle
		_, _ = fmt.Sscan(words[1], &h)
		r.Out.Free([]connector.Handle{h})
	case "V":
		var h connector.Handle
		var v float64
		_, _ = fmt.Sscan(words[2]+" "+words[3], &h, &v)
		sample := value.Sample{Value: value.OfFloat64(v)}
		if r.Out.Put(h, &sample) {
			r.Report.Count(connector.CountValues, "", 1)
		}
		if r.wrong == "says it twice" {
			r.Out.Put(h, &sample)
		}
		ack := func() { _, _ = fmt.Fprintln(r.conn, "ACK", words[1]) }
		if r.wrong == "acknowledges early" {
			ack()
		}
		return r.Out.Flush(ctx, connector.Cycle{Done: message.CompletionFunc(func(o message.Outcome) {
			if o == message.Safe {
				ack()
			}
		})})
	}
	return nil
}
