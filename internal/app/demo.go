package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	simulator "github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Demo is Serve over a registry of its own, which is gone afterwards, and
// simulated machines. Nothing of the user's is touched, and ports that are taken
// give way to free ones.
func (f *Factory) Demo(ctx context.Context, o ServeOptions) error {
	dir, err := os.MkdirTemp("", "iotops-demo-")
	if err != nil {
		return fault.As(fault.Denied, err, "a folder for the demo")
	}
	defer func() { _ = os.RemoveAll(dir) }()
	plant, err := simulator.Start(simulator.Options{Log: o.Log}) //nolint:contextcheck // it lives until Close
	if err != nil {
		return fault.Wrap(err, "start the simulated machines")
	}
	defer plant.Close()
	plant.AddPlant()

	streams, globals := *f.IO, *f.IO.Globals
	globals.Registry = dir
	streams.Globals = &globals
	own := NewFactory(&streams)
	own.Now = f.Now
	defer func() { _ = own.Close() }()
	store, err := own.Registry(ctx)
	if err != nil {
		return err
	}
	if err := putPlant(ctx, store, plant.URL()); err != nil {
		return err
	}
	o.Instance = model.Key{Kind: model.KindInstance, Parent: registry.DefaultName, Name: registry.DefaultName}
	o.FreePorts = true
	told := o.Ready
	o.Ready = func(s *Served) {
		sayDemo(f.IO.Out, s, plant.URL())
		if told != nil {
			told(s)
		}
	}
	return own.Serve(ctx, o)
}

// putPlant registers the simulated machines: one device, an asset a machine.
func putPlant(ctx context.Context, store *registry.Store, address string) error {
	const parent = registry.DefaultName + "/" + registry.DefaultName
	device := &model.Device{Meta: model.Meta{Name: "plant", Parent: parent, Location: "local"}}
	device.Properties.UUID = NewUUID()
	if err := device.AddEndpoint("plc", &model.Endpoint{EndpointType: model.EndpointOPCUA, Address: address}, false); err != nil {
		return err
	}
	return store.Update(ctx, func(tx *registry.Tx) error {
		if err := tx.Put(ctx, device, registry.MustCreate); err != nil {
			return err
		}
		for _, m := range simulator.Machines() {
			if err := tx.Put(ctx, machineAsset(parent, m), registry.MustCreate); err != nil {
				return err
			}
		}
		return nil
	})
}

func machineAsset(parent string, m simulator.Machine) *model.Asset {
	name := strings.ToLower(m.Name)
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: parent, Location: "local"}}
	a.Properties.UUID, a.Properties.DisplayName = NewUUID(), m.Name
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: "plant", EndpointName: "plc"}
	d := model.Dataset{
		Name: "main", DatasetConfiguration: `{"publishingInterval":500,"samplingInterval":250}`, DataPoints: []model.DataPoint{},
		Destinations: []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{
			Topic: "plant/" + name + "/main", QoS: "Qos1", Retain: "Never",
		}}},
	}
	for _, p := range m.Points {
		d.DataPoints = append(d.DataPoints, model.DataPoint{Name: p.Name, DataSource: p.NodeID})
	}
	a.Properties.Datasets = []model.Dataset{d}
	return a
}

// sayDemo tells what runs and how to look at it.
func sayDemo(w io.Writer, s *Served, opcua string) {
	for _, note := range s.Notes {
		_, _ = fmt.Fprintf(w, "%s\n", cli.Printable(note))
	}
	_, _ = fmt.Fprintf(w, "simulated machines  %s\nMQTT broker         %s\n", opcua, s.BrokerURL)
	if s.API != "" {
		_, _ = fmt.Fprintf(w, "health, metrics     http://%s/metrics\n", s.API)
	}
	_, _ = fmt.Fprintf(w, "\nIn another terminal:\n  iotops watch '#' --mqtt-broker %s\n  iotops browse %s\nCtrl-C ends it.\n\n", s.BrokerURL, opcua)
}
