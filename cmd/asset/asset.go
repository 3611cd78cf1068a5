// Package asset holds the classic commands on assets and endpoint profiles.
// `show`, `update`, `delete` and `list` see namespaced assets too.
package asset

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// exitNotFound says what exit code 3 means to a command on one resource.
const exitNotFound = "3  the asset, or what it belongs to, does not exist"

// New returns the commands.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("asset", "Manage assets: what to collect from an endpoint.",
		newCreate(f), newDataset(f), newDelete(f), newEndpoint(f), events().group(f), newList(f), newQuery(f), newShow(f), newUpdate(f))
}

// target is the resource that a command names.
type target struct {
	name  string
	place app.Place
	yes   bool
}

func (t *target) declare(f *app.Factory, s *cli.Set) {
	s.String(&t.name, "--name", "-n").Required().Doc("Name of the asset.").Complete(f.AssetNames)
	f.Place(s, &t.place)
}

// classic returns the key of a classic resource of that name.
func (t *target) classic(k model.Kind) (model.Key, error) {
	group, err := t.place.GroupName()
	return model.Key{Kind: k, Parent: group, Name: t.name}, err
}

// find returns the asset that a name means: the classic one, else the one in
// the instance's namespace. That there are both is told.
func (t *target) find(ctx context.Context, io *cli.IO, store *registry.Store) (model.Object, error) {
	key, err := t.classic(model.KindClassicAsset)
	if err != nil {
		return nil, err
	}
	classic, isClassic, err := lookup(ctx, store, key)
	if err != nil {
		return nil, err
	}
	parent, err := t.place.Namespace(ctx, store)
	switch {
	case isClassic && fault.Is(err, fault.NotFound): // a group of its own, without an instance
		return classic, nil
	case err != nil:
		return nil, err
	}
	other, isOther, err := lookup(ctx, store, model.Key{Kind: model.KindAsset, Parent: parent, Name: t.name})
	switch {
	case err != nil:
		return nil, err
	case isClassic && isOther:
		io.Warnf("There are two assets called %s: this is the classic one. The other is 'iotops ns asset show -n %s'.", t.name, t.name)
		return classic, nil
	case isOther:
		return other, nil
	case isClassic:
		return classic, nil
	default:
		return registry.Load(ctx, store, key) // says what is missing
	}
}

// lookup returns a resource, and whether it is there.
func lookup(ctx context.Context, r registry.Reader, key model.Key) (model.Object, bool, error) {
	o, err := registry.Load(ctx, r, key)
	if fault.Is(err, fault.NotFound) {
		return nil, false, nil
	}
	return o, err == nil, err
}

// found makes the Run of a command on one asset.
func (t *target) found(f *app.Factory, fn func(context.Context, *cli.IO, *registry.Store, model.Object) error) func(context.Context, *cli.IO) error {
	return func(ctx context.Context, io *cli.IO) error {
		store, err := f.Registry(ctx)
		if err != nil {
			return err
		}
		o, err := t.find(ctx, io, store)
		if err != nil {
			return err
		}
		return fn(ctx, io, store, o)
	}
}

// load returns a classic asset for a command on something inside it.
func (t *target) load(ctx context.Context, f *app.Factory, io *cli.IO, instead string) (*registry.Store, *model.ClassicAsset, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, nil, err
	}
	o, err := t.find(ctx, io, store)
	if err != nil {
		return nil, nil, err
	}
	a, ok := o.(*model.ClassicAsset)
	if !ok {
		return nil, nil, fault.WithHint(fault.New(fault.Invalid, "asset %s is not a classic asset", t.name), "Use iotops ns asset %s.", instead)
	}
	return store, a, nil
}

// show prints a resource.
func show(ctx context.Context, io *cli.IO, r registry.Reader, o model.Object) error {
	doc, err := app.Show(ctx, r, o)
	if err != nil {
		return err
	}
	return io.Print(doc)
}

func newShow(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show an asset and its status.", Example: "iotops asset show -n oven", Exits: exitNotFound,
		Options: func(s *cli.Set) { t.declare(f, s) },
		Run: t.found(f, func(ctx context.Context, io *cli.IO, store *registry.Store, o model.Object) error {
			return show(ctx, io, store, o)
		}),
	})
}

func newDelete(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete an asset, without asking.", Example: "iotops asset delete -n oven", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			t.declare(f, s)
			s.Flag(&t.yes, "--yes", "-y").Ours().Doc("Accepted, and without effect: there is no question.")
		},
		Run: t.found(f, func(ctx context.Context, _ *cli.IO, store *registry.Store, o model.Object) error {
			return store.Update(ctx, func(tx *registry.Tx) error { return tx.Delete(ctx, o.Key(), registry.None) })
		}),
	})
}
