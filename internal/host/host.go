// Package host runs units: it lends a connector what its Session holds, keeps
// what it reports, and writes that into the status of devices and assets.
package host

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/iotops/iotops/internal/emit"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// Options are what a Host lends to units.
type Options struct {
	Connectors *connector.Set
	Out        message.Publisher
	State      func(unit string) connector.State // the durable state of one unit; see StateKey
	Secrets    connector.Secrets
	Status     StatusStore      // nil = statuses are kept in memory only
	ClientID   string           // the sender that messages name
	Now        func() time.Time // nil = time.Now
	Log        *slog.Logger     // nil = discard
}

// StatusStore keeps the status of resources. The registry is one.
type StatusStore interface {
	// LoadStatus returns what was last written; nil if nothing was.
	LoadStatus(ctx context.Context, k model.Key) (*model.Status, error)
	SetStatus(ctx context.Context, k model.Key, s *model.Status) error
}

// Host runs units. Its methods are safe for concurrent use.
type Host struct {
	o     Options
	board *board

	mu    sync.Mutex
	units map[model.UnitKey]*unit
}

// New returns a Host that runs nothing yet. Run its WriteStatus beside it.
func New(o Options) *Host {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{o: o, units: map[model.UnitKey]*unit{}}
	h.board = newBoard(h)
	return h
}

// StateKey returns the name under which the durable state of a unit is kept.
// It is made of uuids: what is deleted and made anew starts anew.
func StateKey(a *model.Assignment) string {
	id := func(uuid, parent, name string) string {
		if uuid != "" {
			return uuid
		}
		return strings.ToLower(parent + "/" + name)
	}
	key := id(a.Device.UUID, a.Device.Key.Parent, a.Device.Key.Name) + ":" + a.EndpointName
	if a.Unit.Asset != "" && len(a.Assets) == 1 {
		key += ":" + id(a.Assets[0].Properties.UUID, a.Assets[0].Parent, a.Assets[0].Name)
	}
	return key
}

// unit returns the record of a unit, which outlives its runs.
func (h *Host) unit(key model.UnitKey) *unit {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.units[key]
	if u == nil {
		u = newUnit(key, h.o.Now, h.board.nudge)
		h.units[key] = u
	}
	return u
}

func (h *Host) snapshot() []*unit {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*unit, 0, len(h.units))
	for _, u := range h.units {
		list = append(list, u)
	}
	return list
}

// Run runs one unit until ctx ends or its connection is lost. It is a
// supervise.Runner. What its connector refuses is an error of kind Invalid or
// Unsupported.
func (h *Host) Run(ctx context.Context, key model.UnitKey, a *model.Assignment, updates <-chan *model.Assignment) (err error) {
	u := h.unit(key)
	defer func() {
		if p := recover(); p != nil {
			u.ended(fault.New(fault.Internal, "the connector crashed: %v", p))
			panic(p) // the Group logs it with its stack
		}
	}()
	c, err := h.o.Connectors.ForType(a.Endpoint.EndpointType)
	if err != nil {
		u.reject(a, err)
		return err
	}
	accepted, refused, err := accept(c, a, nil)
	if err != nil {
		u.reject(a, err)
		return err
	}
	u.begin(c.Info().Name, accepted, refused)
	err = h.connect(ctx, c, u, accepted, updates)
	if ctx.Err() != nil {
		return nil // being stopped is no failure
	}
	u.ended(err)
	return err
}

// connect lends c a Session and calls its Run.
func (h *Host) connect(ctx context.Context, c connector.Connector, u *unit, a *model.Assignment, updates <-chan *model.Assignment) error {
	forwarding, stop := context.WithCancel(ctx)
	accepted := make(chan *model.Assignment, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(forwarding, c, u, a, updates, accepted)
	}()
	defer func() {
		stop()
		<-done
	}()
	plan := emit.New(emit.Options{
		Style: c.Info().Style, Out: h.o.Out, ClientID: h.o.ClientID, Now: h.o.Now, OnItem: u.Item,
	})
	return c.Run(ctx, connector.Session{
		Assignment: a, Updates: accepted, Out: plan, State: h.o.State(StateKey(a)),
		Report: u, Secrets: h.o.Secrets, Log: h.o.Log.With("unit", u.key.String()),
	})
}

// forward checks newer assignments before the connector sees them.
func forward(ctx context.Context, c connector.Connector, u *unit, running *model.Assignment, in <-chan *model.Assignment, out chan *model.Assignment) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-in:
			accepted, refused, err := accept(c, next, running)
			if err != nil { // nothing of it can be used: what runs goes on
				u.refuse(err)
				continue
			}
			u.update(accepted, refused)
			if len(refused) > 0 && slices.Equal(accepted.Assets, running.Assets) {
				continue // nothing is left of what changed
			}
			running = accepted
			select { // the latest wins
			case <-out:
			default:
			}
			out <- accepted
		}
	}
}

// accept returns the part of an assignment that its connector does not refuse.
// An asset that is refused keeps the form in which it runs, if it does, and is
// left out otherwise. An error means that nothing is left.
func accept(c connector.Connector, a, running *model.Assignment) (*model.Assignment, map[string]error, error) {
	whole := c.Validate(a)
	if whole == nil {
		return a, nil, nil
	}
	bare := *a
	bare.Assets = nil
	if err := c.Validate(&bare); err != nil {
		return nil, nil, rejected(err)
	}
	part, refused := *a, map[string]error{}
	part.Assets = nil
	for _, asset := range a.Assets {
		alone := *a
		alone.Assets = []*model.Asset{asset}
		err := c.Validate(&alone)
		if err != nil {
			refused[asset.Name] = rejected(err)
			asset = find(running, asset)
		}
		if asset != nil {
			part.Assets = append(part.Assets, asset)
		}
	}
	if len(part.Assets) == 0 {
		return nil, nil, rejected(whole)
	}
	return &part, refused, nil
}

// find returns the form in which an asset runs, else nil.
func find(running *model.Assignment, asset *model.Asset) *model.Asset {
	if running == nil {
		return nil
	}
	for _, r := range running.Assets {
		if strings.EqualFold(r.Name, asset.Name) && r.Properties.UUID == asset.Properties.UUID {
			return r
		}
	}
	return nil
}

// rejected makes sure that a refusal is not retried.
func rejected(err error) error {
	if k := fault.KindOf(err); k == fault.Invalid || k == fault.Unsupported {
		return err
	}
	return fault.As(fault.Invalid, err, "configuration")
}
