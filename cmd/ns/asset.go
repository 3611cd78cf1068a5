package ns

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// asset holds the options of the commands on assets.
type asset struct {
	place                  app.Place
	name, device, endpoint string
	text                   app.AssetText
	types, attributes      []string
	disable                *bool
	tags                   map[string]string
	defaults               []defaultForm
	custom                 app.CustomQuery
}

// defaultForm holds what the options of an assetDefault were told.
type defaultForm struct {
	assetDefault
	options configOptions
	tokens  []string
}

func newAsset(f *app.Factory) *cli.Command {
	list := kinds()
	subs := make([]*cli.Command, 0, 3+len(list))
	subs = append(subs, newAssetDelete(f), newAssetQuery(f), newAssetShow(f))
	for _, k := range list {
		subs = append(subs, cli.NewGroup(k.word, "Manage assets whose endpoint is "+k.what+".",
			append(collections(f, k), newAssetCreate(f, k), newAssetUpdate(f, k))...))
	}
	return cli.NewGroup("asset", "Manage assets: what to collect from an endpoint.", subs...)
}

func (a *asset) declareName(f *app.Factory, s *cli.Set, names ...string) {
	s.String(&a.name, names...).Required().Doc("Name of the asset.").Complete(f.AssetNames)
	f.Place(s, &a.place)
}

func (a *asset) key(ctx context.Context, r registry.Reader) (model.Key, error) {
	parent, err := a.place.Namespace(ctx, r)
	return model.Key{Kind: model.KindAsset, Parent: parent, Name: a.name}, err
}

// named returns how the asset is asked for.
func (a *asset) named(f *app.Factory) named {
	return named{declare: func(s *cli.Set) { a.declareName(f, s, "--name", "-n") }, key: a.key}
}

func (a *asset) declareChange(s *cli.Set, k *kind) {
	s.Extend(&a.types, "--asset-type-ref", "--type-ref").Doc("URI of the asset's type; one is supported.")
	s.Extend(&a.attributes, "--attribute", "--attr").Doc("Attributes: key=value …; may be repeated.")
	s.ThreeState(&a.disable, "--disable").Doc("Whether no data is wanted.")
	a.text.Declare(s)
	s.Tags(&a.tags, "--tags").Doc("Tags: key[=value] …")
	a.defaults = make([]defaultForm, len(k.defaults))
	for i := range a.defaults {
		d := &a.defaults[i]
		d.assetDefault = k.defaults[i]
		if d.config != nil {
			d.options = d.config()
			d.options.declare(s)
		}
		if d.dest != nil {
			s.List(&d.tokens, d.dest...).Doc(destDoc(d.of, d.targets))
		}
	}
}

// destDoc describes an option for a destination.
func destDoc(of string, targets []string) string {
	forms := map[string]string{
		model.TargetMqtt: "topic=T retain=Keep|Never qos=Qos0|Qos1 ttl=SECONDS", model.TargetStateStore: "key=K", model.TargetStorage: "path=P",
	}
	list := make([]string, 0, len(targets))
	for _, t := range targets {
		list = append(list, forms[t])
	}
	return "Destination of " + of + ": " + strings.Join(list, ", or ") + "."
}

// apply puts what the options say over an asset.
func (a *asset) apply(o *model.Asset, warn func(string)) error {
	p := &o.Properties
	if len(a.types) > 0 {
		p.AssetTypeRefs = a.types
	}
	if a.disable != nil {
		enabled := !*a.disable
		p.Enabled = &enabled
	}
	a.text.Apply(p)
	mergeAttributes(&p.Attributes, a.attributes)
	mergeTags(&o.Meta, a.tags)
	for i := range a.defaults {
		if err := a.defaults[i].apply(p, warn); err != nil {
			return err
		}
	}
	return nil
}

func (d *defaultForm) apply(p *model.AssetProperties, warn func(string)) error {
	if d.options != nil {
		text := d.text(p)
		if d.always && *text == "" {
			*text = "{}"
		}
		out, err := d.options.text(*text, warn)
		if err != nil {
			return err
		}
		*text = out
	}
	if d.dest == nil {
		return nil
	}
	dest, err := app.ParseDestination(d.tokens, d.targets)
	if dest != nil {
		*d.to(p) = dest
	}
	return err
}

// checkEndpoint makes sure that an asset's endpoint exists and is of the
// command's type. Types that are nobody's own go with every command.
func checkEndpoint(ctx context.Context, r registry.Reader, o *model.Asset, k *kind) error {
	ref := o.Properties.DeviceRef
	d, err := registry.Get[*model.Device](ctx, r, model.Key{Kind: model.KindDevice, Parent: o.Parent, Name: ref.DeviceName})
	if err != nil {
		return err
	}
	e, ok := d.Properties.Endpoints.Inbound[ref.EndpointName]
	if !ok {
		return fault.WithHint(invalid("device %s has no inbound endpoint %s", d.Name, ref.EndpointName),
			"See what it has: iotops ns device endpoint inbound list --device %s", d.Name)
	}
	if k.endpointType != "" && firstParty(e.EndpointType) && !strings.EqualFold(e.EndpointType, k.endpointType) {
		return invalid("endpoint %s of device %s is of type %s, not %s", ref.EndpointName, d.Name, e.EndpointType, k.endpointType)
	}
	return nil
}

// firstParty reports whether an endpoint type is one that has commands of its own.
func firstParty(typ string) bool {
	for _, t := range []string{model.EndpointOPCUA, model.EndpointONVIF, model.EndpointMedia, model.EndpointHTTP, model.EndpointSSE, model.EndpointMQTT, model.EndpointSQL} {
		if strings.EqualFold(t, typ) {
			return true
		}
	}
	return false
}

func newAssetCreate(f *app.Factory, k *kind) *cli.Command {
	a := &asset{}
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create an asset, or replace it.", Example: "iotops ns asset " + k.word + " create -n oven --device line1 --endpoint plc", Exits: exitNotFound,
		Options: func(s *cli.Set) {
			a.declareName(f, s, "--name", "-n")
			s.String(&a.device, "--device", "-d").Required().Doc("Name of the device.").Complete(f.DeviceNames)
			s.String(&a.endpoint, "--endpoint", "--ep").Required().Doc("Name of the device's inbound endpoint.").Complete(f.EndpointNames)
			a.declareChange(s, k)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			o := &model.Asset{}
			return put(ctx, f, io, o, func(r registry.Reader) error {
				key, err := a.key(ctx, r)
				if err != nil {
					return err
				}
				id := app.NewUUID()
				if old, err := registry.Get[*model.Asset](ctx, r, key); err == nil {
					id = old.Properties.UUID
				}
				*o = model.Asset{Meta: model.Meta{Name: key.Name, Parent: key.Parent, Location: "local"}}
				o.Properties.UUID, o.Properties.ExternalAssetID = id, id
				o.Properties.DeviceRef = model.DeviceRef{DeviceName: a.device, EndpointName: a.endpoint}
				if err := a.apply(o, warner(io)); err != nil {
					return err
				}
				return checkEndpoint(ctx, r, o, k)
			})
		},
	})
}

func newAssetUpdate(f *app.Factory, k *kind) *cli.Command {
	a := &asset{}
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change an asset.", Exits: exitNotFound,
		Long:    "What is not given stays. Attributes and tags are merged by key; a configuration is merged member by member.",
		Example: "iotops ns asset " + k.word + " update -n oven --disable\niotops ns asset " + k.word + " update -n oven --display-name \"Oven 3\"",
		Options: func(s *cli.Set) {
			a.declareName(f, s, "--name", "-n")
			a.declareChange(s, k)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			key, err := a.key(ctx, store)
			if err != nil {
				return err
			}
			return edit(ctx, f, io, key, func(o *model.Asset) error { return a.apply(o, warner(io)) })
		},
	})
}

func newAssetShow(f *app.Factory) *cli.Command {
	var a asset
	return showVerb(f, a.named(f), "Show an asset and its status.", "iotops ns asset show -n oven")
}

func newAssetDelete(f *app.Factory) *cli.Command {
	var a asset
	return deleteVerb(f, a.named(f), "Delete an asset.", "iotops ns asset delete -n oven -y")
}

func newAssetQuery(f *app.Factory) *cli.Command {
	var a asset
	return cli.NewVerb(cli.Verb{
		Use: "query", Short: "List assets, those that match if filters are given.", Example: "iotops ns asset query --device line1 -o table",
		Long: "Filters are compared without regard to case, and all of them must match. A row is printed for each asset; `ns asset show` has the rest.",
		Options: func(s *cli.Set) {
			s.String(&a.name, "--name", "-n").Doc("Name.").Complete(f.AssetNames)
			f.Place(s, &a.place)
			s.String(&a.device, "--device", "-d").Doc("Device.").Complete(f.DeviceNames)
			s.String(&a.endpoint, "--endpoint", "--ep").Doc("Endpoint.").Complete(f.EndpointNames)
			s.ThreeState(&a.disable, "--disabled").Doc("Disabled ones, or enabled ones.")
			a.text.Declare(s)
			a.custom.Declare(s)
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			q, err := scopeOf(ctx, store, &a.place)
			if err != nil {
				return err
			}
			if a.custom.Given() {
				return printQuery[*model.Asset](ctx, io, store, a.custom, q)
			}
			q.Name, q.Device = a.name, a.device
			return io.Print(queryRows(ctx, store, q, a.matches))
		},
	})
}

// scopeOf limits a query to the instance, or the group, that was named.
func scopeOf(ctx context.Context, r registry.Reader, p *app.Place) (q registry.Query, err error) {
	switch {
	case p.Instance != "":
		q.Parent, err = p.Namespace(ctx, r)
	case p.Group != "":
		q.ParentPrefix = p.Group + "/"
	}
	return q, err
}

// printQuery prints what a custom query makes of resources.
func printQuery[T model.Object](ctx context.Context, io *cli.IO, r registry.Reader, c app.CustomQuery, q registry.Query) error {
	rows, err := app.RunQuery[T](ctx, r, c, q, nil)
	if err != nil {
		return err
	}
	return io.Print(rows)
}

func (a *asset) matches(o *model.Asset) bool {
	p := &o.Properties
	return (a.endpoint == "" || strings.EqualFold(a.endpoint, p.DeviceRef.EndpointName)) &&
		(a.disable == nil || *a.disable == !o.IsEnabled()) && a.text.Matches(p)
}

// queryRows streams the short rows of what matches.
func queryRows[T model.Object](ctx context.Context, r registry.Reader, q registry.Query, keep func(T) bool) output.Stream {
	return func(yield func(any, error) bool) {
		for o, err := range registry.List[T](ctx, r, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			if keep(o) && !yield(model.RenderRow(o), nil) {
				return
			}
		}
	}
}
