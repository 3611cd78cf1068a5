package ns

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// newDevice returns the group `device`. The short form has `list` too.
func newDevice(f *app.Factory, word string, short bool) *cli.Command {
	subs := []*cli.Command{
		newDeviceCreate(f), newDeviceDelete(f), newEndpoint(f), newDeviceQuery(f, "query"), newDeviceShow(f), newDeviceUpdate(f),
	}
	if short {
		subs = append(subs, newDeviceQuery(f, "list"))
	}
	return cli.NewGroup(word, "Manage devices: how to reach sources of data.", subs...)
}

// device holds the options of the commands on devices.
type device struct {
	custom                       app.CustomQuery
	place                        app.Place
	name                         string
	attributes                   []string
	disabled                     *bool
	manufacturer, model, os, osv string
	tags                         map[string]string
}

// key returns the device's key; its namespace must exist.
func (d *device) key(ctx context.Context, r registry.Reader) (model.Key, error) {
	parent, err := d.place.Namespace(ctx, r)
	return model.Key{Kind: model.KindDevice, Parent: parent, Name: d.name}, err
}

func (d *device) declareName(f *app.Factory, s *cli.Set) {
	s.String(&d.name, "--name", "-n").Required().Doc("Name of the device.").Complete(f.DeviceNames)
	f.Place(s, &d.place)
}

// named returns how the device is asked for.
func (d *device) named(f *app.Factory) named {
	return named{declare: func(s *cli.Set) { d.declareName(f, s) }, key: d.key}
}

func (d *device) declareChange(s *cli.Set) {
	s.Extend(&d.attributes, "--custom-attribute", "--attr").Doc("Attributes: key=value …; may be repeated.")
	s.ThreeState(&d.disabled, "--disabled").Doc("Whether connectors must not use the device.")
	s.String(&d.osv, "--os-version", "--osv").Doc("Version of the operating system.")
	s.Tags(&d.tags, "--tags").Doc("Tags: key[=value] …")
}

func newDeviceCreate(f *app.Factory) *cli.Command {
	var d device
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create a device, or replace it.", Exits: exitNotFound,
		Example: "iotops ns device create -n line1\niotops ns device create -n line1 --manufacturer Acme --model P7 --attr hall=3",
		Options: func(s *cli.Set) {
			d.declareName(f, s)
			d.declareChange(s)
			s.String(&d.manufacturer, "--manufacturer").Doc("Manufacturer.")
			s.String(&d.model, "--model").Doc("Model.")
			s.String(&d.os, "--os").Doc("Operating system.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o := &model.Device{}
			return put(ctx, f, io, o, func(r registry.Reader) error {
				key, err := d.key(ctx, r)
				if err != nil {
					return err
				}
				id := app.NewUUID()
				if old, err := registry.Get[*model.Device](ctx, r, key); err == nil {
					id = old.Properties.UUID
				}
				enabled := d.disabled == nil || !*d.disabled
				o.Meta = model.Meta{Name: key.Name, Parent: key.Parent, Location: "local", Tags: d.tags}
				o.Properties = model.DeviceProperties{
					UUID: id, ExternalDeviceID: id, Enabled: &enabled, Manufacturer: d.manufacturer, Model: d.model,
					OperatingSystem: d.os, OperatingSystemVersion: d.osv, Attributes: map[string]any{},
				}
				mergeAttributes(&o.Properties.Attributes, d.attributes)
				return nil
			})
		},
	})
}

// mergeAttributes puts key=value tokens over what is there. A token without "="
// removes its key; "key=" stores the empty text.
func mergeAttributes(into *map[string]any, tokens []string) {
	for _, t := range tokens {
		key, val, ok := strings.Cut(t, "=")
		if !ok {
			delete(*into, key)
			continue
		}
		if *into == nil {
			*into = map[string]any{}
		}
		(*into)[key] = val
	}
}

func newDeviceShow(f *app.Factory) *cli.Command {
	var d device
	return showVerb(f, d.named(f), "Show a device and its status.", "iotops ns device show -n line1")
}

func newDeviceUpdate(f *app.Factory) *cli.Command {
	var d device
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change a device.", Exits: exitNotFound,
		Long:    "What is not given stays. Attributes and tags are merged by key.",
		Example: "iotops ns device update -n line1 --disabled\niotops ns device update -n line1 --attr hall=4",
		Options: func(s *cli.Set) {
			d.declareName(f, s)
			d.declareChange(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := d.key(ctx, store)
			if err != nil {
				return err
			}
			return edit(ctx, f, io, key, func(o *model.Device) error {
				if d.disabled != nil {
					enabled := !*d.disabled
					o.Properties.Enabled = &enabled
				}
				if d.osv != "" {
					o.Properties.OperatingSystemVersion = d.osv
				}
				mergeAttributes(&o.Properties.Attributes, d.attributes)
				mergeTags(&o.Meta, d.tags)
				return nil
			})
		},
	})
}

func newDeviceDelete(f *app.Factory) *cli.Command {
	var d device
	return deleteVerb(f, d.named(f), "Delete a device. Assets that refer to it stay, and are named.", "iotops ns device delete -n line1 -y")
}

func newDeviceQuery(f *app.Factory, word string) *cli.Command {
	var d device
	return cli.NewVerb(cli.Verb{
		Use: word, Short: "List devices, those that match if filters are given.",
		Example: "iotops " + map[string]string{"query": "ns device query", "list": "device list"}[word] + " --manufacturer acme -o table",
		Long:    "Filters are compared without regard to case, and all of them must match.",
		Options: func(s *cli.Set) {
			s.String(&d.name, "--name", "-n").Doc("Name.").Complete(f.DeviceNames)
			f.Place(s, &d.place)
			s.ThreeState(&d.disabled, "--disabled").Doc("Disabled ones, or enabled ones.")
			s.String(&d.manufacturer, "--manufacturer").Doc("Manufacturer.")
			s.String(&d.model, "--model").Doc("Model.")
			s.String(&d.os, "--os").Doc("Operating system.")
			s.String(&d.osv, "--os-version", "--osv").Doc("Version of the operating system.")
			d.custom.Declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			q, err := scopeOf(ctx, store, &d.place)
			if err != nil {
				return err
			}
			if d.custom.Given() {
				return printQuery[*model.Device](ctx, io, store, d.custom, q)
			}
			q.Name = d.name
			return io.Print(app.ShowAll(ctx, store, q, d.matches))
		},
	})
}

func (d *device) matches(o *model.Device) bool {
	p := &o.Properties
	same := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	return same(d.manufacturer, p.Manufacturer) && same(d.model, p.Model) && same(d.os, p.OperatingSystem) &&
		same(d.osv, p.OperatingSystemVersion) && (d.disabled == nil || *d.disabled == !o.IsEnabled())
}
