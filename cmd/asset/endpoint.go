package asset

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

const exitNoProfile = "3  the endpoint profile, or what it belongs to, does not exist"

// profile holds the options of the commands on endpoint profiles.
type profile struct {
	target
	address, typ, config, mode string
	instanceGroup, location    string
	auth                       app.Credentials
	tags                       map[string]string
}

func newEndpoint(f *app.Factory) *cli.Command {
	return cli.NewGroup("endpoint", "Manage endpoint profiles: how classic assets reach their source.",
		cli.NewGroup("create", "Create an endpoint profile.", newProfileCustom(f), newProfileONVIF(f), newProfileOPCUA(f)),
		newProfileDelete(f), newProfileQuery(f, "list"), newProfileQuery(f, "query"), newProfileShow(f), newProfileUpdate(f))
}

func (p *profile) declareName(f *app.Factory, s *cli.Set) {
	s.String(&p.name, "--name", "-n").Required().Doc("Name of the endpoint profile.").Complete(f.ProfileNames)
}

// named makes the Run of a command on one profile.
func (p *profile) named(f *app.Factory, fn func(context.Context, *cli.IO, *registry.Store, model.Key) error) func(context.Context, *cli.IO) error {
	return func(ctx context.Context, io *cli.IO) error {
		store, err := f.Registry(ctx)
		if err != nil {
			return err
		}
		key, err := p.classic(model.KindEndpointProfile)
		if err != nil {
			return err
		}
		return fn(ctx, io, store, key)
	}
}

func (p *profile) declareCreate(f *app.Factory, s *cli.Set) {
	p.declareName(f, s)
	f.Place(s, &p.place)
	s.String(&p.instanceGroup, "--instance-resource-group", "--ig").Doc("Resource group of the instance, where it is another.")
	s.String(&p.location, "--location", "-l").Doc("Location.").Default("local")
	s.String(&p.address, "--target-address", "--ta").Required().Doc("Address of the source.")
	p.auth.Declare(s, true)
	s.Tags(&p.tags, "--tags").Doc("Tags: key[=value] …")
}

func newProfileOPCUA(f *app.Factory) *cli.Command {
	var p profile
	config := app.ClassicOPCUAEndpoint()
	return cli.NewVerb(cli.Verb{
		Use: "opcua", Short: "Create or replace an endpoint profile for an OPC UA server.", Exits: exitNoProfile,
		Example: `iotops asset endpoint create opcua -n plc --target-address opc.tcp://10.0.0.7:4840
iotops asset endpoint create opcua -n plc --ta opc.tcp://10.0.0.7:4840 --user-ref plc/username --pass-ref plc/password --security-mode sign`,
		Options: func(s *cli.Set) {
			p.declareCreate(f, s)
			config.Declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			text, err := config.Text("")
			if err != nil {
				return err
			}
			p.typ = model.EndpointOPCUA
			return p.create(ctx, f, io, text)
		},
	})
}

func newProfileONVIF(f *app.Factory) *cli.Command {
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: "onvif", Short: "Create or replace an endpoint profile for an ONVIF camera.", Exits: exitNoProfile,
		Example: "iotops asset endpoint create onvif -n camera --target-address http://10.0.0.8/onvif/device_service --user-ref camera/username --pass-ref camera/password",
		Options: func(s *cli.Set) { p.declareCreate(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			p.typ = model.EndpointONVIF
			return p.create(ctx, f, io, "")
		},
	})
}

func newProfileCustom(f *app.Factory) *cli.Command {
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: "custom", Short: "Create or replace an endpoint profile of a type of your own.", Exits: exitNoProfile,
		Example: `iotops asset endpoint create custom -n mine --target-address tcp://10.0.0.7:9000 --endpoint-type My.Type --additional-config '{"a":1}'`,
		Options: func(s *cli.Set) {
			p.declareCreate(f, s)
			s.String(&p.typ, "--endpoint-type", "--et").Required().Doc("Type of the endpoint.")
			s.String(&p.config, "--additional-config", "--ac").Doc("Configuration: JSON, or a file that holds it.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			text := ""
			if p.config != "" {
				var err error
				if text, err = cli.JSONText(p.config, "additional"); err != nil {
					return err
				}
			}
			return p.create(ctx, f, io, text)
		},
	})
}

func (p *profile) create(ctx context.Context, f *app.Factory, io *cli.IO, config string) error {
	auth, err := p.auth.Build("")
	if err != nil {
		return err
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	at := p.place
	if p.instanceGroup != "" {
		at.Group = p.instanceGroup
	}
	inst, err := at.LoadInstance(ctx, store)
	if err != nil {
		return err
	}
	key, err := p.classic(model.KindEndpointProfile)
	if err != nil {
		return err
	}
	o := &model.EndpointProfile{Meta: model.Meta{
		Name: key.Name, Parent: key.Parent, Location: "local", Tags: p.tags, ExtendedLocation: inst.ExtendedLocation,
	}}
	if p.location != "" {
		o.Location = cli.Location(p.location)
	}
	o.Properties = model.EndpointProfileProperties{
		TargetAddress: p.address, EndpointProfileType: p.typ, Authentication: auth, AdditionalConfiguration: config,
	}
	err = store.Update(ctx, func(tx *registry.Tx) error {
		o.Properties.UUID = app.NewUUID()
		if old, err := registry.Get[*model.EndpointProfile](ctx, tx, key); err == nil {
			o.Properties.UUID = old.Properties.UUID
		}
		return tx.Put(ctx, o, registry.None)
	})
	if err != nil {
		return err
	}
	return show(ctx, io, store, o)
}

func newProfileShow(f *app.Factory) *cli.Command {
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show an endpoint profile and its status.", Example: "iotops asset endpoint show -n plc", Exits: exitNoProfile,
		Options: func(s *cli.Set) { p.declareName(f, s); f.Group(s, &p.place) },
		Run: p.named(f, func(ctx context.Context, io *cli.IO, store *registry.Store, key model.Key) error {
			o, err := registry.Load(ctx, store, key)
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		}),
	})
}

func newProfileUpdate(f *app.Factory) *cli.Command {
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change an endpoint profile.", Exits: exitNoProfile,
		Long:    "What is not given stays. Another way to log in removes the credentials of the one before.",
		Example: "iotops asset endpoint update -n plc --target-address opc.tcp://10.0.0.8:4840\niotops asset endpoint update -n plc --authentication-mode Anonymous",
		Options: func(s *cli.Set) {
			p.declareName(f, s)
			f.Group(s, &p.place)
			s.String(&p.address, "--target-address", "--ta").Doc("Address of the source.")
			s.Enum(&p.mode, []string{model.AuthAnonymous, model.AuthCertificate, model.AuthUsernamePassword}, "--authentication-mode", "--am").
				Doc("How to log in.")
			p.auth.Declare(s, true)
			s.Tags(&p.tags, "--tags").Doc("Tags: key[=value] …; they replace all tags.")
		},
		Run: p.named(f, func(ctx context.Context, io *cli.IO, store *registry.Store, key model.Key) error {
			o, err := registry.Edit(ctx, store, key, func(o *model.EndpointProfile) error { return p.apply(io, o) })
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		}),
	})
}

// apply puts what is given over o.
func (p *profile) apply(io *cli.IO, o *model.EndpointProfile) error {
	if p.address != "" {
		o.Properties.TargetAddress = p.address
	}
	if p.tags != nil {
		o.Tags = p.tags
	}
	if p.mode == "" && !p.auth.Given() {
		return nil
	}
	auth, err := p.auth.Build(p.mode)
	if err != nil {
		return err
	}
	if old := o.Properties.Authentication; old != nil && old.Method != model.AuthAnonymous && old.Method != auth.Method {
		io.Warnf("The credentials for %s are removed.", old.Method)
	}
	o.Properties.Authentication = auth
	return nil
}

func newProfileDelete(f *app.Factory) *cli.Command {
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete an endpoint profile, without asking.", Example: "iotops asset endpoint delete -n plc", Exits: exitNoProfile,
		Long: "Assets that refer to it stay, and are named: their status says that the profile is gone.",
		Options: func(s *cli.Set) {
			p.declareName(f, s)
			f.Group(s, &p.place)
			s.Flag(&p.yes, "--yes", "-y").Ours().Doc("Accepted, and without effect: there is no question.")
		},
		Run: p.named(f, func(ctx context.Context, io *cli.IO, store *registry.Store, key model.Key) error {
			var users []string
			err := store.Update(ctx, func(tx *registry.Tx) error {
				keys, err := registry.Referrers(ctx, tx, key)
				if err != nil {
					return err
				}
				for _, k := range keys {
					users = append(users, k.Name)
				}
				return tx.Delete(ctx, key, registry.None)
			})
			if err == nil && len(users) > 0 {
				io.Warnf("Assets still refer to %s, which is deleted; no data will come from them: %s", key.Name, strings.Join(users, ", "))
			}
			return err
		}),
	})
}

// newProfileQuery returns `query`, which prints short rows, and `list`, which
// prints profiles in full.
func newProfileQuery(f *app.Factory, word string) *cli.Command {
	var q filters
	var p profile
	return cli.NewVerb(cli.Verb{
		Use: word, Short: map[string]string{"list": "List endpoint profiles in full.", "query": "List endpoint profiles that match filters, in short."}[word],
		Long:    "Filters are compared without regard to case, and all of them must match.",
		Example: "iotops asset endpoint " + word + " --endpoint-profile-type Microsoft.OpcUa -o table",
		Options: func(s *cli.Set) {
			q.declareShared(s, "endpoint profile")
			s.Enum(&p.mode, []string{model.AuthAnonymous, model.AuthCertificate, model.AuthUsernamePassword}, "--authentication-mode", "--am").Doc("How it logs in.")
			s.String(&p.typ, "--endpoint-profile-type", "--ept").Doc("Type of the endpoint.")
			s.String(&p.address, "--target-address", "--ta").Doc("Address of the source.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, query, here, err := q.open(ctx, f)
			if err != nil {
				return err
			}
			if q.custom.Given() {
				return printQuery(ctx, io, store, q.custom, query, func(o *model.EndpointProfile) bool { return here(&o.Meta) })
			}
			keep := func(o *model.EndpointProfile) bool {
				method := (&model.Endpoint{Authentication: o.Properties.Authentication}).Method()
				return here(&o.Meta) && same(p.mode, method) && same(p.typ, o.Properties.EndpointProfileType) && same(p.address, o.Properties.TargetAddress)
			}
			if word == "list" {
				return io.Print(app.ShowAll(ctx, store, query, keep))
			}
			return io.Print(stream(registry.List[*model.EndpointProfile](ctx, store, query), row[*model.EndpointProfile], keep))
		},
	})
}
