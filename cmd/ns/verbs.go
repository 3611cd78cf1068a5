package ns

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// named is one resource that commands name: how to ask for it, and its key.
type named struct {
	declare func(s *cli.Set)
	key     func(ctx context.Context, r registry.Reader) (model.Key, error)
}

// showVerb returns the command that prints a resource with its status.
func showVerb(f *app.Factory, n named, short, example string) *cli.Command {
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: short, Example: example, Exits: exitNotFound, Options: n.declare,
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := n.key(ctx, store)
			if err != nil {
				return err
			}
			o, err := registry.Load(ctx, store, key)
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		},
	})
}

// deleteVerb returns the command that asks, and deletes a resource.
func deleteVerb(f *app.Factory, n named, short, example string) *cli.Command {
	var yes bool
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: short, Example: example, Exits: exitNotFound,
		Options: func(s *cli.Set) {
			n.declare(s)
			s.Flag(&yes, "--yes", "-y").Doc("Do not ask.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := n.key(ctx, store)
			if err != nil {
				return err
			}
			return remove(ctx, f, io, key, yes)
		},
	})
}

// listVerb returns the command that prints all resources of T's kind, or those
// of one group.
func listVerb[T model.Object](f *app.Factory, short, example string) *cli.Command {
	var group string
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: short, Example: example,
		Options: func(s *cli.Set) { s.String(&group, "--resource-group", "-g").Doc("Only those of this resource group.") },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			return io.Print(app.ShowAll[T](ctx, store, registry.Query{Parent: group}, nil))
		},
	})
}
