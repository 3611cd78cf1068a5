package asset

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// itemConfiguration returns the configuration text of a point or an event.
func itemConfiguration(sampling, queue string) (string, error) {
	doc := struct {
		Sampling *int64 `json:"samplingInterval,omitempty"`
		Queue    *int64 `json:"queueSize,omitempty"`
	}{}
	for _, x := range []struct {
		text, what string
		dest       **int64
	}{{sampling, "sampling interval", &doc.Sampling}, {queue, "queue size", &doc.Queue}} {
		if x.text == "" {
			continue
		}
		n, err := strconv.ParseInt(x.text, 10, 64)
		if err != nil {
			return "", fault.New(fault.Invalid, "%s %q is not a whole number", x.what, x.text)
		}
		*x.dest = &n
	}
	text, err := json.Marshal(doc)
	return string(text), err
}

// observability returns a mode as it is stored.
func observability(of, mode string, valid ...string) (string, error) {
	if mode == "" {
		return "None", nil
	}
	for _, v := range valid {
		if strings.EqualFold(v, mode) {
			return v, nil
		}
	}
	return "", fault.New(fault.Invalid, "%s: %q is not a valid observability mode; allowed: %s", of, mode, strings.Join(valid, ", "))
}

func newDataset(f *app.Factory) *cli.Command {
	return cli.NewGroup("dataset", "See the datasets of a classic asset.", newDatasetList(f),
		cli.NewGroup("point", "Manage the data points of a classic asset.", newPointAdd(f), newPointList(f), newPointRemove(f)),
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
			list := make([]model.ClassicDataset, 0, len(a.Properties.Datasets))
			for _, d := range a.Properties.Datasets {
				if d.Name == "" {
					d.Name = model.DefaultDataset
				}
				list = append(list, d)
			}
			return io.Print(list)
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
			d, err := a.Dataset(name)
			if err != nil {
				return err
			}
			return io.Print(d)
		},
	})
}

// point holds the options of the commands on data points.
type point struct {
	target
	dataset, name, source, mode string
	queue, sampling             *int64
	replace                     bool
}

func (p *point) declare(f *app.Factory, s *cli.Set) {
	p.declareInside(f, s)
	s.String(&p.dataset, "--dataset", "-d").Required().Doc("Name of the dataset; only default is made when it is missing.")
}

// change edits the asset in one transaction, and prints the points afterwards.
func (p *point) change(ctx context.Context, f *app.Factory, io *cli.IO, word string, fn func(*model.ClassicAsset) error) error {
	store, a, err := p.load(ctx, f, io, "TYPE datapoint "+word)
	if err != nil {
		return err
	}
	if fn != nil {
		if a, err = registry.Edit(ctx, store, a.Key(), fn); err != nil {
			return err
		}
	}
	d, err := a.Dataset(p.dataset)
	if err != nil {
		return err
	}
	return io.Print(d.DataPoints)
}

func newPointAdd(f *app.Factory) *cli.Command {
	var p point
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add a data point to a classic asset.", Exits: exitNotFound,
		Example: `iotops asset dataset point add --asset oven --dataset default -n temperature --data-source "ns=2;s=Temperature"`,
		Options: func(s *cli.Set) {
			p.declare(f, s)
			s.String(&p.name, "--name", "-n").Required().Doc("Name of the point.")
			s.String(&p.source, "--data-source", "--ds").Required().Doc("Where the value comes from.")
			s.String(&p.mode, "--observability-mode", "--om").Doc("None, Gauge, Counter, Histogram or Log.").Default("None")
			s.Int(&p.queue, "--queue-size", "--qs").Doc("How many values the server keeps between two deliveries.")
			s.Int(&p.sampling, "--sampling-interval", "--si").Doc("Sampling interval, in milliseconds.")
			s.Flag(&p.replace, "--replace").Doc("Replace a point of the same name.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			mode, err := observability(p.source, p.mode, "None", "Gauge", "Counter", "Histogram", "Log")
			if err != nil {
				return err
			}
			config, err := itemConfiguration(number(p.sampling), number(p.queue))
			if err != nil {
				return err
			}
			return p.change(ctx, f, io, "add", func(a *model.ClassicAsset) error {
				return a.AddDataPoint(p.dataset, model.ClassicDataPoint{
					Name: p.name, DataSource: p.source, DataPointConfiguration: config, ObservabilityMode: mode,
				}, p.replace)
			})
		},
	})
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func newPointList(f *app.Factory) *cli.Command {
	var p point
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the data points of a classic asset.", Example: "iotops asset dataset point list --asset oven --dataset default", Exits: exitNotFound,
		Options: func(s *cli.Set) { p.declare(f, s) },
		Run:     func(ctx context.Context, io *cli.IO) error { return p.change(ctx, f, io, "list", nil) },
	})
}

func newPointRemove(f *app.Factory) *cli.Command {
	var p point
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove a data point of a classic asset.", Exits: exitNotFound,
		Example: "iotops asset dataset point remove --asset oven --dataset default -n temperature",
		Options: func(s *cli.Set) {
			p.declare(f, s)
			s.String(&p.name, "--name", "-n").Required().Doc("Name of the point; an unknown one is ignored.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			return p.change(ctx, f, io, "remove", func(a *model.ClassicAsset) error { return a.RemoveDataPoint(p.dataset, p.name) })
		},
	})
}
