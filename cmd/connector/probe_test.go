//go:build integration

package connector_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProbe(t *testing.T) {
	address := os.Getenv("IOTOPS_TEST_OPCUA")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "opcua") {
			t.Fatal("IOTOPS_TEST_OPCUA is not set")
		}
		t.Skip("IOTOPS_TEST_OPCUA is not set: .ci/test starts the server")
	}
	for _, args := range [][]string{
		{"probe", "opcua", address, "--security-mode", "none"}, {"probe", address, "--accept-certs"},
	} {
		out, _, err := run(t, t.TempDir(), "", args...)
		require.NoError(t, err)
		var facts map[string]string
		require.NoError(t, json.Unmarshal([]byte(out), &facts))
		require.Equal(t, "urn:iotops:test:server", facts["applicationUri"])
		require.Contains(t, facts["login"], "works")
	}
	// A refused certificate is no reason to keep what is known to oneself.
	out, _, err := run(t, t.TempDir(), "", "probe", address)
	require.Error(t, err)
	require.Contains(t, out, "refused")
}
