package schema

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/schemas"
	"github.com/iotops/iotops/pkg/model"
)

const exitNoVersion = "3  the version, or what it belongs to, does not exist"

// version holds the options of the commands on one version.
type version struct {
	home
	schemaName           string
	number               *int64
	content, description string
}

func newVersion(f *app.Factory) *cli.Command {
	return cli.NewGroup("version", "Manage the versions of a schema.",
		newVersionAdd(f), newVersionList(f), newVersionRemove(f), newVersionShow(f))
}

func (v *version) declare(f *app.Factory, s *cli.Set) {
	s.Int(&v.number, "--name", "-n").Required().Doc("Number of the version.")
	v.declareSchema(f, s)
}

func (v *version) declareSchema(f *app.Factory, s *cli.Set) {
	s.String(&v.schemaName, "--schema").Required().Doc("Name of the schema.").Complete(f.SchemaNames)
	v.home.declare(f, s)
}

func (v *version) key() (model.Key, error) {
	name, err := versionName(*v.number)
	if err != nil {
		return model.Key{}, err
	}
	schema, err := v.schema(v.schemaName)
	return model.Key{Kind: model.KindSchemaVersion, Parent: schema.Below(), Name: name}, err
}

func newVersionAdd(f *app.Factory) *cli.Command {
	var v version
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add a version to a schema.", Exits: exitNoSchema,
		Long:    "The content is checked as the schema's format demands, and stored as it is. It never changes: the same content again is no change, another one is refused.",
		Example: "iotops schema version add -n 2 --schema oven --content oven-2.json\niotops schema version add -n 3 --schema oven --content '{\"type\":\"object\"}' --desc anything",
		Options: func(s *cli.Set) {
			v.declare(f, s)
			s.String(&v.content, "--content").Required().Doc("Content: a file that holds it, or the text itself.")
			s.String(&v.description, "--desc").Doc("Description of the version.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := v.key()
			if err != nil {
				return err
			}
			o := &model.SchemaVersion{Meta: model.Meta{Name: key.Name, Parent: key.Parent}}
			o.Properties.Description = v.description
			if o.Properties.SchemaContent, err = content(v.content); err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if err := store.Update(ctx, func(tx *registry.Tx) error { return schemas.Add(ctx, tx, o) }); err != nil {
				return err
			}
			warnUnchanged(io, o, v.description)
			return show(ctx, io, store, o)
		},
	})
}

func newVersionShow(f *app.Factory) *cli.Command {
	var v version
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a version of a schema, with its content.", Exits: exitNoVersion,
		Example: "iotops schema version show -n 1 --schema oven\niotops schema version show -n 1 --schema oven --query properties.schemaContent -o tsv",
		Options: func(s *cli.Set) { v.declare(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			return v.found(ctx, f, func(store *registry.Store, o *model.SchemaVersion) error { return show(ctx, io, store, o) })
		},
	})
}

func newVersionRemove(f *app.Factory) *cli.Command {
	var v version
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove a version of a schema. There is no question.", Exits: exitNoVersion,
		Example: "iotops schema version remove -n 1 --schema oven",
		Options: func(s *cli.Set) { v.declare(f, s) },
		Run: func(ctx context.Context, _ *cli.IO) error {
			return v.found(ctx, f, func(store *registry.Store, o *model.SchemaVersion) error {
				return store.Update(ctx, func(tx *registry.Tx) error { return tx.Delete(ctx, o.Key(), registry.None) })
			})
		},
	})
}

// found calls fn with the version, which must exist.
func (v *version) found(ctx context.Context, f *app.Factory, fn func(*registry.Store, *model.SchemaVersion) error) error {
	key, err := v.key()
	if err != nil {
		return err
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	o, err := schemas.Version(ctx, store, key)
	if err != nil {
		return err
	}
	return fn(store, o)
}

func newVersionList(f *app.Factory) *cli.Command {
	var v version
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the versions of a schema.", Example: "iotops schema version list --schema oven", Exits: exitNoSchema,
		Options: func(s *cli.Set) { v.declareSchema(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := v.schema(v.schemaName)
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
			list, err := schemas.Versions(ctx, store, key)
			if err != nil {
				return err
			}
			return io.Print(output.Stream(func(yield func(any, error) bool) {
				for _, o := range list {
					doc, err := model.Render(o, nil)
					if !yield(doc, err) || err != nil {
						return
					}
				}
			}))
		},
	})
}
