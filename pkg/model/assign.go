package model

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/topic"
)

// Scope says what one `serve` works for.
type Scope struct {
	Instance       Key    // the instance
	Namespace      string // parent of its devices and assets: "group/namespace"
	TopicNamespace string // <ns> of default topics
}

// SourceKey names the device or the endpoint profile that an asset hangs on.
func (s Scope) SourceKey(o Object) Key {
	switch a := o.(type) {
	case *Asset:
		return Key{KindDevice, a.Parent, a.Properties.DeviceRef.DeviceName}
	case *ClassicAsset:
		return Key{KindEndpointProfile, a.Parent, a.Properties.AssetEndpointProfileRef}
	default:
		return Key{}
	}
}

// Contains reports whether the scope's `serve` is responsible for a resource.
func (s Scope) Contains(k Key) bool {
	switch k.Kind { // the others are nobody's work
	case KindDevice, KindAsset:
		return strings.EqualFold(k.Parent, s.Namespace)
	case KindClassicAsset, KindEndpointProfile:
		return strings.EqualFold(k.Parent, s.Instance.Group())
	default:
		return false
	}
}

// Refused is an asset that no unit can be made of, and why.
type Refused struct {
	Key Key
	Err error
}

// AssignDevice returns the units of one device or endpoint profile: what each
// connector is told. source is nil where it does not exist. assets are those
// that refer to it, *Asset or *ClassicAsset; disabled ones are left out. What
// points nowhere is returned as refused.
func (s Scope) AssignDevice(source Object, assets []Object) ([]*Assignment, []Refused) {
	var refused []Refused
	if source == nil {
		for _, o := range assets {
			key := s.SourceKey(o)
			refused = append(refused, Refused{o.Key(), fault.WithCode(
				fault.New(fault.NotFound, "%s %s does not exist", sourceWord(key.Kind), key.Name), "DeviceNotFound")})
		}
		return nil, refused
	}
	device, endpoints, enabled := describe(source)
	units := map[UnitKey]*Assignment{}
	for _, o := range assets {
		a := namespaced(o)
		name := a.Properties.DeviceRef.EndpointName
		endpoint, ok := endpoints[name]
		if !ok {
			refused = append(refused, Refused{o.Key(), fault.WithCode(
				fault.New(fault.NotFound, "device %s has no inbound endpoint %q", source.Head().Name, name), "EndpointNotFound")})
			continue
		}
		if !enabled || !a.IsEnabled() {
			continue
		}
		unit := s.unit(source.Key(), name, a, shared(endpoint))
		if units[unit] == nil {
			units[unit] = &Assignment{
				Unit: unit, TopicNamespace: s.TopicNamespace, Device: device, EndpointName: name, Endpoint: *endpoint,
			}
		}
		u := units[unit]
		u.Assets = append(u.Assets, a)
		u.Revision = max(u.Revision, a.Revision, source.Head().Revision)
	}
	list := slices.Collect(maps.Values(units))
	for _, u := range list {
		slices.SortFunc(u.Assets, func(a, b *Asset) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(list, func(a, b *Assignment) int { return strings.Compare(a.Unit.String(), b.Unit.String()) })
	return list, refused
}

func sourceWord(k Kind) string {
	if k == KindEndpointProfile {
		return "endpoint profile"
	}
	return "device"
}

// unit names the unit that an asset belongs to.
func (s Scope) unit(source Key, endpoint string, a *Asset, shared bool) UnitKey {
	source = source.Fold()
	u := UnitKey{
		Instance: strings.ToLower(s.Instance.Parent + "/" + s.Instance.Name),
		Device:   string(source.Kind) + ":" + source.Parent + "/" + source.Name,
		Endpoint: endpoint,
	}
	if !shared {
		u.Asset = strings.ToLower(a.Parent + "/" + a.Name)
	}
	return u
}

// String returns the key in a form for logs: "device/endpoint/asset".
func (u UnitKey) String() string {
	parts := []string{u.Device[strings.LastIndexByte(u.Device, '/')+1:]}
	if u.Endpoint != "" {
		parts = append(parts, u.Endpoint)
	}
	if u.Asset != "" {
		parts = append(parts, u.Asset[strings.LastIndexByte(u.Asset, '/')+1:])
	}
	return strings.Join(parts, "/")
}

// shared reports whether all assets of an endpoint share one session.
func shared(e *Endpoint) bool {
	var c struct {
		Shared bool `json:"shared"`
	}
	return e.AdditionalConfiguration != "" && json.Unmarshal([]byte(e.AdditionalConfiguration), &c) == nil && c.Shared
}

// describe returns what an assignment needs of a device or an endpoint profile.
func describe(source Object) (AssignedDevice, map[string]*Endpoint, bool) {
	switch d := source.(type) {
	case *Device:
		return AssignedDevice{d.Key(), d.Properties.UUID, d.Properties.ExternalDeviceID, d.Generation},
			d.Properties.Endpoints.Inbound, d.IsEnabled()
	case *EndpointProfile:
		p := &d.Properties
		return AssignedDevice{d.Key(), p.UUID, p.UUID, d.Generation},
			map[string]*Endpoint{"": {
				EndpointType: p.EndpointProfileType, Address: p.TargetAddress,
				Authentication: p.Authentication, AdditionalConfiguration: p.AdditionalConfiguration,
			}}, true
	default:
		return AssignedDevice{}, nil, false
	}
}

// namespaced returns an asset of either kind in its namespaced form.
func namespaced(o Object) *Asset {
	if c, ok := o.(*ClassicAsset); ok {
		return c.Namespaced()
	}
	return o.(*Asset) //nolint:forcetypeassert // callers pass the two kinds of assets
}

// Namespaced returns a classic asset in the form of a namespaced one: what
// connectors are told, and what migrating makes of it. Events become one group;
// topics become Mqtt destinations; observability modes have no place.
func (o *ClassicAsset) Namespaced() *Asset {
	p := &o.Properties
	a := &Asset{Meta: o.Meta, Properties: AssetProperties{
		UUID: p.UUID, Enabled: p.Enabled, ExternalAssetID: p.ExternalAssetID, DisplayName: p.DisplayName, Description: p.Description,
		Manufacturer: p.Manufacturer, ManufacturerURI: p.ManufacturerURI, Model: p.Model, ProductCode: p.ProductCode,
		HardwareRevision: p.HardwareRevision, SoftwareRevision: p.SoftwareRevision, DocumentationURI: p.DocumentationURI,
		SerialNumber: p.SerialNumber, Attributes: p.Attributes, DiscoveredAssetRefs: p.DiscoveredAssetRefs,
		DeviceRef:                    DeviceRef{DeviceName: p.AssetEndpointProfileRef},
		DefaultDatasetsConfiguration: p.DefaultDatasetsConfiguration, DefaultEventsConfiguration: p.DefaultEventsConfiguration,
		DefaultDatasetsDestinations: p.DefaultTopic.destinations(), DefaultEventsDestinations: p.DefaultTopic.destinations(),
	}}
	for i := range p.Datasets {
		d := &p.Datasets[i]
		n := Dataset{
			Name: d.Name, DatasetConfiguration: d.DatasetConfiguration,
			Destinations: d.Topic.destinations(), DataPoints: []DataPoint{},
		}
		if n.Name == "" {
			n.Name = DefaultDataset
		}
		for _, x := range d.DataPoints {
			n.DataPoints = append(n.DataPoints, DataPoint{Name: x.Name, DataSource: x.DataSource, DataPointConfiguration: x.DataPointConfiguration})
		}
		a.Properties.Datasets = append(a.Properties.Datasets, n)
	}
	if len(p.Events) > 0 {
		g := EventGroup{Name: DefaultDataset, DefaultDestinations: []Destination{}}
		for _, e := range p.Events {
			g.Events = append(g.Events, Event{
				Name: e.Name, DataSource: e.EventNotifier, EventConfiguration: e.EventConfiguration, Destinations: e.Topic.destinations(),
			})
		}
		a.Properties.EventGroups = []EventGroup{g}
	}
	return a
}

func (t *ClassicTopic) destinations() []Destination {
	if t == nil || t.Path == "" {
		return []Destination{}
	}
	retain := t.Retain
	if retain == "" {
		retain = "Never"
	}
	return []Destination{{Target: TargetMqtt, Configuration: DestinationConfiguration{Topic: t.Path, Retain: retain, QoS: "Qos1"}}}
}

// Destination returns where the messages of a dataset go: its own destination,
// else the asset's, else the default topic.
func (a *Assignment) Destination(asset *Asset, d *Dataset) Destination {
	return a.destination("data", asset, d.Name, len(asset.Properties.Datasets) > 1, d.Destinations, asset.Properties.DefaultDatasetsDestinations)
}

// EventDestination is Destination for an event of a group.
func (a *Assignment) EventDestination(asset *Asset, g *EventGroup, e *Event) Destination {
	return a.destination("events", asset, g.Name, len(asset.Properties.EventGroups) > 1,
		e.Destinations, g.DefaultDestinations, asset.Properties.DefaultEventsDestinations)
}

// StreamDestination is Destination for a stream.
func (a *Assignment) StreamDestination(asset *Asset, s *Stream) Destination {
	return a.destination("data", asset, s.Name, true, s.Destinations, asset.Properties.DefaultStreamsDestinations)
}

func (a *Assignment) destination(word string, asset *Asset, item string, several bool, lists ...[]Destination) Destination {
	for _, list := range lists {
		if len(list) > 0 {
			return list[0]
		}
	}
	name := a.TopicNamespace + "/" + word + "/" + topic.Level(asset.Name)
	if several {
		name += "/" + topic.Level(item)
	}
	return Destination{Target: TargetMqtt, Configuration: DestinationConfiguration{Topic: name}}
}
