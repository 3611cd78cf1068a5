// Package api serves what others ask of a running iotops over HTTP: is it
// alive, is it ready, its numbers, and what its units are doing.
//
// It answers on loopback only and reads only: nothing can be changed through it.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/pkg/fault"
)

// DefaultListen is where the API listens unless told otherwise.
const DefaultListen = "127.0.0.1:9600"

// Check is one thing that must be right, and whether it is.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not, or what to know although it is
}

// Options are what the API tells. All functions are called from several goroutines.
type Options struct {
	Listen  string                            // "" = DefaultListen; "off" is for the caller to handle
	Healthy func() []Check                    // for /healthz: is the process alive and are its loops turning
	Ready   func(ctx context.Context) []Check // for /readyz: can it do its work
	Metrics func(w *metrics.Writer)           // for /metrics
	Status  func() any                        // for /api/v1/status; becomes JSON
	Log     *slog.Logger                      // nil = discard
}

// Server is an API that listens.
type Server struct {
	o        Options
	listener net.Listener
	http     *http.Server
}

const (
	requestTime  = 10 * time.Second // for a whole request
	headerTime   = 5 * time.Second
	idleTime     = time.Minute
	maxHeader    = 16 << 10
	shutdownTime = time.Second
)

// Listen opens the port. An address beyond loopback is Invalid; one that is
// taken is Conflict.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := CheckListen(o.Listen); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fault.WithHint(fault.As(fault.Conflict, err, "API on %s", o.Listen),
			"Choose another address with --api-listen, such as 127.0.0.1:0 for any free port.")
	}
	s := &Server{o: o, listener: listener}
	s.http = &http.Server{
		Handler: s.routes(), ReadTimeout: requestTime, ReadHeaderTimeout: headerTime, WriteTimeout: requestTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// CheckListen refuses an address that others than this machine could reach:
// the API asks for no credentials.
func CheckListen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fault.As(fault.Invalid, err, "API address %q", address)
	}
	if !loopback(host) {
		return fault.WithHint(fault.New(fault.Invalid, "the API asks for no credentials, so it listens on loopback only, not on %q", address),
			"Use --api-listen 127.0.0.1:9600, and a reverse proxy that asks for credentials where others need it.")
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// Addr returns host and port that the API listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if s.http.Shutdown(stop) != nil {
			_ = s.http.Close()
		}
		err = <-failed
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.Wrap(err, "API on %s", s.Addr())
}

// Close gives the port back, for a Server that never serves.
func (s *Server) Close() { _ = s.http.Close(); _ = s.listener.Close() }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { s.checks(w, s.o.Healthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { s.checks(w, s.o.Ready(r.Context())) })
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) { s.json(w, http.StatusOK, s.o.Status()) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.json(w, http.StatusNotFound, problem(fault.NotFound, "there is no "+r.Method+" "+r.URL.Path))
	})
	return s.guard(mux)
}

// guard refuses what a browser sends on behalf of a page from elsewhere: a name
// of the attacker's that resolves to loopback.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback(host) {
			s.json(w, http.StatusForbidden, problem(fault.Denied, "the API answers to localhost only"))
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func problem(k fault.Kind, message string) any {
	return map[string]any{"error": map[string]string{"code": k.String(), "message": message}}
}

// checks answers 200 if all is well and 503 otherwise, with the reasons.
func (s *Server) checks(w http.ResponseWriter, list []Check) {
	status, code := "ok", http.StatusOK
	for _, c := range list {
		if !c.OK {
			status, code = "failed", http.StatusServiceUnavailable
		}
	}
	s.json(w, code, map[string]any{"status": status, "checks": list})
}

func (s *Server) json(w http.ResponseWriter, code int, body any) {
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		s.o.Log.Error("API answer not written", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	out := metrics.NewWriter(w)
	s.o.Metrics(out)
	_ = out.Flush() // whoever asked has gone
}
