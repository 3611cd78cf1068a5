package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Place is the instance and the resource group that a command works in. What
// the command line does not name comes from the settings: a local tool does not
// ask for what it can know.
type Place struct {
	Instance, Group string

	f *Factory
}

// Place declares --instance and --resource-group.
func (f *Factory) Place(s *cli.Set, p *Place) {
	f.instance(s, p, "--instance", "-i")
	f.Group(s, p)
}

func (f *Factory) instance(s *cli.Set, p *Place, names ...string) {
	p.f = f
	s.String(&p.Instance, names...).Doc("IoT Operations instance.").Default("the configured one, else `default`").Complete(f.InstanceNames)
}

// Group declares --resource-group.
func (f *Factory) Group(s *cli.Set, p *Place) {
	p.f = f
	s.String(&p.Group, "--resource-group", "-g").Doc("Resource group.").Default("the configured one, else `default`")
}

// GroupName returns the resource group.
func (p *Place) GroupName() (string, error) {
	if p.Group != "" {
		return p.Group, nil
	}
	cfg, err := p.f.Config()
	if err != nil {
		return "", err
	}
	return cfg.ResourceGroup, nil
}

// InstanceKey returns the key of the instance.
func (p *Place) InstanceKey() (model.Key, error) {
	group, err := p.GroupName()
	if err != nil {
		return model.Key{}, err
	}
	name := p.Instance
	if name == "" {
		cfg, err := p.f.Config()
		if err != nil {
			return model.Key{}, err
		}
		name = cfg.Instance
	}
	return model.Key{Kind: model.KindInstance, Parent: group, Name: name}, nil
}

// LoadInstance returns the instance, which must exist.
func (p *Place) LoadInstance(ctx context.Context, r registry.Reader) (*model.Instance, error) {
	key, err := p.InstanceKey()
	if err != nil {
		return nil, err
	}
	inst, err := registry.Get[*model.Instance](ctx, r, key)
	if fault.Is(err, fault.NotFound) {
		err = fault.WithHint(err, "Create it: iotops create -n %s -g %s", key.Name, key.Parent)
	}
	return inst, err
}

// Namespace returns the parent of the instance's devices and assets, which
// must exist.
func (p *Place) Namespace(ctx context.Context, r registry.Reader) (string, error) {
	inst, err := p.LoadInstance(ctx, r)
	if err != nil {
		return "", err
	}
	if inst.Properties.ADRNamespaceRef == nil {
		return "", fault.New(fault.Invalid, "instance %s has no Device Registry namespace", inst.Name)
	}
	key, err := model.ParseID(model.KindNamespace, inst.Properties.ADRNamespaceRef.ResourceID)
	if err != nil {
		return "", err
	}
	ns, err := registry.Get[*model.Namespace](ctx, r, key)
	if err != nil {
		return "", err
	}
	return ns.Parent + "/" + ns.Name, nil
}

// NewUUID returns what identifies a new resource.
func NewUUID() string { return uuid.NewString() }

// complete lists names for the tab key; what goes wrong offers nothing.
func complete[T model.Object](ctx context.Context, f *Factory) []string {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for o, err := range registry.List[T](ctx, store, registry.Query{}) {
		if err != nil {
			return nil
		}
		names = append(names, o.Head().Name)
	}
	return names
}

// InstanceNames completes names of instances.
func (f *Factory) InstanceNames(ctx context.Context) []string {
	return complete[*model.Instance](ctx, f)
}

// DeviceNames completes names of devices.
func (f *Factory) DeviceNames(ctx context.Context) []string { return complete[*model.Device](ctx, f) }

// ProfileNames completes names of endpoint profiles.
func (f *Factory) ProfileNames(ctx context.Context) []string {
	return complete[*model.EndpointProfile](ctx, f)
}

// NamespaceNames completes names of namespaces.
func (f *Factory) NamespaceNames(ctx context.Context) []string {
	return complete[*model.Namespace](ctx, f)
}

// SchemaRegistryNames completes names of schema registries.
func (f *Factory) SchemaRegistryNames(ctx context.Context) []string {
	return complete[*model.SchemaRegistry](ctx, f)
}

// SchemaNames completes names of schemas.
func (f *Factory) SchemaNames(ctx context.Context) []string { return complete[*model.Schema](ctx, f) }

// AssetNames completes names of assets of both kinds.
func (f *Factory) AssetNames(ctx context.Context) []string {
	return append(complete[*model.Asset](ctx, f), complete[*model.ClassicAsset](ctx, f)...)
}

// DataflowNames completes names of dataflows.
func (f *Factory) DataflowNames(ctx context.Context) []string {
	return complete[*model.Dataflow](ctx, f)
}

// DataflowProfileNames completes names of dataflow profiles.
func (f *Factory) DataflowProfileNames(ctx context.Context) []string {
	return complete[*model.DataflowProfile](ctx, f)
}

// DataflowEndpointNames completes names of dataflow endpoints.
func (f *Factory) DataflowEndpointNames(ctx context.Context) []string {
	return complete[*model.DataflowEndpoint](ctx, f)
}

// EndpointNames completes names of inbound endpoints.
func (f *Factory) EndpointNames(ctx context.Context) []string {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for d, err := range registry.List[*model.Device](ctx, store, registry.Query{}) {
		if err != nil {
			return nil
		}
		for name := range d.Properties.Endpoints.Inbound {
			names = append(names, name)
		}
	}
	return names
}

// ShowAll streams resources as commands print them, each with its status. keep
// may be nil.
func ShowAll[T model.Object](ctx context.Context, r registry.Reader, q registry.Query, keep func(T) bool) output.Stream {
	return func(yield func(any, error) bool) {
		for l, err := range registry.ListStatus[T](ctx, r, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			if keep != nil && !keep(l.Object) {
				continue
			}
			doc, err := model.Render(l.Object, l.Status)
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// Show returns a resource as commands print it, with its status.
func Show(ctx context.Context, r registry.Reader, o model.Object) (map[string]any, error) {
	st, err := registry.Status(ctx, r, o.Key())
	if err != nil {
		return nil, err
	}
	return model.Render(o, st)
}
