// Package emit turns samples and events into messages: which sample goes into
// which message, what the payload looks like, and the properties beside it.
//
// Everything that depends on the assignment only (topics, names, constant
// properties) is made once, when the assignment arrives. What is left per
// sample is an index into a table and appending to a buffer.
package emit

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"time"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

// Options are what a Plan needs to know beside its assignment.
type Options struct {
	Style    connector.Style
	Out      message.Publisher
	ClientID string           // the sender, for __srcId; "" leaves it out
	Now      func() time.Time // nil = time.Now

	// OnItem hears which datasets and events have no destination that can be
	// served (err), or have one again (nil). It may be nil.
	OnItem func(ref model.ItemRef, err error)
}

// Plan implements connector.Output. It belongs to one goroutine.
type Plan struct {
	o       Options
	source  string // the source's own name
	slots   []slot
	free    []connector.Handle
	handles map[itemKey]connector.Handle
	targets map[model.ItemRef]*target
	order   []*target // of handles, in the order of the assignment

	touched []*target // since the last Flush, each once
	env     envelope
	msg     message.Message // reused
	marks   uint64          // numbers messages
	cycles  uint64          // numbers what Flush does to one dataset
}

// slot is what a handle stands for.
type slot struct {
	used  bool
	t     *target
	index int // of the point in its target
}

// itemKey identifies an item for as long as nothing that the source is asked
// for changes.
type itemKey struct {
	kind                   model.ItemKind
	asset, group, item     string
	source, typ, own       string
	groupSource, groupConf string
	defaults               string
}

// New returns a Plan without items.
func New(o Options) *Plan {
	if o.Now == nil {
		o.Now = time.Now
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails (crypto/rand)
	return &Plan{
		o: o, handles: map[itemKey]connector.Handle{}, targets: map[model.ItemRef]*target{},
		env: envelope{ids: mathrand.NewChaCha8(seed), clientID: o.ClientID},
	}
}

// SetSource implements connector.Output.
func (p *Plan) SetSource(uri string) { p.source = message.CleanText(uri) }

// Update implements connector.Output.
func (p *Plan) Update(a *model.Assignment) (added []connector.Binding, removed []connector.Handle) {
	old := p.targets
	p.targets, p.order = make(map[model.ItemRef]*target, len(old)), p.order[:0]
	kept := make(map[itemKey]connector.Handle, len(p.handles))
	for _, asset := range a.Assets {
		added = p.updateDatasets(a, asset, old, kept, added)
		added = p.updateEvents(a, asset, old, kept, added)
		for i := range asset.Properties.Streams {
			s := &asset.Properties.Streams[i]
			ref := model.ItemRef{Kind: model.ItemStream, Asset: asset.Name, Group: s.Name}
			p.target(ref, old, spec{a, asset, a.StreamDestination(asset, s), "Stream", s.TypeRef, "", asset.Name + "/" + s.Name})
		}
	}
	for key, h := range p.handles {
		if _, ok := kept[key]; !ok {
			p.slots[h] = slot{}
			removed = append(removed, h)
		}
	}
	p.handles = kept
	p.retouch()
	return added, removed
}

func (p *Plan) updateDatasets(a *model.Assignment, asset *model.Asset, old map[model.ItemRef]*target,
	kept map[itemKey]connector.Handle, added []connector.Binding,
) []connector.Binding {
	props := &asset.Properties
	for i := range props.Datasets {
		d := &props.Datasets[i]
		ref := model.ItemRef{Kind: model.ItemDataset, Asset: asset.Name, Group: d.Name}
		t := p.target(ref, old, spec{a, asset, a.Destination(asset, d), "DataSet", d.TypeRef, d.DataSource, asset.Name + "/" + d.Name})
		t.keyFrames = keyFrameCount(d.DatasetConfiguration, props.DefaultDatasetsConfiguration, a.Endpoint.AdditionalConfiguration)
		before := t.points
		t.points = make([]point, len(d.DataPoints))
		for j := range d.DataPoints {
			x := &d.DataPoints[j]
			key := itemKey{
				model.ItemDataPoint, assetID(asset), d.Name, x.Name, x.DataSource, x.TypeRef, x.DataPointConfiguration,
				d.DataSource, d.DatasetConfiguration, props.DefaultDatasetsConfiguration,
			}
			h, isNew := p.handle(key, kept)
			t.points[j] = newPoint(x.Name)
			if was := p.slots[h]; !isNew && was.t == t && was.index < len(before) {
				t.points[j].last, t.points[j].seen = before[was.index].last, before[was.index].seen
			}
			p.slots[h] = slot{true, t, j}
			if isNew {
				added = append(added, connector.Binding{Handle: h, Asset: asset, Dataset: d, Point: x})
			}
		}
	}
	return added
}

func (p *Plan) updateEvents(a *model.Assignment, asset *model.Asset, old map[model.ItemRef]*target,
	kept map[itemKey]connector.Handle, added []connector.Binding,
) []connector.Binding {
	props := &asset.Properties
	for i := range props.EventGroups {
		g := &props.EventGroups[i]
		for j := range g.Events {
			e := &g.Events[j]
			ref := model.ItemRef{Kind: model.ItemEvent, Asset: asset.Name, Group: g.Name, Item: e.Name}
			source := e.DataSource
			if source == "" {
				source = g.DataSource
			}
			t := p.target(ref, old, spec{
				a, asset, a.EventDestination(asset, g, e), "Event", e.TypeRef, source,
				asset.Name + "/" + g.Name + "/" + e.Name,
			})
			t.event = true
			key := itemKey{
				model.ItemEvent, assetID(asset), g.Name, e.Name, e.DataSource, e.TypeRef, e.EventConfiguration,
				g.DataSource, g.EventGroupConfiguration, props.DefaultEventsConfiguration,
			}
			h, isNew := p.handle(key, kept)
			p.slots[h] = slot{true, t, 0}
			if isNew {
				added = append(added, connector.Binding{Handle: h, Asset: asset, Group: g, Event: e})
			}
		}
	}
	return added
}

func assetID(a *model.Asset) string {
	if a.Properties.UUID != "" {
		return a.Properties.UUID
	}
	return a.Parent + "/" + a.Name
}

// handle returns the handle of an item, and whether it is new.
func (p *Plan) handle(key itemKey, kept map[itemKey]connector.Handle) (connector.Handle, bool) {
	if h, ok := p.handles[key]; ok {
		kept[key] = h
		return h, false
	}
	var h connector.Handle
	if n := len(p.free); n > 0 {
		h, p.free = p.free[n-1], p.free[:n-1]
	} else {
		h = connector.Handle(len(p.slots)) //nolint:gosec // a plan has far fewer items than 2^32
		p.slots = append(p.slots, slot{})
	}
	kept[key] = h
	return h, true
}

// retouch keeps what waits for the next Flush of targets that still exist.
func (p *Plan) retouch() {
	live := p.touched[:0]
	for _, t := range p.touched {
		if p.targets[t.ref] == t {
			live = append(live, t)
		}
	}
	clear(p.touched[len(live):])
	p.touched = live
}

// Free implements connector.Output.
func (p *Plan) Free(removed []connector.Handle) {
	for _, h := range removed {
		if int(h) < len(p.slots) && !p.slots[h].used {
			p.free = append(p.free, h)
		}
	}
}

// Put implements connector.Output.
func (p *Plan) Put(h connector.Handle, s *value.Sample) bool {
	if int(h) >= len(p.slots) || !p.slots[h].used {
		return false
	}
	t := p.slots[h].t
	t.pending = append(t.pending, pending{h: h, s: *s})
	if !t.touched {
		t.touched = true
		p.touched = append(p.touched, t)
	}
	return true
}

// PutEvent implements connector.Output.
func (p *Plan) PutEvent(h connector.Handle, at int64, fields []value.Field) bool {
	if int(h) >= len(p.slots) || !p.slots[h].used {
		return false
	}
	t := p.slots[h].t
	t.addEvent(at, fields)
	if !t.touched {
		t.touched = true
		p.touched = append(p.touched, t)
	}
	return true
}
