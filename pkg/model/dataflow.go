package model

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// DefaultDataflow is the name of the dataflow profile and of the dataflow
// endpoint that an instance has from the start.
const DefaultDataflow = "default"

// LocalBroker is what the host of an instance's own broker contains. One side
// of each dataflow must be there.
const LocalBroker = "aio-broker"

// The types of dataflow endpoints.
const (
	FlowDataExplorer    = "DataExplorer"
	FlowDataLakeStorage = "DataLakeStorage"
	FlowFabricOneLake   = "FabricOneLake"
	FlowKafka           = "Kafka"
	FlowLocalStorage    = "LocalStorage"
	FlowMqtt            = "Mqtt"
	FlowOpenTelemetry   = "OpenTelemetry"
)

// The authentication methods of dataflow endpoints.
const (
	FlowAuthAccessToken         = "AccessToken"
	FlowAuthAnonymous           = "Anonymous"
	FlowAuthSasl                = "Sasl"
	FlowAuthServiceAccountToken = "ServiceAccountToken"
	FlowAuthSystemAssigned      = "SystemAssignedManagedIdentity"
	FlowAuthUserAssigned        = "UserAssignedManagedIdentity"
	FlowAuthX509                = "X509Certificate"
)

// DataflowProfile is a group of dataflows that run alike.
type DataflowProfile struct {
	Meta
	Properties DataflowProfileProperties `json:"properties"`
}

// DataflowProfileProperties are the properties of a DataflowProfile.
type DataflowProfileProperties struct {
	InstanceCount int64                `json:"instanceCount"`
	Diagnostics   *DataflowDiagnostics `json:"diagnostics,omitempty"`
}

// DataflowDiagnostics say what a profile's dataflows tell of themselves.
type DataflowDiagnostics struct {
	Logs DataflowLogs `json:"logs"`
}

// DataflowLogs are the settings of a profile's logs.
type DataflowLogs struct {
	Level string `json:"level"` // a level, or module=level pairs with commas between
}

// Dataflow moves messages from a source to a destination, and may change them
// on the way. Its document is kept as it was given; Flow reads it.
type Dataflow struct {
	Meta
	Properties json.RawMessage `json:"properties"`
}

// DataflowProperties are the properties of a Dataflow.
type DataflowProperties struct {
	Mode                   string              `json:"mode"`                   // Enabled (also if "") or Disabled
	RequestDiskPersistence string              `json:"requestDiskPersistence"` // Enabled or Disabled (also if "")
	Operations             []DataflowOperation `json:"operations"`
}

// DataflowOperation is one step of a dataflow. It has the settings of its type.
type DataflowOperation struct {
	OperationType  string                  `json:"operationType"` // Source, BuiltInTransformation or Destination
	Name           string                  `json:"name"`
	Source         *DataflowSource         `json:"sourceSettings"`
	Transformation *DataflowTransformation `json:"builtInTransformationSettings"`
	Destination    *DataflowDestination    `json:"destinationSettings"`
}

// The types of a DataflowOperation.
const (
	OperationSource         = "Source"
	OperationTransformation = "BuiltInTransformation"
	OperationDestination    = "Destination"
)

// DataflowSource says where messages come from.
type DataflowSource struct {
	EndpointRef         string   `json:"endpointRef"`
	AssetRef            string   `json:"assetRef"`
	SerializationFormat string   `json:"serializationFormat"`
	SchemaRef           string   `json:"schemaRef"`
	DataSources         []string `json:"dataSources"`
}

// DataflowTransformation says what happens to messages on their way.
type DataflowTransformation struct {
	SerializationFormat string            `json:"serializationFormat"`
	SchemaRef           string            `json:"schemaRef"`
	Datasets            []DataflowDataset `json:"datasets"`
	Filter              []DataflowRule    `json:"filter"`
	Map                 []DataflowRule    `json:"map"`
}

// DataflowDataset is reference data that messages are enriched with.
type DataflowDataset struct {
	Key         string   `json:"key"`
	Description string   `json:"description"`
	SchemaRef   string   `json:"schemaRef"`
	Inputs      []string `json:"inputs"`
	Expression  string   `json:"expression"`
}

// DataflowRule is one rule of a filter, which has no output, or of a map.
type DataflowRule struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Inputs      []string `json:"inputs"`
	Expression  string   `json:"expression"`
	Output      string   `json:"output"`
}

// DataflowDestination says where messages go.
type DataflowDestination struct {
	EndpointRef     string           `json:"endpointRef"`
	DataDestination string           `json:"dataDestination"`
	Headers         []DataflowHeader `json:"headers"`
}

// DataflowHeader is a change of a message's headers.
type DataflowHeader struct {
	ActionType string `json:"actionType"` // AddIfNotPresent, AddOrReplace or Remove
	Key        string `json:"key"`
	Value      string `json:"value"`
}

// DataflowEndpoint is what dataflows read from and write to. Its document is kept
// as it was given; Settings reads it.
type DataflowEndpoint struct {
	Meta
	Properties json.RawMessage `json:"properties"`
}

// DataflowSettings are the settings of a dataflow endpoint: those that its type
// has, of those that there are.
type DataflowSettings struct {
	Type string `json:"-"` // one of the types of dataflow endpoints

	Host                     string                  `json:"host"`
	Authentication           *DataflowAuthentication `json:"authentication"`
	TLS                      *DataflowTLS            `json:"tls"`
	Batching                 *DataflowBatching       `json:"batching"`
	Database                 string                  `json:"database"`
	Names                    *DataflowLakeNames      `json:"names"`
	OneLakePathType          string                  `json:"oneLakePathType"`
	PersistentVolumeClaimRef string                  `json:"persistentVolumeClaimRef"`
	CloudEventAttributes     string                  `json:"cloudEventAttributes"`

	ConsumerGroupID    string `json:"consumerGroupId"`
	CopyMqttProperties string `json:"copyMqttProperties"`
	Compression        string `json:"compression"`
	KafkaAcks          string `json:"kafkaAcks"`
	PartitionStrategy  string `json:"partitionStrategy"`

	ClientIDPrefix       string `json:"clientIdPrefix"`
	Protocol             string `json:"protocol"`
	Retain               string `json:"retain"`
	KeepAliveSeconds     *int64 `json:"keepAliveSeconds"`
	MaxInflightMessages  *int64 `json:"maxInflightMessages"`
	QoS                  *int64 `json:"qos"`
	SessionExpirySeconds *int64 `json:"sessionExpirySeconds"`
}

// DataflowLakeNames name a workspace and a lakehouse.
type DataflowLakeNames struct {
	WorkspaceName string `json:"workspaceName"`
	LakehouseName string `json:"lakehouseName"`
}

// DataflowTLS says how a connection is secured.
type DataflowTLS struct {
	Mode                             string `json:"mode,omitempty"`
	TrustedCaCertificateConfigMapRef string `json:"trustedCaCertificateConfigMapRef,omitempty"`
}

// DataflowBatching says how many messages are sent at once.
type DataflowBatching struct {
	Mode           string `json:"mode"`
	LatencySeconds *int64 `json:"latencySeconds"`
	LatencyMs      *int64 `json:"latencyMs"`
	MaxMessages    *int64 `json:"maxMessages"`
	MaxBytes       *int64 `json:"maxBytes"`
}

// DataflowAuthentication says how dataflows log in. It has the settings of its
// method.
type DataflowAuthentication struct {
	Method              string             `json:"method"`
	AccessToken         *DataflowAuthParts `json:"accessTokenSettings,omitempty"`
	Sasl                *DataflowAuthParts `json:"saslSettings,omitempty"`
	ServiceAccountToken *DataflowAuthParts `json:"serviceAccountTokenSettings,omitempty"`
	SystemAssigned      *DataflowAuthParts `json:"systemAssignedManagedIdentitySettings,omitempty"`
	UserAssigned        *DataflowAuthParts `json:"userAssignedManagedIdentitySettings,omitempty"`
	X509                *DataflowAuthParts `json:"x509CertificateSettings,omitempty"`
}

// DataflowAuthParts are the settings of an authentication method: each method has
// some of them.
type DataflowAuthParts struct {
	Audience  string `json:"audience,omitempty"`
	ClientID  string `json:"clientId,omitempty"`
	TenantID  string `json:"tenantId,omitempty"`
	Scope     string `json:"scope,omitempty"`
	SaslType  string `json:"saslType,omitempty"`
	SecretRef string `json:"secretRef,omitempty"`
}

// Parts returns the place of the method's settings, else nil.
func (a *DataflowAuthentication) Parts() **DataflowAuthParts {
	switch a.Method {
	case FlowAuthAccessToken:
		return &a.AccessToken
	case FlowAuthSasl:
		return &a.Sasl
	case FlowAuthServiceAccountToken:
		return &a.ServiceAccountToken
	case FlowAuthSystemAssigned:
		return &a.SystemAssigned
	case FlowAuthUserAssigned:
		return &a.UserAssigned
	case FlowAuthX509:
		return &a.X509
	default:
		return nil
	}
}

// SettingsMember returns the name of the member that holds the settings of a type
// of dataflow endpoint, else "".
func SettingsMember(endpointType string) string {
	switch endpointType {
	case FlowDataExplorer:
		return "dataExplorerSettings"
	case FlowDataLakeStorage:
		return "dataLakeStorageSettings"
	case FlowFabricOneLake:
		return "fabricOneLakeSettings"
	case FlowKafka:
		return "kafkaSettings"
	case FlowLocalStorage:
		return "localStorageSettings"
	case FlowMqtt:
		return "mqttSettings"
	case FlowOpenTelemetry:
		return "openTelemetrySettings"
	default:
		return ""
	}
}

// Settings returns what the endpoint's document says.
func (o *DataflowEndpoint) Settings() (*DataflowSettings, error) {
	members := map[string]json.RawMessage{}
	if err := decodeProperties(o.Properties, &members); err != nil {
		return nil, err
	}
	s := &DataflowSettings{}
	if text, ok := members["endpointType"]; ok {
		if err := decodeProperties(text, &s.Type); err != nil {
			return nil, fault.Wrap(err, "endpointType")
		}
	}
	member := SettingsMember(s.Type)
	if member == "" {
		return nil, fault.New(fault.Invalid, "endpointType: %q is none of %s, %s, %s, %s, %s, %s and %s", s.Type, FlowDataExplorer,
			FlowDataLakeStorage, FlowFabricOneLake, FlowKafka, FlowLocalStorage, FlowMqtt, FlowOpenTelemetry)
	}
	text, ok := members[member]
	if !ok || bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
		return nil, fault.New(fault.Invalid, "%s: is missing", member)
	}
	return s, fault.Wrap(decodeProperties(text, s), "%s", member)
}

// Flow returns what the dataflow's document says.
func (o *Dataflow) Flow() (*DataflowProperties, error) {
	p := &DataflowProperties{}
	return p, decodeProperties(o.Properties, p)
}

// decodeProperties reads a part of a document.
func decodeProperties(text []byte, into any) error {
	if len(text) == 0 {
		return fault.New(fault.Invalid, "properties are missing")
	}
	return fault.As(fault.Invalid, json.Unmarshal(text, into), "properties")
}

// Operation returns the settings' holder of a type, else nil.
func (p *DataflowProperties) Operation(operationType string) *DataflowOperation {
	i := slices.IndexFunc(p.Operations, func(o DataflowOperation) bool { return strings.EqualFold(o.OperationType, operationType) })
	if i < 0 {
		return nil
	}
	return &p.Operations[i]
}

// Refs returns the names of the endpoints that the dataflow uses.
func (p *DataflowProperties) Refs() []string {
	var refs []string
	for _, o := range p.Operations {
		if o.Source != nil {
			refs = append(refs, o.Source.EndpointRef)
		}
		if o.Destination != nil {
			refs = append(refs, o.Destination.EndpointRef)
		}
	}
	return refs
}

// Check holds a valid dataflow against the endpoints that it uses, which endpoint
// finds by name.
func (o *Dataflow) Check(endpoint func(name string) (*DataflowEndpoint, error)) error {
	p, err := o.Flow()
	if err != nil {
		return err
	}
	side := func(name string) (*DataflowSettings, error) {
		e, err := endpoint(name)
		if err != nil {
			return nil, err
		}
		s, err := e.Settings()
		return s, fault.Wrap(err, "dataflow endpoint %s", name)
	}
	in, out := p.Operation(OperationSource).Source.EndpointRef, p.Operation(OperationDestination).Destination.EndpointRef
	source, err := side(in)
	if err != nil {
		return err
	}
	destination, err := side(out)
	if err != nil {
		return err
	}
	switch {
	case source.Type != FlowKafka && source.Type != FlowMqtt:
		return fault.New(fault.Invalid, "source endpoint %s is of type %s; a source must be of type %s or %s", in, source.Type, FlowKafka, FlowMqtt)
	case source.Type == FlowKafka && source.ConsumerGroupID == "":
		return fault.WithHint(fault.New(fault.Invalid, "source endpoint %s is of type %s and has no consumer group id", in, FlowKafka),
			"Give it one: iotops dataflow endpoint update custom-kafka -n %s --group-id GROUP", in)
	case needsSchema(destination.Type) && !p.hasSchema():
		return fault.New(fault.Invalid, "destination endpoint %s is of type %s, which needs a schemaRef in builtInTransformationSettings", out, destination.Type)
	case !source.local() && !destination.local():
		return fault.WithHint(fault.New(fault.Invalid, "neither %s nor %s is the local MQTT broker: one side must be of type %s with a host that contains %q",
			in, out, FlowMqtt, LocalBroker), "The endpoint %q is the local broker.", DefaultDataflow)
	}
	return nil
}

// needsSchema reports whether what is written to an endpoint type has columns.
func needsSchema(endpointType string) bool {
	return slices.Contains([]string{FlowDataExplorer, FlowDataLakeStorage, FlowFabricOneLake, FlowLocalStorage}, endpointType)
}

func (p *DataflowProperties) hasSchema() bool {
	o := p.Operation(OperationTransformation)
	return o != nil && o.Transformation.SchemaRef != ""
}

// local reports whether an endpoint is the instance's own broker.
func (s *DataflowSettings) local() bool {
	return s.Type == FlowMqtt && strings.Contains(strings.ToLower(s.Host), LocalBroker)
}

// Defaults returns what an instance has from the start: a dataflow profile and
// the endpoint of its own broker.
func (o *Instance) Defaults() []Object {
	meta := Meta{Name: DefaultDataflow, Parent: o.Parent + "/" + o.Name, ExtendedLocation: o.ExtendedLocation}
	profile := &DataflowProfile{Meta: meta}
	profile.Properties = DataflowProfileProperties{InstanceCount: 1, Diagnostics: &DataflowDiagnostics{DataflowLogs{"info"}}}
	return []Object{profile, &DataflowEndpoint{Meta: meta, Properties: json.RawMessage(`{"endpointType":"Mqtt","mqttSettings":{` +
		`"host":"` + LocalBroker + `:18883",` +
		`"authentication":{"method":"ServiceAccountToken","serviceAccountTokenSettings":{"audience":"aio-internal"}},` +
		`"tls":{"mode":"Enabled","trustedCaCertificateConfigMapRef":"azure-iot-operations-aio-ca-trust-bundle"},` +
		`"cloudEventAttributes":"Propagate","keepAliveSeconds":60,"maxInflightMessages":100,"protocol":"Mqtt","qos":1,` +
		`"retain":"Keep","sessionExpirySeconds":3600}}`)}}
}

// Inside returns the kinds of resources that live in one of kind k and go with it.
func Inside(k Kind) []Kind {
	switch k {
	case KindInstance:
		return []Kind{KindDataflowProfile, KindDataflowEndpoint}
	case KindDataflowProfile:
		return []Kind{KindDataflow}
	case KindSchema:
		return []Kind{KindSchemaVersion}
	default:
		return nil
	}
}

// Kind implements Object.
func (*DataflowProfile) Kind() Kind { return KindDataflowProfile }

// Key implements Object.
func (o *DataflowProfile) Key() Key { return Key{KindDataflowProfile, o.Parent, o.Name} }

// Head implements Object.
func (o *DataflowProfile) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*Dataflow) Kind() Kind { return KindDataflow }

// Key implements Object.
func (o *Dataflow) Key() Key { return Key{KindDataflow, o.Parent, o.Name} }

// Head implements Object.
func (o *Dataflow) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*DataflowEndpoint) Kind() Kind { return KindDataflowEndpoint }

// Key implements Object.
func (o *DataflowEndpoint) Key() Key { return Key{KindDataflowEndpoint, o.Parent, o.Name} }

// Head implements Object.
func (o *DataflowEndpoint) Head() *Meta { return &o.Meta }
