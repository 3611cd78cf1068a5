package dataflow

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// noun is what show, list and delete need to know of a kind of resource: they
// are the same for all three.
type noun[T model.Object] struct {
	kind    model.Kind
	what    string // "dataflow profile"
	words   string // the words before the verb
	example string // a name
	names   func(context.Context) []string
	declare func(*cli.Set, *scope) // options beside name and place; may be nil
	parent  func(context.Context, registry.Reader, *scope) (string, error)
	warn    func(context.Context, *cli.IO, registry.Reader, model.Key) error // before the question of delete; may be nil
}

func (n *noun[T]) options(f *app.Factory, s *cli.Set, c *scope) {
	if n.declare != nil {
		n.declare(s, c)
	}
	f.Place(s, &c.place)
}

func (n *noun[T]) key(ctx context.Context, r registry.Reader, c *scope) (model.Key, error) {
	parent, err := n.parent(ctx, r, c)
	return model.Key{Kind: n.kind, Parent: parent, Name: c.name}, err
}

func newShow[T model.Object](f *app.Factory, n noun[T]) *cli.Command {
	c := &scope{}
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a " + n.what + ".", Example: "iotops " + n.words + " show -n " + n.example, Exits: exitNotFound,
		Options: func(s *cli.Set) { c.declareName(s, n.what, n.names); n.options(f, s, c) },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := n.key(ctx, store, c)
			if err != nil {
				return err
			}
			o, err := registry.Get[T](ctx, store, key)
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		},
	})
}

func newList[T model.Object](f *app.Factory, n noun[T]) *cli.Command {
	c := &scope{}
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List " + n.what + "s.", Example: "iotops " + n.words + " list -o table", Exits: "3  what they belong to does not exist",
		Options: func(s *cli.Set) { n.options(f, s, c) },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			parent, err := n.parent(ctx, store, c)
			if err != nil {
				return err
			}
			return io.Print(app.ShowAll[T](ctx, store, registry.Query{Parent: parent}, nil))
		},
	})
}

func newDelete[T model.Object](f *app.Factory, n noun[T]) *cli.Command {
	c := &scope{}
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete a " + n.what + ".", Example: "iotops " + n.words + " delete -n " + n.example + " -y", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			c.declareName(s, n.what, n.names)
			n.options(f, s, c)
			s.Flag(&c.yes, "--yes", "-y").Doc("Do not ask.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := n.key(ctx, store, c)
			if err != nil {
				return err
			}
			if _, err := registry.Load(ctx, store, key); err != nil {
				return err
			}
			if n.warn != nil {
				if err := n.warn(ctx, io, store, key); err != nil {
					return err
				}
			}
			ok, err := io.Confirm(ctx, c.yes, "")
			if err != nil {
				return err
			}
			if !ok {
				io.Warnf("Deletion cancelled.")
				return nil
			}
			return store.Update(ctx, func(tx *registry.Tx) error { return tx.Delete(ctx, key, registry.None) })
		},
	})
}

func show(ctx context.Context, io *cli.IO, r registry.Reader, o model.Object) error {
	doc, err := app.Show(ctx, r, o)
	if err != nil {
		return err
	}
	return io.Print(doc)
}
