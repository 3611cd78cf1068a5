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
	certificate  bool   // an endpoint may log in with a certificate
	targets      []string

	endpointConfig  func() configOptions
	assetConfig     func() configOptions // default dataset configuration
	assetDest       []string             // names of the option with the default dataset destination
	datasetConfig   func() configOptions
	dataPointConfig func() configOptions

	endpointExample, assetExample, datasetExample, pointExample string
}

// configOptions make a configuration text.
type configOptions interface {
	declare(s *cli.Set)
	text(stored string) (string, error)
}

// typed is a configuration of rows.
type typed struct{ c *cli.ConfigOptions }

func (t typed) declare(s *cli.Set)                 { t.c.Declare(s) }
func (t typed) text(stored string) (string, error) { return t.c.Text(stored) }

// free is a configuration that the user writes as JSON.
type free struct {
	names []string
	what  string
	value *string
}

func (o *free) declare(s *cli.Set) {
	s.Text(&o.value, o.names...).Doc("Configuration of the " + o.what + ": JSON, or a file that holds it.")
}

func (o *free) text(stored string) (string, error) {
	if o.value == nil {
		return stored, nil
	}
	return cli.JSONText(*o.value, o.what)
}

func rows(options func() *cli.ConfigOptions) func() configOptions {
	return func() configOptions { return typed{options()} }
}

func json(what string, names ...string) func() configOptions {
	return func() configOptions { return &free{names: names, what: what} }
}

// kinds are the types that there are commands for.
func kinds() []kind {
	return []kind{
		{
			word: "custom", what: "of a type of your own", certificate: true,
			targets:         []string{model.TargetMqtt, model.TargetStateStore, model.TargetStorage},
			endpointConfig:  json("additional", "--additional-config", "--config"),
			assetConfig:     json("dataset", "--dataset-config", "--dsc"),
			assetDest:       []string{"--dataset-dest", "--dsd"},
			datasetConfig:   json("dataset", "--config"),
			dataPointConfig: json("datapoint", "--config"),
			endpointExample: `iotops ns device endpoint inbound add custom --device line1 -n mine --endpoint-address tcp://10.0.0.7:9000 --endpoint-type My.Type --config '{"a":1}'`,
			assetExample:    "iotops ns asset custom create -n oven --device line1 --endpoint mine",
			datasetExample:  `iotops ns asset custom dataset add --asset oven --name main --config '{"a":1}'`,
			pointExample:    "iotops ns asset custom datapoint add --asset oven --dataset main --name temperature --data-source 40001",
		},
		{
			word: "opcua", endpointType: model.EndpointOPCUA, what: "for an OPC UA server", certificate: true,
			targets:        []string{model.TargetMqtt},
			endpointConfig: rows(app.OPCUAEndpoint),
			assetConfig: rows(func() *cli.ConfigOptions {
				return app.OPCUADataset([4]string{
					"--dataset-publish-int --dspi", "--dataset-sampling-int --dssi", "--dataset-queue-size --dsqs", "--dataset-key-frame-count --dskfc",
				})
			}),
			assetDest: []string{"--dataset-dest", "--dsd"},
			datasetConfig: rows(func() *cli.ConfigOptions {
				return app.OPCUADataset([4]string{"--publish-int --pi", "--sampling-int --si", "--queue-size --qs", "--key-frame-count --kfc"})
			}),
			dataPointConfig: rows(app.OPCUADataPoint),
			endpointExample: `iotops ns device endpoint inbound add opcua --device line1 -n plc --endpoint-address opc.tcp://10.0.0.7:4840
iotops ns device endpoint inbound add opcua --device line1 -n plc --address opc.tcp://10.0.0.7:4840 --user-ref plc/username --pass-ref plc/password --security-mode signAndEncrypt`,
			assetExample:   "iotops ns asset opcua create -n oven --device line1 --endpoint plc\niotops ns asset opcua create -n oven --device line1 --endpoint plc --dataset-publish-int 500 --dataset-dest topic=plant/oven retain=Never qos=Qos1 ttl=60",
			datasetExample: "iotops ns asset opcua dataset add --asset oven --name main --dest topic=plant/oven/main retain=Never qos=Qos1 ttl=60",
			pointExample:   `iotops ns asset opcua datapoint add --asset oven --dataset main --name temperature --data-source "ns=2;s=Temperature"`,
		},
	}
}
