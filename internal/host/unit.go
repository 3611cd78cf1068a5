package host

import (
	"maps"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/model"
)

// maxItems bounds how many items of one unit may be in an error state.
const maxItems = 1 << 17

// unit is what is known of one unit. It implements connector.Reporter, and
// outlives the unit's runs, so that counters never go back.
type unit struct {
	key   model.UnitKey
	now   func() time.Time
	nudge func()

	counters atomic.Pointer[tallies]
	dirty    atomic.Bool

	mu        sync.Mutex
	connector string
	a         *model.Assignment // the latest that was accepted
	applied   map[string]int64  // generation in force, by asset name
	refused   map[string]error  // by asset name
	rejected  error             // why nothing runs
	reported  bool              // health is known
	connected bool              // was connected at least once
	told      bool              // this run said what is wrong
	code      string
	err       error
	since     time.Time
	items     map[model.ItemRef]error
}

// tallies are a unit's counters. They are replaced, never changed.
type tallies struct {
	all    *tally
	only   *tally            // of the unit's asset, if it has just one
	assets map[string]*tally // by asset name
}

// of returns the counters of an asset. What is counted for no asset in
// particular is meant for the only one.
func (t *tallies) of(asset string) *tally {
	if asset == "" {
		return t.only
	}
	return t.assets[asset]
}

// tally counts for one asset, or for a unit.
type tally struct {
	n    [connector.CountersEnd]atomic.Int64
	last atomic.Int64 // when values last arrived, nanoseconds since the Unix epoch
}

func newUnit(key model.UnitKey, now func() time.Time, nudge func()) *unit {
	u := &unit{key: key, now: now, nudge: nudge, applied: map[string]int64{}, items: map[model.ItemRef]error{}, since: now()}
	u.counters.Store(&tallies{all: &tally{}})
	return u
}

// touch lets the board know that something changed.
func (u *unit) touch() {
	if !u.dirty.Swap(true) {
		u.nudge()
	}
}

// begin notes that a run starts. What is wrong with items will be reported anew.
func (u *unit) begin(name string, a *model.Assignment, refused map[string]error) {
	u.mu.Lock()
	if u.a != nil && !reflect.DeepEqual(u.a.Endpoint, a.Endpoint) {
		u.reported, u.err = false, nil // what was said is about another endpoint
	}
	u.connector, u.rejected, u.told = name, nil, false
	clear(u.items)
	u.accept(a, refused)
	u.mu.Unlock()
	u.touch()
}

// update notes a newer assignment of a run that goes on.
func (u *unit) update(a *model.Assignment, refused map[string]error) {
	u.mu.Lock()
	u.rejected = nil
	u.accept(a, refused)
	u.mu.Unlock()
	u.touch()
}

// accept is called with mu held.
func (u *unit) accept(a *model.Assignment, refused map[string]error) {
	u.a, u.refused = a, refused
	old := u.counters.Load()
	names := make(map[string]*tally, len(a.Assets))
	counters := &tallies{all: old.all, assets: names}
	for _, asset := range a.Assets {
		t := old.assets[asset.Name]
		if t == nil {
			t = &tally{}
		}
		names[asset.Name], counters.only = t, t
	}
	if len(names) != 1 {
		counters.only = nil
	}
	u.counters.Store(counters)
	maps.DeleteFunc(u.items, func(ref model.ItemRef, _ error) bool { return names[ref.Asset] == nil })
	maps.DeleteFunc(u.applied, func(name string, _ int64) bool { return names[name] == nil })
}

// reject notes that a unit cannot run as it is told: nothing does.
func (u *unit) reject(a *model.Assignment, err error) {
	u.mu.Lock()
	u.a, u.rejected = a, err
	u.reported, u.err = false, nil
	u.mu.Unlock()
	u.touch()
}

// refuse notes that nothing of a newer assignment can be used: what runs goes on.
func (u *unit) refuse(err error) {
	u.mu.Lock()
	u.rejected = err
	u.mu.Unlock()
	u.touch()
}

// ended notes why a run ended.
func (u *unit) ended(err error) {
	u.mu.Lock()
	told := u.told
	u.mu.Unlock()
	if !told && err != nil {
		u.Health("", err)
	}
}

// Applied implements connector.Reporter.
func (u *unit) Applied(a *model.Assignment) {
	u.mu.Lock()
	wanted := make(map[model.ItemRef]bool, len(u.items))
	for _, asset := range a.Assets {
		u.applied[asset.Name] = asset.Generation
		if len(u.items) > 0 {
			for _, ref := range itemsOf(asset) {
				wanted[ref] = true
			}
		}
	}
	maps.DeleteFunc(u.items, func(ref model.ItemRef, _ error) bool { return !wanted[ref] })
	u.mu.Unlock()
	u.touch()
}

// Health implements connector.Reporter.
func (u *unit) Health(code string, err error) {
	u.mu.Lock()
	was := u.reported && u.err == nil
	if !u.reported || u.code != code || was != (err == nil) {
		u.since = u.now()
	}
	again := err == nil && !was && u.connected
	u.reported, u.code, u.err = true, code, err
	u.connected, u.told = u.connected || err == nil, err != nil
	u.mu.Unlock()
	if again {
		counters := u.counters.Load()
		counters.all.n[connector.CountReconnects].Add(1)
		for _, t := range counters.assets {
			t.n[connector.CountReconnects].Add(1)
		}
	}
	u.touch()
}

// Item implements connector.Reporter.
func (u *unit) Item(ref model.ItemRef, err error) {
	u.mu.Lock()
	old, had := u.items[ref]
	changed := had != (err != nil) || had && old.Error() != err.Error()
	switch {
	case err == nil:
		delete(u.items, ref)
	case had || len(u.items) < maxItems:
		u.items[ref] = err
	}
	u.mu.Unlock()
	if changed {
		u.touch()
	}
}

// Count implements connector.Reporter. What is counted for an asset counts for
// the unit too; an asset that the unit does not have counts for the unit only.
func (u *unit) Count(c connector.Counter, asset string, n int64) {
	if c >= connector.CountersEnd {
		return
	}
	counters := u.counters.Load()
	counters.all.n[c].Add(n)
	t := counters.of(asset)
	if t != nil {
		t.n[c].Add(n)
	}
	if c == connector.CountValues || c == connector.CountEvents {
		now := u.now().UnixNano()
		counters.all.last.Store(now)
		if t != nil {
			t.last.Store(now)
		}
	}
}

// itemsOf lists what an asset has that may be in an error state.
func itemsOf(a *model.Asset) []model.ItemRef {
	list := []model.ItemRef{{Kind: model.ItemAsset, Asset: a.Name}}
	p := &a.Properties
	for i := range p.Datasets {
		d := &p.Datasets[i]
		list = append(list, model.ItemRef{Kind: model.ItemDataset, Asset: a.Name, Group: d.Name})
		for j := range d.DataPoints {
			list = append(list, model.ItemRef{Kind: model.ItemDataPoint, Asset: a.Name, Group: d.Name, Item: d.DataPoints[j].Name})
		}
	}
	for i := range p.EventGroups {
		g := &p.EventGroups[i]
		list = append(list, model.ItemRef{Kind: model.ItemEventGroup, Asset: a.Name, Group: g.Name})
		for j := range g.Events {
			list = append(list, model.ItemRef{Kind: model.ItemEvent, Asset: a.Name, Group: g.Name, Item: g.Events[j].Name})
		}
	}
	for i := range p.Streams {
		list = append(list, model.ItemRef{Kind: model.ItemStream, Asset: a.Name, Group: p.Streams[i].Name})
	}
	for i := range p.ManagementGroups {
		g := &p.ManagementGroups[i]
		list = append(list, model.ItemRef{Kind: model.ItemManagementGroup, Asset: a.Name, Group: g.Name})
		for j := range g.Actions {
			list = append(list, model.ItemRef{Kind: model.ItemAction, Asset: a.Name, Group: g.Name, Item: g.Actions[j].Name})
		}
	}
	return list
}

// Counts is a copy of the counters of an asset or a unit.
type Counts struct {
	N    [connector.CountersEnd]int64
	Last time.Time // when values or events last arrived; zero = never
}

func (t *tally) copy() Counts {
	var c Counts
	for i := range c.N {
		c.N[i] = t.n[i].Load()
	}
	if at := t.last.Load(); at != 0 {
		c.Last = time.Unix(0, at)
	}
	return c
}

// Report is a copy of what is known of a unit.
type Report struct {
	Key       model.UnitKey
	Connector string // "" until its first run
	Device    string
	Endpoint  string
	Connected bool  // reported healthy
	Err       error // why it is not, or why what it was told last is not in force
	Items     int   // items in an error state
	Since     time.Time
	Total     Counts
	Assets    map[string]Counts // by asset name
}

// Report returns what is known of each unit that was ever run and is still
// wanted, in no order.
func (h *Host) Report() []Report {
	units := h.snapshot()
	list := make([]Report, 0, len(units))
	for _, u := range units {
		list = append(list, u.report())
	}
	return list
}

func (u *unit) report() Report {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := Report{
		Key: u.key, Connector: u.connector, Device: u.key.Device[strings.LastIndexByte(u.key.Device, '/')+1:], Endpoint: u.key.Endpoint,
		Connected: u.reported && u.err == nil, Err: u.err, Items: len(u.items), Since: u.since,
		Assets: map[string]Counts{},
	}
	if u.rejected != nil {
		r.Err = u.rejected
	}
	if u.a != nil {
		r.Device = u.a.Device.Key.Name
	}
	counters := u.counters.Load()
	r.Total = counters.all.copy()
	for name, t := range counters.assets {
		r.Assets[name] = t.copy()
	}
	return r
}
