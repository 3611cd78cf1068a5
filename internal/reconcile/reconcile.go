// Package reconcile keeps the units that run equal to what the registry wants.
//
// It is told which resources changed, never how: it reads them again and
// compares. So a missed or a repeated notice does no harm, and starting up is
// the same work, from revision 0.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Runner runs units. A supervise.Group is one. No method waits for a unit.
type Runner interface {
	Set(key model.UnitKey, a *model.Assignment)
	Drop(key model.UnitKey)
}

// Board is told what becomes of each resource. A host.Host is one.
type Board interface {
	Source(o model.Object)                     // a device or an endpoint profile is as o says
	Serve(o model.Object, unit model.UnitKey)  // a unit is to serve this asset
	Refuse(o model.Object, err error)          // no unit can serve it
	Idle(o model.Object, code, message string) // none is to
	Forget(k model.Key)                        // it is gone
	ForgetUnit(key model.UnitKey)              // the unit is not wanted any more
}

// Options say what a Loop works for.
type Options struct {
	Registry       *registry.Store
	Instance       model.Key
	TopicNamespace string       // <ns> of default topics
	Only           model.Key    // the one asset to serve; zero = all
	Log            *slog.Logger // nil = discard
}

const (
	beatInterval = 10 * time.Second // a Loop that has nothing to do still turns this often
	minRetry     = 250 * time.Millisecond
	maxRetry     = 10 * time.Second
)

// Loop is the reconcile loop of one instance.
type Loop struct {
	o     Options
	group Runner
	board Board

	// Run's goroutine owns these.
	scope   model.Scope
	since   model.Revision
	sources map[model.Key]map[model.UnitKey]*model.Assignment // by folded key of the device or profile
	assets  map[model.Key]model.Key                           // folded asset to folded source
	dirty   map[model.Key]bool                                // sources whose last refresh failed

	mu     sync.Mutex
	status Status
}

// Status tells how far a Loop is.
type Status struct {
	Revision model.Revision // everything up to it is in force
	CaughtUp bool           // the first pass is done, and the last one worked
	Err      error          // why the last pass did not work
	Beat     time.Time      // when the loop last turned
	Units    int            // wanted ones
}

// New returns a Loop that has not started.
func New(o Options, group Runner, board Board) *Loop {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Loop{o: o, group: group, board: board}
	l.reset()
	return l
}

func (l *Loop) reset() {
	l.since = 0
	l.sources, l.assets = map[model.Key]map[model.UnitKey]*model.Assignment{}, map[model.Key]model.Key{}
	l.dirty = map[model.Key]bool{}
}

// Status returns how far the loop is. It is safe for concurrent use.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Run follows the registry until ctx ends. What fails is tried again.
func (l *Loop) Run(ctx context.Context) {
	wait := minRetry
	for ctx.Err() == nil {
		err := l.pass(ctx)
		if err == nil {
			wait = minRetry
			err = l.idle(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.o.Log.Error("registry not applied", "err", err, "retry_in", wait.String())
			sleep(ctx, wait)
			wait = min(2*wait, maxRetry)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// idle waits for the registry to move on, or for the next beat.
func (l *Loop) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatInterval)
	defer cancel()
	if _, err := l.o.Registry.Wait(ctx, l.since); err != nil && ctx.Err() == nil {
		return fault.Wrap(err, "watch registry")
	}
	return nil
}

// pass applies what changed since the last one.
func (l *Loop) pass(ctx context.Context) error {
	changes, err := l.o.Registry.Changes(ctx, l.since)
	if err == nil && (len(changes) > 0 || l.since == 0 || len(l.dirty) > 0) {
		err = l.o.Registry.View(ctx, func(r registry.Reader) error { return l.apply(ctx, r, changes) })
	}
	if err == nil {
		for _, c := range changes {
			l.since = max(l.since, c.Revision)
		}
	}
	units := 0
	for _, u := range l.sources {
		units += len(u)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Beat, l.status.Err, l.status.Units = time.Now(), err, units
	l.status.CaughtUp = err == nil
	if err == nil {
		l.status.Revision = l.since
	}
	return err
}

// apply brings the units that changes touch to what r says.
func (l *Loop) apply(ctx context.Context, r registry.Reader, changes []model.Change) error {
	changes, err := l.enter(ctx, r, changes)
	if err != nil {
		return err
	}
	affected := maps.Clone(l.dirty) // what a pass forgets of a change when it fails, the next one must know
	var errs []error
	for _, c := range changes {
		errs = append(errs, l.affect(ctx, r, c, affected))
	}
	for source := range affected {
		err := l.refresh(ctx, r, source)
		if delete(l.dirty, source); err != nil {
			l.dirty[source] = true
			errs = append(errs, fault.Wrap(err, "%s", source))
		}
	}
	return errors.Join(errs...)
}

// enter finds out what belongs to the instance. When that is something else
// than before, everything is looked at again.
func (l *Loop) enter(ctx context.Context, r registry.Reader, changes []model.Change) ([]model.Change, error) {
	moved := l.scope.Namespace == ""
	for _, c := range changes {
		moved = moved || c.Key.Equal(l.o.Instance)
	}
	if !moved {
		return changes, nil
	}
	scope, err := LoadScope(ctx, r, l.o.Instance, l.o.TopicNamespace)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		l.dropAll()
	}
	if err != nil { // a registry that cannot be read says nothing about what is wanted
		return nil, err
	}
	if l.scope.Namespace != "" && !strings.EqualFold(scope.Namespace, l.scope.Namespace) {
		l.o.Log.Info("namespace of the instance changed", "namespace", scope.Namespace)
		l.dropAll()
		if changes, err = l.o.Registry.Changes(ctx, 0); err != nil {
			return nil, err
		}
	}
	l.scope = scope
	return changes, nil
}

// dropAll forgets everything.
func (l *Loop) dropAll() {
	for source, units := range l.sources {
		for key := range units {
			l.drop(key)
		}
		l.board.Forget(source)
	}
	for asset := range l.assets {
		l.board.Forget(asset)
	}
	l.scope = model.Scope{}
	l.reset()
}

func (l *Loop) drop(key model.UnitKey) {
	l.o.Log.Info("unit dropped", "unit", key.String())
	l.group.Drop(key)
	l.board.ForgetUnit(key)
}

// LoadScope returns what belongs to an instance.
func LoadScope(ctx context.Context, r registry.Reader, instance model.Key, topicNamespace string) (model.Scope, error) {
	i, err := registry.Get[*model.Instance](ctx, r, instance)
	if err != nil {
		return model.Scope{}, err
	}
	ref := i.Properties.ADRNamespaceRef
	if ref == nil {
		return model.Scope{}, fault.New(fault.Invalid, "instance %s has no namespace", i.Name)
	}
	ns, err := model.ParseID(model.KindNamespace, ref.ResourceID)
	if err != nil {
		return model.Scope{}, fault.Wrap(err, "namespace of instance %s", i.Name)
	}
	return model.Scope{Instance: i.Key(), Namespace: ns.Parent + "/" + ns.Name, TopicNamespace: topicNamespace}, nil
}

// affect notes which devices or profiles a change touches.
func (l *Loop) affect(ctx context.Context, r registry.Reader, c model.Change, affected map[model.Key]bool) error {
	key := c.Key.Fold()
	if c.Key.Kind == model.KindSecret {
		l.secretChanged(c.Key)
		return nil
	}
	if !l.scope.Contains(c.Key) {
		return nil
	}
	if c.Deleted {
		l.board.Forget(c.Key)
	}
	if c.Key.Kind == model.KindDevice || c.Key.Kind == model.KindEndpointProfile {
		affected[key] = true
		return nil
	}
	if old, ok := l.assets[key]; ok {
		affected[old] = true
		delete(l.assets, key)
	}
	if c.Deleted {
		return nil
	}
	o, err := registry.Load(ctx, r, c.Key)
	if fault.Is(err, fault.NotFound) { // deleted meanwhile: a change will say so
		return nil
	}
	if err != nil {
		return err
	}
	affected[l.scope.SourceKey(o).Fold()] = true
	return nil
}

// secretChanged starts the units anew that use a secret.
func (l *Loop) secretChanged(secret model.Key) {
	if !ownSecret(secret, l.o.Instance) {
		return
	}
	for _, units := range l.sources {
		for key, a := range units {
			if mentions(&a.Endpoint, secret.Name) {
				l.o.Log.Info("unit restarted", "unit", key.String(), "reason", "secret changed")
				l.group.Drop(key)
				l.group.Set(key, a)
			}
		}
	}
}
