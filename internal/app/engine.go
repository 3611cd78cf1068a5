package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/iotops/iotops/internal/host"
	"github.com/iotops/iotops/internal/reconcile"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/supervise"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// engine runs the connectors that a registry asks for: all of an instance, or
// those of one asset.
type engine struct {
	host  *host.Host
	group *supervise.Group[model.UnitKey, *model.Assignment]
	loop  *reconcile.Loop
}

// engineOptions are what an engine works with.
type engineOptions struct {
	registry       *registry.Store
	instance       model.Key
	topicNamespace string
	only           model.Key // the one asset to serve; zero = all
	connectors     *connector.Set
	secrets        connector.Secrets
	state          func(unit string) connector.State
	out            message.Publisher
	clientID       string
	report         bool        // write statuses
	rejected       func(error) // hears why a unit will not run as it is told; may be nil
	now            func() time.Time
	log            *slog.Logger
}

func newEngine(o engineOptions) *engine {
	ho := host.Options{
		Connectors: o.connectors, Out: o.out, State: o.state, Secrets: o.secrets, ClientID: o.clientID, Now: o.now, Log: o.log,
	}
	if o.report {
		ho.Status = statuses{o.registry}
	}
	e := &engine{host: host.New(ho)}
	run := supervise.Runner[model.UnitKey, *model.Assignment](e.host.Run)
	if o.rejected != nil {
		run = func(ctx context.Context, key model.UnitKey, a *model.Assignment, updates <-chan *model.Assignment) error {
			err := e.host.Run(ctx, key, a, updates)
			if k := fault.KindOf(err); k == fault.Invalid || k == fault.Unsupported || k == fault.NotFound {
				o.rejected(err)
			}
			return err
		}
	}
	e.group = supervise.NewGroup(run, supervise.Options{Log: o.log})
	e.loop = reconcile.New(reconcile.Options{
		Registry: o.registry, Instance: o.instance, TopicNamespace: o.topicNamespace, Only: o.only, Log: o.log,
	}, e.group, e.host)
	return e
}

// run follows the registry until ctx ends. When it returns, no unit runs and
// the last statuses are written.
func (e *engine) run(ctx context.Context) {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() { e.host.WriteStatus(writing) })
	e.loop.Run(ctx)
	e.group.Stop()
	stop()
	writer.Wait()
}

// endpoints counts the endpoints that have units, and those of which one is connected.
func (e *engine) endpoints() (connected, all int) {
	type endpoint struct{ device, name string }
	up := map[endpoint]bool{}
	for _, r := range e.host.Report() {
		key := endpoint{r.Key.Device, r.Key.Endpoint}
		up[key] = up[key] || r.Connected
	}
	for _, ok := range up {
		if ok {
			connected++
		}
	}
	return connected, len(up)
}

// statuses lets a registry be the host's store of statuses.
type statuses struct{ *registry.Store }

// LoadStatus implements host.StatusStore.
func (s statuses) LoadStatus(ctx context.Context, k model.Key) (*model.Status, error) {
	return registry.Status(ctx, s.Store, k)
}
