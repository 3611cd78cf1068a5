package asset

import (
	"context"
	"iter"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// stream renders resources one by one.
func stream[T model.Object](objects iter.Seq2[T, error], render func(T) (any, error), keep func(T) bool) output.Stream {
	return func(yield func(any, error) bool) {
		for o, err := range objects {
			var row any
			if err == nil {
				if keep != nil && !keep(o) {
					continue
				}
				row, err = render(o)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func newList(f *app.Factory) *cli.Command {
	var group string
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List assets of both kinds, in full.", Example: "iotops asset list\niotops asset list --query \"[].{name:name,type:type}\" -o table",
		Options: func(s *cli.Set) {
			s.String(&group, "--resource-group", "-g").Doc("Only those of this resource group.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			below := registry.Query{}
			if group != "" {
				below.ParentPrefix = group + "/"
			}
			classic := app.ShowAll[*model.ClassicAsset](ctx, store, registry.Query{Parent: group}, nil)
			others := app.ShowAll[*model.Asset](ctx, store, below, nil)
			return io.Print(chain(classic, others))
		},
	})
}

// row renders a resource as the query commands do.
func row[T model.Object](o T) (any, error) { return model.RenderRow(o), nil }

// chain returns one stream after the other.
func chain(streams ...output.Stream) output.Stream {
	return func(yield func(any, error) bool) {
		for _, s := range streams {
			for v, err := range s {
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// filters are those that the query commands share.
type filters struct {
	name, location, instanceGroup string
	custom                        app.CustomQuery
	place                         app.Place
}

func (q *filters) declareShared(s *cli.Set, noun string) {
	s.String(&q.name, "--name", "-n").Doc("Name of the " + noun + ".")
	s.String(&q.place.Group, "--resource-group", "-g").Doc("Resource group.")
	s.String(&q.location, "--location", "-l").Doc("Location.")
	s.String(&q.place.Instance, "--instance").Doc("Instance whose custom location it has.")
	s.String(&q.instanceGroup, "--instance-resource-group", "--ig").Doc("Resource group of the instance.")
	q.custom.Declare(s)
}

// open returns the registry, the query, and a test of the location.
func (q *filters) open(ctx context.Context, f *app.Factory) (*registry.Store, registry.Query, func(*model.Meta) bool, error) {
	out := registry.Query{Name: q.name, Parent: q.place.Group}
	if q.custom.Given() { // it replaces all filters but the instance
		out, q.location = registry.Query{}, ""
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, out, nil, err
	}
	want := ""
	if q.place.Instance != "" {
		inst, err := q.instance(ctx, f, store)
		if err != nil {
			return nil, out, nil, err
		}
		want = custom(&inst.Meta)
		if want == "" { // without custom locations, what is bound to an instance is what is in its group
			out.Parent = inst.Parent
		}
	}
	return store, out, func(m *model.Meta) bool {
		return (q.location == "" || strings.EqualFold(cli.Location(q.location), m.Location)) && (want == "" || strings.EqualFold(want, custom(m)))
	}, nil
}

func (q *filters) instance(ctx context.Context, f *app.Factory, store *registry.Store) (*model.Instance, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	group := cfg.ResourceGroup
	for _, g := range []string{q.place.Group, q.instanceGroup} {
		if g != "" {
			group = g
		}
	}
	return registry.Get[*model.Instance](ctx, store, model.Key{Kind: model.KindInstance, Parent: group, Name: q.place.Instance})
}

func custom(m *model.Meta) string {
	if m.ExtendedLocation == nil {
		return ""
	}
	return m.ExtendedLocation.Name
}

// assetQuery holds the filters of `asset query`.
type assetQuery struct {
	filters
	text                   app.AssetText
	topic, retain, profile string
	disabled               *bool
}

func newQuery(f *app.Factory) *cli.Command {
	var q assetQuery
	return cli.NewVerb(cli.Verb{
		Use: "query", Short: "List classic assets that match filters, in short.",
		Long:    "Filters are compared without regard to case, and all of them must match. `asset list` shows assets of both kinds in full.",
		Example: "iotops asset query --manufacturer acme --disabled false -o table",
		Options: func(s *cli.Set) {
			q.declareShared(s, "asset")
			q.text.DeclareClassic(s)
			s.String(&q.topic, "--topic-path", "--tp").Doc("Default topic.")
			s.Enum(&q.retain, []string{"Keep", "Never"}, "--topic-retain", "--tr").Doc("Retain setting of the default topic.")
			s.String(&q.profile, "--endpoint-profile", "--ep").Doc("Endpoint profile.").Complete(f.ProfileNames)
			s.ThreeState(&q.disabled, "--disabled").Doc("Disabled ones, or enabled ones.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, query, here, err := q.open(ctx, f)
			if err != nil {
				return err
			}
			if q.custom.Given() {
				return printQuery(ctx, io, store, q.custom, query, func(a *model.ClassicAsset) bool { return here(&a.Meta) })
			}
			query.Profile = q.profile
			return io.Print(stream(registry.List[*model.ClassicAsset](ctx, store, query), row[*model.ClassicAsset],
				func(a *model.ClassicAsset) bool { return here(&a.Meta) && q.matches(a) }))
		},
	})
}

// printQuery prints what a custom query makes of resources.
func printQuery[T model.Object](ctx context.Context, io *cli.IO, store *registry.Store, c app.CustomQuery, q registry.Query, keep func(T) bool) error {
	rows, err := app.RunQuery(ctx, store, c, q, keep)
	if err != nil {
		return err
	}
	return io.Print(rows)
}

func (q *assetQuery) matches(a *model.ClassicAsset) bool {
	var t model.ClassicTopic
	if a.Properties.DefaultTopic != nil {
		t = *a.Properties.DefaultTopic
	}
	return same(q.topic, t.Path) && same(q.retain, t.Retain) && q.text.MatchesClassic(&a.Properties) &&
		(q.disabled == nil || *q.disabled == !a.IsEnabled())
}

// same reports whether a filter is absent or met.
func same(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
