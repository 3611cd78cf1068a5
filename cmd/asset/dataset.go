package asset

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
)

func newDataset(f *app.Factory) *cli.Command {
	return cli.NewGroup("dataset", "See the datasets of a classic asset.", newDatasetList(f),
		points().group(f),
		newDatasetShow(f))
}

func (t *target) declareInside(f *app.Factory, s *cli.Set) {
	s.String(&t.name, "--asset", "-a").Required().Doc("Name of the asset.").Complete(f.AssetNames)
	f.Group(s, &t.place)
}

func newDatasetList(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the datasets of a classic asset.", Example: "iotops asset dataset list --asset oven", Exits: exitNotFound,
		Options: func(s *cli.Set) { t.declareInside(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			_, a, err := t.load(ctx, f, io, "TYPE dataset list")
			if err != nil {
				return err
			}
			return io.Print(orEmpty(*a.DatasetItems().List))
		},
	})
}

func newDatasetShow(f *app.Factory) *cli.Command {
	var t target
	var name string
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a dataset of a classic asset.", Example: "iotops asset dataset show --asset oven -n default", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			t.declareInside(f, s)
			s.String(&name, "--name", "-n").Required().Doc("Name of the dataset.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			_, a, err := t.load(ctx, f, io, "TYPE dataset show")
			if err != nil {
				return err
			}
			d, err := a.DatasetItems().Find(name)
			if err != nil {
				return err
			}
			return io.Print(d)
		},
	})
}
