package ns

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// item holds the options of the commands on an asset's datasets and points.
type item struct {
	asset                          asset
	dataset, name, source, typeRef string
	dest                           []string
	replace                        bool
}

const exitAsset = "3  the asset, or its instance, does not exist"

func (i *item) declareAsset(f *app.Factory, s *cli.Set) { i.asset.declareName(f, s, "--asset", "-a") }

// load returns the asset that a command reads.
func (i *item) load(ctx context.Context, f *app.Factory) (*model.Asset, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	key, err := i.asset.key(ctx, store)
	if err != nil {
		return nil, err
	}
	return registry.Get[*model.Asset](ctx, store, key)
}

// change edits the asset; check says whether its endpoint must be of the
// command's type.
func (i *item) change(ctx context.Context, f *app.Factory, k kind, check bool, fn func(*model.Asset) error) (*model.Asset, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	var out *model.Asset
	err = store.Update(ctx, func(tx *registry.Tx) error {
		key, err := i.asset.key(ctx, tx)
		if err != nil {
			return err
		}
		if out, err = registry.Get[*model.Asset](ctx, tx, key); err != nil {
			return err
		}
		if check {
			if err := checkEndpoint(ctx, tx, out, k); err != nil {
				return err
			}
		}
		if err := fn(out); err != nil {
			return err
		}
		return tx.Put(ctx, out, registry.MustExist)
	})
	return out, err
}

func newDataset(f *app.Factory, k kind) *cli.Command {
	return cli.NewGroup("dataset", "Manage an asset's datasets.",
		newDatasetAdd(f, k), newDatasetList(f, k), newDatasetRemove(f, k), newDatasetShow(f, k), newDatasetUpdate(f, k))
}

func (i *item) declareDataset(s *cli.Set, k kind) {
	s.String(&i.source, "--data-source", "--ds").Doc("Data source of the dataset.")
	s.List(&i.dest, "--destination", "--dest").Doc(destDoc("the dataset's messages", k.targets))
	s.String(&i.typeRef, "--type-ref", "--tr").Doc("URI of the dataset's type.")
}

// apply puts what the options say over a dataset.
func (i *item) apply(d *model.Dataset, k kind, config configOptions) error {
	dest, err := app.ParseDestination(i.dest, k.targets)
	if err != nil {
		return err
	}
	if dest != nil {
		d.Destinations = dest
	}
	if i.source != "" {
		d.DataSource = i.source
	}
	if i.typeRef != "" {
		d.TypeRef = i.typeRef
	}
	d.DatasetConfiguration, err = config.text(d.DatasetConfiguration)
	return err
}

func newDatasetAdd(f *app.Factory, k kind) *cli.Command {
	i, config := &item{}, k.datasetConfig()
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add a dataset.", Example: k.datasetExample, Exits: exitAsset,
		Options: func(s *cli.Set) {
			i.declareAsset(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the dataset.")
			i.declareDataset(s, k)
			s.Flag(&i.replace, "--replace").Doc("Replace a dataset of the same name, with its data points.")
			config.declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.change(ctx, f, k, true, func(o *model.Asset) error {
				d := model.Dataset{Name: i.name}
				if err := i.apply(&d, k, config); err != nil {
					return err
				}
				return o.AddDataset(d, i.replace)
			})
			if err != nil {
				return err
			}
			return printDataset(io, o, i.name)
		},
	})
}

func printDataset(io *cli.IO, o *model.Asset, name string) error {
	d, err := o.Dataset(name)
	if err != nil {
		return err
	}
	return io.Print(d)
}

func newDatasetUpdate(f *app.Factory, k kind) *cli.Command {
	i, config := &item{}, k.datasetConfig()
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change a dataset.", Exits: exitAsset,
		Example: "iotops ns asset " + k.word + " dataset update --asset oven --name main --dest topic=plant/oven retain=Never qos=Qos1 ttl=60",
		Options: func(s *cli.Set) {
			i.declareAsset(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the dataset.")
			i.declareDataset(s, k)
			config.declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.change(ctx, f, k, true, func(o *model.Asset) error {
				d, err := o.Dataset(i.name)
				if err != nil {
					return err
				}
				return i.apply(d, k, config)
			})
			if err != nil {
				return err
			}
			return printDataset(io, o, i.name)
		},
	})
}

func newDatasetList(f *app.Factory, k kind) *cli.Command {
	i := &item{}
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List an asset's datasets.", Example: "iotops ns asset " + k.word + " dataset list --asset oven", Exits: exitAsset,
		Options: func(s *cli.Set) { i.declareAsset(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.load(ctx, f)
			if err != nil {
				return err
			}
			return io.Print(orEmpty(o.Properties.Datasets))
		},
	})
}

// orEmpty returns an empty list for none: it is printed as [].
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func newDatasetShow(f *app.Factory, k kind) *cli.Command {
	i := &item{}
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a dataset.", Example: "iotops ns asset " + k.word + " dataset show --asset oven --name main", Exits: exitAsset,
		Options: func(s *cli.Set) {
			i.declareAsset(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the dataset.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.load(ctx, f)
			if err != nil {
				return err
			}
			return printDataset(io, o, i.name)
		},
	})
}

func newDatasetRemove(f *app.Factory, k kind) *cli.Command {
	i := &item{}
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove a dataset.", Example: "iotops ns asset " + k.word + " dataset remove --asset oven --name main", Exits: exitAsset,
		Options: func(s *cli.Set) {
			i.declareAsset(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the dataset; an unknown one is no error.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.change(ctx, f, k, false, func(o *model.Asset) error {
				o.RemoveDataset(i.name)
				return nil
			})
			if err != nil {
				return err
			}
			return io.Print(orEmpty(o.Properties.Datasets))
		},
	})
}

func newDataPoint(f *app.Factory, k kind) *cli.Command {
	return cli.NewGroup("datapoint", "Manage the data points of a dataset.", newPointAdd(f, k), newPointList(f, k), newPointRemove(f, k))
}

func (i *item) declarePoints(f *app.Factory, s *cli.Set) {
	i.declareAsset(f, s)
	s.String(&i.dataset, "--dataset", "-d").Required().Doc("Name of the dataset.")
}

// printPoints prints the data points of the command's dataset.
func (i *item) printPoints(io *cli.IO, o *model.Asset) error {
	d, err := o.Dataset(i.dataset)
	if err != nil {
		return err
	}
	return io.Print(orEmpty(d.DataPoints))
}

func newPointAdd(f *app.Factory, k kind) *cli.Command {
	i, config := &item{}, k.dataPointConfig()
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add a data point to a dataset.", Example: k.pointExample, Exits: exitAsset,
		Options: func(s *cli.Set) {
			i.declarePoints(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the data point.")
			s.String(&i.source, "--data-source", "--ds").Required().Doc("What the source calls it.")
			s.String(&i.typeRef, "--type-ref", "--tr").Doc("URI of its type.")
			s.Flag(&i.replace, "--replace").Doc("Replace a data point of the same name.")
			config.declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			text, err := config.text("{}")
			if err != nil {
				return err
			}
			o, err := i.change(ctx, f, k, true, func(o *model.Asset) error {
				return o.AddDataPoint(i.dataset, model.DataPoint{Name: i.name, DataSource: i.source, TypeRef: i.typeRef, DataPointConfiguration: text}, i.replace)
			})
			if err != nil {
				return err
			}
			return i.printPoints(io, o)
		},
	})
}

func newPointList(f *app.Factory, k kind) *cli.Command {
	i := &item{}
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the data points of a dataset.", Exits: exitAsset,
		Example: "iotops ns asset " + k.word + " datapoint list --asset oven --dataset main -o table",
		Options: func(s *cli.Set) { i.declarePoints(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.load(ctx, f)
			if err != nil {
				return err
			}
			return i.printPoints(io, o)
		},
	})
}

func newPointRemove(f *app.Factory, k kind) *cli.Command {
	i := &item{}
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove a data point.", Exits: exitAsset,
		Example: "iotops ns asset " + k.word + " datapoint remove --asset oven --dataset main --name temperature",
		Options: func(s *cli.Set) {
			i.declarePoints(f, s)
			s.String(&i.name, "--name").Required().Doc("Name of the data point; an unknown one is no error.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, err := i.change(ctx, f, k, false, func(o *model.Asset) error { return o.RemoveDataPoint(i.dataset, i.name) })
			if err != nil {
				return err
			}
			return i.printPoints(io, o)
		},
	})
}
