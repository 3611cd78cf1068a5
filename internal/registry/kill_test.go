package registry_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// writeForever is the child of TestKillLosesNothing: it writes, and says what
// was acknowledged.
func writeForever(dir string) {
	ctx := context.Background()
	s, err := registry.Open(ctx, dir, registry.Options{})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		d := device("line1")
		d.Properties.Model = strconv.FormatInt(time.Now().UnixNano(), 10)
		if err := s.Update(ctx, func(tx *registry.Tx) error { return tx.Put(ctx, d, registry.None) }); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = fmt.Fprintln(os.Stdout, int64(d.Revision))
	}
}

func TestKillLosesNothing(t *testing.T) {
	dir := t.TempDir()
	last := model.Revision(0)
	for range 6 {
		acked := killWriter(t, dir)
		require.GreaterOrEqual(t, acked, last)
		s, err := registry.Open(t.Context(), dir, registry.Options{})
		require.NoError(t, err)
		rev, err := s.Revision(t.Context())
		require.NoError(t, err)
		require.GreaterOrEqual(t, rev, acked, "what was acknowledged is there")
		d, err := registry.Get[*model.Device](t.Context(), s, device("line1").Key())
		require.NoError(t, err)
		require.Equal(t, rev, d.Revision)
		require.NoError(t, s.Close())
		require.Equal(t, "ok", integrity(t, dir))
		last = rev
	}
}

// killWriter starts a writer, kills it at some point, and returns the last
// revision that it said was acknowledged.
func killWriter(t *testing.T, dir string) model.Revision {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "IOTOPS_TEST_WRITER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	acked, killAt := model.Revision(0), 5+rand.IntN(100)
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		rev, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break // a line cut short by the kill
		}
		acked = model.Revision(rev)
		if n == killAt {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait())
	require.NotZero(t, acked)
	return acked
}

func integrity(t *testing.T, dir string) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, registry.FileName))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var result string
	require.NoError(t, db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&result))
	return result
}
