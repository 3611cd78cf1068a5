package state_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/state"
	"github.com/iotops/iotops/pkg/fault"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("IOTOPS_TEST_HOLDER"); dir != "" {
		hold(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// hold is another process that holds the lease until it is killed.
func hold(dir string) {
	ctx := context.Background()
	s, err := state.Open(ctx, dir)
	if err == nil {
		_, err = s.AcquireLease(ctx, "default/default")
	}
	_, _ = fmt.Fprintln(os.Stdout, err)
	select {}
}

func open(t *testing.T, dir string) *state.DB {
	t.Helper()
	s, err := state.Open(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStateOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := state.Open(t.Context(), dir)
	require.NoError(t, err)
	u := s.Unit("a")
	require.NoError(t, u.Save(t.Context(), "k", []byte("v")))
	require.NoError(t, u.Save(t.Context(), "empty", nil))
	require.NoError(t, u.Save(t.Context(), "gone", []byte("x")))
	require.NoError(t, u.Delete(t.Context(), "gone"))
	require.NoError(t, s.Close())
	s = open(t, dir)
	for key, want := range map[string][]byte{"k": []byte("v"), "empty": {}, "gone": nil, "never": nil} {
		got, err := s.Unit("a").Load(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, want, got, key)
	}
	other, err := s.Unit("b").Load(t.Context(), "k")
	require.NoError(t, err)
	require.Nil(t, other, "units do not see each other's state")
	require.True(t, fault.Is(u.Save(t.Context(), "k", make([]byte, state.MaxValue+1)), fault.Invalid))
	require.NoError(t, s.Prune(t.Context(), func(unit string) bool { return unit != "a" }))
	got, err := s.Unit("a").Load(t.Context(), "k")
	require.NoError(t, err)
	require.Nil(t, got)
}

func TestManySavesAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := s.Unit(strconv.Itoa(i)).Save(t.Context(), "k", []byte{byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 200 {
		got, err := s.Unit(strconv.Itoa(i)).Load(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, got)
	}
}

func TestOneHolder(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	_, running, err := b.Running(t.Context(), "default/default")
	require.NoError(t, err)
	require.False(t, running)
	l, err := a.AcquireLease(t.Context(), "default/Default")
	require.NoError(t, err)
	require.NoError(t, l.Publish(t.Context(), "mqtt://127.0.0.1:1883", "127.0.0.1:9600"))
	_, err = b.AcquireLease(t.Context(), "default/default")
	require.True(t, fault.Is(err, fault.Conflict))
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
	h, running, err := b.Running(t.Context(), "default/default")
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, "mqtt://127.0.0.1:1883", h.Broker)
	other, err := b.AcquireLease(t.Context(), "default/other")
	require.NoError(t, err, "another instance is another lease")
	other.Release()
	l.Release()
	l, err = b.AcquireLease(t.Context(), "default/default")
	require.NoError(t, err)
	l.Release()
}

func TestAKilledHolderLetsGo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "IOTOPS_TEST_HOLDER="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", line)
	_, err = s.AcquireLease(t.Context(), "default/default")
	require.True(t, fault.Is(err, fault.Conflict))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	l, err := s.AcquireLease(t.Context(), "default/default")
	require.NoError(t, err)
	l.Release()
}

func TestADamagedFileIsSaid(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, state.FileName), make([]byte, 4096), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, state.FileName), []byte("this is not a database this is not a database this is not a database this is not a database"), 0o600))
	_, err := state.Open(t.Context(), dir)
	require.Error(t, err)
	require.NotEmpty(t, fault.Hints(err))
}
