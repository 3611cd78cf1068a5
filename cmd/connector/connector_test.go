package connector_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/cmd/connector"
	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/pki"
)

// run runs a command on a registry folder.
func run(t *testing.T, dir, input string, args ...string) (out, errOut string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	s := &cli.IO{In: strings.NewReader(input), Out: &o, ErrOut: &e, Globals: &cli.Globals{Output: "json", Registry: dir}}
	f := app.NewFactory(s)
	defer func() { require.NoError(t, f.Close()) }()
	c := connector.New(f)
	c.Cobra.SetArgs(args)
	err = c.Cobra.ExecuteContext(cli.WithIO(t.Context(), s))
	return o.String(), e.String(), err
}

// certificate writes a self-signed certificate and returns the file's name.
func certificate(t *testing.T, name string, asPEM bool) string {
	t.Helper()
	own, err := pki.New(t.TempDir()).Own("server")
	require.NoError(t, err)
	data := own.Certificate
	if asPEM {
		data = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})
	}
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestTrust(t *testing.T) {
	dir := t.TempDir()
	_, _, err := run(t, dir, "", "opcua", "trust", "show")
	require.ErrorContains(t, err, "empty")

	out, _, err := run(t, dir, "", "opcua", "trust", "add", "--certificate-file", certificate(t, "a.der", false))
	require.NoError(t, err)
	require.Contains(t, out, `"targetKey": "a.der"`)
	require.Contains(t, out, `"sourcePath": "a-der"`)
	require.Contains(t, out, `"name": "aio-opc-ua-broker-trust-list"`)
	out, _, err = run(t, dir, "", "opcua", "trust", "add", "-n", "default", "-g", "default", "--cf", certificate(t, "b.CRT", true))
	require.NoError(t, err)
	require.Contains(t, out, `"targetKey": "b.CRT"`)

	// Another certificate of the same name: asked for, declined, then overwritten.
	other := certificate(t, "a.der", false)
	out, said, err := run(t, dir, "n\n", "opcua", "trust", "add", "--certificate-file", other)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, said, "Continue? [y/n]")
	_, _, err = run(t, dir, "", "opcua", "trust", "add", "--certificate-file", other, "--overwrite-secret")
	require.NoError(t, err)
	der, err := os.ReadFile(other)
	require.NoError(t, err)
	require.NoError(t, pki.New(filepath.Join(dir, "pki")).Check(der))

	out, said, err = run(t, dir, "", "opcua", "trust", "remove", "--certificate-names", "a.der", "none.der", "-y")
	require.NoError(t, err)
	require.Contains(t, said, "none.der")
	require.NotContains(t, out, "a.der")
	out, _, err = run(t, dir, "", "opcua", "trust", "remove", "--certificate-names", "b.CRT", "-y")
	require.NoError(t, err)
	require.Empty(t, out, "the last one: nothing is left to show")
	_, _, err = run(t, dir, "", "opcua", "trust", "remove", "--certificate-names", "b.CRT", "-y")
	require.Error(t, err)
}

func TestFileRules(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(t.TempDir(), "junk.der")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o600))
	for want, args := range map[string][]string{
		"only .der and .crt": {"opcua", "trust", "add", "--certificate-file", certificate(t, "a.pem", true)},
		"must be PEM":        {"opcua", "trust", "add", "--certificate-file", certificate(t, "a.crt", false)},
		"must be DER":        {"opcua", "trust", "add", "--certificate-file", certificate(t, "a.der", true)},
		"holds no cert":      {"opcua", "trust", "add", "--certificate-file", junk},
		"authority":          {"opcua", "issuer", "add", "--certificate-file", certificate(t, "i.der", false)},
		"no such file":       {"opcua", "trust", "add", "--certificate-file", filepath.Join(dir, "none.der")},
		"letters, digits":    {"opcua", "trust", "add", "--certificate-file", certificate(t, "b.der", false), "-s", "a.b"},
	} {
		_, _, err := run(t, dir, "", args...)
		require.ErrorContains(t, err, want)
	}
}

func TestClientShow(t *testing.T) {
	dir := t.TempDir()
	out, _, err := run(t, dir, "", "opcua", "client", "show")
	require.NoError(t, err)
	require.Contains(t, out, "urn:")
	again, _, err := run(t, dir, "", "opcua", "client", "show")
	require.NoError(t, err)
	require.Equal(t, out, again)
}
