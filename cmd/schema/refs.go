package schema

import (
	"context"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/schemas"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// refs holds the options of `schema show-dataflow-refs`.
type refs struct {
	home
	name    string
	version *int64
	latest  bool
}

func newRefs(f *app.Factory) *cli.Command {
	var r refs
	return cli.NewVerb(cli.Verb{
		Use: "show-dataflow-refs", Short: "Show the texts by which data flows refer to versions of schemas.", Exits: exitNoSchema,
		Long: "Of all schemas of a registry, or of one. With --schema and --version the text is made without looking whether there is such a version.",
		Example: `iotops schema show-dataflow-refs
iotops schema show-dataflow-refs --schema oven --latest
iotops schema show-dataflow-refs --schema oven --version 1 --query 'oven."1"' -o tsv`,
		Options: func(s *cli.Set) {
			r.declare(f, s)
			s.String(&r.name, "--schema").Doc("Only this schema.").Complete(f.SchemaNames)
			s.Int(&r.version, "--version", "--ver").Doc("Only this version. Needs --schema.")
			s.Flag(&r.latest, "--latest").Doc("Only the highest version of each schema. Without effect beside --version.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			if r.version != nil {
				return r.given(io)
			}
			key, err := r.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			result := map[string]any{}
			if err := store.View(ctx, func(rd registry.Reader) error { return r.collect(ctx, rd, key, result) }); err != nil {
				return err
			}
			return io.Print(result)
		},
	})
}

// given prints the reference to the version that is named, whether or not it exists.
func (r *refs) given(io *cli.IO) error {
	if r.name == "" {
		return fault.WithHint(fault.New(fault.Invalid, "--version needs --schema"), "Name the schema that the version is of.")
	}
	name, err := versionName(*r.version)
	if err != nil {
		return err
	}
	return io.Print(map[string]any{r.name: map[string]any{name: model.SchemaReference(r.name, name)}})
}

// collect adds the references of the one schema, or of all.
func (r *refs) collect(ctx context.Context, rd registry.Reader, home model.Key, result map[string]any) error {
	var list []*model.Schema
	if r.name != "" {
		o, err := schemas.Schema(ctx, rd, model.Key{Kind: model.KindSchema, Parent: home.Below(), Name: r.name})
		if err != nil {
			return err
		}
		list = append(list, o)
	} else {
		if _, err := schemas.Registry(ctx, rd, home); err != nil {
			return err
		}
		for o, err := range registry.List[*model.Schema](ctx, rd, registry.Query{Parent: home.Below()}) {
			if err != nil {
				return err
			}
			list = append(list, o)
		}
	}
	for _, o := range list {
		versions, err := schemas.Versions(ctx, rd, o.Key())
		if err != nil {
			return err
		}
		if r.latest && len(versions) > 1 {
			versions = versions[len(versions)-1:]
		}
		texts := map[string]any{}
		for _, v := range versions {
			texts[v.Name] = model.SchemaReference(o.Name, v.Name)
		}
		result[o.Name] = texts
	}
	return nil
}
