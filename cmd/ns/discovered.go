package ns

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// discovered describes the commands on one sort of what connectors have seen.
type discovered[T model.Object] struct {
	word, what string // "discovered-device", "discovered device"
	becomes    string // "device"
	kind       model.Kind
	into       model.Kind
	approve    func(o T, name string) model.Object
	// settle gives what it becomes its ids, and refuses what cannot be.
	settle func(ctx context.Context, r registry.Reader, o model.Object, device string) error
}

// seen holds the options of the commands on what was discovered.
type seen struct {
	place            app.Place
	name, as, device string
	replace          bool
	custom           app.CustomQuery
}

func newDiscoveredDevice(f *app.Factory) *cli.Command {
	d := &discovered[*model.DiscoveredDevice]{
		word: "discovered-device", what: "discovered device", becomes: "device", kind: model.KindDiscoveredDevice, into: model.KindDevice,
		approve: func(o *model.DiscoveredDevice, name string) model.Object { return o.Approved(name) },
		settle: func(_ context.Context, _ registry.Reader, o model.Object, _ string) error {
			d := o.(*model.Device) //nolint:forcetypeassert // approve made it
			enabled := true
			d.Properties.UUID, d.Properties.Enabled = app.NewUUID(), &enabled
			if d.Properties.ExternalDeviceID == "" {
				d.Properties.ExternalDeviceID = d.Properties.UUID
			}
			return nil
		},
	}
	return d.group(f)
}

func newDiscoveredAsset(f *app.Factory) *cli.Command {
	d := &discovered[*model.DiscoveredAsset]{
		word: "discovered-asset", what: "discovered asset", becomes: "asset", kind: model.KindDiscoveredAsset, into: model.KindAsset,
		approve: func(o *model.DiscoveredAsset, name string) model.Object { return o.Approved(name) },
		settle: func(ctx context.Context, r registry.Reader, o model.Object, device string) error {
			a := o.(*model.Asset) //nolint:forcetypeassert // approve made it
			if device != "" {
				a.Properties.DeviceRef.DeviceName = device
			}
			a.Properties.UUID = app.NewUUID()
			if a.Properties.ExternalAssetID == "" {
				a.Properties.ExternalAssetID = a.Properties.UUID
			}
			return checkEndpoint(ctx, r, a, &kind{})
		},
	}
	return d.group(f)
}

func (d *discovered[T]) group(f *app.Factory) *cli.Command {
	return cli.NewGroup(d.word, "See what connectors have discovered, and make "+d.becomes+"s of it.",
		d.list(f, "list"), d.list(f, "query"), showVerb(f, d.named(f), "Show a "+d.what+".", "iotops ns "+d.word+" show -n seen-1"), d.imports(f),
		deleteVerb(f, d.named(f), "Forget a "+d.what+". What was made of it stays.", "iotops ns "+d.word+" delete -n seen-1 -y"))
}

func (d *discovered[T]) declare(f *app.Factory, s *cli.Set, o *seen) {
	s.String(&o.name, "--name", "-n").Required().Doc("Name of the " + d.what + ".")
	f.Place(s, &o.place)
}

func (d *discovered[T]) key(ctx context.Context, r registry.Reader, o *seen) (model.Key, error) {
	parent, err := o.place.Namespace(ctx, r)
	return model.Key{Kind: d.kind, Parent: parent, Name: o.name}, err
}

func (d *discovered[T]) list(f *app.Factory, word string) *cli.Command {
	var o seen
	return cli.NewVerb(cli.Verb{
		Use: word, Short: "List what was discovered.", Example: "iotops ns " + d.word + " " + word + " -o table",
		Options: func(s *cli.Set) {
			s.String(&o.name, "--name", "-n").Doc("Name.")
			f.Place(s, &o.place)
			o.custom.Declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			q, err := scopeOf(ctx, store, &o.place)
			if err != nil {
				return err
			}
			if o.custom.Given() {
				return printQuery[T](ctx, io, store, o.custom, q)
			}
			q.Name = o.name
			return io.Print(app.ShowAll[T](ctx, store, q, nil))
		},
	})
}

// named returns how the discovered thing is asked for.
func (d *discovered[T]) named(f *app.Factory) named {
	var o seen
	return named{
		declare: func(s *cli.Set) { d.declare(f, s, &o) },
		key:     func(ctx context.Context, r registry.Reader) (model.Key, error) { return d.key(ctx, r, &o) },
	}
}

func (d *discovered[T]) imports(f *app.Factory) *cli.Command {
	var o seen
	return cli.NewVerb(cli.Verb{
		Use: "import", Short: "Make a " + d.becomes + " of a " + d.what + ".", Exits: exitNotFound,
		Example: "iotops ns " + d.word + " import -n seen-1 --as press",
		Options: func(s *cli.Set) {
			d.declare(f, s, &o)
			s.String(&o.as, "--as").Doc("Name of the " + d.becomes + ".").Default("that of the " + d.what)
			if d.into == model.KindAsset {
				s.String(&o.device, "--device", "-d").Doc("Device that it hangs on.").Default("the one that it was seen on").Complete(f.DeviceNames)
			}
			s.Flag(&o.replace, "--replace").Doc("Replace one of the same name.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			var made model.Object
			err = store.Update(ctx, func(tx *registry.Tx) error {
				made, err = d.make(ctx, tx, &o)
				if err != nil {
					return err
				}
				return tx.Put(ctx, made, registry.None)
			})
			if err != nil {
				return err
			}
			return show(ctx, io, store, made)
		},
	})
}

// make returns what a discovered thing becomes.
func (d *discovered[T]) make(ctx context.Context, r registry.Reader, o *seen) (model.Object, error) {
	key, err := d.key(ctx, r, o)
	if err != nil {
		return nil, err
	}
	x, err := registry.Get[T](ctx, r, key)
	if err != nil {
		return nil, err
	}
	name := o.as
	if name == "" {
		name = x.Head().Name
	}
	target := model.Key{Kind: d.into, Parent: key.Parent, Name: name}
	_, err = registry.Load(ctx, r, target)
	switch {
	case err == nil && !o.replace:
		return nil, invalid("%s %s already exists. Please use --replace to overwrite it, or --as for another name", d.becomes, name)
	case err != nil && !fault.Is(err, fault.NotFound):
		return nil, err
	}
	made := d.approve(x, name)
	return made, d.settle(ctx, r, made, o.device)
}
