//go:build integration

package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/sinktest"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// TestMosquitto runs the conformance suite against a broker by other hands.
func TestMosquitto(t *testing.T) {
	address := os.Getenv("IOTOPS_TEST_MOSQUITTO")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "mosquitto") {
			t.Fatal("IOTOPS_TEST_MOSQUITTO is not set")
		}
		t.Skip("IOTOPS_TEST_MOSQUITTO is not set: .ci/test starts the broker")
	}
	url := "mqtt://" + address
	sinktest.Run(t, func(t *testing.T) sinktest.Sink {
		far := subscribe(t, url, "sinktest/#")
		c := start(t, mqtt.Options{URL: url, ClientID: "conformance-" + strconv.FormatInt(time.Now().UnixNano(), 36), Spool: newSpool(t)})
		connected(t, c)
		return sinktest.Sink{Publisher: c, Far: far}
	})
}

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.crt and NAME.key.
func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	require.NoError(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	a.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name string, data []byte) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(a.path(name), data, 0o600))
}

// mosquitto starts a broker with a configuration of its own, and returns its port.
func mosquitto(t *testing.T, dir, config string) string {
	t.Helper()
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	file := filepath.Join(dir, "mosquitto.conf")
	require.NoError(t, os.WriteFile(file, []byte("listener "+port+" 127.0.0.1\n"+config), 0o600))
	cmd := exec.CommandContext(t.Context(), program(t, "mosquitto"), "-c", file) //nolint:gosec // the broker under test
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}, 20*time.Second, 10*time.Millisecond)
	return port
}

// program finds one of mosquitto's programs: Debian keeps the broker in /usr/sbin.
func program(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := "/usr/sbin/" + name
	if _, err := os.Stat(path); err != nil {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "mosquitto") {
			t.Fatal(name + " is not installed")
		}
		t.Skip(name + " is not installed")
	}
	return path
}

// TestMosquittoTLS comes in with a certificate, or a password, over TLS; and
// not without.
func TestMosquittoTLS(t *testing.T) {
	a := newAuthority(t)
	a.issue("server", &x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue("edge", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	secured := fmt.Sprintf("log_dest none\ncafile %s\ncertfile %s\nkeyfile %s\n", a.path("ca.crt"), a.path("server.crt"), a.path("server.key"))
	if os.Geteuid() == 0 {
		secured += "user root\n" // else it gives up its rights, and cannot read its key
	}
	certificates := "mqtts://127.0.0.1:" + mosquitto(t, t.TempDir(), secured+"require_certificate true\nuse_identity_as_username true\n")
	passwords := filepath.Join(a.dir, "passwords")
	require.NoError(t, exec.CommandContext(t.Context(), program(t, "mosquitto_passwd"), "-b", "-c", passwords, "edge", "s3cret").Run()) //nolint:gosec // a password of the test
	named := "mqtts://localhost:" + mosquitto(t, t.TempDir(), secured+"allow_anonymous false\npassword_file "+passwords+"\n")
	ca := a.path("ca.crt")

	for name, o := range map[string]mqtt.Options{
		"certificate": {URL: certificates, CAFile: ca, CertFile: a.path("edge.crt"), KeyFile: a.path("edge.key")},
		"password":    {URL: named, CAFile: ca, User: "edge", Password: connector.NewSecret("s3cret")},
	} {
		t.Run(name, func(t *testing.T) {
			o.ClientID = "edge-" + name
			c := start(t, o)
			connected(t, c)
			safe := make(chan message.Outcome, 1)
			require.NoError(t, c.Publish(t.Context(), &message.Message{
				Topic: "tls/x", Payload: []byte("1"), QoS: 1, Done: message.CompletionFunc(func(o message.Outcome) { safe <- o }),
			}))
			require.Equal(t, message.Safe, <-safe)
		})
	}
	for name, x := range map[string]struct {
		o    mqtt.Options
		says string
		hint string
	}{
		"unknown authority": {mqtt.Options{URL: named, User: "edge", Password: connector.NewSecret("s3cret")}, "unknown authority", "--mqtt-ca-file"},
		"no certificate":    {mqtt.Options{URL: certificates, CAFile: ca}, "certificate required", "--mqtt-cert-file"},
		"wrong password":    {mqtt.Options{URL: named, CAFile: ca, User: "edge", Password: connector.NewSecret("guessed")}, "refuses our login", "--mqtt-password-ref"},
		"no password":       {mqtt.Options{URL: named, CAFile: ca}, "refuses our login", "--mqtt-password-ref"},
	} {
		t.Run(name, func(t *testing.T) {
			x.o.ClientID = "x"
			c := start(t, x.o)
			require.Eventually(t, func() bool {
				err := c.Status().Err
				return err != nil && strings.Contains(err.Error(), x.says)
			}, 20*time.Second, 5*time.Millisecond, "%v", c.Status().Err)
			require.NotContains(t, c.Status().Err.Error(), "guessed")
			require.False(t, c.Status().Connected)
			require.Contains(t, strings.Join(fault.Hints(c.Status().Err), " "), x.hint)
		})
	}
}
