package dataflow

import (
	"slices"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/model"
)

// kind is a TYPE of dataflow endpoint with its options: a row per type, so that
// another one needs no other commands.
type kind struct {
	word, what   string
	endpointType string
	rows         []cli.ConfigRow
	host         string   // made of the rows below hostParts; "" = the row `host`, or none
	tls          bool     // TLS is always on: there is no option for it
	methods      []string // to log in; nil = nobody logs in
	anonymous    bool     // there is --no-auth
	scope        string   // of a user-assigned identity, unless one is given
	create       string   // the required options of an example
	update       string   // options of an example
}

// hostParts is where the rows go that make up the host.
const hostParts = "$"

// managed returns the authentication methods that most types have, and more.
func managed(more ...string) []string {
	return append([]string{model.FlowAuthSystemAssigned, model.FlowAuthUserAssigned}, more...)
}

func required(r cli.ConfigRow) cli.ConfigRow {
	r.Required = true
	return r
}

// text is a row for an option with a text.
func text(path, doc string, names ...string) cli.ConfigRow {
	return cli.ConfigRow{Names: names, Path: path, Type: "string", Doc: doc}
}

// number is a row for an option with an integer; fallback may be nil.
func number(path, doc string, fallback any, names ...string) cli.ConfigRow {
	return cli.ConfigRow{Names: names, Path: path, Type: "int", Default: fallback, Doc: doc}
}

// choice is a row for an option with one of some values; the first is the default.
func choice(path, doc string, values []string, names ...string) cli.ConfigRow {
	return cli.ConfigRow{Names: names, Path: path, Type: "string", Enum: values, Default: values[0], Doc: doc}
}

// switchOff is a row for a flag that turns something off.
func switchOff(path, doc string, names ...string) cli.ConfigRow {
	return cli.ConfigRow{Names: names, Path: path, Type: "bool", Default: false, Doc: doc}
}

func hostAndPort(of string, fallback any) []cli.ConfigRow {
	port := number(hostParts+".port", "Port of the "+of+".", fallback, "--port")
	port.Required = fallback == nil
	return []cli.ConfigRow{required(text(hostParts+".hostname", "Host name of the "+of+".", "--hostname")), port}
}

// tlsRows are the options for TLS; optional says whether it can be turned off.
func tlsRows(optional bool, fallback any) []cli.ConfigRow {
	r := text("tls.trustedCaCertificateConfigMapRef", "Config map with the certificates that the broker is checked against.", "--config-map-ref", "--cm")
	r.Default = fallback
	rows := []cli.ConfigRow{r}
	if optional {
		rows = append(rows, switchOff("tls.mode", "Whether the connection is in the clear.", "--disable-tls"))
	}
	return rows
}

func cloudEvents() cli.ConfigRow {
	return choice("cloudEventAttributes", "What becomes of CloudEvents attributes.", []string{"Propagate", "CreateOrRemap"}, "--cloud-event-attribute", "--cea")
}

func messageCount() cli.ConfigRow {
	return number("batching.maxMessages", "How many messages are sent at once, at most.", int64(100000), "--message-count", "--mc")
}

// storageRows are the options of what is written in large batches.
func storageRows() []cli.ConfigRow {
	return []cli.ConfigRow{
		number("batching.latencySeconds", "How long messages wait to be sent together, in seconds.", int64(60), "--latency", "-l"),
		messageCount(),
	}
}

// kafkaRows are the options that all Kafka endpoints have.
func kafkaRows(optionalTLS bool) []cli.ConfigRow {
	return append([]cli.ConfigRow{
		number("batching.latencyMs", "How long messages wait to be sent together, in milliseconds.", int64(5), "--latency", "-l"),
		number("batching.maxBytes", "How many bytes are sent at once, at most.", int64(1000000), "--max-bytes", "--mb"),
		messageCount(),
		switchOff("batching.mode", "Whether each message is sent on its own.", "--disable-batching", "--db"),
		switchOff("copyMqttProperties", "Whether MQTT properties stay behind, and do not become Kafka headers.", "--disable-broker-props-copy", "--dbpc"),
		choice("kafkaAcks", "Who must have a message before it counts as sent.", []string{"All", "One", "Zero"}, "--acks"),
		choice("compression", "How batches are compressed.", []string{"None", "Gzip", "Lz4", "Snappy"}, "--compression"),
		choice("partitionStrategy", "How messages are spread over partitions.", []string{"Default", "Static", "Topic", "Property"}, "--partition-strategy", "--ps"),
		text("consumerGroupId", "Consumer group that a source reads as.", "--group-id", "--gid"),
		cloudEvents(),
	}, tlsRows(optionalTLS, nil)...)
}

// mqttRows are the options that all MQTT endpoints have.
func mqttRows(optionalTLS bool, configMap any) []cli.ConfigRow {
	return append([]cli.ConfigRow{
		number("keepAliveSeconds", "Longest silence towards the broker, in seconds.", int64(60), "--keep-alive", "--ka"),
		number("maxInflightMessages", "How many messages may wait for their acknowledgement.", int64(100), "--max-inflight-msg", "--mim"),
		number("qos", "Quality of service: 0 or 1.", int64(1), "--qos"),
		number("sessionExpirySeconds", "How long the broker keeps the session, in seconds.", int64(3600), "--session-expiry"),
		text("clientIdPrefix", "What client ids begin with.", "--client-id-prefix"),
		choice("protocol", "Protocol of the connection.", []string{"Mqtt", "WebSockets"}, "--protocol"),
		choice("retain", "Whether messages keep their retain flag.", []string{"Keep", "Never"}, "--retain"),
		cloudEvents(),
	}, tlsRows(optionalTLS, configMap)...)
}

// kinds are the types that there are commands for, by name.
func kinds() []kind {
	list := slices.Concat(storageKinds(), kafkaKinds(), mqttKinds())
	slices.SortFunc(list, func(a, b kind) int { return strings.Compare(a.word, b.word) })
	return list
}

func storageKinds() []kind {
	pathType := choice("oneLakePathType", "Where in the lakehouse data goes.", []string{"Files", "Tables"}, "--path-type", "--pt")
	pathType.Default = nil
	return []kind{
		{
			word: "adls", what: "Azure Data Lake Storage Gen2", endpointType: model.FlowDataLakeStorage,
			methods: managed(model.FlowAuthAccessToken), scope: "https://storage.azure.com/.default",
			host:   "https://{account}.blob.core.windows.net",
			rows:   append(storageRows(), required(text(hostParts+".account", "Name of the storage account.", "--storage-account", "--sa"))),
			create: "--storage-account plantdata", update: "--latency 30",
		},
		{
			word: "adx", what: "Azure Data Explorer", endpointType: model.FlowDataExplorer, methods: managed(),
			rows: append(storageRows(), required(text("database", "Name of the database.", "--database", "--db")),
				required(text("host", "Address of the cluster: https://cluster.region.kusto.windows.net.", "--host"))),
			create: "--database plant --host https://plant.westeurope.kusto.windows.net", update: "--message-count 5000",
		},
		{
			word: "fabric-onelake", what: "Microsoft Fabric OneLake", endpointType: model.FlowFabricOneLake, methods: managed(),
			host: "https://onelake.dfs.fabric.microsoft.com",
			rows: append(storageRows(), required(text("names.lakehouseName", "Name of the lakehouse.", "--lakehouse")),
				required(text("names.workspaceName", "Name of the workspace.", "--workspace")), required(pathType)),
			create: "--lakehouse plant --workspace site1 --path-type Tables", update: "--path-type Files",
		},
		{
			word: "local-storage", what: "a local volume", endpointType: model.FlowLocalStorage,
			rows:   []cli.ConfigRow{required(text("persistentVolumeClaimRef", "Name of the volume.", "--pvc-ref"))},
			create: "--pvc-ref flows", update: "--pvc-ref flows2",
		},
	}
}

func kafkaKinds() []kind {
	methods := managed(model.FlowAuthSasl)
	return []kind{
		{
			word: "custom-kafka", what: "a Kafka broker", endpointType: model.FlowKafka, methods: methods, anonymous: true, host: "{hostname}:{port}",
			rows:   append(kafkaRows(true), hostAndPort("broker", nil)...),
			create: "--hostname kafka.plant --port 9092 --no-auth", update: "--group-id flows",
		},
		{
			word: "eventhub", what: "Azure Event Hubs", endpointType: model.FlowKafka, methods: methods, tls: true,
			host:   "{namespace}.servicebus.windows.net:9093",
			rows:   append(kafkaRows(false), required(text(hostParts+".namespace", "Name of the Event Hubs namespace.", "--eventhub-namespace", "--ehns"))),
			create: "--eventhub-namespace plant", update: "--acks One",
		},
		{
			word: "fabric-realtime", what: "Microsoft Fabric Real-Time Intelligence", endpointType: model.FlowKafka, methods: methods,
			rows:   append(kafkaRows(true), required(text("host", "Bootstrap server of the event stream: name.servicebus.windows.net:9093.", "--host"))),
			create: "--host stream.servicebus.windows.net:9093 --sasl-type Plain --secret-name stream", update: "--compression Gzip",
		},
	}
}

func mqttKinds() []kind {
	return []kind{
		{
			word: "custom-mqtt", what: "an MQTT broker", endpointType: model.FlowMqtt, anonymous: true, host: "{hostname}:{port}",
			methods: managed(model.FlowAuthServiceAccountToken, model.FlowAuthX509),
			rows:    append(mqttRows(true, nil), hostAndPort("broker", nil)...),
			create:  "--hostname mqtt.plant --port 8883 --secret-name client", update: "--qos 0",
		},
		{
			word: "eventgrid", what: "the MQTT broker of Azure Event Grid", endpointType: model.FlowMqtt, tls: true, host: "{hostname}:{port}",
			methods: managed(model.FlowAuthX509),
			rows:    append(mqttRows(false, nil), hostAndPort("namespace", int64(8883))...),
			create:  "--hostname plant.westeurope-1.ts.eventgrid.azure.net", update: "--session-expiry 60",
		},
		{
			word: "local-mqtt", what: "the local MQTT broker", endpointType: model.FlowMqtt, anonymous: true, host: "{hostname}:{port}",
			methods: []string{model.FlowAuthServiceAccountToken, model.FlowAuthX509},
			rows:    append(mqttRows(true, "azure-iot-operations-aio-ca-trust-bundle"), hostAndPort("broker", nil)...),
			create:  "--hostname aio-broker --port 18883 --audience aio-internal", update: "--client-id-prefix line1",
		},
	}
}
