package dataflow

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func newEndpoint(f *app.Factory) *cli.Command {
	n := noun[*model.DataflowEndpoint]{
		kind: model.KindDataflowEndpoint, what: "dataflow endpoint", words: "dataflow endpoint", example: "lake", names: f.DataflowEndpointNames,
		parent: func(ctx context.Context, r registry.Reader, c *scope) (string, error) {
			return c.instanceParent(ctx, r)
		},
		warn: warnOfEndpoint,
	}
	list := kinds()
	creates, updates := make([]*cli.Command, 0, len(list)), make([]*cli.Command, 0, len(list))
	for _, k := range list {
		creates, updates = append(creates, newEndpointChange(f, k, false)), append(updates, newEndpointChange(f, k, true))
	}
	return cli.NewGroup("endpoint", "Manage dataflow endpoints: what dataflows read from and write to.",
		newEndpointApply(f),
		cli.NewGroup("create", "Create a dataflow endpoint, or replace it.", creates...),
		newDelete(f, n), newList(f, n), newShow(f, n),
		cli.NewGroup("update", "Change a dataflow endpoint.", updates...))
}

// warnOfEndpoint names the dataflows that an endpoint is missing to when it is deleted.
func warnOfEndpoint(ctx context.Context, io *cli.IO, r registry.Reader, key model.Key) error {
	if strings.EqualFold(key.Name, model.DefaultDataflow) {
		io.Warnf("Deleting the dataflow endpoint %q may cause disruptions.", key.Name)
	}
	for o, err := range registry.List[*model.Dataflow](ctx, r, registry.Query{ParentPrefix: key.Parent + "/"}) {
		if err != nil {
			return err
		}
		p, err := o.Flow()
		if err != nil {
			return err
		}
		for _, ref := range p.Refs() {
			if strings.EqualFold(ref, key.Name) {
				io.Warnf("Dataflow %s refers to %s.", o.Name, key.Name)
				break
			}
		}
	}
	return nil
}

func newEndpointApply(f *app.Factory) *cli.Command {
	c := &scope{}
	return cli.NewVerb(cli.Verb{
		Use: "apply", Short: "Create a dataflow endpoint, or replace it, from a file.", Exits: "3  the instance does not exist",
		Example: "iotops dataflow endpoint apply -n lake --config-file lake.json",
		Options: func(s *cli.Set) {
			c.declareName(s, "dataflow endpoint", f.DataflowEndpointNames)
			f.Place(s, &c.place)
			c.declareFile(s, "endpoint")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			properties, err := readProperties(c.file)
			if err != nil {
				return err
			}
			o := &model.DataflowEndpoint{}
			return put(ctx, f, io, o, func(r registry.Reader) error {
				meta, err := c.meta(ctx, r)
				*o = model.DataflowEndpoint{Meta: meta, Properties: properties}
				return err
			})
		},
	})
}

// change is one use of a command that creates or updates an endpoint.
type change struct {
	scope
	kind   kind
	update bool
	rows   *cli.ConfigOptions
	login  login
	show   *bool
}

func newEndpointChange(f *app.Factory, k kind, update bool) *cli.Command {
	c := &change{kind: k, update: update, rows: &cli.ConfigOptions{Rows: k.rows, Full: !update}}
	v := cli.Verb{
		Use: k.word, Short: "Create a dataflow endpoint for " + k.what + ", or replace it.", Exits: "3  the instance does not exist",
		Example: "iotops dataflow endpoint create " + k.word + " -n there " + k.create,
	}
	if update {
		c.rows.Rows = changeable(k.rows)
		v.Short, v.Exits = "Change a dataflow endpoint for "+k.what+".", exitNotFound
		v.Example = "iotops dataflow endpoint update " + k.word + " -n there " + k.update
		v.Long = "What is not given stays. Another way to log in takes the place of the one before."
	}
	v.Options = func(s *cli.Set) {
		c.declareName(s, "dataflow endpoint", f.DataflowEndpointNames)
		f.Place(s, &c.place)
		c.rows.Declare(s)
		c.login.declare(s, k)
		s.ThreeState(&c.show, "--show-config").Doc("Whether to print the properties only, and to store nothing.")
	}
	v.Run = func(ctx context.Context, io *cli.IO) error { return c.run(ctx, f, io) }
	return cli.NewVerb(v)
}

// changeable returns rows of which none is required and none has a default.
func changeable(rows []cli.ConfigRow) []cli.ConfigRow {
	list := make([]cli.ConfigRow, 0, len(rows))
	for _, r := range rows {
		r.Required, r.Default = false, nil
		list = append(list, r)
	}
	return list
}

func (c *change) run(ctx context.Context, f *app.Factory, io *cli.IO) error {
	o := &model.DataflowEndpoint{}
	if c.show == nil || !*c.show {
		return put(ctx, f, io, o, func(r registry.Reader) error { return c.prepare(ctx, io, r, o) })
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	if err := c.prepare(ctx, io, store, o); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	return io.Print(o.Properties)
}

// prepare makes the endpoint as it is to be.
func (c *change) prepare(ctx context.Context, io *cli.IO, r registry.Reader, o *model.DataflowEndpoint) error {
	meta, err := c.meta(ctx, r)
	if err != nil {
		return err
	}
	stored := &model.DataflowEndpoint{Meta: meta, Properties: json.RawMessage(`{"endpointType":"` + c.kind.endpointType + `"}`)}
	var auth *model.DataflowAuthentication
	if c.update {
		if stored, err = registry.Get[*model.DataflowEndpoint](ctx, r, model.Key{Kind: model.KindDataflowEndpoint, Parent: meta.Parent, Name: c.name}); err != nil {
			return err
		}
		settings, err := stored.Settings()
		if err != nil {
			return err
		}
		if settings.Type != c.kind.endpointType {
			return fault.WithHint(invalid("dataflow endpoint %s is of type %s, not %s", stored.Name, settings.Type, c.kind.endpointType),
				"Replace it: iotops dataflow endpoint create %s -n %s", c.kind.word, stored.Name)
		}
		auth = settings.Authentication
	}
	*o = *stored
	if o.Properties, err = c.properties(stored.Properties, io, auth); err != nil {
		return err
	}
	return nil
}

// properties puts what is given over stored properties.
func (c *change) properties(stored json.RawMessage, io *cli.IO, auth *model.DataflowAuthentication) (json.RawMessage, error) {
	doc, err := decode(stored)
	if err != nil {
		return nil, err
	}
	member := model.SettingsMember(c.kind.endpointType)
	old, _ := doc[member].(map[string]any)
	settings, err := c.settings(old)
	if err != nil {
		return nil, err
	}
	if c.kind.methods != nil && (!c.update || c.login.any()) {
		built, unused, err := c.login.build(c.kind, auth)
		if err != nil {
			return nil, err
		}
		if unused != nil {
			io.Warnf("Without effect, as the endpoint logs in with method %s: %s", built.Method, strings.Join(unused, ", "))
		}
		settings["authentication"] = built
	}
	doc[member] = settings
	return json.Marshal(doc)
}

// settings returns stored settings with the given options put over them.
func (c *change) settings(old map[string]any) (map[string]any, error) {
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	if old == nil {
		text = nil
	}
	merged, err := c.rows.Text(string(text))
	if err != nil {
		return nil, err
	}
	doc, err := decode([]byte(merged))
	if err != nil {
		return nil, err
	}
	for _, r := range c.rows.Rows {
		settle(doc, old, strings.Split(r.Path, "."))
	}
	if c.kind.tls {
		inside(doc, "tls")["mode"] = "Enabled"
	}
	return doc, c.address(doc, old)
}
