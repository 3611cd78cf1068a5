package model

import (
	"slices"

	"github.com/iotops/iotops/pkg/fault"
)

// DefaultDataset is the name of the one dataset that a classic asset may have
// without it being created first.
const DefaultDataset = "default"

// find returns the index of the item called name, else -1.
func find[T any](list []T, name string, of func(*T) string) int {
	return slices.IndexFunc(list, func(t T) bool { return of(&t) == name })
}

// exists says that what is to be added is there already.
func exists(what, name, in string) error {
	return fault.New(fault.Invalid, "%s %s already exists in %s. Please use --replace to overwrite it", what, name, in)
}

// missing says that an item inside a resource is not there.
func missing(what, name, in string) error {
	return fault.New(fault.Invalid, "%s %s not found in %s", what, name, in)
}

// Dataset returns the dataset called name, or an error.
func (o *Asset) Dataset(name string) (*Dataset, error) {
	if i := find(o.Properties.Datasets, name, func(d *Dataset) string { return d.Name }); i >= 0 {
		return &o.Properties.Datasets[i], nil
	}
	return nil, missing("dataset", name, "asset "+o.Name)
}

// AddDataset adds d. With replace, one of the same name gives way, its data
// points with it.
func (o *Asset) AddDataset(d Dataset, replace bool) error {
	if _, err := o.Dataset(d.Name); err == nil {
		if !replace {
			return exists("dataset", d.Name, "asset "+o.Name)
		}
		o.RemoveDataset(d.Name)
	}
	if d.Destinations == nil {
		d.Destinations = []Destination{}
	}
	if d.DataPoints == nil {
		d.DataPoints = []DataPoint{}
	}
	o.Properties.Datasets = append(o.Properties.Datasets, d)
	return nil
}

// RemoveDataset removes a dataset, if it is there.
func (o *Asset) RemoveDataset(name string) {
	o.Properties.Datasets = slices.DeleteFunc(o.Properties.Datasets, func(d Dataset) bool { return d.Name == name })
}

// AddDataPoint adds x to a dataset. With replace, one of the same name is
// replaced in its place.
func (o *Asset) AddDataPoint(dataset string, x DataPoint, replace bool) error {
	d, err := o.Dataset(dataset)
	if err != nil {
		return err
	}
	if i := find(d.DataPoints, x.Name, func(p *DataPoint) string { return p.Name }); i >= 0 {
		if !replace {
			return exists("datapoint", x.Name, "dataset "+dataset+" of asset "+o.Name)
		}
		d.DataPoints[i] = x
		return nil
	}
	d.DataPoints = append(d.DataPoints, x)
	return nil
}

// RemoveDataPoint removes a data point, if it is there. The dataset must be.
func (o *Asset) RemoveDataPoint(dataset, name string) error {
	d, err := o.Dataset(dataset)
	if err != nil {
		return err
	}
	d.DataPoints = slices.DeleteFunc(d.DataPoints, func(p DataPoint) bool { return p.Name == name })
	return nil
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

// Dataset returns the dataset called name, or an error. One without a name is
// called DefaultDataset.
func (o *ClassicAsset) Dataset(name string) (*ClassicDataset, error) {
	i := find(o.Properties.Datasets, name, func(d *ClassicDataset) string {
		if d.Name == "" {
			return DefaultDataset
		}
		return d.Name
	})
	if i < 0 {
		return nil, missing("dataset", name, "asset "+o.Name)
	}
	o.Properties.Datasets[i].Name = name
	return &o.Properties.Datasets[i], nil
}

// EnsureDataset is Dataset, but makes the one called DefaultDataset where it is missing.
func (o *ClassicAsset) EnsureDataset(name string) (*ClassicDataset, error) {
	d, err := o.Dataset(name)
	if err == nil {
		return d, nil
	}
	if name != DefaultDataset {
		return nil, fault.New(fault.Invalid, "dataset %s not found in asset %s: only one dataset, called %s, is supported",
			name, o.Name, DefaultDataset)
	}
	o.Properties.Datasets = append(o.Properties.Datasets, ClassicDataset{Name: name, DataPoints: []ClassicDataPoint{}})
	return &o.Properties.Datasets[len(o.Properties.Datasets)-1], nil
}

// AddDataPoint adds x to a dataset. With replace, one of the same name is
// replaced in its place.
func (o *ClassicAsset) AddDataPoint(dataset string, x ClassicDataPoint, replace bool) error {
	d, err := o.EnsureDataset(dataset)
	if err != nil {
		return err
	}
	if i := find(d.DataPoints, x.Name, func(p *ClassicDataPoint) string { return p.Name }); i >= 0 {
		if !replace {
			return exists("data point", x.Name, "dataset "+dataset+" of asset "+o.Name)
		}
		d.DataPoints[i] = x
		return nil
	}
	d.DataPoints = append(d.DataPoints, x)
	return nil
}

// RemoveDataPoint removes a data point, if it is there. The dataset must be.
func (o *ClassicAsset) RemoveDataPoint(dataset, name string) error {
	d, err := o.Dataset(dataset)
	if err != nil {
		return err
	}
	d.DataPoints = slices.DeleteFunc(d.DataPoints, func(p ClassicDataPoint) bool { return p.Name == name })
	return nil
}
