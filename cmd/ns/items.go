package ns

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// A collection describes one sort of things inside an asset: datasets, the data
// points of a dataset, streams. The commands on it follow from the
// description: they are the same for each sort and each type of asset.
type collection[T any] struct {
	word   string   // of the command: "event-group"
	what   string   // "event group"
	parent []string // names of the option that says what the things lie in; nil = the asset itself
	inside string   // what that is: "event group"
	name   []string // names of the option with a thing's own name
	whole  bool     // things have show and update, and hold things themselves

	source need   // of --data-source
	destOf string // whose destination --dest is

	of      func(k *kind) *itemOptions                                  // nil = a type without them
	items   func(o *model.Asset, parent string) (model.Items[T], error) // where they are
	parts   func(x *T) parts                                            // what the common options change
	declare func(s *cli.Set, form *itemForm)                            // further options; may be nil
	apply   func(x *T, form *itemForm) error                            // what those change
	fresh   func(name string) T
	file    itemFile[T]
}

// need says whether an option is there.
type need uint8

const (
	absent need = iota
	possible
	required
)

// parts are the members that things of several sorts have; nil = not this one.
type parts struct {
	source, typeRef, config *string
	dest                    *[]model.Destination
}

// itemOptions say what a type of asset has of a collection.
type itemOptions struct {
	config  func() configOptions // nil = there is no configuration
	always  bool                 // the configuration is {} where nothing is given
	targets []string             // of a destination; nil = there is none
	example string               // options of an `add`
}

// itemForm holds what the commands on a collection may be told.
type itemForm struct {
	asset           asset
	parent, name    string
	source, typeRef string
	dest            []string
	topic           *string
	timeout         *int64
	uri, action     string
	replace         bool
	input           string
	export          app.ExportFlags
	config          configOptions
}

const exitAsset = "3  the asset, or its instance, does not exist"

// group returns the commands on a collection, or nil where the type has none.
func (c *collection[T]) group(f *app.Factory, k *kind) *cli.Command {
	if c.of(k) == nil {
		return nil
	}
	subs := []*cli.Command{c.add(f, k), c.export(f, k), c.imports(f, k), c.list(f, k), c.remove(f, k)}
	if c.whole {
		subs = append(subs, c.show(f, k), c.update(f, k))
	}
	return cli.NewGroup(c.word, "Manage the "+c.what+"s of an asset.", subs...)
}

// open declares which asset, and what in it, is meant.
func (c *collection[T]) open(f *app.Factory, s *cli.Set, form *itemForm) {
	form.asset.declareName(f, s, "--asset", "-a")
	if c.parent != nil {
		s.String(&form.parent, c.parent...).Required().Doc("Name of the " + c.inside + ".")
	}
}

func (c *collection[T]) example(k *kind, verb, options string) string {
	words := []string{"iotops ns asset", k.word, c.word, verb, "--asset oven"}
	if c.parent != nil {
		words = append(words, c.parent[0], "main")
	}
	if options != "" {
		words = append(words, options)
	}
	return strings.Join(words, " ")
}

// read returns the things of the command's asset.
func (c *collection[T]) read(ctx context.Context, f *app.Factory, form *itemForm) (*model.Asset, model.Items[T], error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, model.Items[T]{}, err
	}
	key, err := form.asset.key(ctx, store)
	if err != nil {
		return nil, model.Items[T]{}, err
	}
	o, err := registry.Get[*model.Asset](ctx, store, key)
	if err != nil {
		return nil, model.Items[T]{}, err
	}
	items, err := c.items(o, form.parent)
	return o, items, err
}

// change edits the things of the command's asset in one transaction. With
// check, the asset's endpoint must be of the command's type.
func (c *collection[T]) change(ctx context.Context, f *app.Factory, k *kind, form *itemForm, check bool, fn func(*model.Asset, model.Items[T]) error) (model.Items[T], error) {
	var items model.Items[T]
	store, err := f.Registry(ctx)
	if err != nil {
		return items, err
	}
	err = store.Update(ctx, func(tx *registry.Tx) error {
		key, err := form.asset.key(ctx, tx)
		if err != nil {
			return err
		}
		o, err := registry.Get[*model.Asset](ctx, tx, key)
		if err != nil {
			return err
		}
		if check {
			if err := checkEndpoint(ctx, tx, o, k); err != nil {
				return err
			}
		}
		if items, err = c.items(o, form.parent); err != nil {
			return err
		}
		if err := fn(o, items); err != nil {
			return err
		}
		return tx.Put(ctx, o, registry.MustExist)
	})
	return items, err
}

// print prints a thing, or all of them where they are no wholes.
func (c *collection[T]) print(io *cli.IO, items model.Items[T], name string) error {
	if !c.whole {
		return io.Print(orEmpty(*items.List))
	}
	x, err := items.Find(name)
	if err != nil {
		return err
	}
	return io.Print(x)
}

// orEmpty returns an empty list for none: it is printed as [].
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *collection[T]) add(f *app.Factory, k *kind) *cli.Command {
	form, o := &itemForm{}, c.of(k)
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add " + article(c.what) + ".", Example: c.example(k, "add", o.example), Exits: exitAsset,
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			s.String(&form.name, c.name...).Required().Doc("Name of the " + c.what + ".")
			c.declareParts(s, form, o)
			s.Flag(&form.replace, "--replace").Doc(c.replaceDoc())
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			x := c.fresh(form.name)
			if err := c.set(&x, form, o, warner(io)); err != nil {
				return err
			}
			items, err := c.change(ctx, f, k, form, true, func(_ *model.Asset, items model.Items[T]) error {
				if err := items.Add(x, form.replace); err != nil {
					return err
				}
				if c.whole {
					items.MoveToEnd(form.name)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return c.print(io, items, form.name)
		},
	})
}

func warner(io *cli.IO) func(string) { return func(w string) { io.Warnf("%s", w) } }

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func (c *collection[T]) replaceDoc() string {
	text := "Replace " + article(c.what) + " of the same name"
	if c.whole {
		text += ", with all that is in it"
	}
	return text + "."
}

func (c *collection[T]) update(f *app.Factory, k *kind) *cli.Command {
	form, o := &itemForm{}, c.of(k)
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change " + article(c.what) + ".", Exits: exitAsset,
		Long:    "What is not given stays; a configuration of options is merged member by member.",
		Example: c.example(k, "update", o.example),
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			s.String(&form.name, c.name...).Required().Doc("Name of the " + c.what + ".")
			c.declareParts(s, form, o)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			items, err := c.change(ctx, f, k, form, true, func(_ *model.Asset, items model.Items[T]) error {
				x, err := items.Find(form.name)
				if err != nil {
					return err
				}
				return c.set(x, form, o, warner(io))
			})
			if err != nil {
				return err
			}
			return c.print(io, items, form.name)
		},
	})
}

func (c *collection[T]) list(f *app.Factory, k *kind) *cli.Command {
	form := &itemForm{}
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the " + c.what + "s.", Example: c.example(k, "list", "-o table"), Exits: exitAsset,
		Options: func(s *cli.Set) { c.open(f, s, form) },
		Run: func(ctx context.Context, io *cli.IO) error {
			_, items, err := c.read(ctx, f, form)
			if err != nil {
				return err
			}
			return io.Print(orEmpty(*items.List))
		},
	})
}

func (c *collection[T]) show(f *app.Factory, k *kind) *cli.Command {
	form := &itemForm{}
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show " + article(c.what) + ".", Example: c.example(k, "show", c.name[0]+" main"), Exits: exitAsset,
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			s.String(&form.name, c.name...).Required().Doc("Name of the " + c.what + ".")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			_, items, err := c.read(ctx, f, form)
			if err != nil {
				return err
			}
			return c.print(io, items, form.name)
		},
	})
}

func (c *collection[T]) remove(f *app.Factory, k *kind) *cli.Command {
	form := &itemForm{}
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove " + article(c.what) + ".", Example: c.example(k, "remove", c.name[0]+" main"), Exits: exitAsset,
		Options: func(s *cli.Set) {
			c.open(f, s, form)
			s.String(&form.name, c.name...).Required().Doc("Name of the " + c.what + "; an unknown one is no error.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			items, err := c.change(ctx, f, k, form, false, func(_ *model.Asset, items model.Items[T]) error {
				items.Remove(form.name)
				return nil
			})
			if err != nil {
				return err
			}
			return io.Print(orEmpty(*items.List))
		},
	})
}

// declareParts declares what add and update may change.
func (c *collection[T]) declareParts(s *cli.Set, form *itemForm, o *itemOptions) {
	if c.source != absent {
		source := s.String(&form.source, "--data-source", "--ds").Doc("What the source calls the " + c.what + ".")
		if c.source == required {
			source.Required()
		}
	}
	s.String(&form.typeRef, "--type-ref", "--tr").Doc("URI of the " + c.what + "'s type.")
	if o.targets != nil {
		s.List(&form.dest, "--destination", "--dest").Doc(destDoc(c.destOf, o.targets))
	}
	if c.declare != nil {
		c.declare(s, form)
	}
	if o.config != nil {
		form.config = o.config()
		form.config.declare(s)
	}
}

// set puts what is given over a thing.
func (c *collection[T]) set(x *T, form *itemForm, o *itemOptions, warn func(string)) error {
	p := c.parts(x)
	set(p.source, form.source)
	set(p.typeRef, form.typeRef)
	dest, err := app.ParseDestination(form.dest, o.targets)
	if err != nil {
		return err
	}
	if dest != nil {
		*p.dest = dest
	}
	if c.apply != nil {
		if err := c.apply(x, form); err != nil {
			return err
		}
	}
	if o.always && *p.config == "" {
		*p.config = "{}"
	}
	if form.config == nil {
		return nil
	}
	text, err := form.config.text(*p.config, warn)
	if err == nil {
		*p.config = text
	}
	return err
}

// set puts a text over another one, unless it is empty.
func set(to *string, text string) {
	if text != "" {
		*to = text
	}
}
