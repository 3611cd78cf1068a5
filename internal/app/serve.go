package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/iotops/iotops/internal/api"
	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/internal/reconcile"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/internal/state"
	"github.com/iotops/iotops/internal/version"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// ServeOptions say what Serve runs.
type ServeOptions struct {
	Instance       model.Key
	TopicNamespace string
	Broker         BrokerOptions
	APIListen      string // host:port; "" = none
	FreePorts      bool   // take a free port where the wanted one is in use
	View           bool   // show on Out what passes
	Log            *slog.Logger
	Ready          func(s *Served) // called once everything runs; may be nil
}

// Served is what a running Serve tells of itself.
type Served struct {
	BrokerURL string
	API       string   // host:port; "" = none
	Notes     []string // what the user should know, such as that another port was taken
}

// loopPatience is how long the reconcile loop may be silent before it counts
// as stuck.
const loopPatience = time.Minute

// server is a Serve that runs.
type server struct {
	o       ServeOptions
	f       *Factory
	store   *registry.Store
	state   *state.DB
	lease   *state.Lease
	secrets *secret.Store
	carrier *carrier
	engine  *engine
	api     *api.Server
	view    *view
	started time.Time
	rate    rate
	served  Served
}

// Serve is the whole edge: the broker, the connectors of all enabled assets of
// an instance, and the API. It runs until ctx ends (nil) or until a part that
// it cannot do without fails (why).
func (f *Factory) Serve(ctx context.Context, o ServeOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{o: o, f: f, started: f.Now()}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.lease.Publish(ctx, s.served.BrokerURL, s.served.API); err != nil {
		return err
	}
	o.Log.Info("serving", "instance", o.Instance.Name, "broker", s.served.BrokerURL, "api", s.served.API, "registry", s.store.Dir())
	if !o.View { // who looks on is told by Ready
		for _, note := range s.served.Notes {
			o.Log.Warn("other than asked for", "note", note)
		}
	}
	if o.Ready != nil {
		o.Ready(&s.served)
	}
	err := s.run(ctx)
	o.Log.Info("stopped", "instance", o.Instance.Name)
	return err
}

// open opens everything, in the order in which parts need each other.
func (s *server) open(ctx context.Context) error {
	if err := s.openStores(ctx); err != nil {
		return err
	}
	connectors, err := s.f.Connectors()
	if err != nil {
		return err
	}
	if err := s.openCarrier(ctx); err != nil {
		return err
	}
	clientID := s.o.Broker.clientID(s.o.Instance)
	out := message.Publisher(s.carrier)
	if s.o.View {
		s.view = newView(s.f.IO.Out, s.f.Now, s.summary)
		out = seen{s.carrier, s.view}
	}
	s.engine = newEngine(engineOptions{
		registry: s.store, instance: s.o.Instance, topicNamespace: s.o.TopicNamespace, connectors: connectors,
		secrets: s.secrets, state: func(unit string) connector.State { return s.state.Unit(unit) },
		out: out, clientID: clientID, report: true, now: s.f.Now, log: s.o.Log,
	})
	return s.openAPI(ctx)
}

func (s *server) openStores(ctx context.Context) error {
	var err error
	if s.store, err = s.f.Registry(ctx); err != nil {
		return err
	}
	if _, err = reconcile.LoadScope(ctx, s.store, s.o.Instance, s.o.TopicNamespace); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.WithHint(err, "Create it: iotops create -n %s -g %s", s.o.Instance.Name, s.o.Instance.Parent)
		}
		return err
	}
	if s.state, err = s.f.State(ctx); err != nil {
		return err
	}
	if s.lease, err = s.state.AcquireLease(ctx, LeaseName(s.o.Instance)); err != nil {
		return err
	}
	if err := pruneState(ctx, s.store, s.state); err != nil {
		s.o.Log.Warn("state of what was deleted is kept", "err", err)
	}
	s.secrets, err = s.f.Secrets(ctx, s.o.Instance)
	return err
}

// LeaseName returns the name under which the process that serves an instance
// holds its lease.
func LeaseName(instance model.Key) string { return instance.Parent + "/" + instance.Name }

func (s *server) openCarrier(ctx context.Context) error {
	var err error
	s.carrier, err = s.f.openCarrier(ctx, s.o.Broker, s.o.Instance, s.secrets, s.o.Log)
	if err != nil && s.o.FreePorts && fault.CodeOf(err) == codeAddressInUse {
		wanted := s.o.Broker.Broker.Listen
		s.o.Broker.Broker.Listen = "127.0.0.1:0"
		if s.carrier, err = s.f.openCarrier(ctx, s.o.Broker, s.o.Instance, s.secrets, s.o.Log); err == nil {
			s.note("%s is in use: the broker listens on %s", wanted, s.carrier.url)
		}
	}
	if err == nil {
		s.served.BrokerURL = s.carrier.url
	}
	return err
}

func (s *server) note(format string, args ...any) {
	s.served.Notes = append(s.served.Notes, fmt.Sprintf(format, args...))
}

func (s *server) openAPI(ctx context.Context) error {
	if s.o.APIListen == "" {
		return nil
	}
	o := api.Options{
		Listen: s.o.APIListen, Healthy: s.healthy, Ready: s.ready, Metrics: s.metrics, Status: func() any { return s.status() }, Log: s.o.Log,
	}
	var err error
	s.api, err = api.Listen(ctx, o)
	if fault.Is(err, fault.Conflict) && s.o.FreePorts {
		wanted := o.Listen
		o.Listen = "127.0.0.1:0"
		if s.api, err = api.Listen(ctx, o); err == nil {
			s.note("%s is in use: health, metrics and status are on http://%s", wanted, s.api.Addr())
		}
	}
	if err == nil {
		s.served.API = s.api.Addr()
	}
	return err
}

// run runs the parts until ctx ends or one that matters fails. They stop in
// the reverse order: what makes messages before what carries them.
func (s *server) run(ctx context.Context) error {
	all, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	keep := context.WithoutCancel(ctx) // for parts that outlive the engine
	carrying, stopCarrying := context.WithCancel(keep)
	part := func(ctx context.Context, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if s.carrier.run != nil {
		part(carrying, s.carrier.run)
	}
	if s.api != nil {
		part(carrying, s.api.Serve)
	}
	s.rate.at = time.Now()
	part(carrying, func(ctx context.Context) error {
		if s.view != nil {
			s.view.run(ctx)
		} else {
			s.logSummaries(ctx)
		}
		return nil
	})
	s.engine.run(all) // returns when all ends, with every unit stopped
	s.carrier.flush()
	stopCarrying()
	parts.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(all)
}

// close gives back what open took. The registry and the state belong to the Factory.
func (s *server) close() {
	if s.api != nil {
		s.api.Close()
	}
	if s.carrier != nil {
		s.carrier.close()
	}
	if s.lease != nil {
		s.lease.Release()
	}
}

// healthy says whether the process does anything at all.
func (s *server) healthy() []api.Check {
	c := api.Check{Name: "reconcile", OK: true}
	if beat := s.engine.loop.Status().Beat; !beat.IsZero() && time.Since(beat) > loopPatience {
		c.OK, c.Reason = false, "has not turned since "+beat.Format(time.RFC3339)
	}
	return []api.Check{c}
}

// ready says whether the process can do its work.
func (s *server) ready(ctx context.Context) []api.Check {
	reg := api.Check{Name: "registry", OK: true}
	if _, err := s.store.Revision(ctx); err != nil {
		reg.OK, reg.Reason = false, err.Error()
	}
	rec := api.Check{Name: "reconcile", OK: true}
	switch st := s.engine.loop.Status(); {
	case st.Err != nil:
		rec.OK, rec.Reason = false, st.Err.Error()
	case !st.CaughtUp:
		rec.OK, rec.Reason = false, "the registry is still being read"
	}
	broker := api.Check{Name: "broker"}
	broker.OK, broker.Reason = s.carrier.state()
	return append(s.healthy()[:0:0], reg, rec, broker)
}

func (s *server) status() ServeStatus {
	ok, reason := s.carrier.state()
	return ServeStatus{
		Instance: LeaseName(s.o.Instance), Version: version.Get().Version, PID: os.Getpid(), Since: s.started.UTC(),
		Revision: int64(s.engine.loop.Status().Revision),
		Broker:   BrokerStatus{URL: s.served.BrokerURL, Ready: ok, Reason: reason, Dropped: s.carrier.dropped()},
		Units:    s.engine.units(),
	}
}

func (s *server) metrics(w *metrics.Writer) {
	w.Process(version.Get().Version, s.started)
	s.engine.metrics(w)
	s.carrier.metrics(w)
}

// rate is what passed since it was last asked. It belongs to one goroutine:
// the view's, or the one that logs summaries.
type rate struct {
	values, messages int64
	at               time.Time
}

// rates returns what passed a second since the last call.
func (s *server) rates() (values, messages float64) {
	now := rate{messages: s.carrier.published(), at: time.Now()}
	for _, r := range s.engine.host.Report() {
		now.values += r.Total.N[connector.CountValues]
	}
	last := s.rate
	s.rate = now
	seconds := max(now.at.Sub(last.at).Seconds(), 0.001)
	return max(float64(now.values-last.values), 0) / seconds, float64(now.messages-last.messages) / seconds
}

// summary is the line that a terminal shows each second.
func (s *server) summary() string {
	values, messages := s.rates()
	connected, all := s.engine.endpoints()
	return fmt.Sprintf("── %.0f values/s   %.0f messages/s   endpoints connected %d/%d   dropped %d",
		values, messages, connected, all, s.carrier.dropped())
}

// logSummaries logs each minute what passed.
func (s *server) logSummaries(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-minute.C:
		}
		values, messages := s.rates()
		connected, all := s.engine.endpoints()
		s.o.Log.Info("summary", "values_per_second", values, "messages_per_second", messages,
			"endpoints_connected", connected, "endpoints", all, "dropped", s.carrier.dropped())
	}
}

// seen is a Publisher that shows on a view what it passes on.
type seen struct {
	next message.Publisher
	view *view
}

// Publish implements message.Publisher.
func (p seen) Publish(ctx context.Context, m *message.Message) error {
	err := p.next.Publish(ctx, m)
	if err == nil {
		p.view.see(m)
	}
	return err
}
