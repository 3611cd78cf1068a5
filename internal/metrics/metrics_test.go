package metrics_test

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/metrics"
)

func TestWritesTheTextFormat(t *testing.T) {
	var out bytes.Buffer
	w := metrics.NewWriter(&out)
	w.Family("iotops_values_total", metrics.Counter, "Values.\nWith a \\ in it.")
	w.Sample(12, "asset", `a"b\c`+"\n\xff", "device", "d")
	w.Sample(0.25)
	w.One("iotops_x", metrics.Gauge, "X.", math.Inf(1))
	w.Sample(math.Inf(-1))
	w.Sample(math.NaN())
	w.Sample(1 << 60)
	require.NoError(t, w.Flush())
	require.Equal(t, `# HELP iotops_values_total Values.\nWith a \\ in it.
# TYPE iotops_values_total counter
iotops_values_total{asset="a\"b\\c\n`+"\uFFFD"+`",device="d"} 12
iotops_values_total 0.25
# HELP iotops_x X.
# TYPE iotops_x gauge
iotops_x +Inf
iotops_x -Inf
iotops_x NaN
iotops_x 1.152921504606847e+18
`, out.String())
}

func TestProcess(t *testing.T) {
	var out bytes.Buffer
	w := metrics.NewWriter(&out)
	w.Process("v1", time.Unix(100, 0))
	require.NoError(t, w.Flush())
	require.Contains(t, out.String(), `iotops_build_info{version="v1",goversion="go`)
	require.Contains(t, out.String(), "process_start_time_seconds 100\n")
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$`)
	for l := range strings.Lines(out.String()) {
		require.Regexp(t, line, strings.TrimSuffix(l, "\n"))
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestFlushTellsOfErrors(t *testing.T) {
	w := metrics.NewWriter(full{})
	w.One("x", metrics.Gauge, "X.", 1)
	require.EqualError(t, w.Flush(), "full")
}
