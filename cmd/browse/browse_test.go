//go:build integration

package browse_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/cmd/browse"
	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

func server(t *testing.T) string {
	t.Helper()
	address := os.Getenv("IOTOPS_TEST_OPCUA")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "opcua") {
			t.Fatal("IOTOPS_TEST_OPCUA is not set")
		}
		t.Skip("IOTOPS_TEST_OPCUA is not set: .ci/test starts the server")
	}
	return address
}

// run runs the command and returns what it printed.
func run(t *testing.T, tty bool, args ...string) (string, error) {
	t.Helper()
	var out, errOut bytes.Buffer
	s := &cli.IO{In: strings.NewReader(""), Out: &out, ErrOut: &errOut, OutTTY: tty, Globals: &cli.Globals{Output: "json", Registry: t.TempDir()}}
	f := app.NewFactory(s)
	defer func() { require.NoError(t, f.Close()) }()
	c := browse.New(f)
	c.Cobra.SetArgs(args)
	err := c.Cobra.ExecuteContext(cli.WithIO(t.Context(), s))
	return out.String(), err
}

func TestTreeOnATerminal(t *testing.T) {
	out, err := run(t, true, server(t), "--security-mode", "none", "--search", "scalardouble", "--values")
	require.NoError(t, err)
	require.Equal(t, "Plant  [Object]  ns=2;s=Plant\n  ScalarDouble = 21.75  [Double rw]  ns=2;s=Scalar.Double\n", out)
}

func TestListForPrograms(t *testing.T) {
	out, err := run(t, false, server(t), "--security-mode", "none", "--root", "ns=2;s=Counters", "--limit", "3")
	require.NoError(t, err)
	var nodes []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &nodes))
	require.Len(t, nodes, 3)
	require.Equal(t, "ns=2;s=Counter.0", nodes[0]["id"])
	require.Equal(t, "UInt32", nodes[0]["dataType"])
	out, err = run(t, false, server(t), "--security-mode", "none", "--root", "ns=2;s=Plant", "--depth", "1", "--query", "[?name=='Matrix'].id", "-o", "tsv")
	require.NoError(t, err)
	require.Equal(t, "ns=2;s=Matrix\n", out)
	out, err = run(t, false, server(t), "--security-mode", "none", "--search", "matrix", "-o", "table")
	require.NoError(t, err)
	require.Contains(t, out, "ns=2;s=Matrix")
}

func TestPasswordOfTheCommandLine(t *testing.T) {
	t.Setenv("PLC_PASSWORD", "password1")
	args := []string{server(t), "--security-policy", "basic256sha256", "--accept-certs", "--user", "user1", "--password-ref", "env:PLC_PASSWORD", "--depth", "1"}
	_, err := run(t, false, args...)
	require.NoError(t, err)
	t.Setenv("PLC_PASSWORD", "wrong")
	_, err = run(t, false, args...)
	require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
}

func TestRefusals(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"http://x"},
		{"opc.tcp://x", "--device", "d"},
		{"opc.tcp://x", "--depth", "-1"},
		{"opc.tcp://x", "--user", "u"},
		{"opc.tcp://x", "--security-policy", "none such"},
	} {
		_, err := run(t, false, args...)
		require.Error(t, err, "%v", args)
		require.Contains(t, []fault.Kind{fault.Invalid, fault.Unsupported}, fault.KindOf(err), "%v: %v", args, err)
	}
	_, err := run(t, false, "--device", "none")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "%v", err)
}
