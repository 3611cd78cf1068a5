package connectortest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/connector/connectortest"
)

// wrongEnv says, in a child process, what the connector does wrong.
const wrongEnv = "IOTOPS_TEST_WRONG"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARightConnectorPasses(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{New: func(t *testing.T) connectortest.Source {
		return newLineServer(t, &lineConnector{wrong: os.Getenv(wrongEnv)})
	}})
}

// TestAWrongConnectorFails runs the suite in a process of its own for each
// mistake: a suite that cannot fail proves nothing.
func TestAWrongConnectorFails(t *testing.T) {
	for wrong, part := range map[string]string{
		"says it twice":        "values arrive",
		"reconnects on update": "live update",
		"stays healthy":        "a lost connection ends Run, and the next one recovers",
		"names no kind":        "a lost connection ends Run, and the next one recovers",
		"sleeps on stop":       "stops at once",
		"accepts anything":     "bad configuration is refused without the network",
		"logs the secret":      "secrets stay secret",
		"acknowledges early":   "acknowledges what is safe only",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			part := strings.ReplaceAll(part, " ", "_")
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestARightConnectorPasses$/^"+part+"$") //nolint:gosec // this very test
			child.Env = append(os.Environ(), wrongEnv+"="+wrong)
			out, err := child.CombinedOutput()
			require.Error(t, err, "the suite passes it:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: TestARightConnectorPasses/"+part)
		})
	}
}
