package model

// ClassicAsset is an asset of the 2024-11-01 API: it hangs on an
// EndpointProfile instead of a device.
type ClassicAsset struct {
	Meta
	Properties ClassicAssetProperties `json:"properties"`
}

// ClassicAssetProperties are the properties of a ClassicAsset.
type ClassicAssetProperties struct {
	UUID                    string         `json:"uuid,omitempty"`
	Enabled                 *bool          `json:"enabled,omitempty"` // nil = true
	ExternalAssetID         string         `json:"externalAssetId,omitempty"`
	DisplayName             string         `json:"displayName,omitempty"`
	Description             string         `json:"description,omitempty"`
	AssetEndpointProfileRef string         `json:"assetEndpointProfileRef"`
	Manufacturer            string         `json:"manufacturer,omitempty"`
	ManufacturerURI         string         `json:"manufacturerUri,omitempty"`
	Model                   string         `json:"model,omitempty"`
	ProductCode             string         `json:"productCode,omitempty"`
	HardwareRevision        string         `json:"hardwareRevision,omitempty"`
	SoftwareRevision        string         `json:"softwareRevision,omitempty"`
	DocumentationURI        string         `json:"documentationUri,omitempty"`
	SerialNumber            string         `json:"serialNumber,omitempty"`
	Attributes              map[string]any `json:"attributes,omitempty"`
	DiscoveredAssetRefs     []string       `json:"discoveredAssetRefs,omitempty"`

	DefaultDatasetsConfiguration string        `json:"defaultDatasetsConfiguration,omitempty"`
	DefaultEventsConfiguration   string        `json:"defaultEventsConfiguration,omitempty"`
	DefaultTopic                 *ClassicTopic `json:"defaultTopic,omitempty"`

	Datasets []ClassicDataset `json:"datasets,omitempty"`
	Events   []ClassicEvent   `json:"events,omitempty"`
}

// ClassicTopic is where the messages of a classic asset go.
type ClassicTopic struct {
	Path   string `json:"path"`
	Retain string `json:"retain,omitempty"` // Keep or Never (default)
}

// ClassicDataset is a list of data points; one with an empty name is "default".
type ClassicDataset struct {
	Name                 string             `json:"name"`
	DatasetConfiguration string             `json:"datasetConfiguration,omitempty"`
	Topic                *ClassicTopic      `json:"topic,omitempty"`
	DataPoints           []ClassicDataPoint `json:"dataPoints"`
}

// ClassicDataPoint is one value of a ClassicDataset.
type ClassicDataPoint struct {
	Name                   string `json:"name"`
	DataSource             string `json:"dataSource"`
	DataPointConfiguration string `json:"dataPointConfiguration,omitempty"`
	ObservabilityMode      string `json:"observabilityMode,omitempty"`
}

// ClassicEvent is one event of a classic asset.
type ClassicEvent struct {
	Name               string        `json:"name"`
	EventNotifier      string        `json:"eventNotifier"`
	EventConfiguration string        `json:"eventConfiguration,omitempty"`
	ObservabilityMode  string        `json:"observabilityMode,omitempty"`
	Topic              *ClassicTopic `json:"topic,omitempty"`
}

// EndpointProfile is the connection information of classic assets.
type EndpointProfile struct {
	Meta
	Properties EndpointProfileProperties `json:"properties"`
}

// EndpointProfileProperties are the properties of an EndpointProfile.
type EndpointProfileProperties struct {
	UUID                              string          `json:"uuid,omitempty"`
	TargetAddress                     string          `json:"targetAddress"`
	EndpointProfileType               string          `json:"endpointProfileType"`
	Authentication                    *Authentication `json:"authentication,omitempty"`
	AdditionalConfiguration           string          `json:"additionalConfiguration,omitempty"` // JSON text, kept byte for byte
	DiscoveredAssetEndpointProfileRef string          `json:"discoveredAssetEndpointProfileRef,omitempty"`
}

// IsEnabled reports whether the asset's data is wanted.
func (o *ClassicAsset) IsEnabled() bool { return o.Properties.Enabled == nil || *o.Properties.Enabled }

// Kind implements Object.
func (*ClassicAsset) Kind() Kind { return KindClassicAsset }

// Key implements Object.
func (o *ClassicAsset) Key() Key { return Key{KindClassicAsset, o.Parent, o.Name} }

// Head implements Object.
func (o *ClassicAsset) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*EndpointProfile) Kind() Kind { return KindEndpointProfile }

// Key implements Object.
func (o *EndpointProfile) Key() Key { return Key{KindEndpointProfile, o.Parent, o.Name} }

// Head implements Object.
func (o *EndpointProfile) Head() *Meta { return &o.Meta }
