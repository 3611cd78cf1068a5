package asset

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// change holds what `create` and `update` may set.
type change struct {
	target
	text             app.AssetText
	attributes       []string
	disable          *bool
	topic, retain    string
	tags             map[string]string
	datasets, events *cli.ConfigOptions

	profile, device, endpoint, location string // create only
	instanceGroup                       string
	event, data                         [][]string
	eventFile, dataFile                 string
}

// intervals are the options that make a default configuration.
func intervals(word, p, i, q string) *cli.ConfigOptions {
	row := func(name, alias, path string, def, low int64, doc string) cli.ConfigRow {
		return cli.ConfigRow{Names: []string{"--" + word + name, alias}, Path: path, Type: "int", Default: def, Min: &low, Doc: doc}
	}
	return &cli.ConfigOptions{Rows: []cli.ConfigRow{
		row("-publish-int", p, "publishingInterval", 1000, -1, "Default publishing interval, in milliseconds."),
		row("-sample-int", i, "samplingInterval", 500, -1, "Default sampling interval, in milliseconds."),
		row("-queue-size", q, "queueSize", 1, 0, "Default queue size."),
	}}
}

func (c *change) declare(f *app.Factory, s *cli.Set) {
	c.target.declare(f, s)
	c.text.DeclareClassic(s)
	s.Extend(&c.attributes, "--custom-attribute", "--attr").Doc("Attributes: key=value …; key= removes one.")
	s.ThreeState(&c.disable, "--disable").Doc("Whether the asset's data is not wanted.")
	c.datasets, c.events = intervals("dataset", "--dpi", "--dsi", "--dqs"), intervals("event", "--epi", "--esi", "--eqs")
	c.datasets.Declare(s)
	c.events.Declare(s)
	s.String(&c.topic, "--topic-path", "--tp").Doc("Default topic.")
	s.Enum(&c.retain, []string{"Keep", "Never"}, "--topic-retain", "--tr").Doc("Whether the broker keeps the last message of the default topic.")
	s.Tags(&c.tags, "--tags").Doc("Tags: key[=value] …")
}

// apply puts what is given over a.
func (c *change) apply(io *cli.IO, a *model.ClassicAsset) error {
	p := &a.Properties
	c.text.ApplyClassic(p)
	for _, kv := range cli.Pairs(c.attributes, "--custom-attribute", func(w string) { io.Warnf("%s", w) }) {
		if kv.Value == "" {
			delete(p.Attributes, kv.Key)
			continue
		}
		if p.Attributes == nil {
			p.Attributes = map[string]any{}
		}
		p.Attributes[kv.Key] = kv.Value
	}
	if c.disable != nil {
		enabled := !*c.disable
		p.Enabled = &enabled
	}
	if c.tags != nil {
		a.Tags = c.tags
	}
	if err := c.applyTopic(p); err != nil {
		return err
	}
	if err := configure(c.datasets, &p.DefaultDatasetsConfiguration); err != nil {
		return err
	}
	return configure(c.events, &p.DefaultEventsConfiguration)
}

func (c *change) applyTopic(p *model.ClassicAssetProperties) error {
	switch {
	case c.topic == "" && c.retain == "":
		return nil
	case p.DefaultTopic == nil && c.topic == "":
		return fault.New(fault.Invalid, "--topic-retain needs a topic path: use --topic-path")
	case p.DefaultTopic == nil:
		p.DefaultTopic = &model.ClassicTopic{Retain: "Never"}
	}
	if c.topic != "" {
		p.DefaultTopic.Path = c.topic
	}
	if c.retain != "" {
		p.DefaultTopic.Retain = c.retain
	}
	return nil
}

// configure puts the options over a stored text, which stays to the byte where
// none is given.
func configure(c *cli.ConfigOptions, text *string) error {
	if given, err := c.Text(""); err != nil || given == "{}" {
		return err
	}
	out, err := c.Text(*text)
	if err == nil {
		*text = out
	}
	return err
}

func newCreate(f *app.Factory) *cli.Command {
	var c change
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create an asset, or replace it.", Exits: exitNotFound,
		Long: `Create an asset, or replace it.

With --endpoint-profile it is a classic asset. With --device and --endpoint it is one of the instance's namespace.`,
		Example: `iotops asset create -n oven --endpoint-profile plc
iotops asset create -n oven --endpoint-profile plc --topic-path plant/oven --attr hall=3 --event event_notifier="ns=2;s=Alarms" name=alarm
iotops asset create -n oven --device line1 --endpoint plc`,
		Options: func(s *cli.Set) {
			c.declare(f, s)
			s.String(&c.profile, "--endpoint-profile", "--ep").Doc("Endpoint profile that the asset hangs on. Required, unless --device is given.").Complete(f.ProfileNames)
			s.String(&c.device, "--device").Ours().Doc("Device, for a namespaced asset.").Complete(f.DeviceNames)
			s.String(&c.endpoint, "--endpoint").Ours().Doc("Inbound endpoint of the device; without --device, the endpoint profile.").Complete(f.EndpointNames)
			s.String(&c.instanceGroup, "--instance-resource-group", "--ig").Doc("Resource group of the instance, where it is another.")
			s.String(&c.location, "--location", "-l").Doc("Location.").Default("local")
			s.Append(&c.event, "--event").Doc("An event: event_notifier=… [name=…] [sampling_interval=…] [queue_size=…] [observability_mode=…]; may be repeated.")
			s.String(&c.eventFile, "--event-file", "--ef").Doc("File with events: JSON, YAML or CSV.")
			s.Append(&c.data, "--data").Doc("A data point of the dataset default: data_source=… [name=…] [sampling_interval=…] [queue_size=…] [observability_mode=…]; may be repeated.")
			s.String(&c.dataFile, "--data-file", "--df").Doc("File with data points: JSON, YAML or CSV.")
		},
		Run: func(ctx context.Context, io *cli.IO) error { return create(ctx, f, io, &c) },
	})
}

func create(ctx context.Context, f *app.Factory, io *cli.IO, c *change) error {
	if c.device == "" && c.profile == "" { // a prefix that scripts rely on
		c.profile, c.endpoint = c.endpoint, ""
	}
	switch {
	case c.device == "" && c.profile == "":
		return cli.Usage("the following arguments are required: --endpoint-profile/--ep")
	case c.device != "" && c.profile != "":
		return cli.Usage("--endpoint-profile and --device are mutually exclusive")
	case c.device != "" && c.endpoint == "":
		return cli.Usage("the following arguments are required: --endpoint")
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	at := c.place
	if c.instanceGroup != "" {
		at.Group = c.instanceGroup
	}
	inst, err := at.LoadInstance(ctx, store)
	if err != nil {
		return err
	}
	a, err := c.build(io)
	if err != nil {
		return err
	}
	a.ExtendedLocation = inst.ExtendedLocation
	var o model.Object
	err = store.Update(ctx, func(tx *registry.Tx) error {
		if o, err = c.settle(ctx, tx, &at, a); err != nil {
			return err
		}
		return tx.Put(ctx, o, registry.None)
	})
	if err != nil {
		return err
	}
	return show(ctx, io, store, o)
}

// build returns the classic asset that the options describe.
func (c *change) build(io *cli.IO) (*model.ClassicAsset, error) {
	key, err := c.classic(model.KindClassicAsset)
	if err != nil {
		return nil, err
	}
	enabled := true
	a := &model.ClassicAsset{Meta: model.Meta{Name: key.Name, Parent: key.Parent, Location: "local"}}
	if c.location != "" {
		a.Location = cli.Location(c.location)
	}
	a.Properties.Enabled = &enabled
	a.Properties.AssetEndpointProfileRef = c.profile
	c.datasets.Full, c.events.Full = c.device == "", c.device == ""
	if err := c.apply(io, a); err != nil {
		return nil, err
	}
	if err := c.addEvents(io, a); err != nil {
		return nil, err
	}
	return a, c.addPoints(io, a)
}

// settle gives the asset its ids, and, on a device, its namespaced form.
func (c *change) settle(ctx context.Context, r registry.Reader, at *app.Place, a *model.ClassicAsset) (model.Object, error) {
	p := &a.Properties
	p.UUID = app.NewUUID()
	if c.device == "" {
		if old, err := registry.Get[*model.ClassicAsset](ctx, r, a.Key()); err == nil {
			p.UUID = old.Properties.UUID
		}
		if p.ExternalAssetID == "" {
			p.ExternalAssetID = p.UUID
		}
		return a, nil
	}
	parent, err := at.Namespace(ctx, r)
	if err != nil {
		return nil, err
	}
	d, err := registry.Get[*model.Device](ctx, r, model.Key{Kind: model.KindDevice, Parent: parent, Name: c.device})
	if err != nil {
		return nil, err
	}
	if d.Properties.Endpoints.Inbound[c.endpoint] == nil {
		return nil, fault.New(fault.Invalid, "endpoint %s not found on device %s", c.endpoint, d.Name)
	}
	n := a.Namespaced()
	n.Parent = parent
	n.Properties.DeviceRef = model.DeviceRef{DeviceName: c.device, EndpointName: c.endpoint}
	if old, err := registry.Get[*model.Asset](ctx, r, n.Key()); err == nil {
		n.Properties.UUID = old.Properties.UUID
	}
	if n.Properties.ExternalAssetID == "" {
		n.Properties.ExternalAssetID = n.Properties.UUID
	}
	return n, nil
}

func newUpdate(f *app.Factory) *cli.Command {
	var c change
	return cli.NewVerb(cli.Verb{
		Use: "update", Short: "Change an asset.", Exits: exitNotFound,
		Long:    "What is not given stays. Attributes are merged by key; --tags replaces all tags.",
		Example: "iotops asset update -n oven --description \"the big one\"\niotops asset update -n oven --disable",
		Options: func(s *cli.Set) { c.declare(f, s) },
		Run: c.found(f, func(ctx context.Context, io *cli.IO, store *registry.Store, found model.Object) error {
			if c.text.ExternalAssetID != "" { // declared with the other texts, but set by create only
				return cli.Usage("unrecognized arguments: --external-asset-id %s", c.text.ExternalAssetID)
			}
			var o model.Object
			var err error
			if found.Kind() == model.KindAsset {
				o, err = registry.Edit(ctx, store, found.Key(), func(n *model.Asset) error { return c.applyTo(io, n) })
			} else {
				o, err = registry.Edit(ctx, store, found.Key(), func(a *model.ClassicAsset) error { return c.apply(io, a) })
			}
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		}),
	})
}

// applyTo puts what is given over a namespaced asset: it is changed as a
// classic one that has the same properties.
func (c *change) applyTo(io *cli.IO, n *model.Asset) error {
	p := &n.Properties
	a := &model.ClassicAsset{Meta: n.Meta, Properties: model.ClassicAssetProperties{
		Attributes: p.Attributes, Enabled: p.Enabled,
		DefaultDatasetsConfiguration: p.DefaultDatasetsConfiguration, DefaultEventsConfiguration: p.DefaultEventsConfiguration,
	}}
	if list := p.DefaultDatasetsDestinations; len(list) == 1 && list[0].Target == model.TargetMqtt {
		a.Properties.DefaultTopic = &model.ClassicTopic{Path: list[0].Configuration.Topic, Retain: list[0].Configuration.Retain}
	}
	if err := c.apply(io, a); err != nil {
		return err
	}
	n.Tags = a.Tags
	c.text.Apply(p)
	p.Attributes, p.Enabled = a.Properties.Attributes, a.Properties.Enabled
	p.DefaultDatasetsConfiguration, p.DefaultEventsConfiguration = a.Properties.DefaultDatasetsConfiguration, a.Properties.DefaultEventsConfiguration
	if c.topic != "" || c.retain != "" {
		made := a.Namespaced().Properties
		p.DefaultDatasetsDestinations, p.DefaultEventsDestinations = made.DefaultDatasetsDestinations, made.DefaultEventsDestinations
	}
	return nil
}

// subPoint is what the tokens of --event or --data describe.
type subPoint struct{ name, source, mode, sampling, queue string }

// parseSubPoint reads the tokens of an option. source is the key of where it
// comes from; other is the key that belongs to the other option.
func parseSubPoint(io *cli.IO, tokens []string, option, what, source, other string) (subPoint, error) {
	var p subPoint
	raw := strings.Join(tokens, " ")
	keys := map[string]*string{
		source: &p.source, "name": &p.name, "observability_mode": &p.mode, "sampling_interval": &p.sampling, "queue_size": &p.queue,
	}
	for _, kv := range cli.Pairs(tokens, option, func(w string) { io.Warnf("%s", w) }) {
		to, known := keys[kv.Key]
		switch {
		case known:
			*to = kv.Value
		case kv.Key == other:
			return p, fault.New(fault.Invalid, "%s %s does not support %s.", what, raw, other)
		default:
			return p, fault.New(fault.Invalid, "%s %s: there is no key %s", what, raw, kv.Key)
		}
	}
	if p.source == "" {
		return p, fault.New(fault.Invalid, "%s %s is missing the %s", what, raw, source)
	}
	if p.name == "" {
		p.name = p.source // a thing must be called something, to be removed again
	}
	return p, nil
}

// addEvents adds what --event and --event-file describe.
func (c *change) addEvents(io *cli.IO, a *model.ClassicAsset) error {
	for _, tokens := range c.event {
		p, err := parseSubPoint(io, tokens, "--event", "Event", "event_notifier", "data_source")
		if err != nil {
			return err
		}
		e := model.ClassicEvent{Name: p.name, EventNotifier: p.source}
		if e.ObservabilityMode, err = observability("Event "+e.EventNotifier, p.mode, eventModes()...); err != nil {
			return err
		}
		if e.EventConfiguration, err = itemConfiguration(p.sampling, p.queue); err != nil {
			return err
		}
		a.Properties.Events = append(a.Properties.Events, e)
	}
	if c.eventFile == "" {
		return nil
	}
	list, err := events().load(c.eventFile)
	a.Properties.Events = append(a.Properties.Events, list...)
	return err
}

// addPoints adds what --data and --data-file describe to the default dataset.
func (c *change) addPoints(io *cli.IO, a *model.ClassicAsset) error {
	var list []model.ClassicDataPoint
	for _, tokens := range c.data {
		p, err := parseSubPoint(io, tokens, "--data", "Data point", "data_source", "event_notifier")
		if err != nil {
			return err
		}
		x := model.ClassicDataPoint{Name: p.name, DataSource: p.source}
		if x.ObservabilityMode, err = observability("Data point "+x.DataSource, p.mode, pointModes()...); err != nil {
			return err
		}
		if x.DataPointConfiguration, err = itemConfiguration(p.sampling, p.queue); err != nil {
			return err
		}
		list = append(list, x)
	}
	if c.dataFile != "" {
		more, err := points().load(c.dataFile)
		if err != nil {
			return err
		}
		list = append(list, more...)
	}
	if list == nil {
		return nil
	}
	items, err := a.PointItems(model.DefaultDataset, true)
	if err == nil {
		*items.List = append(*items.List, list...)
	}
	return err
}
