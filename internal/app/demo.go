package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/pkg/model"
)

// Demo serves a sample plant: simulated machines, and a registry of its own
// that is gone afterwards. Nothing of the user's is touched.
func (f *Factory) Demo(ctx context.Context, o ServeOptions) (err error) {
	dir, err := os.MkdirTemp("", "iotops-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plant, err := opcua.Start(opcua.Options{Log: o.Log})
	if err != nil {
		return err
	}
	defer plant.Close()
	plant.AddPlant()

	globals := *f.IO.Globals
	globals.Registry = dir
	demo := NewFactory(&cli.IO{
		In: f.IO.In, Out: f.IO.Out, ErrOut: f.IO.ErrOut, OutTTY: f.IO.OutTTY, ErrTTY: f.IO.ErrTTY, InTTY: f.IO.InTTY, Globals: &globals,
	})
	defer func() { err = errors.Join(err, demo.Close()) }()
	store, err := demo.Registry(ctx)
	if err != nil {
		return err
	}
	o.Instance = model.Key{Kind: model.KindInstance, Parent: registry.DefaultName, Name: registry.DefaultName}
	if err := register(ctx, store, plant.URL()); err != nil {
		return err
	}
	o.FreePorts = true
	o.Ready = func(s *Served) { f.welcome(s, plant.URL()) }
	return demo.Serve(ctx, o)
}

// register puts the sample plant into a registry.
func register(ctx context.Context, store *registry.Store, address string) error {
	parent := registry.DefaultName + "/" + registry.DefaultName
	d := &model.Device{Meta: model.Meta{Name: "demo-line", Parent: parent, Location: "local"}}
	d.Properties.UUID = NewUUID()
	d.Properties.ExternalDeviceID = d.Properties.UUID
	d.Properties.Endpoints.Inbound = map[string]*model.Endpoint{"plc": {EndpointType: model.EndpointOPCUA, Address: address}}
	return store.Update(ctx, func(tx *registry.Tx) error {
		if err := tx.Put(ctx, d, registry.None); err != nil {
			return err
		}
		for _, m := range opcua.Machines() {
			name := strings.ToLower(m.Name)
			a := &model.Asset{Meta: model.Meta{Name: name, Parent: parent, Location: "local"}}
			a.Properties.UUID = NewUUID()
			a.Properties.ExternalAssetID, a.Properties.DisplayName = a.Properties.UUID, m.Name
			a.Properties.DeviceRef = model.DeviceRef{DeviceName: d.Name, EndpointName: "plc"}
			data := model.Dataset{
				Name: "main", DatasetConfiguration: `{"publishingInterval":500,"samplingInterval":200}`,
				Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "plant/" + name, QoS: "Qos1", Retain: "Never"}}},
				DataPoints:   []model.DataPoint{},
			}
			for _, p := range m.Points {
				data.DataPoints = append(data.DataPoints, model.DataPoint{Name: p.Name, DataSource: p.NodeID})
			}
			a.Properties.Datasets = []model.Dataset{data}
			if err := tx.Put(ctx, a, registry.None); err != nil {
				return err
			}
		}
		return nil
	})
}

// welcome says what runs, and how to look at it.
func (f *Factory) welcome(s *Served, server string) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(f.IO.Out, format+"\n", args...) }
	for _, note := range s.Notes {
		say("note: %s", note)
	}
	say("A sample plant runs: an OPC UA server, four assets, an MQTT broker. Nothing of yours is touched. Ctrl-C ends it.")
	say("  messages  iotops watch 'plant/#' --mqtt-broker %s", s.BrokerURL)
	say("  server    iotops browse %s", server)
	if s.API != "" {
		say("  health    http://%s/readyz   metrics  http://%s/metrics", s.API, s.API)
	}
}
