package app

import (
	"slices"
	"strings"

	"github.com/iotops/iotops/internal/cli"
)

const policyPrefix = "http://opcfoundation.org/UA/SecurityPolicy#"

// opcuaPolicies are the security policies; the two command surfaces spell the
// first one differently.
func opcuaPolicies(none string) []string {
	return []string{none, "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"}
}

// OPCUAEndpoint returns the options of `inbound add opcua`: every value is
// written, given or default.
func OPCUAEndpoint() *cli.ConfigOptions {
	n := func(names, path string, def, low int64, doc string) cli.ConfigRow {
		return cli.ConfigRow{Names: strings.Fields(names), Path: path, Type: "int", Default: def, Min: &low, Doc: doc}
	}
	b := func(names, path, doc string) cli.ConfigRow {
		return cli.ConfigRow{Names: strings.Fields(names), Path: path, Type: "bool", Default: false, Doc: doc}
	}
	return &cli.ConfigOptions{Full: true, Rows: []cli.ConfigRow{
		{Names: []string{"--application-name", "--app"}, Path: "applicationName", Type: "string", Default: "OPC UA Broker", Doc: "Name in our own certificate."},
		n("--keep-alive", "keepAliveMilliseconds", 10000, 0, "Longest silence of a subscription, in milliseconds."),
		n("--publishing-interval --pi", "defaults.publishingIntervalMilliseconds", 1000, -1, "Default publishing interval, in milliseconds."),
		n("--sampling-interval --si", "defaults.samplingIntervalMilliseconds", 1000, -1, "Default sampling interval, in milliseconds."),
		n("--queue-size --qs", "defaults.queueSize", 1, 0, "Default queue size; a larger one is computed where an outage needs it."),
		n("--key-frame-count --kfc", "defaults.keyFrameCount", 0, 0, "Default key frame count; 0 = no key frames."),
		n("--session-timeout", "session.timeoutMilliseconds", 60000, 0, "Session timeout, in milliseconds."),
		n("--session-keep-alive --ska", "session.keepAliveIntervalMilliseconds", 10000, 0, "Keep-alive interval of the session, in milliseconds."),
		n("--session-reconnect --srp", "session.reconnectPeriodMilliseconds", 2000, 0, "First wait before connecting again, in milliseconds."),
		n("--session-backoff --sbo", "session.reconnectExponentialBackOffMilliseconds", 10000, -1, "Longest wait before connecting again, in milliseconds."),
		b("--session-tracing --str", "session.enableTracingHeaders", "Send a trace context with requests."),
		n("--subscription-max-items --smi", "subscription.maxItems", 1000, 1, "Most monitored items of a subscription."),
		n("--subscription-lifetime --slt", "subscription.lifeTimeMilliseconds", 60000, 0, "Lifetime of a subscription, in milliseconds."),
		b("--accept-certs --ac", "security.autoAcceptUntrustedServerCertificates", "Accept any server certificate."),
		{Names: []string{"--security-policy", "--sp"}, Path: "security.securityPolicy", Type: "string", Enum: opcuaPolicies("None"), Prefix: policyPrefix, Doc: "Security policy; the best one offered if absent."},
		{Names: []string{"--security-mode", "--sm"}, Path: "security.securityMode", Type: "string", Enum: []string{"none", "sign", "signAndEncrypt"}, Doc: "Message security; the best one offered if absent."},
		b("--run-asset-discovery --ad", "runAssetDiscovery", "Propose assets for what the server holds."),
		b("--sync-props-into-dss", "syncPropertiesIntoStateStore", "Copy properties of variables into the state store."),
		b("--shared", "shared", "One session for all assets of the endpoint."),
	}}
}

// ClassicOPCUAEndpoint returns the options of `asset endpoint create opcua`:
// only what is given is written.
func ClassicOPCUAEndpoint() *cli.ConfigOptions {
	names := map[string]string{
		"applicationName":                                 "--application --app",
		"keepAliveMilliseconds":                           "--keep-alive --ka",
		"defaults.publishingIntervalMilliseconds":         "--default-publishing-int --dpi",
		"defaults.samplingIntervalMilliseconds":           "--default-sampling-int --dsi",
		"defaults.queueSize":                              "--default-queue-size --dqs",
		"session.timeoutMilliseconds":                     "--session-timeout --st",
		"session.keepAliveIntervalMilliseconds":           "--session-keep-alive --ska",
		"session.reconnectPeriodMilliseconds":             "--session-reconnect-period --srp",
		"session.reconnectExponentialBackOffMilliseconds": "--session-reconnect-backoff --srb",
		"subscription.maxItems":                           "--subscription-max-items --smi",
		"subscription.lifeTimeMilliseconds":               "--subscription-life-time --slt",
		"security.autoAcceptUntrustedServerCertificates":  "--accept-untrusted-certs --auc",
		"security.securityPolicy":                         "--security-policy --sp",
		"security.securityMode":                           "--security-mode --sm",
		"runAssetDiscovery":                               "--run-asset-discovery --rad",
	}
	c := OPCUAEndpoint()
	c.Full = false
	c.Rows = slices.DeleteFunc(c.Rows, func(r cli.ConfigRow) bool { return names[r.Path] == "" })
	for i := range c.Rows {
		r := &c.Rows[i]
		r.Names, r.Default = strings.Fields(names[r.Path]), nil
		if r.Path == "security.securityPolicy" {
			r.Enum = opcuaPolicies("none")
		}
	}
	return c
}

// whole is a row with a whole number. names are its option's, after spaces
// its aliases.
func whole(names, path string, low int64, doc string) cli.ConfigRow {
	return cli.ConfigRow{Names: strings.Fields(names), Path: path, Type: "int", Min: &low, Doc: doc}
}

func startInstance(names string) cli.ConfigRow {
	return cli.ConfigRow{Names: strings.Fields(names), Path: "startInstance", Type: "string", Doc: "Node that relative browse paths begin at."}
}

// OPCUADataset returns the options that make a dataset's configuration. The
// arguments are the options' names.
func OPCUADataset(publishing, sampling, queue, keyFrames, start string) *cli.ConfigOptions {
	return &cli.ConfigOptions{Rows: []cli.ConfigRow{
		whole(publishing, "publishingInterval", -1, "Publishing interval, in milliseconds; -1 = the server's choice."),
		whole(sampling, "samplingInterval", -1, "Sampling interval, in milliseconds; -1 = as the publishing interval."),
		whole(queue, "queueSize", 0, "How many values the server keeps between two deliveries."),
		whole(keyFrames, "keyFrameCount", 0, "Every n-th message holds all points; 0 = never."),
		startInstance(start),
	}}
}

// OPCUADataPoint returns the options that make a data point's configuration.
func OPCUADataPoint() *cli.ConfigOptions {
	return &cli.ConfigOptions{Rows: []cli.ConfigRow{
		whole("--sampling-int --si", "samplingInterval", -1, "Sampling interval, in milliseconds; -1 = as the publishing interval."),
		whole("--queue-size --qs", "queueSize", 0, "How many values the server keeps between two deliveries."),
	}}
}

// OPCUAEventGroup returns the options that make an event group's configuration.
// The arguments are the options' names.
func OPCUAEventGroup(publishing, queue, start, filter, clause string) *cli.ConfigOptions {
	c := &cli.ConfigOptions{Rows: []cli.ConfigRow{
		whole(publishing, "publishingInterval", -1, "Publishing interval, in milliseconds; -1 = the server's choice."),
		whole(queue, "queueSize", 0, "How many events the server keeps between two deliveries."),
	}}
	c.Rows = append(c.Rows, eventFilter(start, filter, clause)...)
	return c
}

// OPCUAEvent returns the options that make an event's configuration.
func OPCUAEvent() *cli.ConfigOptions {
	return &cli.ConfigOptions{Rows: eventFilter("--start-inst", "--filter-type", "--filter-clause")}
}

func eventFilter(start, filter, clause string) []cli.ConfigRow {
	return []cli.ConfigRow{
		startInstance(start),
		{Names: strings.Fields(filter), Path: "eventFilter.typeDefinitionId", Type: "string", Doc: "Type of the events that are wanted."},
		{
			Names: strings.Fields(clause), Path: "eventFilter.selectClauses", Type: "objects",
			Keys: []cli.Pair{{Key: "path", Value: "browsePath"}, {Key: "type", Value: "typeDefinitionId"}, {Key: "field", Value: "fieldId"}},
			Doc:  "A field that is wanted: path=… [type=…] [field=…]; may be repeated.",
		},
	}
}

// ONVIFEndpoint returns the options of `inbound add onvif`.
func ONVIFEndpoint() *cli.ConfigOptions {
	b := func(names, path, doc string) cli.ConfigRow {
		return cli.ConfigRow{Names: strings.Fields(names), Path: path, Type: "bool", Default: false, Doc: doc}
	}
	return &cli.ConfigOptions{Full: true, Rows: []cli.ConfigRow{
		b("--accept-invalid-hostnames --aih", "acceptInvalidHostnames", "Accept a certificate of another host."),
		b("--accept-invalid-certificates --aic", "acceptInvalidCertificates", "Accept a certificate of an unknown authority."),
		b("--fallback-username-token-auth --futa", "fallbackToUsernameTokenAuth", "Log in with a UsernameToken where HTTP Digest fails."),
	}}
}

// MQTTEndpoint returns the options of `inbound add mqtt`.
func MQTTEndpoint() *cli.ConfigOptions {
	return &cli.ConfigOptions{Full: true, Rows: []cli.ConfigRow{
		{Names: []string{"--topic-filter"}, Path: "topicFilter", Type: "string", Doc: "Topics to read: one + marks the asset, such as plant/line1/+."},
		{Names: []string{"--topic-mapping-prefix"}, Path: "topicMappingPrefix", Type: "string", Doc: "What forwarded topics begin with."},
		{Names: []string{"--asset-level"}, Path: "assetLevel", Type: "int", Default: 1, Min: new(int64(1)), Doc: "Topic level that is the asset's name, from 1."},
	}}
}

// RESTDataset returns the options that make the configuration of a REST dataset.
func RESTDataset() *cli.ConfigOptions {
	return &cli.ConfigOptions{Rows: []cli.ConfigRow{whole("--sampling-int --si", "samplingIntervalInMilliseconds", 0, "How often the service is asked, in milliseconds.")}}
}
