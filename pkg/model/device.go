package model

// The endpoint types that iotops knows. Others are custom.
const (
	EndpointOPCUA = "Microsoft.OpcUa"
	EndpointONVIF = "Microsoft.Onvif"
	EndpointMedia = "Microsoft.Media"
	EndpointHTTP  = "Microsoft.Http"
	EndpointSSE   = "Microsoft.SSEHttp"
	EndpointMQTT  = "Microsoft.Mqtt"
	EndpointSQL   = "Microsoft.Sql"
)

// The authentication methods of an inbound endpoint.
const (
	AuthAnonymous        = "Anonymous"
	AuthCertificate      = "Certificate"
	AuthUsernamePassword = "UsernamePassword"
)

// Device is connection information: inbound endpoints by name.
type Device struct {
	Meta
	Properties DeviceProperties `json:"properties"`
}

// DeviceProperties are the properties of a Device.
type DeviceProperties struct {
	UUID                   string          `json:"uuid,omitempty"`
	Enabled                *bool           `json:"enabled,omitempty"` // nil = true
	ExternalDeviceID       string          `json:"externalDeviceId,omitempty"`
	DiscoveredDeviceRef    string          `json:"discoveredDeviceRef,omitempty"`
	Manufacturer           string          `json:"manufacturer,omitempty"`
	Model                  string          `json:"model,omitempty"`
	OperatingSystem        string          `json:"operatingSystem,omitempty"`
	OperatingSystemVersion string          `json:"operatingSystemVersion,omitempty"`
	Attributes             map[string]any  `json:"attributes,omitempty"`
	Endpoints              DeviceEndpoints `json:"endpoints,omitzero"`
}

// DeviceEndpoints are a device's endpoints by direction and name. Names are
// case-sensitive.
type DeviceEndpoints struct {
	Inbound  map[string]*Endpoint `json:"inbound,omitempty"`
	Outbound *OutboundEndpoints   `json:"outbound,omitempty"`
}

// OutboundEndpoints are messaging endpoints by name.
type OutboundEndpoints struct {
	Assigned   map[string]OutboundEndpoint `json:"assigned,omitempty"`
	Unassigned map[string]OutboundEndpoint `json:"unassigned,omitempty"`
}

// OutboundEndpoint is one messaging endpoint.
type OutboundEndpoint struct {
	EndpointType string `json:"endpointType,omitempty"`
	Address      string `json:"address"`
}

// Endpoint is one inbound endpoint: how to reach a source of data.
type Endpoint struct {
	EndpointType            string          `json:"endpointType"`
	Address                 string          `json:"address"`
	Version                 string          `json:"version,omitempty"`
	Authentication          *Authentication `json:"authentication,omitempty"` // nil = Anonymous
	TrustSettings           *TrustSettings  `json:"trustSettings,omitempty"`
	AdditionalConfiguration string          `json:"additionalConfiguration,omitempty"` // JSON text, kept byte for byte
}

// Authentication says how a connector logs in. All credentials are references.
type Authentication struct {
	Method                      string                       `json:"method"`
	UsernamePasswordCredentials *UsernamePasswordCredentials `json:"usernamePasswordCredentials,omitempty"`
	X509Credentials             *X509Credentials             `json:"x509Credentials,omitempty"`
}

// UsernamePasswordCredentials refer to a user name and a password.
type UsernamePasswordCredentials struct {
	UsernameSecretName string `json:"usernameSecretName"`
	PasswordSecretName string `json:"passwordSecretName"`
}

// X509Credentials refer to a certificate and its key.
type X509Credentials struct {
	CertificateSecretName              string `json:"certificateSecretName"`
	KeySecretName                      string `json:"keySecretName,omitempty"`
	IntermediateCertificatesSecretName string `json:"intermediateCertificatesSecretName,omitempty"`
}

// TrustSettings name the list of certificates that the endpoint's server is
// checked against.
type TrustSettings struct {
	TrustList string `json:"trustList,omitempty"`
}

// Method returns the endpoint's authentication method.
func (e *Endpoint) Method() string {
	if e.Authentication == nil || e.Authentication.Method == "" {
		return AuthAnonymous
	}
	return e.Authentication.Method
}

// IsEnabled reports whether connectors may use the device.
func (o *Device) IsEnabled() bool { return o.Properties.Enabled == nil || *o.Properties.Enabled }

// Kind implements Object.
func (*Device) Kind() Kind { return KindDevice }

// Key implements Object.
func (o *Device) Key() Key { return Key{KindDevice, o.Parent, o.Name} }

// Head implements Object.
func (o *Device) Head() *Meta { return &o.Meta }
