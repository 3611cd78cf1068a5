package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/internal/reconcile"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// RunOptions say what RunOne runs.
type RunOptions struct {
	Instance       model.Key
	Connector      string // the connector's name, such as "opcua"
	Asset          string
	TopicNamespace string
	MQTT           config.MQTT // where messages go; without a URL they are printed
	Count          int64       // end after so many messages; 0 = never
	Log            *slog.Logger
}

// RunOne runs the connector of one asset, of either kind, until ctx ends or
// enough messages came. It keeps no state and writes no status. What the
// connector refuses ends it, with the reason.
func (f *Factory) RunOne(ctx context.Context, o RunOptions) error {
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	asset, err := f.runnable(ctx, store, o)
	if err != nil {
		return err
	}
	connectors, err := f.Connectors()
	if err != nil {
		return err
	}
	secrets, err := f.Secrets(ctx, o.Instance)
	if err != nil {
		return err
	}
	out, err := f.runTarget(ctx, o, secrets)
	if err != nil {
		return err
	}
	defer out.close()
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	memory := &memory{data: map[string][]byte{}}
	e := newEngine(engineOptions{
		registry: store, instance: o.Instance, topicNamespace: o.TopicNamespace, only: asset, connectors: connectors, secrets: secrets,
		state: func(string) connector.State { return memory }, clientID: o.clientID(), now: f.Now, log: o.Log, rejected: cancel,
		out: limit(out, o.Count, func() { cancel(nil) }),
	})
	carrying, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var carrier sync.WaitGroup
	if out.run != nil {
		carrier.Go(func() {
			if err := out.run(carrying); err != nil {
				cancel(err)
			}
		})
	}
	e.run(running)
	out.flush()
	stop()
	carrier.Wait()
	if err := context.Cause(running); ctx.Err() == nil && !fault.Is(err, fault.Canceled) {
		return err
	}
	return nil
}

// clientID names the sender. It is not serve's: the broker would throw that out.
func (o RunOptions) clientID() string {
	if o.MQTT.ClientID != "" {
		return o.MQTT.ClientID
	}
	return BrokerOptions{}.clientID(o.Instance) + "-run-" + o.Asset
}

// runTarget opens what messages go to.
func (f *Factory) runTarget(ctx context.Context, o RunOptions, secrets *secret.Store) (*carrier, error) {
	if o.MQTT.URL != "" {
		o.MQTT.ClientID = o.clientID()
		return f.openExternal(ctx, BrokerOptions{MQTT: o.MQTT}, o.Instance, secrets, o.Log)
	}
	return &carrier{meter: meter{next: newPrinter(f.IO)}, close: func() {}}, nil
}

// runnable finds the asset and refuses what could never run.
func (f *Factory) runnable(ctx context.Context, store *registry.Store, o RunOptions) (model.Key, error) {
	connectors, err := f.Connectors()
	if err != nil {
		return model.Key{}, err
	}
	want, err := connectors.Named(o.Connector)
	if err != nil {
		return model.Key{}, err
	}
	scope, err := reconcile.LoadScope(ctx, store, o.Instance, o.TopicNamespace)
	if err != nil {
		return model.Key{}, err
	}
	asset, err := findAsset(ctx, store, scope, o.Asset)
	if err != nil {
		return model.Key{}, err
	}
	source, err := registry.Load(ctx, store, scope.SourceKey(asset))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return model.Key{}, err
	}
	if err != nil {
		source = nil
	}
	units, refused := scope.AssignDevice(source, []model.Object{asset})
	switch {
	case len(refused) > 0:
		return model.Key{}, fault.As(fault.Invalid, refused[0].Err, "asset %s", o.Asset)
	case len(units) == 0:
		return model.Key{}, fault.WithHint(fault.New(fault.Invalid, "asset %s, or its device, is disabled", o.Asset), "Enable it first.")
	}
	have, err := connectors.ForType(units[0].Endpoint.EndpointType)
	if err != nil {
		return model.Key{}, err
	}
	if name := have.Info().Name; name != want.Info().Name {
		return model.Key{}, fault.WithHint(fault.New(fault.Invalid, "asset %s is one of connector %s", o.Asset, name),
			"Run it: iotops connector run %s --asset %s", name, o.Asset)
	}
	return asset.Key(), nil
}

// findAsset returns the classic asset of a name, else the namespaced one.
func findAsset(ctx context.Context, r registry.Reader, scope model.Scope, name string) (model.Object, error) {
	classic, err := registry.Get[*model.ClassicAsset](ctx, r, model.Key{Kind: model.KindClassicAsset, Parent: scope.Instance.Parent, Name: name})
	if err == nil {
		return classic, nil
	}
	if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return registry.Get[*model.Asset](ctx, r, model.Key{Kind: model.KindAsset, Parent: scope.Namespace, Name: name})
}

// limit passes on so many messages, then calls done.
func limit(next message.Publisher, count int64, done func()) message.Publisher {
	if count <= 0 {
		return next
	}
	var n atomic.Int64
	return message.PublisherFunc(func(ctx context.Context, m *message.Message) error {
		switch at := n.Add(1); {
		case at > count:
			return fault.New(fault.Canceled, "enough messages")
		case at == count:
			defer done()
		}
		return next.Publish(ctx, m)
	})
}

// memory is a connector.State that lasts as long as the process.
type memory struct {
	mu   sync.Mutex
	data map[string][]byte
}

// Load implements connector.State.
func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data[key], nil
}

// Save implements connector.State.
func (m *memory) Save(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[key] = append([]byte{}, data...)
	return nil
}

// Delete implements connector.State.
func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, key)
	return nil
}
