package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/iotops/iotops/pkg/fault"
)

// disk returns a file system of its own with so many bytes.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	return dir
}

func TestFullDiskAtStart(t *testing.T) {
	for _, size := range []string{"4k", "100k"} {
		f, _ := factory(t, filepath.Join(disk(t, size), "registry"))
		err := f.Serve(t.Context(), options())
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		require.Contains(t, fault.Hints(err)[0], "ree some space")
		require.NoError(t, f.Close())
	}
}

// TestDiskFillsUpWhileServing holds serve to going on: values flow, the status
// cannot be written, and it ends when it is asked to.
func TestDiskFillsUpWhileServing(t *testing.T) {
	plant, dir := startPlant(t), disk(t, "1m")
	s := serve(t, filepath.Join(dir, "registry"), options())
	l := listen(t, s.BrokerURL, "plant/#")
	s.put(device("line1", plant.url), asset("oven", "line1", plant.point(0)))
	l.more(3, "plant/oven", plant.name(0))
	fill, err := os.Create(filepath.Join(dir, "fill"))
	require.NoError(t, err)
	for {
		if _, err := fill.Write(make([]byte, 4096)); err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			break
		}
	}
	require.NoError(t, fill.Close())
	l.more(10, "plant/oven", plant.name(0))
	require.NoError(t, s.end())
}
