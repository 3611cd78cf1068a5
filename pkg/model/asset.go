package model

// Asset says what to collect from one inbound endpoint of a device, and what
// can be done there.
type Asset struct {
	Meta
	Properties AssetProperties `json:"properties"`
}

// AssetProperties are the properties of an Asset. All …Configuration members
// are JSON text, kept byte for byte.
type AssetProperties struct {
	UUID                string         `json:"uuid,omitempty"`
	Enabled             *bool          `json:"enabled,omitempty"` // nil = true
	ExternalAssetID     string         `json:"externalAssetId,omitempty"`
	DisplayName         string         `json:"displayName,omitempty"`
	Description         string         `json:"description,omitempty"`
	DeviceRef           DeviceRef      `json:"deviceRef"`
	AssetTypeRefs       []string       `json:"assetTypeRefs,omitempty"`
	Manufacturer        string         `json:"manufacturer,omitempty"`
	ManufacturerURI     string         `json:"manufacturerUri,omitempty"`
	Model               string         `json:"model,omitempty"`
	ProductCode         string         `json:"productCode,omitempty"`
	HardwareRevision    string         `json:"hardwareRevision,omitempty"`
	SoftwareRevision    string         `json:"softwareRevision,omitempty"`
	DocumentationURI    string         `json:"documentationUri,omitempty"`
	SerialNumber        string         `json:"serialNumber,omitempty"`
	Attributes          map[string]any `json:"attributes,omitempty"`
	DiscoveredAssetRefs []string       `json:"discoveredAssetRefs,omitempty"`

	DefaultDatasetsConfiguration         string        `json:"defaultDatasetsConfiguration,omitempty"`
	DefaultEventsConfiguration           string        `json:"defaultEventsConfiguration,omitempty"`
	DefaultStreamsConfiguration          string        `json:"defaultStreamsConfiguration,omitempty"`
	DefaultManagementGroupsConfiguration string        `json:"defaultManagementGroupsConfiguration,omitempty"`
	DefaultDatasetsDestinations          []Destination `json:"defaultDatasetsDestinations,omitempty"`
	DefaultEventsDestinations            []Destination `json:"defaultEventsDestinations,omitempty"`
	DefaultStreamsDestinations           []Destination `json:"defaultStreamsDestinations,omitempty"`

	Datasets         []Dataset         `json:"datasets,omitempty"`
	EventGroups      []EventGroup      `json:"eventGroups,omitempty"`
	Streams          []Stream          `json:"streams,omitempty"`
	ManagementGroups []ManagementGroup `json:"managementGroups,omitempty"`
}

// DeviceRef names the endpoint that an asset hangs on.
type DeviceRef struct {
	DeviceName   string `json:"deviceName"`
	EndpointName string `json:"endpointName"`
}

// The targets of a Destination.
const (
	TargetMqtt       = "Mqtt"
	TargetStateStore = "BrokerStateStore"
	TargetStorage    = "Storage"
)

// Destination says where messages go.
type Destination struct {
	Target        string                   `json:"target"`
	Configuration DestinationConfiguration `json:"configuration"`
}

// DestinationConfiguration holds the members of the target's own
// configuration: topic, retain, qos and ttl for Mqtt, key for
// BrokerStateStore, path for Storage.
type DestinationConfiguration struct {
	Key    string `json:"key,omitempty"`
	Path   string `json:"path,omitempty"`
	QoS    string `json:"qos,omitempty"`    // Qos0 or Qos1 (default)
	Retain string `json:"retain,omitempty"` // Keep or Never (default)
	Topic  string `json:"topic,omitempty"`
	TTL    *int64 `json:"ttl,omitempty"` // seconds from sending; nil = no expiry
}

// Dataset is a list of data points that are published together.
type Dataset struct {
	Name                 string        `json:"name"`
	DataSource           string        `json:"dataSource,omitempty"`
	TypeRef              string        `json:"typeRef,omitempty"`
	DatasetConfiguration string        `json:"datasetConfiguration,omitempty"`
	Destinations         []Destination `json:"destinations"`
	DataPoints           []DataPoint   `json:"dataPoints"`
}

// DataPoint is one value of a Dataset.
type DataPoint struct {
	Name                   string `json:"name"`
	DataSource             string `json:"dataSource"`
	TypeRef                string `json:"typeRef,omitempty"`
	DataPointConfiguration string `json:"dataPointConfiguration,omitempty"`
}

// EventGroup is a list of events of one notifier.
type EventGroup struct {
	Name                    string        `json:"name"`
	DataSource              string        `json:"dataSource,omitempty"`
	TypeRef                 string        `json:"typeRef,omitempty"`
	EventGroupConfiguration string        `json:"eventGroupConfiguration,omitempty"`
	DefaultDestinations     []Destination `json:"defaultDestinations"`
	Events                  []Event       `json:"events"`
}

// Event is one event of an EventGroup.
type Event struct {
	Name               string        `json:"name"`
	DataSource         string        `json:"dataSource,omitempty"`
	TypeRef            string        `json:"typeRef,omitempty"`
	EventConfiguration string        `json:"eventConfiguration,omitempty"`
	Destinations       []Destination `json:"destinations,omitempty"`
}

// Stream is one media stream task.
type Stream struct {
	Name                string        `json:"name"`
	TypeRef             string        `json:"typeRef,omitempty"`
	StreamConfiguration string        `json:"streamConfiguration,omitempty"`
	Destinations        []Destination `json:"destinations"`
}

// ManagementGroup is a list of actions on one object.
type ManagementGroup struct {
	Name                         string   `json:"name"`
	DataSource                   string   `json:"dataSource,omitempty"`
	TypeRef                      string   `json:"typeRef,omitempty"`
	ManagementGroupConfiguration string   `json:"managementGroupConfiguration,omitempty"`
	DefaultTopic                 string   `json:"defaultTopic,omitempty"`
	DefaultTimeoutInSeconds      *int64   `json:"defaultTimeoutInSeconds,omitempty"` // nil = 100
	Actions                      []Action `json:"actions"`
}

// Action is one operation of a ManagementGroup.
type Action struct {
	Name                string `json:"name"`
	TargetURI           string `json:"targetUri"`
	ActionType          string `json:"actionType,omitempty"` // Call (default), Read or Write
	Topic               string `json:"topic,omitempty"`
	TimeoutInSeconds    *int64 `json:"timeoutInSeconds,omitempty"`
	TypeRef             string `json:"typeRef,omitempty"`
	ActionConfiguration string `json:"actionConfiguration,omitempty"`
}

// IsEnabled reports whether the asset's data is wanted.
func (o *Asset) IsEnabled() bool { return o.Properties.Enabled == nil || *o.Properties.Enabled }

// Kind implements Object.
func (*Asset) Kind() Kind { return KindAsset }

// Key implements Object.
func (o *Asset) Key() Key { return Key{KindAsset, o.Parent, o.Name} }

// Head implements Object.
func (o *Asset) Head() *Meta { return &o.Meta }
