package ns

import (
	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/model"
)

// kind is a type of endpoint with its words and options: a row per type, so
// that another one needs no other commands.
type kind struct {
	word         string
	endpointType string // "" = any
	what         string // "for an OPC UA server"
	login        login
	endpoint     func() configOptions // of its additionalConfiguration; nil = there is none
	address      string               // an example

	defaults []assetDefault // options of an asset for what names none itself

	dataset, dataPoint, eventGroup, event, stream, managementGroup, action *itemOptions
}

// login says what an endpoint may log in with.
type login uint8

const (
	anonymous login = iota
	password
	certificate // or a password
)

// assetDefault is a configuration, and a destination, that an asset has for
// all of its datasets, events or streams.
type assetDefault struct {
	of      string               // "datasets that name none"
	config  func() configOptions // nil = there is none
	always  bool                 // the configuration is {} where nothing is given
	text    func(p *model.AssetProperties) *string
	dest    []string // names of the option; nil = there is none
	targets []string
	to      func(p *model.AssetProperties) *[]model.Destination
}

// configOptions make a configuration text.
type configOptions interface {
	declare(s *cli.Set)
	text(stored string, warn func(string)) (string, error)
}

// typed is a configuration of rows.
type typed struct{ c *cli.ConfigOptions }

func (t typed) declare(s *cli.Set)                                 { t.c.Declare(s) }
func (t typed) text(stored string, _ func(string)) (string, error) { return t.c.Text(stored) }

// free is a configuration that the user writes as JSON.
type free struct {
	names []string
	what  string
	value *string
}

func (o *free) declare(s *cli.Set) {
	s.Text(&o.value, o.names...).Doc("Configuration of the " + o.what + ": JSON, or a file that holds it.")
}

func (o *free) text(stored string, _ func(string)) (string, error) {
	if o.value == nil {
		return stored, nil
	}
	return cli.JSONText(*o.value, o.what)
}

// media is the configuration of a media stream.
type media struct{ o app.MediaStream }

func (m *media) declare(s *cli.Set)                                    { m.o.Declare(s) }
func (m *media) text(stored string, warn func(string)) (string, error) { return m.o.Text(stored, warn) }

func newMedia() configOptions { return &media{} }

func rows(options func() *cli.ConfigOptions) func() configOptions {
	return func() configOptions { return typed{options()} }
}

func json(what string, names ...string) func() configOptions {
	return func() configOptions { return &free{names: names, what: what} }
}

func datasetDefault(config func() configOptions, always bool, targets ...string) assetDefault {
	return assetDefault{
		of: "datasets that name none", config: config, always: always, dest: []string{"--dataset-dest", "--dsd"}, targets: targets,
		text: func(p *model.AssetProperties) *string { return &p.DefaultDatasetsConfiguration },
		to:   func(p *model.AssetProperties) *[]model.Destination { return &p.DefaultDatasetsDestinations },
	}
}

func eventDefault(config func() configOptions, always bool, targets ...string) assetDefault {
	return assetDefault{
		of: "events that name none", config: config, always: always, dest: []string{"--event-dest", "--evd"}, targets: targets,
		text: func(p *model.AssetProperties) *string { return &p.DefaultEventsConfiguration },
		to:   func(p *model.AssetProperties) *[]model.Destination { return &p.DefaultEventsDestinations },
	}
}

func streamDefault(config func() configOptions, targets ...string) assetDefault {
	return assetDefault{
		of: "streams that name none", config: config, dest: []string{"--stream-dest", "--std"}, targets: targets,
		text: func(p *model.AssetProperties) *string { return &p.DefaultStreamsConfiguration },
		to:   func(p *model.AssetProperties) *[]model.Destination { return &p.DefaultStreamsDestinations },
	}
}

// kinds are the types that there are commands for.
func kinds() []*kind {
	return []*kind{customKind(), mediaKind(), mqttKind(), onvifKind(), opcuaKind(), restKind(), sqlKind(), sseKind()}
}

func mqttOnly() []string    { return []string{model.TargetMqtt} }
func mqttOrState() []string { return []string{model.TargetStateStore, model.TargetMqtt} }
func mqttOrFile() []string  { return []string{model.TargetStorage, model.TargetMqtt} }

const exampleDest = "--dest topic=plant/oven retain=Never qos=Qos1 ttl=60"

func customKind() *kind {
	all := []string{model.TargetStateStore, model.TargetStorage, model.TargetMqtt}
	return &kind{
		word: "custom", what: "of a type of your own", login: certificate,
		endpoint: json("additional", "--additional-config", "--config"), address: "tcp://10.0.0.7:9000 --endpoint-type My.Type",
		defaults: []assetDefault{
			datasetDefault(json("dataset", "--dataset-config", "--dsc"), false, all...),
			eventDefault(json("event", "--event-config", "--evc"), false, mqttOrFile()...),
			{
				config: json("management group", "--mgmt-config", "--mgc"),
				text:   func(p *model.AssetProperties) *string { return &p.DefaultManagementGroupsConfiguration },
			},
			streamDefault(json("stream", "--stream-config", "--stc"), mqttOrFile()...),
		},
		dataset:         &itemOptions{config: json("dataset", "--config"), targets: all, example: `--name main --config '{"a":1}'`},
		dataPoint:       &itemOptions{config: json("datapoint", "--config"), always: true, example: "--name temperature --data-source 40001"},
		eventGroup:      &itemOptions{config: json("event", "--config"), targets: mqttOrFile(), example: "--name alarms"},
		event:           &itemOptions{config: json("event", "--config"), always: true, targets: mqttOrFile(), example: "--name fire --data-source alarm/1"},
		stream:          &itemOptions{config: json("stream", "--config"), targets: mqttOrFile(), example: `--name main --config '{"a":1}'`},
		managementGroup: &itemOptions{config: json("management group", "--config"), example: "--name control --default-timeout 20"},
		action:          &itemOptions{config: json("action", "--config"), example: "--name reset --target-uri reset"},
	}
}

func opcuaKind() *kind {
	return &kind{
		word: "opcua", endpointType: model.EndpointOPCUA, what: "for an OPC UA server", login: certificate,
		endpoint: rows(app.OPCUAEndpoint), address: "opc.tcp://10.0.0.7:4840 --user-ref plc/username --pass-ref plc/password",
		defaults: []assetDefault{
			datasetDefault(rows(func() *cli.ConfigOptions {
				return app.OPCUADataset("--dataset-publish-int --dspi", "--dataset-sampling-int --dssi", "--dataset-queue-size --dsqs",
					"--dataset-key-frame-count --dskfc", "--dataset-start-inst")
			}), true, mqttOnly()...),
			eventDefault(rows(func() *cli.ConfigOptions {
				return app.OPCUAEventGroup("--event-publish-int --evpi", "--event-queue-size --evqs", "--event-start-inst", "--event-filter-type", "--event-filter-clause")
			}), true, mqttOnly()...),
		},
		dataset: &itemOptions{
			config: rows(func() *cli.ConfigOptions {
				return app.OPCUADataset("--publish-int --pi", "--sampling-int --si", "--queue-size --qs", "--key-frame-count --kfc", "--start-inst")
			}),
			always: true, targets: mqttOnly(), example: "--name main " + exampleDest,
		},
		dataPoint: &itemOptions{config: rows(app.OPCUADataPoint), always: true, example: `--name temperature --data-source "ns=2;s=Temperature"`},
		eventGroup: &itemOptions{
			config: rows(func() *cli.ConfigOptions {
				return app.OPCUAEventGroup("--publish-int --pi", "--queue-size --qs", "--start-inst", "--filter-type", "--filter-clause")
			}),
			always: true, targets: mqttOnly(), example: "--name alarms --data-source i=2253",
		},
		event: &itemOptions{
			config: rows(app.OPCUAEvent), always: true,
			example: `--name fire --data-source "ns=2;s=Alarms" --filter-clause path=/Severity field=severity`,
		},
		managementGroup: &itemOptions{example: `--name control --data-source "ns=2;s=Control" --default-timeout 20`},
		action:          &itemOptions{example: `--name reset --target-uri "ns=2;s=Control.Reset"`},
	}
}

func onvifKind() *kind {
	return &kind{
		word: "onvif", endpointType: model.EndpointONVIF, what: "for an ONVIF camera", login: password,
		endpoint: rows(app.ONVIFEndpoint), address: "http://10.0.0.8/onvif/device_service --user-ref camera/username --pass-ref camera/password",
		eventGroup:      &itemOptions{targets: mqttOnly(), example: "--name motion " + exampleDest},
		event:           &itemOptions{targets: mqttOnly(), example: "--name motion --data-source tns1:RuleEngine/CellMotionDetector/Motion"},
		managementGroup: &itemOptions{example: "--name ptz"},
		action:          &itemOptions{example: "--name left --target-uri PTZ.ContinuousMove"},
	}
}

func mediaKind() *kind {
	return &kind{
		word: "media", endpointType: model.EndpointMedia, what: "for a media source", login: password,
		address:  "rtsp://10.0.0.8/stream1",
		defaults: []assetDefault{streamDefault(newMedia, mqttOrFile()...)},
		stream:   &itemOptions{config: newMedia, targets: mqttOrFile(), example: "--name main --task-type snapshot-to-mqtt --format jpeg --snapshots-per-sec 0.2"},
	}
}

func restKind() *kind {
	return &kind{
		word: "rest", endpointType: model.EndpointHTTP, what: "for an HTTP/REST service", login: certificate, address: "https://10.0.0.9/api",
		defaults: []assetDefault{datasetDefault(rows(app.RESTDataset), true, mqttOrState()...)},
		dataset:  &itemOptions{config: rows(app.RESTDataset), always: true, targets: mqttOrState(), example: "--name press --data-source /press/7 --sampling-int 5000"},
	}
}

func sseKind() *kind {
	return &kind{
		word: "sse", endpointType: model.EndpointSSE, what: "for a service of server-sent events", login: certificate, address: "https://10.0.0.9/base",
		defaults:   []assetDefault{datasetDefault(nil, false, mqttOrState()...), eventDefault(nil, false, mqttOnly()...)},
		dataset:    &itemOptions{targets: mqttOrState(), example: "--name weather --data-source /api/weather"},
		eventGroup: &itemOptions{targets: mqttOnly(), example: "--name alarms --data-source /api/alarms"},
		event:      &itemOptions{targets: mqttOnly(), example: "--name fire --data-source /api/alarms/fire"},
	}
}

func mqttKind() *kind {
	return &kind{
		word: "mqtt", endpointType: model.EndpointMQTT, what: "for an MQTT broker", login: anonymous,
		endpoint: rows(app.MQTTEndpoint), address: "mqtt://10.0.0.9:1883 --topic-filter plant/line1/+",
		defaults: []assetDefault{datasetDefault(nil, false, mqttOrState()...)},
		dataset:  &itemOptions{targets: mqttOrState(), example: "--name packer --data-source line2/packer"},
	}
}

func sqlKind() *kind {
	return &kind{
		word: "sql", endpointType: model.EndpointSQL, what: "for a database", login: password,
		address:   `"Server=10.0.0.9,1433;Database=Quality;" --user-ref lims/username --pass-ref lims/password`,
		defaults:  []assetDefault{datasetDefault(json("dataset", "--dataset-config", "--dsc"), true, mqttOrState()...)},
		dataset:   &itemOptions{config: json("dataset", "--config"), always: true, targets: mqttOrState(), example: "--name samples"},
		dataPoint: &itemOptions{config: json("datapoint", "--config"), always: true, example: "--name viscosity --data-source Samples"},
	}
}
