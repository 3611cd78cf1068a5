// Package all lists the connectors.
package all

import (
	"github.com/iotops/iotops/internal/connector/opcua"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/connector"
)

// Options are what connectors are made with.
type Options struct {
	PKI *pki.Store // certificates, ours and others'
}

// New returns the set of all connectors.
func New(o Options) *connector.Set {
	return connector.NewSet(
		opcua.New(o.PKI),
	)
}
