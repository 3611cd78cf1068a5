package host

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/iotops/iotops/pkg/model"
)

const (
	writeInterval   = time.Second            // at most one write of a resource in this time
	gatherInterval  = 100 * time.Millisecond // reports that come together are written together
	refreshInterval = 5 * time.Minute        // an unchanged status is dated anew
	finishTime      = 2 * time.Second        // for the last writes, when stopping
	complainAfter   = time.Minute            // how often a status that cannot be written is logged
)

// board knows the resources of a scope and which unit serves which of them.
// One goroutine, in WriteStatus, turns what units report into statuses.
type board struct {
	host       *Host
	wake       chan struct{} // capacity 1
	complained time.Time     // when a failed write was last logged; of WriteStatus' goroutine

	mu    sync.Mutex
	posts map[model.Key]*post // by folded key
}

// post is one device, endpoint profile or asset.
type post struct {
	key    model.Key
	dirty  bool
	source *source  // a device or an endpoint profile
	asset  *posting // an asset of either kind

	loaded  bool // written holds what the store has
	written *model.Status
	at      time.Time // of the last write
}

// source is what the board knows of a device or an endpoint profile.
type source struct {
	version   int64
	enabled   bool
	endpoints []string
}

// posting is what the board knows of an asset.
type posting struct {
	spec *model.Asset // in its namespaced form
	unit model.UnitKey
	idle *idle // why no unit serves it, though nothing is wrong
	err  error // why no unit can serve it
}

// idle says why nothing happens on purpose.
type idle struct{ code, message string }

func newBoard(h *Host) *board {
	return &board{host: h, wake: make(chan struct{}, 1), posts: map[model.Key]*post{}}
}

// nudge wakes the writer. It never blocks.
func (b *board) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *board) put(key model.Key, fill func(*post)) {
	b.mu.Lock()
	p := b.posts[key.Fold()]
	if p == nil {
		p = &post{}
		b.posts[key.Fold()] = p
	}
	p.key, p.dirty = key, true
	fill(p)
	b.mu.Unlock()
	b.nudge()
}

// Source tells the Host of a device or an endpoint profile.
func (h *Host) Source(o model.Object) {
	s := &source{version: o.Head().Generation, enabled: true}
	switch d := o.(type) {
	case *model.Device:
		s.enabled = d.IsEnabled()
		for name := range d.Properties.Endpoints.Inbound {
			s.endpoints = append(s.endpoints, name)
		}
	case *model.EndpointProfile:
		s.endpoints = []string{""}
	default:
		return
	}
	h.board.put(o.Key(), func(p *post) { p.source = s })
}

// Serve tells the Host that a unit is to serve an asset, of either kind.
func (h *Host) Serve(o model.Object, unit model.UnitKey) {
	h.place(o, posting{unit: unit})
}

// Refuse tells the Host that no unit can serve an asset, and why.
func (h *Host) Refuse(o model.Object, err error) { h.place(o, posting{err: err}) }

// Idle tells the Host that no unit is to serve an asset. code is stable.
func (h *Host) Idle(o model.Object, code, message string) {
	h.place(o, posting{idle: &idle{code, message}})
}

func (h *Host) place(o model.Object, at posting) {
	switch a := o.(type) {
	case *model.Asset:
		at.spec = a
	case *model.ClassicAsset:
		at.spec = a.Namespaced()
	default:
		return
	}
	h.board.put(o.Key(), func(p *post) { p.asset = &at })
}

// Forget tells the Host that a resource is gone.
func (h *Host) Forget(k model.Key) {
	h.board.mu.Lock()
	defer h.board.mu.Unlock()
	delete(h.board.posts, k.Fold())
}

// ForgetUnit drops what was counted for a unit that is not wanted any more.
func (h *Host) ForgetUnit(key model.UnitKey) {
	h.mu.Lock()
	delete(h.units, key)
	h.mu.Unlock()
	h.board.touchDevice(key)
}

// touchDevice marks the device of a unit.
func (b *board) touchDevice(key model.UnitKey) {
	b.mu.Lock()
	for _, p := range b.posts {
		if p.source != nil && deviceOf(p.key) == key.Device {
			p.dirty = true
		}
	}
	b.mu.Unlock()
	b.nudge()
}

// deviceOf returns a device or an endpoint profile in the form of UnitKey.Device.
func deviceOf(k model.Key) string {
	k = k.Fold()
	return string(k.Kind) + ":" + k.Parent + "/" + k.Name
}

// WriteStatus writes what units report, each resource at most once a second and
// only what changed, until ctx ends. Then it writes that nothing runs.
func (h *Host) WriteStatus(ctx context.Context) {
	b := h.board
	refresh := time.NewTicker(refreshInterval / 5)
	defer refresh.Stop()
	later := time.NewTimer(time.Hour)
	defer later.Stop()
	for {
		select {
		case <-ctx.Done():
			b.finish(context.WithoutCancel(ctx))
			return
		case <-b.wake:
		case <-later.C:
		case <-refresh.C:
			b.all(func(p *post) { p.dirty = p.dirty || h.o.Now().Sub(p.at) >= refreshInterval })
		}
		if b.flush(ctx, false) {
			later.Reset(writeInterval)
		}
		b.gather(ctx)
	}
}

// gather waits a little, for reports that come together.
func (b *board) gather(ctx context.Context) {
	timer := time.NewTimer(gatherInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (b *board) all(fn func(*post)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.posts {
		fn(p)
	}
}

// finish writes that nothing runs any more.
func (b *board) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	b.all(func(p *post) { p.dirty = true })
	b.flush(ctx, true)
}

// view is what a flush works on: units by key and by device.
type view struct {
	now      time.Time
	stopped  bool
	units    map[model.UnitKey]*unit
	byDevice map[string][]*unit
}

// flush writes what is due. It reports whether something has to wait.
func (b *board) flush(ctx context.Context, stopped bool) bool {
	v := view{now: b.host.o.Now(), stopped: stopped, units: map[model.UnitKey]*unit{}, byDevice: map[string][]*unit{}}
	touched := map[model.UnitKey]bool{}
	devices := map[string]bool{}
	for _, u := range b.host.snapshot() {
		v.units[u.key] = u
		v.byDevice[u.key.Device] = append(v.byDevice[u.key.Device], u)
		if u.dirty.Swap(false) {
			touched[u.key], devices[u.key.Device] = true, true
		}
	}
	due, waiting := b.due(touched, devices, v)
	for _, p := range due {
		if ctx.Err() != nil {
			return true
		}
		if !b.write(ctx, p, v) {
			waiting = true
		}
	}
	return waiting
}

// due takes the posts that may be written now.
func (b *board) due(touched map[model.UnitKey]bool, devices map[string]bool, v view) (due []post, waiting bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.posts {
		if p.source != nil && devices[deviceOf(p.key)] || p.asset != nil && touched[p.asset.unit] {
			p.dirty = true
		}
		switch {
		case !p.dirty:
		case !v.stopped && v.now.Sub(p.at) < writeInterval:
			waiting = true
		default:
			p.dirty = false
			due = append(due, *p)
		}
	}
	return due, waiting
}

// write writes one status if it changed. It reports false if it must be tried again.
func (b *board) write(ctx context.Context, p post, v view) bool {
	store := b.host.o.Status
	if store == nil {
		return true
	}
	if !p.loaded {
		old, err := store.LoadStatus(ctx, p.key)
		if err != nil {
			return b.again(ctx, p, err)
		}
		p.loaded, p.written = true, old
	}
	var next *model.Status
	if p.source != nil {
		next = v.ofSource(&p)
	} else {
		next = v.ofAsset(&p)
	}
	date(next, p.written, v.now)
	at := p.at
	if !same(next, p.written, v.now) {
		if err := store.SetStatus(ctx, p.key, next); err != nil {
			return b.again(ctx, p, err)
		}
		p.written, at = next, v.now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if live := b.posts[p.key.Fold()]; live != nil {
		live.loaded, live.written, live.at = true, p.written, at
	}
	return true
}

// again marks a post whose status could not be written.
func (b *board) again(ctx context.Context, p post, err error) bool {
	if now := b.host.o.Now(); ctx.Err() == nil && now.Sub(b.complained) >= complainAfter {
		b.complained = now
		b.host.o.Log.Warn("status not written", "resource", p.key.String(), "err", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if live := b.posts[p.key.Fold()]; live != nil {
		live.dirty, live.at = true, b.host.o.Now()
	}
	return false
}

// same reports whether a status need not be written: nothing but its date
// changed, and that not by much.
func same(next, old *model.Status, now time.Time) bool {
	if old == nil {
		return false
	}
	oldest := now
	undated := func(s *model.Status) model.Status {
		c := *s
		c.HealthState = withoutUpdate(s.HealthState, &oldest)
		if s.Endpoints != nil {
			ends := model.EndpointsStatus{Inbound: map[string]model.EndpointStatus{}}
			for name, e := range s.Endpoints.Inbound {
				e.HealthState = withoutUpdate(e.HealthState, &oldest)
				ends.Inbound[name] = e
			}
			c.Endpoints = &ends
		}
		return c
	}
	return reflect.DeepEqual(undated(next), undated(old)) && now.Sub(oldest) < refreshInterval
}

func withoutUpdate(h *model.HealthState, oldest *time.Time) *model.HealthState {
	if h == nil {
		return nil
	}
	c := *h
	if c.LastUpdateTime.Before(*oldest) {
		*oldest = c.LastUpdateTime
	}
	c.LastUpdateTime = time.Time{}
	return &c
}
