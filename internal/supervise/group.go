// Package supervise keeps exactly one goroutine running for each wanted key.
package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/iotops/iotops/pkg/fault"
)

// Runner does the work of one key until ctx ends (nil) or it cannot go on
// (why). A newer spec arrives on updates, of which the latest wins; the channel
// is never closed. A Runner never retries: the Group does.
type Runner[K comparable, S any] func(ctx context.Context, key K, spec S, updates <-chan S) error

// Options tune a Group. The zero Options are good.
type Options struct {
	Log       *slog.Logger  // nil = discard
	MinWait   time.Duration // first wait after a failure; 0 = 500 ms
	MaxWait   time.Duration // longest wait; 0 = 1 min
	GoodRun   time.Duration // a run at least this long resets the wait; 0 = 30 s
	Starts    int           // how many first starts may be under way at once; 0 = 16
	StartSlot time.Duration // how long a first start keeps its place; 0 = 50 ms
}

// State says what a key's goroutine is doing.
type State string

// The states.
const (
	Starting State = "starting" // waits for its turn
	Running  State = "running"
	Waiting  State = "waiting"  // failed; will be tried again
	Rejected State = "rejected" // failed for good: waits for a new spec
)

// Status is what is known of one key.
type Status struct {
	State    State
	Restarts int           // runs after the first
	Err      error         // why the last run failed; nil if none did
	Since    time.Time     // when State began
	Wait     time.Duration // how long it waits, if Waiting
}

// Group runs one goroutine per key. Its methods are safe for concurrent use.
type Group[K comparable, S any] struct {
	run    Runner[K, S]
	o      Options
	ctx    context.Context //nolint:containedctx // the Group owns it: Stop cancels it
	cancel context.CancelFunc
	starts chan struct{}

	mu      sync.Mutex
	workers map[K]*worker[S]
	stopped bool
}

// worker is one key's goroutine. Its owner is loop; status is behind mu.
type worker[S any] struct {
	cancel  context.CancelFunc
	done    chan struct{}
	updates chan S // capacity 1

	// Behind the Group's mu; set by Remove and Drop.
	leaving bool
	next    *S // what to start with once this worker has ended

	mu      sync.Mutex
	latest  S      // what the next run starts with
	version uint64 // of latest
	started uint64 // version that the last run started with
	status  Status
}

// NewGroup returns a Group without keys.
func NewGroup[K comparable, S any](run Runner[K, S], o Options) *Group[K, S] {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.MinWait, 500*time.Millisecond)
	def(&o.MaxWait, time.Minute)
	def(&o.GoodRun, 30*time.Second)
	def(&o.StartSlot, 50*time.Millisecond)
	if o.Starts <= 0 {
		o.Starts = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Group[K, S]{
		run: run, o: o, ctx: ctx, cancel: cancel,
		starts:  make(chan struct{}, o.Starts),
		workers: map[K]*worker[S]{},
	}
}

// Set makes sure that key runs with spec: it starts it, or offers the newer
// spec to the running one. After Stop it does nothing.
func (g *Group[K, S]) Set(key K, spec S) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	if w := g.workers[key]; w != nil {
		if w.leaving {
			w.next = &spec
			return
		}
		w.offer(spec)
		return
	}
	g.start(key, spec)
}

// start runs key with spec. The caller holds mu.
func (g *Group[K, S]) start(key K, spec S) {
	ctx, cancel := context.WithCancel(g.ctx)
	w := &worker[S]{
		cancel: cancel, done: make(chan struct{}), updates: make(chan S, 1),
		latest: spec, status: Status{State: Starting, Since: time.Now()},
	}
	g.workers[key] = w
	go g.loop(ctx, key, w)
}

// Remove ends key's goroutine and waits for it. A key that is not there is no error.
func (g *Group[K, S]) Remove(key K) {
	if w := g.drop(key); w != nil {
		<-w.done
	}
}

// Drop is Remove without waiting. A Set that follows starts a new run as soon
// as the old one has ended.
func (g *Group[K, S]) Drop(key K) { g.drop(key) }

func (g *Group[K, S]) drop(key K) *worker[S] {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.workers[key]
	if w != nil {
		w.leaving, w.next = true, nil
		w.cancel()
	}
	return w
}

// ended takes a worker that was dropped off the list, and starts its successor.
func (g *Group[K, S]) ended(key K, w *worker[S]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !w.leaving || g.workers[key] != w {
		return
	}
	delete(g.workers, key)
	if w.next != nil && !g.stopped {
		g.start(key, *w.next)
	}
}

// Stop ends all goroutines and waits for them.
func (g *Group[K, S]) Stop() {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.cancel()
	for _, w := range g.snapshot() {
		<-w.done
	}
}

// Status returns a copy of what is known of each key.
func (g *Group[K, S]) Status() map[K]Status {
	workers := g.snapshot()
	all := make(map[K]Status, len(workers))
	for key, w := range workers {
		w.mu.Lock()
		all[key] = w.status
		w.mu.Unlock()
	}
	return all
}

func (g *Group[K, S]) snapshot() map[K]*worker[S] {
	g.mu.Lock()
	defer g.mu.Unlock()
	workers := make(map[K]*worker[S], len(g.workers))
	maps.Copy(workers, g.workers)
	return workers
}

// loop runs one key until ctx ends.
func (g *Group[K, S]) loop(ctx context.Context, key K, w *worker[S]) {
	defer close(w.done)
	defer g.ended(key, w)
	defer w.cancel()
	if !g.takeTurn(ctx) {
		return
	}
	wait := g.o.MinWait
	for restarts := 0; ; restarts++ {
		w.set(Status{State: Running, Restarts: restarts, Since: time.Now(), Err: w.lastErr()})
		began := time.Now()
		err := g.guarded(ctx, key, w.take(), w.updates)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= g.o.GoodRun {
			wait = g.o.MinWait
		}
		switch g.pause(ctx, key, w, restarts, err, wait) {
		case ended:
			return
		case newSpec:
			wait = g.o.MinWait
		case waited:
			wait = min(2*wait, g.o.MaxWait)
		}
	}
}

// wake is why a pause is over.
type wake uint8

const (
	ended wake = iota
	newSpec
	waited
)

// takeTurn spreads first starts: a thousand keys do not dial at once.
func (g *Group[K, S]) takeTurn(ctx context.Context) bool {
	select {
	case g.starts <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	time.AfterFunc(g.o.StartSlot/2+rand.N(g.o.StartSlot), func() { <-g.starts })
	return ctx.Err() == nil
}

// guarded calls the Runner and turns a panic into an error.
func (g *Group[K, S]) guarded(ctx context.Context, key K, spec S, updates <-chan S) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "panic: %v", p)
			g.o.Log.Error("unit panicked", "unit", fmt.Sprint(key), "err", err, "stack", string(debug.Stack()))
		}
	}()
	err = g.run(ctx, key, spec, updates)
	if err == nil && ctx.Err() == nil {
		err = fault.New(fault.Internal, "ended without being asked to")
	}
	return err
}

// pause waits after a failed run: for wait, or as long as the error asks for,
// or for a new spec.
func (g *Group[K, S]) pause(ctx context.Context, key K, w *worker[S], restarts int, err error, wait time.Duration) wake {
	kind := fault.KindOf(err)
	final := kind == fault.Invalid || kind == fault.Unsupported || kind == fault.NotFound
	if final && w.outdated() {
		return newSpec
	}
	if final {
		w.set(Status{State: Rejected, Restarts: restarts, Err: err, Since: time.Now()})
		g.advise(err).Error("unit rejected", "unit", fmt.Sprint(key), "err", err)
		select {
		case <-w.updates:
			return newSpec
		case <-ctx.Done():
			return ended
		}
	}
	switch asked := fault.WaitOf(err); {
	case asked > 0:
		wait = min(max(asked, wait), g.o.MaxWait)
		if most := fault.MostOf(err); most > 0 {
			wait = min(wait, max(most, asked))
		}
	case kind == fault.Denied:
		wait = g.o.MaxWait // accounts lock
	}
	wait += rand.N(wait/5 + 1)
	w.set(Status{State: Waiting, Restarts: restarts, Err: err, Since: time.Now(), Wait: wait})
	g.advise(err).Warn("unit failed", "unit", fmt.Sprint(key), "err", err, "retry_in", wait.Round(time.Millisecond).String())
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.updates:
		return newSpec
	case <-timer.C:
		return waited
	case <-ctx.Done():
		return ended
	}
}

// advise returns a logger that says what a person can do about err, where that
// is known.
func (g *Group[K, S]) advise(err error) *slog.Logger {
	if hints := fault.Hints(err); len(hints) > 0 {
		return g.o.Log.With("hint", strings.Join(hints, " "))
	}
	return g.o.Log
}

// offer makes spec the latest. One that nobody has taken yet is replaced.
func (w *worker[S]) offer(spec S) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = spec
	w.version++
	select {
	case <-w.updates:
	default:
	}
	w.updates <- spec
}

// take returns the latest spec for a run that starts now, which need not be
// told of it again.
func (w *worker[S]) take() S {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.updates:
	default:
	}
	w.started = w.version
	return w.latest
}

// outdated reports whether the last run started with an older spec than the
// latest: it may have failed for a reason that is no more, even though it took
// the newer one from its updates.
func (w *worker[S]) outdated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started != w.version
}

func (w *worker[S]) set(s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = s
}

func (w *worker[S]) lastErr() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.Err
}
