// Package connectortest is the conformance suite that every connector passes,
// and the session that it runs them in.
package connectortest

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/emit"
	"github.com/iotops/iotops/internal/testkit/record"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Patience is how long a test waits for something that must happen.
const Patience = 30 * time.Second

// Host runs one connector as the real host does, and remembers what it does.
type Host struct {
	Out     *record.Publisher
	Report  *Report
	State   *State
	Secrets Secrets
	Log     *Log

	conn    connector.Connector
	updates chan *model.Assignment
	cancel  context.CancelFunc
	done    chan error
}

// NewHost returns a host for one connector. Nothing runs yet.
func NewHost(c connector.Connector) *Host {
	return &Host{
		Out: record.New(), Report: &Report{items: map[model.ItemRef]error{}}, State: &State{data: map[string][]byte{}},
		Secrets: Secrets{}, Log: &Log{}, conn: c,
	}
}

// Start runs the connector on an assignment. The test's end stops it.
func (h *Host) Start(t testing.TB, a *model.Assignment) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	updates, done := make(chan *model.Assignment, 1), make(chan error, 1)
	h.updates, h.cancel, h.done = updates, cancel, done
	s := connector.Session{
		Assignment: a, Updates: updates, Actions: make(chan connector.Action),
		Out:   emit.New(emit.Options{Style: h.conn.Info().Style, Out: h.Out, ClientID: "test"}),
		State: h.State, Report: h.Report, Secrets: h.Secrets, Log: slog.New(slog.NewTextHandler(h.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	go func() { done <- h.conn.Run(ctx, s) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			t.Logf("Run returned: %v", err)
		case <-time.After(Patience):
			t.Error("the connector does not stop")
		}
	})
}

// Update offers a newer assignment.
func (h *Host) Update(a *model.Assignment) {
	select {
	case <-h.updates:
	default:
	}
	h.updates <- a
}

// Stop ends the connector and returns how long that took, and what Run returned.
func (h *Host) Stop(t testing.TB) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	h.cancel()
	err := h.Ended(t)
	return time.Since(began), err
}

// Ended waits until Run returns by itself, and returns its error.
func (h *Host) Ended(t testing.TB) error {
	t.Helper()
	select {
	case err := <-h.done:
		h.done <- err // for whoever asks next
		return err
	case <-time.After(Patience):
		require.FailNow(t, "Run does not return")
		return nil
	}
}

// Report remembers what a connector reports. It is safe for concurrent use.
type Report struct {
	mu       sync.Mutex
	applied  []*model.Assignment
	code     string
	health   error
	said     bool
	items    map[model.ItemRef]error
	counters [connector.CountersEnd]int64
}

// Applied implements connector.Reporter.
func (r *Report) Applied(a *model.Assignment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = append(r.applied, a)
}

// Health implements connector.Reporter.
func (r *Report) Health(code string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code, r.health, r.said = code, err, true
}

// Item implements connector.Reporter.
func (r *Report) Item(ref model.ItemRef, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items[ref] = err
}

// Count implements connector.Reporter.
func (r *Report) Count(c connector.Counter, _ string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters[c] += n
}

// Healthy reports whether the connector said that it works.
func (r *Report) Healthy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said && r.health == nil
}

// HealthCode returns the last reason code and error.
func (r *Report) HealthCode() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.code, r.health
}

// ItemError returns what was last said of an item, and whether anything was.
func (r *Report) ItemError(ref model.ItemRef) (error, bool) { //nolint:revive // "was anything said" is no error
	r.mu.Lock()
	defer r.mu.Unlock()
	err, ok := r.items[ref]
	return err, ok
}

// Counter returns a counter.
func (r *Report) Counter(c connector.Counter) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters[c]
}

// HasApplied reports whether an assignment was said to be in force.
func (r *Report) HasApplied(a *model.Assignment) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.applied, a)
}

// State is a connector.State in memory that outlives Run.
type State struct {
	mu   sync.Mutex
	data map[string][]byte
}

// Load implements connector.State.
func (s *State) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[key], nil
}

// Save implements connector.State.
func (s *State) Save(_ context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = bytes.Clone(data)
	return nil
}

// Delete implements connector.State.
func (s *State) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, key)
	return nil
}

// Holds reports whether any state contains text.
func (s *State) Holds(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, data := range s.data {
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// Secrets are secrets by reference.
type Secrets map[string]string

// Resolve implements connector.Secrets.
func (s Secrets) Resolve(_ context.Context, ref string) (connector.Secret, error) {
	plain, ok := s[ref]
	if !ok {
		return connector.Secret{}, fault.WithCode(fault.New(fault.Unavailable, "secret %s is missing", ref), "SecretNotFound")
	}
	return connector.NewSecret(plain), nil
}

// Log keeps what is logged. It is safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
