package opcua

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// endpointConfig is an endpoint's additionalConfiguration.
type endpointConfig struct {
	ApplicationName string `json:"applicationName" default:"\"OPC UA Broker\"" doc:"Name in the certificate that is made where there is none."`
	KeepAlive       *int   `json:"keepAliveMilliseconds" default:"10000" min:"0" doc:"How often the server shows that a quiet subscription lives, in milliseconds."`
	Defaults        struct {
		PublishingInterval *int `json:"publishingIntervalMilliseconds" default:"1000" min:"-1" doc:"Publishing interval of datasets that set none, in milliseconds."`
		SamplingInterval   *int `json:"samplingIntervalMilliseconds" default:"1000" min:"-1" doc:"Sampling interval of data points that set none, in milliseconds."`
		QueueSize          *int `json:"queueSize" default:"1" min:"0" doc:"Least queue size of data points that set none."`
		KeyFrameCount      *int `json:"keyFrameCount" default:"0" min:"-1" doc:"Every n-th message holds all points; 0 = never."`
	} `json:"defaults"`
	Session struct {
		Timeout          *int `json:"timeoutMilliseconds" default:"60000" min:"0" doc:"How long the server keeps a session without a message, in milliseconds."`
		KeepAlive        *int `json:"keepAliveIntervalMilliseconds" default:"10000" min:"0" doc:"How often a session shows that it lives, in milliseconds."`
		ReconnectPeriod  *int `json:"reconnectPeriodMilliseconds" default:"2000" min:"0" doc:"First wait before connecting again, in milliseconds."`
		ReconnectBackOff *int `json:"reconnectExponentialBackOffMilliseconds" default:"10000" min:"-1" doc:"Longest wait before connecting again, in milliseconds."`
		TracingHeaders   bool `json:"enableTracingHeaders" default:"false" doc:"Send a trace context with requests."`
	} `json:"session"`
	Subscription struct {
		MaxItems *int `json:"maxItems" default:"1000" min:"1" doc:"Most monitored items of one subscription."`
		LifeTime *int `json:"lifeTimeMilliseconds" default:"60000" min:"0" doc:"How long the server keeps a subscription that nobody asks about, in milliseconds."`
	} `json:"subscription"`
	Security struct {
		AutoAccept bool    `json:"autoAcceptUntrustedServerCertificates" default:"false" doc:"Accept any server certificate."`
		Policy     *string `json:"securityPolicy" doc:"URI of the security policy; null = the best that the server offers."`
		Mode       *string `json:"securityMode" enum:"none,sign,signAndEncrypt" doc:"Message security; null = the best that the server offers."`
	} `json:"security"`
	RunAssetDiscovery      bool     `json:"runAssetDiscovery" default:"false" doc:"Propose assets for what the server holds."`
	AssetDiscoveryInterval *int     `json:"assetDiscoveryInterval" default:"0" min:"0" doc:"How often to look for assets, in minutes; 0 = once."`
	SegmentedDiscovery     bool     `json:"segmentedDiscovery" default:"false" doc:"Propose every variable, in chunks."`
	AssetTypes             []string `json:"assetTypes" doc:"Object types whose instances are proposed."`
	DiscoveryStartNode     string   `json:"discoveryStartNode" doc:"Where discovery begins."`
	SyncProperties         bool     `json:"syncPropertiesIntoStateStore" default:"false" doc:"Copy properties of variables into the state store."`
	Shared                 bool     `json:"shared" default:"false" doc:"One session for all assets of the endpoint."`
	HighAvailability       bool     `json:"highAvailability" default:"false" doc:"Two connectors, one of them active."`
	ServerHeartbeat        struct {
		Enabled *bool `json:"enabled" default:"true" doc:"Watch the server's clock."`
	} `json:"serverHeartbeat"`
}

// itemConfig is a datasetConfiguration (all members) or a
// dataPointConfiguration (sampling and queue).
type itemConfig struct {
	PublishingInterval *int   `json:"publishingInterval" default:"1000" min:"-1" doc:"In milliseconds; -1 = the server's choice."`
	SamplingInterval   *int   `json:"samplingInterval" default:"1000" min:"-1" doc:"In milliseconds; -1 = as the publishing interval, 0 = as fast as the server can."`
	QueueSize          *int   `json:"queueSize" default:"1" min:"0" doc:"How many values the server keeps between two deliveries."`
	KeyFrameCount      *int   `json:"keyFrameCount" default:"0" min:"-1" doc:"Every n-th message holds all points; 0 = never."`
	StartInstance      string `json:"startInstance" doc:"Node that relative browse paths start at."`
	TriggeringItem     string `json:"triggeringItem" doc:"Data point whose change triggers the others."`
	TriggeringMode     string `json:"triggeringItemReportingMode" enum:"Sampling,Reporting,Disabled" doc:"Whether the triggering item itself is published."`
}

// decode reads a configuration text into a struct. Unknown members are an error.
func decode(path, text string, into any) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON document")
		}
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// settings is what one assignment means to this connector.
type settings struct {
	endpoint endpointConfig
	policy   string // URI; "" = best
	mode     ua.MessageSecurityMode
}

func millis(p *int, fallback int) time.Duration {
	if p == nil {
		return time.Duration(fallback) * time.Millisecond
	}
	return time.Duration(*p) * time.Millisecond
}

func number(p *int, fallback int) int {
	if p == nil {
		return fallback
	}
	return *p
}

// parseEndpoint checks an endpoint and returns what it means.
func parseEndpoint(e *model.Endpoint) (settings, error) {
	var s settings
	var errs []error
	if err := decode("additionalConfiguration", e.AdditionalConfiguration, &s.endpoint); err != nil {
		return s, err
	}
	u, err := url.Parse(e.Address)
	if err != nil || u.Scheme != "opc.tcp" || u.Host == "" {
		errs = append(errs, fault.New(fault.Invalid, "address %q: an OPC UA server is opc.tcp://HOST[:PORT][/PATH]", redact(e.Address)))
	} else if u.User != nil {
		errs = append(errs, fault.New(fault.Invalid, "address: credentials belong into secrets, not into the address"))
	}
	c := &s.endpoint
	errs = append(errs, atLeast("keepAliveMilliseconds", c.KeepAlive, 0), atLeast("subscription.maxItems", c.Subscription.MaxItems, 1),
		atLeast("subscription.lifeTimeMilliseconds", c.Subscription.LifeTime, 0), atLeast("session.timeoutMilliseconds", c.Session.Timeout, 0),
		atLeast("defaults.publishingIntervalMilliseconds", c.Defaults.PublishingInterval, -1),
		atLeast("defaults.samplingIntervalMilliseconds", c.Defaults.SamplingInterval, -1), atLeast("defaults.queueSize", c.Defaults.QueueSize, 0))
	if p := c.Security.Policy; p != nil {
		i := slices.IndexFunc(policies(), func(known string) bool { return strings.EqualFold(known, *p) }) // classic endpoints say #none
		if i < 0 {
			errs = append(errs, fault.New(fault.Invalid, "security.securityPolicy: %q is not known", *p))
		} else {
			s.policy = policies()[i]
		}
	}
	if m := c.Security.Mode; m != nil {
		switch strings.ToLower(*m) {
		case "none":
			s.mode = ua.MessageSecurityModeNone
		case "sign":
			s.mode = ua.MessageSecurityModeSign
		case "signandencrypt":
			s.mode = ua.MessageSecurityModeSignAndEncrypt
		default:
			errs = append(errs, fault.New(fault.Invalid, "security.securityMode: %q is not none, sign or signAndEncrypt", *m))
		}
	}
	if s.policy != "" && s.mode != 0 && (s.policy == ua.SecurityPolicyURINone) != (s.mode == ua.MessageSecurityModeNone) {
		errs = append(errs, fault.New(fault.Invalid, "security: policy and mode do not go together: None needs none"))
	}
	return s, join(errs)
}

// redact cuts credentials out of an address that somebody typed.
func redact(address string) string {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "…" + address[at:]
	}
	return address
}

func policies() []string {
	return []string{
		ua.SecurityPolicyURINone, ua.SecurityPolicyURIBasic128Rsa15, ua.SecurityPolicyURIBasic256, ua.SecurityPolicyURIBasic256Sha256,
		ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss,
	}
}

func atLeast(path string, n *int, lowest int) error {
	if n != nil && *n < lowest {
		return fault.New(fault.Invalid, "%s: %d needs to be at least %d", path, *n, lowest)
	}
	return nil
}

func join(errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return fault.As(fault.Invalid, err, "configuration")
	}
	return nil
}

// item is what to ask the server for one data point.
type item struct {
	publishing time.Duration // < 0 = the server's choice
	sampling   time.Duration // < 0 = as the publishing interval
	queue      uint32
	start      string // node that a relative path starts at; "" = dataSource is a node id
}

// outageWindow is how long an outage the computed queue bridges.
const outageWindow = 30 * time.Second

// maxComputedQueue bounds a computed queue: servers reserve memory for it.
const maxComputedQueue = 1000

// resolve returns the settings of a data point: its own, else the dataset's,
// the asset's default, the endpoint's.
func (s *settings) resolve(asset *model.Asset, d *model.Dataset, x *model.DataPoint) (item, error) {
	var point, dataset, byAsset itemConfig
	err := errors.Join(
		decode("data point "+x.Name, x.DataPointConfiguration, &point),
		decode("dataset "+d.Name, d.DatasetConfiguration, &dataset),
		decode("defaultDatasetsConfiguration", asset.Properties.DefaultDatasetsConfiguration, &byAsset))
	for _, c := range []*itemConfig{&point, &dataset, &byAsset} {
		err = errors.Join(err, atLeast("publishingInterval", c.PublishingInterval, -1),
			atLeast("samplingInterval", c.SamplingInterval, -1), atLeast("queueSize", c.QueueSize, 0))
	}
	if err != nil {
		return item{}, fault.As(fault.Invalid, err, "asset %s", asset.Name)
	}
	first := func(list ...*int) *int {
		i := slices.IndexFunc(list, func(p *int) bool { return p != nil })
		if i < 0 {
			return nil
		}
		return list[i]
	}
	def := &s.endpoint.Defaults
	it := item{
		publishing: millis(first(dataset.PublishingInterval, byAsset.PublishingInterval, def.PublishingInterval), 1000),
		sampling:   millis(first(point.SamplingInterval, dataset.SamplingInterval, byAsset.SamplingInterval, def.SamplingInterval), 1000),
	}
	for _, c := range []*itemConfig{&dataset, &byAsset} {
		if it.start == "" {
			it.start = c.StartInstance
		}
	}
	if wanted := first(point.QueueSize, dataset.QueueSize); wanted != nil {
		it.queue = uint32(max(*wanted, 1)) //nolint:gosec // checked above
		return it, nil
	}
	floor := max(number(first(byAsset.QueueSize, def.QueueSize), 1), 1)
	it.queue = max(uint32(floor), computedQueue(it)) //nolint:gosec // checked above
	return it, nil
}

// computedQueue is how many samples come together during an outage.
func computedQueue(it item) uint32 {
	sampling := it.sampling
	if sampling < 0 {
		sampling = it.publishing
	}
	if sampling <= 0 {
		return maxComputedQueue
	}
	return uint32(min(max(outageWindow/sampling, 1), maxComputedQueue)) //nolint:gosec // bounded
}
