// Package ns holds the commands of the namespaced resources: `ns`, with devices
// and assets below it, and `device`, its short form.
package ns

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// exitNotFound says what exit code 3 means to a command on one resource.
const exitNotFound = "3  the resource, or what it belongs to, does not exist"

// New returns `ns`.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("ns", "Manage namespaces, and the devices and assets in them.",
		newAsset(f), newCreate(f), newDelete(f), newDevice(f, "device", false),
		newDiscoveredAsset(f), newDiscoveredDevice(f), newList(f), newShow(f), newUpdate(f))
}

// NewDevice returns `device`, the short form of `ns device`.
func NewDevice(f *app.Factory) *cli.Command { return newDevice(f, "device", true) }

// namespace holds the options of the commands on one namespace.
type namespace struct {
	name, location string
	tags           map[string]string
	place          app.Place
}

func (n *namespace) key() (model.Key, error) {
	group, err := n.place.GroupName()
	return model.Key{Kind: model.KindNamespace, Parent: group, Name: n.name}, err
}

func (n *namespace) declare(f *app.Factory, s *cli.Set) {
	s.String(&n.name, "--name", "-n").Required().Doc("Name of the namespace.").Complete(f.NamespaceNames)
	f.Group(s, &n.place)
}

// named returns how the namespace is asked for.
func (n *namespace) named(f *app.Factory) named {
	return named{
		declare: func(s *cli.Set) { n.declare(f, s) },
		key:     func(context.Context, registry.Reader) (model.Key, error) { return n.key() },
	}
}

func newCreate(f *app.Factory) *cli.Command {
	var n namespace
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create a namespace, or replace its tags.", Example: "iotops ns create -n plant -g site1",
		Options: func(s *cli.Set) {
			n.declare(f, s)
			s.String(&n.location, "--location", "-l").Doc("Location.").Default("local")
			s.Tags(&n.tags, "--tags").Doc("Tags: key[=value] …")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := n.key()
			if err != nil {
				return err
			}
			ns := &model.Namespace{Meta: model.Meta{Name: key.Name, Parent: key.Parent, Location: location(n.location), Tags: n.tags}}
			return put(ctx, f, io, ns, func(r registry.Reader) error {
				ns.Properties.UUID = app.NewUUID()
				if old, err := registry.Get[*model.Namespace](ctx, r, key); err == nil {
					ns.Properties.UUID = old.Properties.UUID
				}
				return nil
			})
		},
	})
}

// location returns a location as Azure spells it.
func location(text string) string {
	if text == "" {
		return "local"
	}
	return cli.Location(text)
}

// put prepares a resource in a transaction, writes it and prints it.
func put(ctx context.Context, f *app.Factory, io *cli.IO, o model.Object, prepare func(registry.Reader) error) error {
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	err = store.Update(ctx, func(tx *registry.Tx) error {
		if err := prepare(tx); err != nil {
			return err
		}
		return tx.Put(ctx, o, registry.None)
	})
	if err != nil {
		return err
	}
	return show(ctx, io, store, o)
}

func show(ctx context.Context, io *cli.IO, r registry.Reader, o model.Object) error {
	doc, err := app.Show(ctx, r, o)
	if err != nil {
		return err
	}
	return io.Print(doc)
}

func newShow(f *app.Factory) *cli.Command {
	var n namespace
	return showVerb(f, n.named(f), "Show a namespace.", "iotops ns show -n default")
}

func newUpdate(f *app.Factory) *cli.Command {
	var n namespace
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change a namespace's tags.", Example: "iotops ns update -n default --tags site=1", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			n.declare(f, s)
			s.Tags(&n.tags, "--tags").Doc("Tags: key[=value] …")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := n.key()
			if err != nil {
				return err
			}
			return edit(ctx, f, io, key, func(ns *model.Namespace) error {
				mergeTags(&ns.Meta, n.tags)
				return nil
			})
		},
	})
}

// edit changes a resource and prints it.
func edit[T model.Object](ctx context.Context, f *app.Factory, io *cli.IO, key model.Key, fn func(T) error) error {
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	o, err := registry.Edit(ctx, store, key, fn)
	if err != nil {
		return err
	}
	return show(ctx, io, store, o)
}

// mergeTags puts tags over those that are there.
func mergeTags(m *model.Meta, tags map[string]string) {
	for k, v := range tags {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[k] = v
	}
}

func newList(f *app.Factory) *cli.Command {
	return listVerb[*model.Namespace](f, "List namespaces.", "iotops ns list\niotops ns list -g site1 -o table")
}

func newDelete(f *app.Factory) *cli.Command {
	var n namespace
	return deleteVerb(f, n.named(f), "Delete a namespace, which must be empty.", "iotops ns delete -n plant -y")
}

// remove asks, and deletes a resource. Whoever still refers to it is named.
func remove(ctx context.Context, f *app.Factory, io *cli.IO, key model.Key, yes bool) error {
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	if _, err := registry.Load(ctx, store, key); err != nil {
		return err
	}
	ok, err := io.Confirm(ctx, yes, "")
	if err != nil {
		return err
	}
	if !ok {
		io.Warnf("Deletion cancelled.")
		return nil
	}
	var refs []model.Key
	err = store.Update(ctx, func(tx *registry.Tx) error {
		if refs, err = registry.Referrers(ctx, tx, key); err != nil {
			return err
		}
		return tx.Delete(ctx, key, registry.None)
	})
	if err != nil {
		return err
	}
	for _, r := range refs {
		io.Warnf("%s %s still refers to %s, which is deleted: no data will come from it.", "Asset", r.Name, key.Name)
	}
	return nil
}

// invalid returns an error that says what is wrong with an argument.
func invalid(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
