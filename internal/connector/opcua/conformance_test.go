package opcua_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/connector/connectortest"
	"github.com/iotops/iotops/internal/connector/opcua"
	"github.com/iotops/iotops/internal/pki"
	simulate "github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// simulated is our own server with a few points.
type simulated struct {
	*simulate.Server
	conn   connector.Connector
	points []*simulate.Variable
	users  map[string]string
}

// newSimulated starts a server. It ends with the test.
func newSimulated(t *testing.T, o simulate.Options) *simulated {
	t.Helper()
	server, err := simulate.Start(o)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	s := &simulated{Server: server, conn: opcua.New(pki.New(t.TempDir())), users: o.Users}
	folder := server.Objects().Folder("Points", "Points")
	for i := range 10 {
		s.points = append(s.points, folder.Variable(fmt.Sprintf("P%d", i), fmt.Sprintf("P%d", i), 0.0))
	}
	return s
}

// Connector implements connectortest.Source.
func (s *simulated) Connector() connector.Connector { return s.conn }

// Endpoint implements connectortest.Source.
func (s *simulated) Endpoint() model.Endpoint {
	e := model.Endpoint{EndpointType: model.EndpointOPCUA, Address: s.URL(), AdditionalConfiguration: `{"security":{"securityMode":"none"}}`}
	if len(s.users) > 0 {
		e.Authentication = &model.Authentication{Method: model.AuthUsernamePassword, UsernamePasswordCredentials: &model.UsernamePasswordCredentials{
			UsernameSecretName: "plc/username", PasswordSecretName: "plc/password",
		}}
	}
	return e
}

// Secrets implements connectortest.Source.
func (s *simulated) Secrets() map[string]string {
	for user, password := range s.users {
		return map[string]string{"plc/username": user, "plc/password": password}
	}
	return nil
}

// DataSource implements connectortest.Source.
func (s *simulated) DataSource(n int) string { return fmt.Sprintf("ns=2;s=P%d", n) }

// Set implements connectortest.Source.
func (s *simulated) Set(n int, v float64) { s.points[n].Set(v) }

// BadDataSource implements connectortest.Source.
func (s *simulated) BadDataSource() string { return "ns=2;s=NoSuchNode" }

// Drop implements connectortest.Source.
func (s *simulated) Drop() { s.DropConnections() }

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{New: func(t *testing.T) connectortest.Source {
		return newSimulated(t, simulate.Options{Users: map[string]string{"operator": "0per-ator"}})
	}})
}
