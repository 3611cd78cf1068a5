// Package opcua is the connector for OPC UA servers.
//
// It uses a library's binary codec and secure channel; sessions, subscriptions
// and everything about losing and finding a connection again are its own
// (OPC 10000-4).
package opcua

import (
	"errors"
	"fmt"

	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Connector implements connector.Connector, Prober and Browser.
type Connector struct {
	pki *pki.Store
}

// New returns the connector. Certificates are kept in store.
func New(store *pki.Store) *Connector { return &Connector{pki: store} }

// Info implements connector.Connector.
func (c *Connector) Info() connector.Info {
	item := connector.Fields[itemConfig]()
	return connector.Info{
		Name: "opcua", EndpointTypes: []string{model.EndpointOPCUA}, Doc: "Reads values of OPC UA servers.",
		Style: connector.StyleOPCUA, Endpoint: connector.Fields[endpointConfig](), Dataset: item, DataPoint: item[1:3],
	}
}

// Validate implements connector.Connector.
func (c *Connector) Validate(a *model.Assignment) error {
	s, err := parseEndpoint(&a.Endpoint)
	errs := []error{err}
	for _, asset := range a.Assets {
		for i := range asset.Properties.Datasets {
			d := &asset.Properties.Datasets[i]
			for j := range d.DataPoints {
				x := &d.DataPoints[j]
				if _, err := s.resolve(asset, d, x); err != nil {
					errs = append(errs, fault.Wrap(err, "datasets[%d].dataPoints[%d]", i, j))
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fault.As(fault.Invalid, err, "endpoint %s", name(a))
	}
	return nil
}

func name(a *model.Assignment) string {
	if a.EndpointName == "" {
		return a.Device.Key.Name
	}
	return fmt.Sprintf("%s/%s", a.Device.Key.Name, a.EndpointName)
}
