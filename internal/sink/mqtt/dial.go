package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/iotops/iotops/pkg/fault"
)

// parseURL checks a broker's URL and puts the default port in.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.Invalid, "a broker is mqtt://, mqtts://, ws:// or wss://HOST[:PORT]")
	}
	ports := map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443", "tcp": "1883", "ssl": "8883"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, fault.New(fault.Invalid, "%q: a broker is mqtt://, mqtts://, ws:// or wss://HOST[:PORT]", u.Scheme)
	}
	if u.User != nil {
		return nil, fault.WithHint(fault.New(fault.Invalid, "the broker's URL must not hold credentials"), "Use --mqtt-user and --mqtt-password-ref.")
	}
	switch u.Scheme {
	case "tcp":
		u.Scheme = "mqtt"
	case "ssl":
		u.Scheme = "mqtts"
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// tlsConfig returns how to check the broker, and who we are.
func tlsConfig(o Options, u *url.URL) (*tls.Config, error) {
	secure := u.Scheme == "mqtts" || u.Scheme == "wss"
	if !secure {
		if o.CAFile != "" || o.CertFile != "" {
			return nil, fault.WithHint(fault.New(fault.Invalid, "certificates are for mqtts:// and wss:// only"), "Change the broker's URL to mqtts://%s.", u.Host)
		}
		return nil, nil //nolint:nilnil // no TLS
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "CA file")
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fault.New(fault.Invalid, "CA file %s holds no certificate", o.CAFile)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, fault.New(fault.Invalid, "a client certificate and its key go together (--mqtt-cert-file, --mqtt-key-file)")
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "client certificate")
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func dialWebSocket(ctx context.Context, u *url.URL, cfg *tls.Config) (net.Conn, error) {
	d := &websocket.Dialer{TLSClientConfig: cfg, Subprotocols: []string{"mqtt"}, HandshakeTimeout: connectTimeout}
	ws, res, err := d.DialContext(ctx, u.String(), nil)
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	return &webSocket{Conn: ws, Locker: &sync.Mutex{}}, nil
}

// writeTimeout bounds one write: a broker that does not read must not stop us.
const writeTimeout = 10 * time.Second

// boundedConn is a connection on which no write takes for ever.
type boundedConn struct {
	net.Conn
	limit atomic.Int64 // of a write, in nanoseconds
}

// Write implements net.Conn.
func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(time.Duration(c.limit.Load()))); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// lockedConn is a boundedConn that the library locks while it writes a packet:
// it writes one in several pieces, and from several goroutines.
type lockedConn struct {
	*boundedConn
	sync.Locker
}

// bounded bounds the writes on a connection, much more so once ctx has ended.
// stop must be called in the end.
func bounded(ctx context.Context, nc net.Conn) (c net.Conn, stop func() bool) {
	b := &boundedConn{Conn: nc}
	b.limit.Store(int64(writeTimeout))
	stop = context.AfterFunc(ctx, func() {
		b.limit.Store(int64(time.Second))
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second)) // for the one that is under way
	})
	if l, ok := nc.(sync.Locker); ok {
		return &lockedConn{b, l}, stop
	}
	return &lockedConn{b, &sync.Mutex{}}, stop
}

// webSocket is a connection whose bytes travel in binary messages (MQTT 5.0,
// section 6). The library locks it while it writes a packet.
type webSocket struct {
	*websocket.Conn
	sync.Locker
	r io.Reader
}

// Read implements net.Conn. One goroutine reads.
func (c *webSocket) Read(p []byte) (int, error) {
	for {
		if c.r == nil {
			_, r, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.r = r
		}
		n, err := c.r.Read(p)
		if errors.Is(err, io.EOF) {
			c.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *webSocket) Write(p []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline implements net.Conn.
func (c *webSocket) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
