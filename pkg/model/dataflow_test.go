package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func flow(properties string) *model.Dataflow {
	return &model.Dataflow{Meta: model.Meta{Name: "copy", Parent: "default/default/default"}, Properties: json.RawMessage(properties)}
}

func flowEndpoint(properties string) *model.DataflowEndpoint {
	return &model.DataflowEndpoint{Meta: model.Meta{Name: "there", Parent: "default/default"}, Properties: json.RawMessage(properties)}
}

// operations returns a dataflow's document from one endpoint to another.
func operations(from, to, transformation string) string {
	return `{"operations":[{"operationType":"source","sourceSettings":{"endpointRef":"` + from + `","dataSources":["a/#"]}},` + transformation +
		`{"operationType":"Destination","destinationSettings":{"endpointRef":"` + to + `","dataDestination":"b"}}]}`
}

func TestDataflowIDs(t *testing.T) {
	for _, k := range []model.Key{
		{Kind: model.KindDataflowProfile, Parent: "g/i", Name: "p"},
		{Kind: model.KindDataflow, Parent: "g/i/p", Name: "d"},
		{Kind: model.KindDataflowEndpoint, Parent: "g/i", Name: "e"},
	} {
		got, err := model.ParseID(k.Kind, model.ID(k))
		require.NoError(t, err)
		require.Equal(t, k, got)
		o, err := model.New(k.Kind)
		require.NoError(t, err)
		require.Equal(t, k.Kind, o.Kind())
	}
	require.Equal(t, "Microsoft.IoTOperations/instances/i/dataflowProfiles/p/dataflows/d", model.TypePath(model.Key{Kind: model.KindDataflow, Parent: "g/i/p", Name: "d"}))
	require.Equal(t, "microsoft.iotoperations/instances/dataflowendpoints", model.TypeName(model.KindDataflowEndpoint))
}

func TestAnInstanceHasAProfileAndItsBrokerFromTheStart(t *testing.T) {
	inst := &model.Instance{Meta: model.Meta{Name: "plant", Parent: "g"}}
	list := inst.Defaults()
	require.Len(t, list, 2)
	for _, o := range list {
		require.NoError(t, o.Validate())
		require.Equal(t, "default", o.Head().Name)
		require.Equal(t, "g/plant", o.Head().Parent)
	}
	s, err := list[1].(*model.DataflowEndpoint).Settings()
	require.NoError(t, err)
	require.Equal(t, "aio-broker:18883", s.Host)
	require.Equal(t, "aio-internal", (*s.Authentication.Parts()).Audience)
}

func TestDataflowProfileLimits(t *testing.T) {
	for level, good := range map[string]bool{
		"info": true, "TRACE": true, "mqtt=debug": true, "info,mqtt=trace, kafka=off": true, "": false, "loud": false, "mqtt=loud": false, "=info": false, "info,": false,
	} {
		p := &model.DataflowProfile{Meta: model.Meta{Name: "prof"}}
		p.Properties = model.DataflowProfileProperties{InstanceCount: 1, Diagnostics: &model.DataflowDiagnostics{Logs: model.DataflowLogs{Level: level}}}
		require.Equal(t, good, p.Validate() == nil, "%q", level)
	}
	for count, good := range map[int64]bool{-1: false, 0: false, 1: true, 20: true, 21: false} {
		p := &model.DataflowProfile{Meta: model.Meta{Name: "prof"}, Properties: model.DataflowProfileProperties{InstanceCount: count}}
		require.Equal(t, good, p.Validate() == nil, "%d", count)
	}
}

func TestDataflowsAreRefused(t *testing.T) {
	source := `{"operationType":"Source","sourceSettings":{"endpointRef":"default","dataSources":["a"]}}`
	target := `{"operationType":"Destination","destinationSettings":{"endpointRef":"default","dataDestination":"b"}}`
	require.NoError(t, flow(`{"mode":"Disabled","operations":[`+source+`,`+target+`],"new":{"kept":1}}`).Validate())
	for properties, path := range map[string]string{
		``:                   "properties are missing",
		`{`:                  "properties",
		`[]`:                 "properties",
		`{"operations":"x"}`: "properties",
		`{}`:                 "operations: 0 of type Source",
		`{"mode":"Maybe"}`:   "mode:",
		`{"operations":[` + source + `,` + source + `,` + target + `]}`:                             "2 of type Source",
		`{"operations":[` + source + `]}`:                                                           "0 of type Destination",
		`{"operations":[{"operationType":"Source"}]}`:                                               "operations[0].sourceSettings:",
		`{"operations":[{"operationType":"Destination"}]}`:                                          "operations[0].destinationSettings:",
		`{"operations":[{"operationType":"BuiltInTransformation"}]}`:                                "operations[0].builtInTransformationSettings:",
		`{"operations":[{"operationType":"Magic"}]}`:                                                "operations[0].operationType:",
		`{"operations":[{"operationType":"Source","sourceSettings":{}}]}`:                           "operations[0].sourceSettings.dataSources:",
		`{"operations":[{"operationType":"Source","name":"` + strings.Repeat("x", 65) + `"}]}`:      "operations[0].name:",
		`{"operations":[{"operationType":"Destination","destinationSettings":{}}]}`:                 "operations[0].destinationSettings.dataDestination:",
		transform(`{"serializationFormat":"Xml"}`):                                                  "serializationFormat:",
		transform(`{"datasets":[{}]}`):                                                              "datasets[0].key:",
		transform(`{"filter":[{"inputs":["a"]}]}`):                                                  "filter[0].expression:",
		transform(`{"map":[{"output":"a"}]}`):                                                       "map[0].inputs:",
		`{"operations":[` + transformation("{}") + `,` + transformation("{}") + `,` + source + `]}`: "2 of type BuiltInTransformation",
	} {
		err := flow(properties).Validate()
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", properties, err)
		require.ErrorContains(t, err, path, properties)
	}
}

func transformation(settings string) string {
	return `{"operationType":"BuiltInTransformation","builtInTransformationSettings":` + settings + `}`
}

func transform(settings string) string { return `{"operations":[` + transformation(settings) + `]}` }

func TestDataflowEndpointsAreRefused(t *testing.T) {
	for _, good := range []string{
		`{"endpointType":"Mqtt","mqttSettings":{}}`,
		`{"endpointType":"OpenTelemetry","openTelemetrySettings":{"host":"http://otel:4317"}}`,
		`{"endpointType":"Kafka","kafkaSettings":{"host":"k:9092","authentication":{"method":"Anonymous"},"unknown":[1]}}`,
		`{"endpointType":"DataExplorer","dataExplorerSettings":{"host":"h","database":"d","authentication":{"method":"SystemAssignedManagedIdentity"}}}`,
	} {
		require.NoError(t, flowEndpoint(good).Validate(), good)
	}
	mqtt := func(settings string) string { return `{"endpointType":"Mqtt","mqttSettings":` + settings + `}` }
	kafka := func(settings string) string { return `{"endpointType":"Kafka","kafkaSettings":` + settings + `}` }
	for properties, path := range map[string]string{
		``:                               "properties are missing",
		`{}`:                             "endpointType:",
		`{"endpointType":7}`:             "endpointType",
		`{"endpointType":"Pigeon"}`:      `"Pigeon"`,
		`{"endpointType":"Mqtt"}`:        "mqttSettings: is missing",
		mqtt("null"):                     "mqttSettings: is missing",
		mqtt(`{"qos":"1"}`):              "mqttSettings",
		mqtt(`{"qos":2}`):                "mqttSettings.qos:",
		mqtt(`{"keepAliveSeconds":-1}`):  "mqttSettings.keepAliveSeconds:",
		mqtt(`{"protocol":"Smoke"}`):     "mqttSettings.protocol:",
		mqtt(`{"retain":"Maybe"}`):       "mqttSettings.retain:",
		mqtt(`{"tls":{"mode":"Maybe"}}`): "mqttSettings.tls.mode:",
		mqtt(`{"authentication":{"method":"Handshake"}}`):           "mqttSettings.authentication.method:",
		mqtt(`{"authentication":{"method":"X509Certificate"}}`):     "x509CertificateSettings.secretRef:",
		mqtt(`{"authentication":{"method":"ServiceAccountToken"}}`): "serviceAccountTokenSettings.audience:",
		kafka(`{}`): "kafkaSettings.host:",
		kafka(`{"host":"h","batching":{"latencyMs":65536}}`):                                                                                  "kafkaSettings.batching.latencyMs:",
		kafka(`{"host":"h","compression":"Zip"}`):                                                                                             "kafkaSettings.compression:",
		kafka(`{"host":"h","authentication":{"method":"Sasl","saslSettings":{"saslType":"Rot13"}}}`):                                          "saslSettings.saslType:",
		`{"endpointType":"LocalStorage","localStorageSettings":{}}`:                                                                           "localStorageSettings.persistentVolumeClaimRef:",
		`{"endpointType":"DataExplorer","dataExplorerSettings":{"host":"h"}}`:                                                                 "dataExplorerSettings.database:",
		`{"endpointType":"FabricOneLake","fabricOneLakeSettings":{"host":"h"}}`:                                                               "fabricOneLakeSettings.names:",
		`{"endpointType":"DataLakeStorage","dataLakeStorageSettings":{"host":"h","authentication":{"method":"UserAssignedManagedIdentity"}}}`: "clientId:",
	} {
		err := flowEndpoint(properties).Validate()
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", properties, err)
		require.ErrorContains(t, err, path, properties)
	}
}

func TestDataflowsAreHeldAgainstTheirEndpoints(t *testing.T) {
	endpoints := map[string]string{
		"default": `{"endpointType":"Mqtt","mqttSettings":{"host":"AIO-broker:18883"}}`,
		"mqtt":    `{"endpointType":"Mqtt","mqttSettings":{"host":"elsewhere:1883"}}`,
		"kafka":   `{"endpointType":"Kafka","kafkaSettings":{"host":"k:9092"}}`,
		"group":   `{"endpointType":"Kafka","kafkaSettings":{"host":"k:9092","consumerGroupId":"g"}}`,
		"lake":    `{"endpointType":"DataLakeStorage","dataLakeStorageSettings":{"host":"h"}}`,
		"adx":     `{"endpointType":"DataExplorer","dataExplorerSettings":{"host":"h","database":"d"}}`,
		"onelake": `{"endpointType":"FabricOneLake","fabricOneLakeSettings":{"host":"h"}}`,
		"disk":    `{"endpointType":"LocalStorage","localStorageSettings":{"persistentVolumeClaimRef":"p"}}`,
	}
	find := func(name string) (*model.DataflowEndpoint, error) {
		if e, ok := endpoints[name]; ok {
			return flowEndpoint(e), nil
		}
		return nil, fault.New(fault.Invalid, "no endpoint %s", name)
	}
	schema := transformation(`{"schemaRef":"aio-sr://s:1"}`) + ","
	for _, c := range []struct{ from, to, transformation, want string }{
		{"default", "default", "", ""},
		{"default", "mqtt", "", ""},
		{"mqtt", "default", "", ""},
		{"group", "default", "", ""},
		{"default", "kafka", "", ""},
		{"default", "lake", schema, ""},
		{"kafka", "default", "", "consumer group"},
		{"lake", "default", schema, "must be of type Kafka or Mqtt"},
		{"default", "lake", "", "schemaRef"},
		{"default", "adx", transformation(`{}`) + ",", "schemaRef"},
		{"default", "onelake", "", "schemaRef"},
		{"default", "disk", "", "schemaRef"},
		{"mqtt", "group", "", "local MQTT broker"},
		{"nowhere", "default", "", "no endpoint nowhere"},
		{"default", "nowhere", "", "no endpoint nowhere"},
	} {
		o := flow(operations(c.from, c.to, c.transformation))
		require.NoError(t, o.Validate())
		err := o.Check(find)
		if c.want == "" {
			require.NoError(t, err, "%s to %s", c.from, c.to)
			continue
		}
		require.ErrorContains(t, err, c.want, "%s to %s", c.from, c.to)
		require.True(t, fault.Is(err, fault.Invalid))
	}
	p, err := flow(operations("a", "b", "")).Flow()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, p.Refs())
}
