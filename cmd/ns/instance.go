package ns

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// instance holds the options of the commands on instances.
type instance struct {
	place             app.Place
	name, description string
	namespace         string
	tags              map[string]string
	features          []string
}

// NewInstance returns the commands on instances: as in Azure's command line
// they are at the root.
func NewInstance(f *app.Factory) []*cli.Command {
	return []*cli.Command{newInstanceCreate(f), newInstanceDelete(f), newInstanceList(f), newInstanceShow(f), newInstanceUpdate(f)}
}

func (i *instance) declare(f *app.Factory, s *cli.Set) {
	s.String(&i.name, "--name", "-n").Required().Doc("Name of the instance.").Complete(f.InstanceNames)
	f.Group(s, &i.place)
}

func (i *instance) key() (model.Key, error) {
	group, err := i.place.GroupName()
	return model.Key{Kind: model.KindInstance, Parent: group, Name: i.name}, err
}

// named returns how the instance is asked for.
func (i *instance) named(f *app.Factory) named {
	return named{
		declare: func(s *cli.Set) { i.declare(f, s) },
		key:     func(context.Context, registry.Reader) (model.Key, error) { return i.key() },
	}
}

func newInstanceCreate(f *app.Factory) *cli.Command {
	var i instance
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create an instance: a scope of devices and assets that one serve runs.",
		Long:    "A namespace of the same name is made too, unless --ns-name names one.",
		Example: "iotops create -n plant2\niotops create -n plant2 -g site1 --ns-name shared",
		Options: func(s *cli.Set) {
			i.declare(f, s)
			s.String(&i.namespace, "--ns-name").Ours().Doc("Name of the namespace; one that does not exist is made.").Complete(f.NamespaceNames)
			s.String(&i.description, "--description").Doc("Description.")
			s.Tags(&i.tags, "--tags").Doc("Tags: key[=value] …")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := i.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			o := &model.Instance{Meta: model.Meta{Name: key.Name, Parent: key.Parent, Location: "local", Tags: i.tags}}
			o.Properties.Description = i.description
			err = store.Update(ctx, func(tx *registry.Tx) error {
				ns, err := i.ensureNamespace(ctx, tx, key)
				if err != nil {
					return err
				}
				o.Properties.ADRNamespaceRef = &model.ResourceRef{ResourceID: model.ID(ns)}
				return tx.Put(ctx, o, registry.None)
			})
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		},
	})
}

// ensureNamespace returns the instance's namespace, and makes it where it is missing.
func (i *instance) ensureNamespace(ctx context.Context, tx *registry.Tx, key model.Key) (model.Key, error) {
	ns := &model.Namespace{Meta: model.Meta{Name: i.namespace, Parent: key.Parent, Location: "local"}}
	if ns.Name == "" {
		ns.Name = key.Name
	}
	switch old, err := registry.Get[*model.Namespace](ctx, tx, ns.Key()); {
	case err == nil:
		return old.Key(), nil
	case !fault.Is(err, fault.NotFound):
		return model.Key{}, err
	}
	ns.Properties.UUID = app.NewUUID()
	return ns.Key(), tx.Put(ctx, ns, registry.MustCreate)
}

func newInstanceShow(f *app.Factory) *cli.Command {
	var i instance
	return showVerb(f, i.named(f), "Show an instance.", "iotops show -n default")
}

func newInstanceUpdate(f *app.Factory) *cli.Command {
	var i instance
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change an instance.", Exits: exitNotFound,
		Long:    "What is not given stays. --tags replaces all tags; features are merged by component.",
		Example: "iotops update -n default --description \"Hall 3\"\niotops update -n default --feature connectors.mode=Preview connectors.settings.preview=Enabled",
		Options: func(s *cli.Set) {
			i.declare(f, s)
			s.String(&i.description, "--description", "--desc").Doc("Description.")
			s.Extend(&i.features, "--feature").Doc("COMPONENT.mode=Stable|Preview|Disabled, or COMPONENT.settings.NAME=Enabled|Disabled; may be repeated.")
			s.Tags(&i.tags, "--tags").Doc("Tags: key[=value] …; they replace all tags.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := i.key()
			if err != nil {
				return err
			}
			return edit(ctx, f, io, key, i.apply)
		},
	})
}

// apply puts what is given over an instance.
func (i *instance) apply(o *model.Instance) error {
	if i.description != "" {
		o.Properties.Description = i.description
	}
	if i.tags != nil {
		o.Tags = i.tags
	}
	for _, token := range i.features {
		if err := o.SetFeature(token); err != nil {
			return err
		}
	}
	return nil
}

func newInstanceList(f *app.Factory) *cli.Command {
	return listVerb[*model.Instance](f, "List instances.", "iotops list -o table")
}

func newInstanceDelete(f *app.Factory) *cli.Command {
	var i instance
	return deleteVerb(f, i.named(f), "Delete an instance. Its namespace stays.", "iotops delete -n plant2 -y")
}
