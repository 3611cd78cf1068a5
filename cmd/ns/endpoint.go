package ns

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// endpoint holds the options of the commands on inbound endpoints.
type endpoint struct {
	place                 app.Place
	device, name, address string
	version, typ, trust   string
	auth                  app.Credentials
	replace, yes          bool
	inbound               *bool
	names                 []string
}

func newEndpoint(f *app.Factory) *cli.Command {
	return cli.NewGroup("endpoint", "Manage a device's endpoints.",
		cli.NewGroup("inbound", "Manage a device's inbound endpoints.",
			cli.NewGroup("add", "Add an inbound endpoint.", newEndpointAdds(f)...),
			newInboundList(f), newInboundRemove(f)),
		newEndpointList(f))
}

func (e *endpoint) declareDevice(f *app.Factory, s *cli.Set) {
	s.String(&e.device, "--device", "-d").Required().Doc("Name of the device.").Complete(f.DeviceNames)
	f.Place(s, &e.place)
}

func (e *endpoint) key(ctx context.Context, r registry.Reader) (model.Key, error) {
	parent, err := e.place.Namespace(ctx, r)
	return model.Key{Kind: model.KindDevice, Parent: parent, Name: e.device}, err
}

func (e *endpoint) load(ctx context.Context, f *app.Factory) (*model.Device, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	key, err := e.key(ctx, store)
	if err != nil {
		return nil, err
	}
	return registry.Get[*model.Device](ctx, store, key)
}

func newEndpointList(f *app.Factory) *cli.Command {
	var e endpoint
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List a device's endpoints.", Example: "iotops ns device endpoint list --device line1", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			e.declareDevice(f, s)
			s.ThreeState(&e.inbound, "--inbound").Doc("Inbound endpoints only.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			d, err := e.load(ctx, f)
			if err != nil {
				return err
			}
			if e.inbound != nil && *e.inbound {
				return io.Print(inboundOf(d, ""))
			}
			return io.Print(d.Properties.Endpoints)
		},
	})
}

// inboundOf returns a device's inbound endpoints, those of a type only if one is given.
func inboundOf(d *model.Device, typ string) map[string]*model.Endpoint {
	list := map[string]*model.Endpoint{}
	for name, e := range d.Properties.Endpoints.Inbound {
		if typ == "" || strings.EqualFold(e.EndpointType, typ) {
			list[name] = e
		}
	}
	return list
}

func newInboundList(f *app.Factory) *cli.Command {
	var e endpoint
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List a device's inbound endpoints.", Exits: exitNotFound,
		Example: "iotops ns device endpoint inbound list --device line1 --endpoint-type opcua",
		Options: func(s *cli.Set) {
			e.declareDevice(f, s)
			s.String(&e.typ, "--endpoint-type", "--et").Doc("Only those of this type: Microsoft.OpcUa, or opcua.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			d, err := e.load(ctx, f)
			if err != nil {
				return err
			}
			return io.Print(inboundOf(d, typeOf(e.typ)))
		},
	})
}

// typeOf returns the endpoint type that a keyword stands for, else the text itself.
func typeOf(word string) string {
	for _, t := range kinds() {
		if strings.EqualFold(t.word, word) {
			return t.endpointType
		}
	}
	return word
}

func newInboundRemove(f *app.Factory) *cli.Command {
	var e endpoint
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove inbound endpoints.", Exits: exitNotFound,
		Example: "iotops ns device endpoint inbound remove --device line1 --endpoint plc -y",
		Options: func(s *cli.Set) {
			e.declareDevice(f, s)
			s.Extend(&e.names, "--endpoint").Required().Doc("Names of endpoints; unknown ones are ignored.").Complete(f.EndpointNames)
			s.Flag(&e.yes, "--yes", "-y").Doc("Do not ask.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			d, err := e.load(ctx, f)
			if err != nil {
				return err
			}
			if ok, err := io.Confirm(ctx, e.yes, ""); err != nil || !ok {
				if err == nil {
					io.Warnf("Deletion cancelled.")
				}
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			d, err = registry.Edit(ctx, store, d.Key(), func(d *model.Device) error {
				d.RemoveEndpoints(e.names)
				return nil
			})
			if err != nil {
				return err
			}
			return io.Print(inboundOf(d, ""))
		},
	})
}

// newEndpointAdds returns `add TYPE` for each type.
func newEndpointAdds(f *app.Factory) []*cli.Command {
	all := kinds()
	list := make([]*cli.Command, 0, len(all))
	for _, k := range all {
		list = append(list, newEndpointAdd(f, k))
	}
	return list
}

func newEndpointAdd(f *app.Factory, k *kind) *cli.Command {
	e := &endpoint{}
	var config configOptions
	if k.endpoint != nil {
		config = k.endpoint()
	}
	return cli.NewVerb(cli.Verb{
		Use: k.word, Short: "Add an inbound endpoint " + k.what + ".", Example: "iotops ns device endpoint inbound add " + k.word + " --device line1 -n plc --endpoint-address " + k.address, Exits: exitNotFound,
		Options: func(s *cli.Set) {
			e.declareDevice(f, s)
			s.String(&e.name, "--name", "-n").Required().Doc("Name of the endpoint.")
			s.String(&e.address, "--endpoint-address", "--address").Required().Doc("Address of the source.")
			s.String(&e.version, "--version").Doc("Version of the endpoint type.")
			s.Flag(&e.replace, "--replace").Doc("Replace an endpoint of the same name.")
			if k.endpointType == "" {
				s.String(&e.typ, "--endpoint-type", "--type").Required().Doc("Type of the endpoint.")
				s.String(&e.trust, "--trust-list").Doc("Name of the secret that holds the trust list.")
			}
			if k.login != anonymous {
				e.auth.Declare(s, k.login == certificate)
			}
			if config != nil {
				config.declare(s)
			}
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			added, err := e.build(k, config, warner(io))
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := e.key(ctx, store)
			if err != nil {
				return err
			}
			d, err := registry.Edit(ctx, store, key, func(d *model.Device) error { return d.AddEndpoint(e.name, added, e.replace) })
			if err != nil {
				return err
			}
			return io.Print(inboundOf(d, ""))
		},
	})
}

// build returns the endpoint that the options describe.
func (e *endpoint) build(k *kind, config configOptions, warn func(string)) (*model.Endpoint, error) {
	auth, err := e.auth.Build("")
	if err != nil {
		return nil, err
	}
	text := ""
	if config != nil {
		if text, err = config.text("", warn); err != nil {
			return nil, err
		}
	}
	typ := k.endpointType
	if typ == "" {
		typ = e.typ
	}
	added := &model.Endpoint{EndpointType: typ, Address: e.address, Version: e.version, Authentication: auth, AdditionalConfiguration: text}
	if e.trust != "" {
		added.TrustSettings = &model.TrustSettings{TrustList: e.trust}
	}
	return added, nil
}
