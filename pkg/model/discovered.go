package model

import "slices"

// DiscoveredDevice is a device that a connector has seen and nobody has
// approved yet.
type DiscoveredDevice struct {
	Meta
	Properties DiscoveredDeviceProperties `json:"properties"`
}

// DiscoveredDeviceProperties are the properties of a DiscoveredDevice.
type DiscoveredDeviceProperties struct {
	DiscoveryID            string                    `json:"discoveryId"`
	Version                int64                     `json:"version"`
	ExternalDeviceID       string                    `json:"externalDeviceId,omitempty"`
	Manufacturer           string                    `json:"manufacturer,omitempty"`
	Model                  string                    `json:"model,omitempty"`
	OperatingSystem        string                    `json:"operatingSystem,omitempty"`
	OperatingSystemVersion string                    `json:"operatingSystemVersion,omitempty"`
	Attributes             map[string]any            `json:"attributes,omitempty"`
	Endpoints              DiscoveredDeviceEndpoints `json:"endpoints,omitzero"`
}

// DiscoveredDeviceEndpoints are the endpoints that were seen, by name.
type DiscoveredDeviceEndpoints struct {
	Inbound  map[string]*DiscoveredEndpoint `json:"inbound,omitempty"`
	Outbound *OutboundEndpoints             `json:"outbound,omitempty"`
}

// DiscoveredEndpoint is one inbound endpoint that was seen.
type DiscoveredEndpoint struct {
	EndpointType                   string   `json:"endpointType"`
	Address                        string   `json:"address"`
	Version                        string   `json:"version,omitempty"`
	SupportedAuthenticationMethods []string `json:"supportedAuthenticationMethods,omitempty"`
	AdditionalConfiguration        string   `json:"additionalConfiguration,omitempty"`
	LastUpdatedOn                  string   `json:"lastUpdatedOn,omitempty"`
}

// DiscoveredAsset is an asset that a connector has seen and nobody has approved yet.
type DiscoveredAsset struct {
	Meta
	Properties DiscoveredAssetProperties `json:"properties"`
}

// DiscoveredAssetProperties are the properties of a DiscoveredAsset: those of
// an asset, without what only an approved one has.
type DiscoveredAssetProperties struct {
	DiscoveryID string `json:"discoveryId"`
	Version     int64  `json:"version"`
	AssetProperties
}

// Validate implements Object.
func (o *DiscoveredDevice) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.required("discoveryId", o.Properties.DiscoveryID)
	p.version(o.Properties.Version)
	for name, e := range o.Properties.Endpoints.Inbound {
		path := "endpoints.inbound." + name
		if e == nil {
			p.add(path, "is empty")
			continue
		}
		p.required(path+".endpointType", e.EndpointType)
		p.required(path+".address", e.Address)
		p.configuration(path+".additionalConfiguration", e.AdditionalConfiguration)
	}
	return p.err()
}

// Validate implements Object.
func (o *DiscoveredAsset) Validate() error {
	p := &problems{}
	p.required("discoveryId", o.Properties.DiscoveryID)
	p.version(o.Properties.Version)
	a := &Asset{Meta: o.Meta, Properties: o.Properties.AssetProperties}
	if err := a.Validate(); err != nil {
		p.list = append(p.list, err)
	}
	return p.err()
}

func (p *problems) version(n int64) {
	if n < 0 {
		p.add("version", "%d is negative", n)
	}
}

// Approved returns the device that a discovered one becomes. Endpoints are
// logged in to anonymously until somebody says otherwise.
func (o *DiscoveredDevice) Approved(name string) *Device {
	p := &o.Properties
	d := &Device{Meta: Meta{Name: name, Parent: o.Parent, Location: o.Location, Tags: o.Tags}}
	d.Properties = DeviceProperties{
		ExternalDeviceID: p.ExternalDeviceID, DiscoveredDeviceRef: o.Name, Manufacturer: p.Manufacturer, Model: p.Model,
		OperatingSystem: p.OperatingSystem, OperatingSystemVersion: p.OperatingSystemVersion, Attributes: p.Attributes,
	}
	d.Properties.Endpoints = DeviceEndpoints{Inbound: map[string]*Endpoint{}, Outbound: p.Endpoints.Outbound}
	for name, e := range p.Endpoints.Inbound {
		d.Properties.Endpoints.Inbound[name] = &Endpoint{
			EndpointType: e.EndpointType, Address: e.Address, Version: e.Version, AdditionalConfiguration: e.AdditionalConfiguration,
			Authentication: &Authentication{Method: AuthAnonymous},
		}
	}
	return d
}

// Approved returns the asset that a discovered one becomes. It shares nothing
// with o.
func (o *DiscoveredAsset) Approved(name string) *Asset {
	a := &Asset{Meta: Meta{Name: name, Parent: o.Parent, Location: o.Location, Tags: o.Tags}, Properties: o.Properties.AssetProperties}
	p := &a.Properties
	p.UUID, p.Enabled = "", nil
	p.DiscoveredAssetRefs = []string{o.Name}
	p.Datasets, p.EventGroups = slices.Clone(p.Datasets), slices.Clone(p.EventGroups)
	p.Streams, p.ManagementGroups = slices.Clone(p.Streams), slices.Clone(p.ManagementGroups)
	return a
}

// Kind implements Object.
func (*DiscoveredDevice) Kind() Kind { return KindDiscoveredDevice }

// Key implements Object.
func (o *DiscoveredDevice) Key() Key { return Key{KindDiscoveredDevice, o.Parent, o.Name} }

// Head implements Object.
func (o *DiscoveredDevice) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*DiscoveredAsset) Kind() Kind { return KindDiscoveredAsset }

// Key implements Object.
func (o *DiscoveredAsset) Key() Key { return Key{KindDiscoveredAsset, o.Parent, o.Name} }

// Head implements Object.
func (o *DiscoveredAsset) Head() *Meta { return &o.Meta }
