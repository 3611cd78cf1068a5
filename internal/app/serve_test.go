package app_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv("IOTOPS_TEST_SERVE"); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// child is a serve in a process of its own, for a test that kills it.
func child(dir string) int {
	f := app.NewFactory(&cli.IO{In: strings.NewReader(""), Out: io.Discard, ErrOut: os.Stderr, Globals: &cli.Globals{Registry: dir}})
	o := options()
	o.Ready = func(*app.Served) { _, _ = os.Stdout.WriteString("ready\n") }
	if err := f.Serve(context.Background(), o); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
}

func options() app.ServeOptions {
	return app.ServeOptions{
		Instance: model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"}, TopicNamespace: "test",
		Broker: app.BrokerOptions{Broker: config.Broker{Listen: "127.0.0.1:0"}}, APIListen: "127.0.0.1:0",
	}
}

func factory(t *testing.T, dir string) (*app.Factory, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	f := app.NewFactory(&cli.IO{In: strings.NewReader(""), Out: out, ErrOut: io.Discard, Globals: &cli.Globals{Registry: dir}})
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f, out
}

// served is a Serve that runs in the test process.
type served struct {
	*app.Served

	t     *testing.T
	store *registry.Store // another process's
	end   func() error
}

func serve(t *testing.T, dir string, o app.ServeOptions) *served {
	t.Helper()
	f, _ := factory(t, dir)
	store, err := registry.Open(t.Context(), dir, registry.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ready, done := make(chan *app.Served, 1), make(chan error, 1)
	o.Ready = func(s *app.Served) { ready <- s }
	o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- f.Serve(ctx, o) }()
	s := &served{t: t, store: store}
	s.end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return fault.New(fault.Internal, "serve hangs")
		}
	})
	t.Cleanup(func() { require.NoError(t, s.end()) })
	select {
	case s.Served = <-ready:
	case err := <-done:
		done <- err
		require.NoError(t, err)
	}
	return s
}

func (s *served) get(path string) (int, string) {
	s.t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get("http://" + s.API + path)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(body)
}

func (s *served) status() app.ServeStatus {
	s.t.Helper()
	_, body := s.get("/api/v1/status")
	var st app.ServeStatus
	require.NoError(s.t, json.Unmarshal([]byte(body), &st))
	return st
}

func (s *served) ready() {
	s.t.Helper()
	last := ""
	require.Eventually(s.t, func() bool {
		code, body := s.get("/readyz")
		last = body
		return code == 200
	}, patience, 10*time.Millisecond, "%s", &last)
}

func TestServeAnEmptyRegistry(t *testing.T) {
	s := serve(t, t.TempDir(), options())
	s.ready()
	code, body := s.get("/healthz")
	require.Equal(t, 200, code, body)
	code, body = s.get("/metrics")
	require.Equal(t, 200, code)
	require.Contains(t, body, `iotops_units{state="connected"} 0`)
	require.Contains(t, body, `iotops_messages_total{outcome="safe"} 0`)
	st := s.status()
	require.Equal(t, "default/default", st.Instance)
	require.Equal(t, s.BrokerURL, st.Broker.URL)
	require.True(t, st.Broker.Ready)
	require.Empty(t, st.Units)

	other, _ := factory(t, s.store.Dir())
	h, running, err := other.Running(t.Context(), options().Instance)
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, s.BrokerURL, h.Broker)
	require.Equal(t, s.API, h.API)
	asked, running, err := other.Ask(t.Context(), options().Instance)
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, os.Getpid(), asked.PID)

	require.NoError(t, s.end())
	_, running, err = other.Ask(t.Context(), options().Instance)
	require.NoError(t, err)
	require.False(t, running)
}

func TestSecondServeIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := serve(t, dir, options())
	f, _ := factory(t, dir)
	err := f.Serve(t.Context(), options())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.Contains(t, err.Error(), "served already by process")
	first.ready()
	require.NoError(t, first.end())
	serve(t, dir, options()).ready()
}

func TestPortsInUse(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	f, _ := factory(t, dir)

	o := options()
	o.Broker.Broker.Listen = taken.Addr().String()
	err = f.Serve(t.Context(), o)
	require.ErrorContains(t, err, "the address is in use")
	require.NotEmpty(t, fault.Hints(err))

	o = options()
	o.APIListen = taken.Addr().String()
	err = f.Serve(t.Context(), o)
	require.ErrorContains(t, err, taken.Addr().String())
	require.NotEmpty(t, fault.Hints(err))

	o.Broker.Broker.Listen, o.FreePorts = taken.Addr().String(), true
	s := serve(t, dir, o)
	require.Len(t, s.Notes, 2)
	require.NotContains(t, s.BrokerURL, taken.Addr().String())
	s.ready()
}

func TestAPIBeyondLoopbackIsRefused(t *testing.T) {
	f, _ := factory(t, t.TempDir())
	o := options()
	o.APIListen = "0.0.0.0:0"
	require.Equal(t, fault.Invalid, fault.KindOf(f.Serve(t.Context(), o)))
	o = options()
	o.Broker.Broker.Listen = "0.0.0.0:0"
	require.Equal(t, fault.Invalid, fault.KindOf(f.Serve(t.Context(), o)))
}

func TestInstanceThatDoesNotExist(t *testing.T) {
	f, _ := factory(t, t.TempDir())
	o := options()
	o.Instance.Name = "second"
	err := f.Serve(t.Context(), o)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.Equal(t, []string{"Create it: iotops create -n second -g default"}, fault.Hints(err))
}

func TestNewerRegistry(t *testing.T) {
	dir := t.TempDir()
	store, err := registry.Open(t.Context(), dir, registry.Options{})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, registry.FileName))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "PRAGMA user_version = 999")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	f, _ := factory(t, dir)
	err = f.Serve(t.Context(), options())
	require.ErrorContains(t, err, "newer iotops")
	require.NotEmpty(t, fault.Hints(err))
}

func TestFolderThatMayNotBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere: a folder that is a file instead")
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		f, _ := factory(t, filepath.Join(file, "registry"))
		err := f.Serve(t.Context(), options())
		require.Equal(t, fault.Denied, fault.KindOf(err))
		require.NotEmpty(t, fault.Hints(err))
		return
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	f, _ := factory(t, dir)
	err := f.Serve(t.Context(), options())
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.NotEmpty(t, fault.Hints(err))
}

func TestKilledServeLeavesNothingInTheWay(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "IOTOPS_TEST_SERVE="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)

	f, _ := factory(t, dir)
	h, running, err := f.Running(t.Context(), options().Instance)
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, cmd.Process.Pid, h.PID)
	require.Equal(t, fault.Conflict, fault.KindOf(f.Serve(t.Context(), options())))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	serve(t, dir, options()).ready()
}
