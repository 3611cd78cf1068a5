package model

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// Items is a list of named things inside a resource: the datasets of an asset,
// the data points of a dataset. Names are compared with regard to case.
type Items[T any] struct {
	List *[]T
	What string // "dataset", for messages
	In   string // "asset oven"
	Name func(*T) string
}

func (s Items[T]) index(name string) int {
	return slices.IndexFunc(*s.List, func(t T) bool { return s.Name(&t) == name })
}

// Find returns the item called name, to be changed in place, or an error.
func (s Items[T]) Find(name string) (*T, error) {
	if i := s.index(name); i >= 0 {
		return &(*s.List)[i], nil
	}
	return nil, fault.New(fault.Invalid, "%s %s not found in %s", s.What, name, s.In)
}

// Add adds x. With replace, one of the same name gives way to it, in its place.
func (s Items[T]) Add(x T, replace bool) error {
	i := s.index(s.Name(&x))
	switch {
	case i < 0:
		*s.List = append(*s.List, x)
	case replace:
		(*s.List)[i] = x
	default:
		return exists(s.What, s.Name(&x), s.In)
	}
	return nil
}

// MoveToEnd makes the item called name the last one.
func (s Items[T]) MoveToEnd(name string) {
	if i := s.index(name); i >= 0 {
		x := (*s.List)[i]
		*s.List = append(slices.Delete(*s.List, i, i+1), x)
	}
}

// Remove removes the item called name, if it is there.
func (s Items[T]) Remove(name string) {
	*s.List = slices.DeleteFunc(*s.List, func(t T) bool { return s.Name(&t) == name })
}

// Merge adds what list holds: new items at the end, in order, of several with
// one name the last. Those that are there already are replaced in their place,
// or skipped and returned by name.
func (s Items[T]) Merge(list []T, replace bool) (skipped []string) {
	there := map[string]bool{}
	for i := range *s.List {
		there[s.Name(&(*s.List)[i])] = true
	}
	for i := range list {
		name := s.Name(&list[i])
		if there[name] && !replace {
			if !slices.Contains(skipped, name) {
				skipped = append(skipped, name)
			}
			continue
		}
		_ = s.Add(list[i], true) // with replace it never fails
	}
	return skipped
}

// exists says that what is to be added is there already.
func exists(what, name, in string) error {
	return fault.New(fault.Invalid, "%s %s already exists in %s. Please use --replace to overwrite it", what, name, in)
}

func (o *Asset) in() string { return "asset " + o.Name }

// DatasetItems returns the datasets.
func (o *Asset) DatasetItems() Items[Dataset] {
	return Items[Dataset]{&o.Properties.Datasets, "dataset", o.in(), func(d *Dataset) string { return d.Name }}
}

// PointItems returns the data points of a dataset, which must be there.
func (o *Asset) PointItems(dataset string) (Items[DataPoint], error) {
	d, err := o.DatasetItems().Find(dataset)
	if err != nil {
		return Items[DataPoint]{}, err
	}
	return Items[DataPoint]{&d.DataPoints, "datapoint", "dataset " + dataset + " of " + o.in(), func(p *DataPoint) string { return p.Name }}, nil
}

// EventGroupItems returns the event groups.
func (o *Asset) EventGroupItems() Items[EventGroup] {
	return Items[EventGroup]{&o.Properties.EventGroups, "event group", o.in(), func(g *EventGroup) string { return g.Name }}
}

// EventItems returns the events of a group, which must be there.
func (o *Asset) EventItems(group string) (Items[Event], error) {
	g, err := o.EventGroupItems().Find(group)
	if err != nil {
		return Items[Event]{}, err
	}
	return Items[Event]{&g.Events, "event", "event group " + group + " of " + o.in(), func(e *Event) string { return e.Name }}, nil
}

// StreamItems returns the streams.
func (o *Asset) StreamItems() Items[Stream] {
	return Items[Stream]{&o.Properties.Streams, "stream", o.in(), func(s *Stream) string { return s.Name }}
}

// ManagementGroupItems returns the management groups.
func (o *Asset) ManagementGroupItems() Items[ManagementGroup] {
	return Items[ManagementGroup]{&o.Properties.ManagementGroups, "management group", o.in(), func(g *ManagementGroup) string { return g.Name }}
}

// ActionItems returns the actions of a management group, which must be there.
func (o *Asset) ActionItems(group string) (Items[Action], error) {
	g, err := o.ManagementGroupItems().Find(group)
	if err != nil {
		return Items[Action]{}, err
	}
	return Items[Action]{&g.Actions, "action", "management group " + group + " of " + o.in(), func(a *Action) string { return a.Name }}, nil
}

// DefaultDataset is the name of the one dataset that a classic asset may have
// without it being created first.
const DefaultDataset = "default"

// DatasetItems returns the datasets. One without a name is called DefaultDataset.
func (o *ClassicAsset) DatasetItems() Items[ClassicDataset] {
	for i := range o.Properties.Datasets {
		if d := &o.Properties.Datasets[i]; d.Name == "" {
			d.Name = DefaultDataset
		}
	}
	return Items[ClassicDataset]{&o.Properties.Datasets, "dataset", "asset " + o.Name, func(d *ClassicDataset) string { return d.Name }}
}

// PointItems returns the data points of a dataset. With ensure, one called
// DefaultDataset is made where it is missing; another must be there.
func (o *ClassicAsset) PointItems(dataset string, ensure bool) (Items[ClassicDataPoint], error) {
	d, err := o.DatasetItems().Find(dataset)
	switch {
	case err != nil && !ensure:
		return Items[ClassicDataPoint]{}, err
	case err != nil && dataset != DefaultDataset:
		return Items[ClassicDataPoint]{}, fault.New(fault.Invalid, "dataset %s not found in asset %s: only one dataset, called %s, is supported",
			dataset, o.Name, DefaultDataset)
	case err != nil:
		o.Properties.Datasets = append(o.Properties.Datasets, ClassicDataset{Name: dataset, DataPoints: []ClassicDataPoint{}})
		d = &o.Properties.Datasets[len(o.Properties.Datasets)-1]
	}
	return Items[ClassicDataPoint]{&d.DataPoints, "data point", "dataset " + dataset + " of asset " + o.Name, func(p *ClassicDataPoint) string { return p.Name }}, nil
}

// EventItems returns the events.
func (o *ClassicAsset) EventItems() Items[ClassicEvent] {
	return Items[ClassicEvent]{&o.Properties.Events, "event", "asset " + o.Name, func(e *ClassicEvent) string { return e.Name }}
}

// AddEndpoint adds an inbound endpoint. With replace, one of the same name
// gives way.
func (o *Device) AddEndpoint(name string, e *Endpoint, replace bool) error {
	if _, ok := o.Properties.Endpoints.Inbound[name]; ok && !replace {
		return exists("inbound endpoint", name, "device "+o.Name)
	}
	if o.Properties.Endpoints.Inbound == nil {
		o.Properties.Endpoints.Inbound = map[string]*Endpoint{}
	}
	o.Properties.Endpoints.Inbound[name] = e
	return nil
}

// RemoveEndpoints removes inbound endpoints, those that are there.
func (o *Device) RemoveEndpoints(names []string) {
	for _, name := range names {
		delete(o.Properties.Endpoints.Inbound, name)
	}
}

// feature is what one component of an instance may do.
type feature struct {
	Mode     string            `json:"mode,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
}

// SetFeature sets one feature: "COMPONENT.mode=Stable|Preview|Disabled" or
// "COMPONENT.settings.NAME=Enabled|Disabled".
func (o *Instance) SetFeature(token string) error {
	path, val, ok := strings.Cut(token, "=")
	parts := strings.Split(path, ".")
	bad := fault.New(fault.Invalid, "feature %q is neither COMPONENT.mode=Stable|Preview|Disabled nor COMPONENT.settings.NAME=Enabled|Disabled", token)
	if !ok || slices.Contains(parts, "") {
		return bad
	}
	var f feature
	if old := o.Properties.Features[parts[0]]; old != nil {
		if err := json.Unmarshal(old, &f); err != nil {
			return fault.As(fault.Invalid, err, "feature %s", parts[0])
		}
	}
	switch {
	case len(parts) == 2 && parts[1] == "mode" && slices.Contains([]string{"Stable", "Preview", "Disabled"}, val):
		f.Mode = val
	case len(parts) == 3 && parts[1] == "settings" && slices.Contains([]string{"Enabled", "Disabled"}, val):
		if f.Settings == nil {
			f.Settings = map[string]string{}
		}
		f.Settings[parts[2]] = val
	default:
		return bad
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if o.Properties.Features == nil {
		o.Properties.Features = map[string]json.RawMessage{}
	}
	o.Properties.Features[parts[0]] = text
	return nil
}
