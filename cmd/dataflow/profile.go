package dataflow

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

func newProfile(f *app.Factory) *cli.Command {
	n := noun[*model.DataflowProfile]{
		kind: model.KindDataflowProfile, what: "dataflow profile", words: "dataflow profile", example: "fast", names: f.DataflowProfileNames,
		parent: func(ctx context.Context, r registry.Reader, c *scope) (string, error) {
			return c.instanceParent(ctx, r)
		},
		warn: warnOfProfile,
	}
	return cli.NewGroup("profile", "Manage dataflow profiles: groups of dataflows that run alike.",
		newProfileCreate(f), newDelete(f, n), newList(f, n), newShow(f, n), newProfileUpdate(f))
}

// warnOfProfile says what goes with a profile that is deleted.
func warnOfProfile(ctx context.Context, io *cli.IO, r registry.Reader, key model.Key) error {
	if strings.EqualFold(key.Name, model.DefaultDataflow) {
		io.Warnf("Deleting the dataflow profile %q may cause disruptions.", key.Name)
	}
	var lost []string
	for o, err := range registry.List[*model.Dataflow](ctx, r, registry.Query{Parent: key.Parent + "/" + key.Name}) {
		if err != nil {
			return err
		}
		lost = append(lost, "  "+o.Name)
	}
	if lost != nil {
		io.Line("Deleting this dataflow profile also deletes its dataflows:\n" + strings.Join(lost, "\n"))
	}
	return nil
}

// profileOptions are the options that make up a profile.
type profileOptions struct {
	count *int64
	level string
}

func (p *profileOptions) declare(s *cli.Set, create bool) {
	count := s.Int(&p.count, "--profile-instances").Doc("How often each of its dataflows runs, from 1 to 20.")
	level := s.String(&p.level, "--log-level").Doc("Level of the logs: error, warn, info, debug, trace or off, or module=level pairs with commas between.")
	if create {
		count.Default("1")
		level.Default("info")
	}
}

// apply puts what is given over a profile.
func (p *profileOptions) apply(o *model.DataflowProfile) {
	if p.count != nil {
		o.Properties.InstanceCount = *p.count
	}
	if p.level != "" {
		o.Properties.Diagnostics = &model.DataflowDiagnostics{Logs: model.DataflowLogs{Level: p.level}}
	}
}

func newProfileCreate(f *app.Factory) *cli.Command {
	c, p := &scope{}, &profileOptions{}
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create a dataflow profile, or replace it.", Exits: "3  the instance does not exist",
		Example: "iotops dataflow profile create -n fast\niotops dataflow profile create -n fast --profile-instances 2 --log-level debug",
		Options: func(s *cli.Set) {
			c.declareName(s, "dataflow profile", f.DataflowProfileNames)
			f.Place(s, &c.place)
			p.declare(s, true)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o := &model.DataflowProfile{}
			return put(ctx, f, io, o, func(r registry.Reader) error {
				meta, err := c.meta(ctx, r)
				if err != nil {
					return err
				}
				o.Meta = meta
				o.Properties = model.DataflowProfileProperties{InstanceCount: 1, Diagnostics: &model.DataflowDiagnostics{Logs: model.DataflowLogs{Level: "info"}}}
				p.apply(o)
				return nil
			})
		},
	})
}

func newProfileUpdate(f *app.Factory) *cli.Command {
	c, p := &scope{}, &profileOptions{}
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change a dataflow profile.", Example: "iotops dataflow profile update -n fast --log-level warn", Exits: exitNotFound,
		Long: "What is not given stays.",
		Options: func(s *cli.Set) {
			c.declareName(s, "dataflow profile", f.DataflowProfileNames)
			f.Place(s, &c.place)
			p.declare(s, false)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			parent, err := c.instanceParent(ctx, store)
			if err != nil {
				return err
			}
			o, err := registry.Edit(ctx, store, model.Key{Kind: model.KindDataflowProfile, Parent: parent, Name: c.name}, func(o *model.DataflowProfile) error {
				p.apply(o)
				return nil
			})
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		},
	})
}
