package app_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/config"
)

// TestMetricsAreDocumented holds docs/guide/metrics.md to what is served.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/guide/metrics.md")
	require.NoError(t, err)
	external := options()
	external.Broker.MQTT = config.MQTT{URL: "mqtt://127.0.0.1:1"}
	external.Broker.Spool = config.Spool{MaxBytes: 1 << 20}
	served := map[string]bool{}
	for _, o := range []func() string{
		func() string { _, body := serve(t, t.TempDir(), options()).get("/metrics"); return body },
		func() string { _, body := serve(t, t.TempDir(), external).get("/metrics"); return body },
	} {
		for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(o(), -1) {
			served[m[1]] = true
			require.Contains(t, string(doc), "`"+m[1]+"`")
		}
	}
	for _, m := range regexp.MustCompile("`(iotops_[a-z_]+)`").FindAllStringSubmatch(string(doc), -1) {
		require.True(t, served[m[1]], "%s is documented and not served", m[1])
	}
}
