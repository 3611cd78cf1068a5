package ns

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// itemFile says how the things of a collection are written to files and read.
type itemFile[T any] struct {
	word  string                                             // in the file's name: "datapoints"
	count string                                             // member of the result: "datapoint_count"
	head  []string                                           // of CSV; nil = not in that format
	row   func(o *model.Asset, parent string, x *T) []string // cells below head
	cells map[string]app.Cell                                // headings that an import understands
	slim  func(x T) any                                      // what is exported; nil = all
	adopt func(o *model.Asset, parent string, x *T)          // fills in what a file leaves out; may be nil
	check func(x *T) error                                   // limits of the service; may be nil
}

func (c *collection[T]) export(f *app.Factory, k *kind) *cli.Command {
	form := &itemForm{}
	return cli.NewVerb(cli.Verb{
		Use: "export", Short: "Write the " + c.what + "s to a file.", Example: c.example(k, "export", "--format yaml --output-dir backup"), Exits: exitAsset,
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			form.export.Declare(s, c.file.head != nil)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o, items, err := c.read(ctx, f, form)
			if err != nil {
				return err
			}
			base := o.Name + "_" + c.file.word
			if c.parent != nil {
				base = o.Name + "_" + form.parent + "_" + c.file.word
			}
			list, rows := c.content(o, form.parent, *items.List)
			path, err := form.export.File(strings.ReplaceAll(base, "/", "_"), io).Write(list, rows)
			if err != nil {
				return err
			}
			return io.Print(map[string]any{"file_path": path, c.file.count: len(list)})
		},
	})
}

// content returns what a file is to hold, as items and as rows.
func (c *collection[T]) content(o *model.Asset, parent string, items []T) ([]any, [][]string) {
	list := make([]any, len(items))
	rows := [][]string{c.file.head}
	for i := range items {
		list[i] = items[i]
		if c.file.slim != nil {
			list[i] = c.file.slim(items[i])
		}
		if c.file.row != nil {
			rows = append(rows, c.file.row(o, parent, &items[i]))
		}
	}
	return list, rows
}

func (c *collection[T]) imports(f *app.Factory, k *kind) *cli.Command {
	form := &itemForm{}
	return cli.NewVerb(cli.Verb{
		Use: "import", Short: "Add " + c.what + "s from a file.", Exits: exitAsset,
		Long:    "Add " + c.what + "s from a file. Those that are there already are skipped, or with --replace overwritten; others stay.",
		Example: c.example(k, "import", "--input-file "+c.file.word+".json"),
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			s.String(&form.input, "--input-file", "--if").Required().Doc("File to read: " + c.formats() + ".")
			s.Flag(&form.replace, "--replace").Doc("Overwrite " + c.what + "s of the same name.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			list, err := c.load(form.input)
			if err != nil {
				return err
			}
			var skipped []string
			items, err := c.change(ctx, f, k, form, false, func(o *model.Asset, items model.Items[T]) error {
				if c.file.adopt != nil {
					for i := range list {
						c.file.adopt(o, form.parent, &list[i])
					}
				}
				skipped = items.Merge(list, form.replace)
				return nil
			})
			if err != nil {
				return err
			}
			if len(skipped) > 0 {
				io.Warnf("%ss that are there already were skipped: %s. Use --replace to overwrite them.", strings.ToUpper(c.what[:1])+c.what[1:], strings.Join(skipped, ", "))
			}
			return io.Print(orEmpty(*items.List))
		},
	})
}

func (c *collection[T]) formats() string {
	if c.file.head == nil {
		return "JSON or YAML"
	}
	return "JSON, YAML or CSV"
}

// load reads and checks a file.
func (c *collection[T]) load(path string) ([]T, error) {
	raw, tabular, err := app.ReadItems(path)
	if err != nil {
		return nil, err
	}
	if tabular && c.file.head == nil {
		return nil, fault.New(fault.Invalid, "%s: %ss are read from JSON or YAML, not from CSV", path, c.what)
	}
	list := make([]T, 0, len(raw))
	for i, item := range raw {
		if tabular {
			if item, err = app.ItemOfCells(item, c.file.cells); err != nil {
				return nil, fault.Wrap(err, "%s, row %d", path, i+2)
			}
		}
		x := c.fresh("")
		if err := app.DecodeItem(item, &x); err != nil {
			return nil, fault.Wrap(err, "%s", path)
		}
		if c.file.check != nil {
			if err := c.file.check(&x); err != nil {
				return nil, fault.Wrap(err, "%s", path)
			}
		}
		list = append(list, x)
	}
	return list, nil
}
