package secret_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

var instance = model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"}

func open(t *testing.T) (*registry.Store, *secret.Store) {
	t.Helper()
	r, err := registry.Open(t.Context(), t.TempDir(), registry.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r, secret.New(r, instance)
}

func TestRoundTrip(t *testing.T) {
	r, s := open(t)
	before, err := r.Revision(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), "plc/password", connector.NewSecret("hunter2")))
	got, err := s.Resolve(t.Context(), "plc/password")
	require.NoError(t, err)
	require.Equal(t, "hunter2", got.Reveal())
	names, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"plc/password"}, names)
	changes, err := r.Changes(t.Context(), before)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.Equal(t, model.KindSecret, changes[0].Key.Kind)
	_, err = secret.New(r, model.Key{Kind: model.KindInstance, Parent: "default", Name: "other"}).Get(t.Context(), "plc/password")
	require.Equal(t, "SecretNotFound", fault.CodeOf(err), "instances do not see each other's secrets")
	require.NoError(t, s.Delete(t.Context(), "plc/password"))
	require.True(t, fault.Is(s.Delete(t.Context(), "plc/password"), fault.NotFound))
	_, err = s.Resolve(t.Context(), "plc/password")
	require.Equal(t, "SecretNotFound", fault.CodeOf(err))
}

func TestNothingIsInTheClear(t *testing.T) {
	r, s := open(t)
	const plain = "correct horse battery staple"
	v := connector.NewSecret(plain)
	require.NoError(t, s.Put(t.Context(), "plc/password", v))
	files, err := filepath.Glob(filepath.Join(r.Dir(), "*"))
	require.NoError(t, err)
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil {
			require.NotContains(t, string(data), plain, f)
		}
	}
	text, err := json.Marshal(map[string]any{"s": v})
	require.NoError(t, err)
	for _, out := range []string{fmt.Sprint(v), fmt.Sprintf("%+v %#v %s %q %x", v, v, v, v, v), string(text)} {
		require.NotContains(t, out, "horse")
	}
}

func TestRowsCannotBeChangedOrSwapped(t *testing.T) {
	r, s := open(t)
	require.NoError(t, s.Put(t.Context(), "a/x", connector.NewSecret("one")))
	require.NoError(t, s.Put(t.Context(), "b/x", connector.NewSecret("two")))
	db, err := sql.Open("sqlite", filepath.Join(r.Dir(), registry.FileName))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE secret SET nonce = (SELECT nonce FROM secret WHERE name = 'b'), ciphertext = (SELECT ciphertext FROM secret WHERE name = 'b') WHERE name = 'a'`)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "a/x")
	require.True(t, fault.Is(err, fault.Denied))
	_, err = db.ExecContext(t.Context(), `UPDATE secret SET nonce = x'00'`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = s.Get(t.Context(), "b/x")
	require.True(t, fault.Is(err, fault.Denied))
}

func TestTheKeyFile(t *testing.T) {
	r, s := open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.Put(t.Context(), fmt.Sprintf("s%d/k", i), connector.NewSecret("v")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		_, err := s.Get(t.Context(), fmt.Sprintf("s%d/k", i))
		require.NoError(t, err, "all of them used one key")
	}
	key := filepath.Join(r.Dir(), "keys", "secrets.key")
	require.NoError(t, os.Chmod(key, 0o644))
	_, err := s.Get(t.Context(), "s0/k")
	require.True(t, fault.Is(err, fault.Denied))
	require.NotEmpty(t, fault.Hints(err))
	require.NoError(t, os.Remove(key))
	_, err = s.Get(t.Context(), "s0/k")
	require.True(t, fault.Is(err, fault.Denied))
}

func TestReferences(t *testing.T) {
	_, s := open(t)
	t.Setenv("IOTOPS_TEST_SECRET", "from env")
	path := filepath.Join(t.TempDir(), "s")
	require.NoError(t, os.WriteFile(path, []byte("from file\r\n"), 0o600))
	for ref, want := range map[string]string{"env:IOTOPS_TEST_SECRET": "from env", "file:" + path: "from file"} {
		got, err := s.Resolve(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, want, got.Reveal())
	}
	for _, ref := range []string{"env:IOTOPS_TEST_NONE", "file:/no/such/file", "file:" + t.TempDir(), "no/such"} {
		_, err := s.Resolve(t.Context(), ref)
		require.Equal(t, "SecretNotFound", fault.CodeOf(err), ref)
	}
	for _, ref := range []string{"", "x", "a/b/c", "../x", "a/ b"} {
		_, err := s.Resolve(t.Context(), ref)
		require.True(t, fault.Is(err, fault.Invalid), ref)
	}
}
