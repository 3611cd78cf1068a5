package registry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

func filled(b *testing.B, n int) *registry.Store {
	b.Helper()
	s, err := registry.Open(b.Context(), b.TempDir(), registry.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	require.NoError(b, s.Update(b.Context(), func(tx *registry.Tx) error {
		for i := range n {
			if err := tx.Put(b.Context(), asset(fmt.Sprintf("asset%d", i)), registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
	return s
}

func BenchmarkGet(b *testing.B) {
	s := filled(b, 1000)
	for b.Loop() {
		_, err := registry.Get[*model.Asset](b.Context(), s, asset("asset500").Key())
		require.NoError(b, err)
	}
}

func BenchmarkList10k(b *testing.B) {
	s := filled(b, 10_000)
	for b.Loop() {
		n := 0
		for _, err := range registry.List[*model.Asset](b.Context(), s, registry.Query{}) {
			require.NoError(b, err)
			n++
		}
		require.Equal(b, 10_000, n)
	}
}

func BenchmarkImport10k(b *testing.B) {
	for b.Loop() {
		filled(b, 10_000)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := registry.Open(b.Context(), dir, registry.Options{})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}
