// Package dataflow holds the commands on dataflows, on the profiles that group
// them and on the endpoints that they read from and write to.
package dataflow

import (
	"context"
	"encoding/json"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// New returns the commands.
func New(f *app.Factory) *cli.Command {
	n := flowNoun(f)
	return cli.NewGroup("dataflow", "Manage dataflows: what moves messages from one endpoint to another.",
		newApply(f), newDelete(f, n), newEndpoint(f), newList(f, n), newProfile(f), newShow(f, n))
}

// flowNoun is what the commands that all nouns have need to know of dataflows.
func flowNoun(f *app.Factory) noun[*model.Dataflow] {
	return noun[*model.Dataflow]{
		kind: model.KindDataflow, what: "dataflow", words: "dataflow", example: "copy", names: f.DataflowNames,
		declare: func(s *cli.Set, c *scope) { c.declareProfile(f, s) },
		parent:  func(ctx context.Context, r registry.Reader, c *scope) (string, error) { return c.profileParent(ctx, r) },
	}
}

// scope is where a command works and on what.
type scope struct {
	place         app.Place
	name, profile string
	file          string
	yes           bool
}

// exitNotFound says what exit code 3 means to a command on one resource.
const exitNotFound = "3  the resource, or what it belongs to, does not exist"

func (c *scope) declareName(s *cli.Set, what string, names func(context.Context) []string) {
	s.String(&c.name, "--name", "-n").Required().Doc("Name of the " + what + ".").Complete(names)
}

func (c *scope) declareProfile(f *app.Factory, s *cli.Set) {
	c.profile = model.DefaultDataflow
	s.String(&c.profile, "--profile", "-p").Doc("Dataflow profile.").Default(model.DefaultDataflow).Complete(f.DataflowProfileNames)
}

func (c *scope) declareFile(s *cli.Set, what string) {
	s.String(&c.file, "--config-file").Required().Doc("File with the " + what + " in JSON: its properties, or an object that has them as `properties`.")
}

// instanceParent returns the parent of what belongs to the instance, which must exist.
func (c *scope) instanceParent(ctx context.Context, r registry.Reader) (string, error) {
	inst, err := c.place.LoadInstance(ctx, r)
	if err != nil {
		return "", err
	}
	return inst.Parent + "/" + inst.Name, nil
}

// profileParent returns the parent of the dataflows of the profile, which must exist.
func (c *scope) profileParent(ctx context.Context, r registry.Reader) (string, error) {
	parent, err := c.instanceParent(ctx, r)
	if err != nil {
		return "", err
	}
	p, err := registry.Get[*model.DataflowProfile](ctx, r, model.Key{Kind: model.KindDataflowProfile, Parent: parent, Name: c.profile})
	if fault.Is(err, fault.NotFound) {
		err = fault.WithHint(err, "Create it: iotops dataflow profile create -n %s", c.profile)
	}
	if err != nil {
		return "", err
	}
	return p.Parent + "/" + p.Name, nil
}

// meta returns the head of a new resource in the instance.
func (c *scope) meta(ctx context.Context, r registry.Reader) (model.Meta, error) {
	inst, err := c.place.LoadInstance(ctx, r)
	if err != nil {
		return model.Meta{}, err
	}
	return model.Meta{Name: c.name, Parent: inst.Parent + "/" + inst.Name, ExtendedLocation: inst.ExtendedLocation}, nil
}

// put prepares a resource in a transaction, writes it and prints it.
func put(ctx context.Context, f *app.Factory, io *cli.IO, o model.Object, prepare func(registry.Reader) error) error {
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	err = store.Update(ctx, func(tx *registry.Tx) error {
		if err := prepare(tx); err != nil {
			return err
		}
		return tx.Put(ctx, o, registry.None)
	})
	if err != nil {
		return err
	}
	return show(ctx, io, store, o)
}

func newApply(f *app.Factory) *cli.Command {
	c := &scope{}
	return cli.NewVerb(cli.Verb{
		Use: "apply", Short: "Create a dataflow, or replace it, from a file.", Exits: "3  the instance or the dataflow profile does not exist",
		Long: "The endpoints that it names must exist, and be fit for their side: a source is Mqtt, or Kafka with a consumer group; a destination " +
			"with columns needs a schemaRef in the transformation; one side is the local MQTT broker.",
		Example: "iotops dataflow apply -n copy --config-file copy.json",
		Options: func(s *cli.Set) {
			c.declareName(s, "dataflow", f.DataflowNames)
			c.declareProfile(f, s)
			f.Place(s, &c.place)
			c.declareFile(s, "dataflow")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			properties, err := readProperties(c.file)
			if err != nil {
				return err
			}
			o := &model.Dataflow{}
			return put(ctx, f, io, o, func(r registry.Reader) error { return c.dataflow(ctx, r, o, properties) })
		},
	})
}

// dataflow makes a dataflow of its properties, and holds it against the
// instance's endpoints.
func (c *scope) dataflow(ctx context.Context, r registry.Reader, o *model.Dataflow, properties json.RawMessage) error {
	meta, err := c.meta(ctx, r)
	if err != nil {
		return err
	}
	instance := meta.Parent
	if meta.Parent, err = c.profileParent(ctx, r); err != nil {
		return err
	}
	*o = model.Dataflow{Meta: meta, Properties: properties}
	if err := o.Validate(); err != nil {
		return err
	}
	return o.Check(func(name string) (*model.DataflowEndpoint, error) {
		e, err := registry.Get[*model.DataflowEndpoint](ctx, r, model.Key{Kind: model.KindDataflowEndpoint, Parent: instance, Name: name})
		if fault.Is(err, fault.NotFound) { // not the resource that the command is about
			err = fault.WithHint(fault.New(fault.Invalid, "dataflow endpoint %s not found in instance %s", name, instance),
				"See what there is: iotops dataflow endpoint list")
		}
		return e, err
	})
}
