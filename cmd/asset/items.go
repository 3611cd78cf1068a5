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

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// orEmpty returns an empty list for none: it is printed as [].
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// pointModes and eventModes are the observability modes of the two.
func pointModes() []string { return []string{"None", "Gauge", "Counter", "Histogram", "Log"} }
func eventModes() []string { return []string{"None", "Log"} }

// A collection describes the data points or the events of a classic asset. The
// commands on them follow from it.
type collection[T any] struct {
	word, what string
	instead    string // the command on namespaced assets
	dataset    bool   // they lie in a dataset, which an option names
	source     []string
	sourceDoc  string
	modes      []string
	nameless   bool // add may do without a name

	items func(a *model.ClassicAsset, dataset string, ensure bool) (model.Items[T], error)
	build func(name, source, config, mode string) T
	head  []string
	row   func(a *model.ClassicAsset, dataset string, x *T) []string
	cells map[string]app.Cell
	check func(x *T) error // of an imported one
}

// form holds what the commands on a collection may be told.
type form struct {
	target
	dataset, name, source, mode string
	queue, sampling             *int64
	replace                     bool
	input                       string
	export                      app.ExportFlags
}

func points() *collection[model.ClassicDataPoint] {
	return &collection[model.ClassicDataPoint]{
		word: "point", what: "data point", instead: "datapoint", dataset: true,
		source: []string{"--data-source", "--ds"}, sourceDoc: "Where the value comes from.", modes: pointModes(),
		items: (*model.ClassicAsset).PointItems,
		build: func(name, source, config, mode string) model.ClassicDataPoint {
			return model.ClassicDataPoint{Name: name, DataSource: source, DataPointConfiguration: config, ObservabilityMode: mode}
		},
		head:  []string{"NodeID", "TagName", "QueueSize", "ObservabilityMode", "Sampling Interval Milliseconds"},
		cells: cells("dataPointConfiguration"),
		row: func(a *model.ClassicAsset, dataset string, p *model.ClassicDataPoint) []string {
			defaults := []string{}
			if d, err := a.DatasetItems().Find(dataset); err == nil {
				defaults = append(defaults, d.DatasetConfiguration)
			}
			defaults = append(defaults, a.Properties.DefaultDatasetsConfiguration)
			return []string{
				p.DataSource, p.Name, app.OwnOr("queueSize", p.DataPointConfiguration, defaults...), p.ObservabilityMode,
				app.OwnOr("samplingInterval", p.DataPointConfiguration, defaults...),
			}
		},
		check: func(p *model.ClassicDataPoint) (err error) {
			p.ObservabilityMode, err = observability("Data point "+p.DataSource, p.ObservabilityMode, pointModes()...)
			return err
		},
	}
}

func events() *collection[model.ClassicEvent] {
	return &collection[model.ClassicEvent]{
		word: "event", what: "event", instead: "event", nameless: true,
		source: []string{"--event-notifier", "--en"}, sourceDoc: "Node that the events come from.", modes: eventModes(),
		items: func(a *model.ClassicAsset, _ string, _ bool) (model.Items[model.ClassicEvent], error) {
			return a.EventItems(), nil
		},
		build: func(name, source, config, mode string) model.ClassicEvent {
			return model.ClassicEvent{Name: name, EventNotifier: source, EventConfiguration: config, ObservabilityMode: mode}
		},
		head:  []string{"EventNotifier", "EventName", "QueueSize", "ObservabilityMode"},
		cells: cells("eventConfiguration"),
		row: func(a *model.ClassicAsset, _ string, e *model.ClassicEvent) []string {
			return []string{e.EventNotifier, e.Name, app.OwnOr("queueSize", e.EventConfiguration, a.Properties.DefaultEventsConfiguration), e.ObservabilityMode}
		},
		check: checkEvent,
	}
}

func checkEvent(e *model.ClassicEvent) (err error) {
	e.ObservabilityMode, err = observability("Event "+e.EventNotifier, e.ObservabilityMode, eventModes()...)
	return err
}

// cells are the columns of a file, in all spellings.
func cells(config string) map[string]app.Cell {
	list := app.PointCells(config)
	for _, head := range []string{"EventNotifier", "Event Notifier"} {
		list[head] = app.Cell{Member: "eventNotifier"}
	}
	for _, head := range []string{"ObservabilityMode", "Observability Mode"} {
		list[head] = app.Cell{Member: "observabilityMode", Title: true}
	}
	return list
}

func (c *collection[T]) group(f *app.Factory) *cli.Command {
	return cli.NewGroup(c.word, "Manage the "+c.what+"s of a classic asset.", c.add(f), c.exports(f), c.imports(f), c.list(f), c.remove(f))
}

func (c *collection[T]) open(f *app.Factory, s *cli.Set, p *form) {
	p.declareInside(f, s)
	if c.dataset {
		s.String(&p.dataset, "--dataset", "-d").Required().Doc("Name of the dataset; only default is made when it is missing.")
	}
}

func (c *collection[T]) example(verb, options string) string {
	words := []string{"iotops asset"}
	if c.dataset {
		words = append(words, "dataset")
	}
	words = append(words, c.word, verb, "--asset oven")
	if c.dataset {
		words = append(words, "--dataset default")
	}
	return strings.TrimSpace(strings.Join(append(words, options), " "))
}

// show prints the things of the asset as it is.
func (c *collection[T]) show(io *cli.IO, a *model.ClassicAsset, p *form) error {
	items, err := c.items(a, p.dataset, false)
	if err != nil {
		return err
	}
	return io.Print(orEmpty(*items.List))
}

// change edits the things in one transaction, and prints them afterwards.
func (c *collection[T]) change(ctx context.Context, f *app.Factory, io *cli.IO, p *form, verb string, ensure bool, fn func(model.Items[T]) error) error {
	store, a, err := p.load(ctx, f, io, "TYPE "+c.instead+" "+verb)
	if err != nil {
		return err
	}
	a, err = registry.Edit(ctx, store, a.Key(), func(a *model.ClassicAsset) error {
		items, err := c.items(a, p.dataset, ensure)
		if err != nil {
			return err
		}
		return fn(items)
	})
	if err != nil {
		return err
	}
	return c.show(io, a, p)
}

func (c *collection[T]) add(f *app.Factory) *cli.Command {
	var p form
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add " + article(c.what) + " to a classic asset.", Exits: exitNotFound,
		Example: c.example("add", c.source[0]+` "ns=2;s=Temperature" --name temperature`),
		Options: func(s *cli.Set) {
			c.open(f, s, &p)
			name := s.String(&p.name, "--name", "-n").Doc("Name of the " + c.what + ".")
			if !c.nameless {
				name.Required()
			}
			s.String(&p.source, c.source...).Required().Doc(c.sourceDoc)
			s.String(&p.mode, "--observability-mode", "--om").Doc("One of " + strings.Join(c.modes, ", ") + ".").Default("None")
			s.Int(&p.queue, "--queue-size", "--qs").Doc("How many values the server keeps between two deliveries.")
			s.Int(&p.sampling, "--sampling-interval", "--si").Doc("Sampling interval, in milliseconds.")
			s.Flag(&p.replace, "--replace").Doc("Replace one of the same name.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			mode, err := observability(p.source, p.mode, c.modes...)
			if err != nil {
				return err
			}
			config, err := itemConfiguration(number(p.sampling), number(p.queue))
			if err != nil {
				return err
			}
			return c.change(ctx, f, io, &p, "add", true, func(items model.Items[T]) error {
				name := p.name
				if name == "" {
					name = p.source // a thing must be called something, to be removed again
				}
				return items.Add(c.build(name, p.source, config, mode), p.replace)
			})
		},
	})
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func (c *collection[T]) list(f *app.Factory) *cli.Command {
	var p form
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the " + c.what + "s of a classic asset.", Example: c.example("list", "-o table"), Exits: exitNotFound,
		Options: func(s *cli.Set) { c.open(f, s, &p) },
		Run: func(ctx context.Context, io *cli.IO) error {
			_, a, err := p.load(ctx, f, io, "TYPE "+c.instead+" list")
			if err != nil {
				return err
			}
			return c.show(io, a, &p)
		},
	})
}

func (c *collection[T]) remove(f *app.Factory) *cli.Command {
	var p form
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove " + article(c.what) + " of a classic asset.", Example: c.example("remove", "--name temperature"), Exits: exitNotFound,
		Options: func(s *cli.Set) {
			c.open(f, s, &p)
			s.String(&p.name, "--name", "-n").Required().Doc("Name of the " + c.what + "; an unknown one is ignored.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			return c.change(ctx, f, io, &p, "remove", false, func(items model.Items[T]) error {
				items.Remove(p.name)
				return nil
			})
		},
	})
}

func (c *collection[T]) exports(f *app.Factory) *cli.Command {
	var p form
	return cli.NewVerb(cli.Verb{
		Use: "export", Short: "Write the " + c.what + "s to a file.", Example: c.example("export", "--format csv --output-dir backup"), Exits: exitNotFound,
		Options: func(s *cli.Set) {
			c.open(f, s, &p)
			p.export.Declare(s, true)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			_, a, err := p.load(ctx, f, io, "TYPE "+c.instead+" export")
			if err != nil {
				return err
			}
			items, err := c.items(a, p.dataset, false)
			if err != nil {
				return err
			}
			base := a.Name + "_events"
			if c.dataset {
				base = a.Name + "_" + strings.ReplaceAll(p.dataset, "/", "_") + "_datapoints"
			}
			rows := [][]string{c.head}
			for i := range *items.List {
				rows = append(rows, c.row(a, p.dataset, &(*items.List)[i]))
			}
			path, err := p.export.File(base, io).Write(orEmpty(*items.List), rows)
			if err != nil {
				return err
			}
			return io.Print(map[string]string{"file_path": path})
		},
	})
}

func (c *collection[T]) imports(f *app.Factory) *cli.Command {
	var p form
	return cli.NewVerb(cli.Verb{
		Use: "import", Short: "Add " + c.what + "s from a file.", Exits: exitNotFound,
		Long:    "Add " + c.what + "s from a file. Those that are there already are skipped, or with --replace overwritten; others stay.",
		Example: c.example("import", "--input-file "+c.word+"s.csv"),
		Options: func(s *cli.Set) {
			c.open(f, s, &p)
			s.String(&p.input, "--input-file", "--if").Required().Doc("File to read: JSON, YAML or CSV.")
			s.Flag(&p.replace, "--replace").Doc("Overwrite those of the same name.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			list, err := c.load(p.input)
			if err != nil {
				return err
			}
			var skipped []string
			err = c.change(ctx, f, io, &p, "import", true, func(items model.Items[T]) error {
				skipped = items.Merge(list, p.replace)
				return nil
			})
			for _, name := range skipped {
				io.Warnf("The %s %s is there already and was skipped. Use --replace to overwrite it.", c.what, name)
			}
			return err
		},
	})
}

// load reads and checks a file.
func (c *collection[T]) load(path string) ([]T, error) {
	raw, tabular, err := app.ReadItems(path)
	if err != nil {
		return nil, err
	}
	list := make([]T, len(raw))
	for i, item := range raw {
		if tabular {
			if item, err = app.ItemOfCells(item, c.cells); err != nil {
				return nil, fault.Wrap(err, "%s, row %d", path, i+2)
			}
		}
		delete(item, "capabilityId") // of older files, and without effect
		if err := app.DecodeItem(item, &list[i]); err != nil {
			return nil, fault.Wrap(err, "%s", path)
		}
		if err := c.check(&list[i]); err != nil {
			return nil, fault.Wrap(err, "%s", path)
		}
	}
	return list, nil
}
