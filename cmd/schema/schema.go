// Package schema holds the commands of schemas: `schema`, with their versions
// and the schema registries below it.
package schema

import (
	"context"
	"strconv"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/schemas"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// What exit code 3 means to the commands.
const (
	exitNoRegistry = "3  the schema registry does not exist"
	exitNoSchema   = "3  the schema, or its registry, does not exist"
)

// New returns `schema`.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("schema", "Manage schemas, which describe messages, their versions, and the registries that they are in.",
		newRegistry(f), newVersion(f), newCreate(f), newDelete(f), newList(f), newShow(f), newRefs(f))
}

// home is the schema registry that a command works in.
type home struct {
	place    app.Place
	registry string
}

func (h *home) declare(f *app.Factory, s *cli.Set) {
	s.String(&h.registry, "--registry").Default("default").Complete(f.SchemaRegistryNames).
		Doc("Name of the schema registry. (The folder of the registry that iotops keeps is IOTOPS_REGISTRY here.)")
	f.Group(s, &h.place)
}

// key returns the key of the schema registry.
func (h *home) key() (model.Key, error) {
	group, err := h.place.GroupName()
	name := h.registry
	if name == "" {
		name = registry.DefaultName
	}
	return model.Key{Kind: model.KindSchemaRegistry, Parent: group, Name: name}, err
}

// schema returns the key of a schema.
func (h *home) schema(name string) (model.Key, error) {
	key, err := h.key()
	return model.Key{Kind: model.KindSchema, Parent: key.Below(), Name: name}, err
}

// versionName returns the name of a version, which is a number on the command
// line and text in the resource.
func versionName(n int64) (string, error) {
	if n < 0 {
		return "", fault.New(fault.Invalid, "the version must be a positive number, and %d is not", n)
	}
	return strconv.FormatInt(n, 10), nil
}

// one holds the options of the commands on one schema.
type one struct {
	home
	name string
	yes  bool
}

func (o *one) declare(f *app.Factory, s *cli.Set) {
	s.String(&o.name, "--name", "-n").Required().Doc("Name of the schema.").Complete(f.SchemaNames)
	o.home.declare(f, s)
}

func (o *one) key() (model.Key, error) { return o.schema(o.name) }

// create holds the options of `schema create`.
type create struct {
	one
	format, typ         string
	content             string
	version             *int64
	versionDescription  string
	description, screen string
}

func newCreate(f *app.Factory) *cli.Command {
	var c create
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create a schema with a version, or replace what is said of a schema and add a version.", Exits: exitNoRegistry,
		Long: `The content is checked: a JSON Schema must be one of draft-07, a Delta schema must be
{"$schema":"Delta/1.0","type":"object","properties":{"type":"struct","fields":[…]}}.
A version that exists with the same content stays as it is; its content never changes.`,
		Example: `iotops schema create -n oven --format json --type message --version-content oven.json
iotops schema create -n oven-table --format delta --type message --vc oven-delta.json --ver 3 --desc "What goes to the lake"`,
		Options: func(s *cli.Set) {
			c.declare(f, s)
			s.Enum(&c.format, []string{"delta", "json"}, "--format").Required().Doc("Format of the content.")
			s.Enum(&c.typ, []string{"message"}, "--type").Required().Doc("Type of the schema.")
			s.String(&c.content, "--version-content", "--vc").Required().Doc("Content of the version: a file that holds it, or the text itself.")
			s.Int(&c.version, "--version", "--ver").Doc("Number of the version.").Default("1")
			s.String(&c.versionDescription, "--version-desc", "--vd").Doc("Description of the version.")
			s.String(&c.description, "--desc").Doc("Description of the schema.")
			s.String(&c.screen, "--display-name").Doc("Name of the schema on screens.")
		},
		Run: func(ctx context.Context, io *cli.IO) error { return c.run(ctx, f, io) },
	})
}

func (c *create) run(ctx context.Context, f *app.Factory, io *cli.IO) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	number := int64(1)
	if c.version != nil {
		number = *c.version
	}
	v := &model.SchemaVersion{Properties: model.SchemaVersionProperties{Description: c.versionDescription}}
	if v.Name, err = versionName(number); err != nil {
		return err
	}
	if v.Properties.SchemaContent, err = content(c.content); err != nil {
		return err
	}
	o := &model.Schema{Meta: model.Meta{Name: key.Name, Parent: key.Parent}, Properties: model.SchemaProperties{
		Format: model.FormatJSONSchema, SchemaType: model.SchemaTypeMessage, Description: c.description, DisplayName: c.screen,
	}}
	if c.format == "delta" {
		o.Properties.Format = model.FormatDelta
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	if err := store.Update(ctx, func(tx *registry.Tx) error { return schemas.Put(ctx, tx, o, v) }); err != nil {
		return err
	}
	warnUnchanged(io, v, c.versionDescription)
	return show(ctx, io, store, o)
}

// warnUnchanged says that a version that was there already keeps its description.
func warnUnchanged(io *cli.IO, v *model.SchemaVersion, wanted string) {
	if wanted != "" && v.Properties.Description != wanted {
		io.Warnf("Version %s exists with this content already, and versions do not change: its description stays %q.", v.Name, v.Properties.Description)
	}
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
	var o one
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a schema.", Example: "iotops schema show -n oven", Exits: exitNoSchema,
		Options: func(s *cli.Set) { o.declare(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := o.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			found, err := schemas.Schema(ctx, store, key)
			if err != nil {
				return err
			}
			return show(ctx, io, store, found)
		},
	})
}

func newList(f *app.Factory) *cli.Command {
	var h home
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the schemas of a registry.", Example: "iotops schema list\niotops schema list --registry plant -g site1 -o table", Exits: exitNoRegistry,
		Options: func(s *cli.Set) { h.declare(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := h.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if _, err := schemas.Registry(ctx, store, key); err != nil {
				return err
			}
			return io.Print(app.ShowAll[*model.Schema](ctx, store, registry.Query{Parent: key.Below()}, nil))
		},
	})
}

func newDelete(f *app.Factory) *cli.Command {
	var o one
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete a schema with all of its versions.", Example: "iotops schema delete -n oven -y", Exits: exitNoSchema,
		Options: func(s *cli.Set) {
			o.declare(f, s)
			s.Flag(&o.yes, "--yes", "-y").Doc("Do not ask.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := o.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if _, err := schemas.Schema(ctx, store, key); err != nil {
				return err
			}
			return remove(ctx, io, store, key, o.yes)
		},
	})
}

// remove asks, and deletes a resource.
func remove(ctx context.Context, io *cli.IO, store *registry.Store, key model.Key, yes bool) error {
	ok, err := io.Confirm(ctx, yes, "")
	if err != nil {
		return err
	}
	if !ok {
		io.Warnf("Deletion cancelled.")
		return nil
	}
	return store.Update(ctx, func(tx *registry.Tx) error { return tx.Delete(ctx, key, registry.None) })
}
