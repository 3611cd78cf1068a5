package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/api"
	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves o on a free port and returns its address.
func start(t *testing.T, o api.Options) string {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := api.Listen(t.Context(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s.Addr()
}

func get(t *testing.T, client *http.Client, url string) (int, http.Header, string) {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func options() api.Options {
	return api.Options{
		Healthy: func() []api.Check { return []api.Check{{Name: "reconcile", OK: true}} },
		Ready: func(context.Context) []api.Check {
			return []api.Check{{Name: "registry", OK: true}, {Name: "broker", Reason: "not connected"}}
		},
		Metrics: func(w *metrics.Writer) { w.One("iotops_x", metrics.Gauge, "X.", 3) },
		Status:  func() any { return map[string]int{"units": 2} },
	}
}

func TestAnswers(t *testing.T) {
	base, c := "http://"+start(t, options()), client(t)
	code, header, body := get(t, c, base+"/healthz")
	require.Equal(t, 200, code)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.JSONEq(t, `{"status":"ok","checks":[{"name":"reconcile","ok":true}]}`, body)

	code, _, body = get(t, c, base+"/readyz")
	require.Equal(t, 503, code)
	require.JSONEq(t, `{"status":"failed","checks":[{"name":"registry","ok":true},{"name":"broker","ok":false,"reason":"not connected"}]}`, body)

	code, header, body = get(t, c, base+"/metrics")
	require.Equal(t, 200, code)
	require.Equal(t, metrics.ContentType, header.Get("Content-Type"))
	require.Contains(t, body, "iotops_x 3\n")

	code, _, body = get(t, c, base+"/api/v1/status")
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"units":2}`, body)

	code, _, body = get(t, c, base+"/api/v1/secrets")
	require.Equal(t, 404, code)
	require.Contains(t, body, `"not_found"`)

	resp, err := c.Post(base+"/api/v1/status", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 404, resp.StatusCode)
}

func TestRefusesForeignHosts(t *testing.T) {
	base, c := "http://"+start(t, options()), client(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", http.NoBody)
	require.NoError(t, err)
	req.Host = "attacker.example:9600"
	resp, err := c.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
}

func TestRefusesLargeHeaders(t *testing.T) {
	addr := start(t, options())
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "example.com:80", "nonsense"} {
		_, err := api.Listen(t.Context(), api.Options{Listen: address})
		require.Equal(t, fault.Invalid, fault.KindOf(err), address)
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "127.9.9.9:0"} {
		require.NoError(t, api.CheckListen(address))
	}
	require.NoError(t, api.CheckListen("[::1]:9600"))
}

func TestPortTaken(t *testing.T) {
	first, err := api.Listen(t.Context(), api.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer first.Close()
	_, err = api.Listen(t.Context(), api.Options{Listen: first.Addr()})
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.Contains(t, err.Error(), first.Addr())
	require.NotEmpty(t, fault.Hints(err))
}

func TestStatusThatCannotBeWritten(t *testing.T) {
	o := options()
	o.Status = func() any { return func() {} }
	code, _, body := get(t, client(t), "http://"+start(t, o)+"/api/v1/status")
	require.Equal(t, 500, code)
	require.False(t, json.Valid([]byte(body)))
}
