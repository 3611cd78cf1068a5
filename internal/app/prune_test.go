package app_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/state"
)

// TestStateOfWhatIsGoneIsDropped starts serve over the state of assets that
// are there, and of one that is not.
func TestStateOfWhatIsGoneIsDropped(t *testing.T) {
	dir := t.TempDir()
	d, a := device("line1", "opc.tcp://127.0.0.1:1"), asset("oven", "line1")
	d.Properties.UUID, a.Properties.UUID = uuid.NewString(), uuid.NewString()
	no := false
	a.Properties.Enabled = &no // a disabled one may come back
	s := serve(t, dir, options())
	s.put(d, a)
	require.NoError(t, s.end())
	keys := map[string]bool{
		d.Properties.UUID + ":plc:" + a.Properties.UUID: true, d.Properties.UUID + ":plc": true, "default/default/line9:plc:default/default/oven": true,
		d.Properties.UUID + ":plc:" + uuid.NewString(): false, uuid.NewString() + ":plc:" + a.Properties.UUID: false,
	}
	db, err := state.Open(t.Context(), dir)
	require.NoError(t, err)
	for key := range keys {
		require.NoError(t, db.Unit(key).Save(t.Context(), "k", []byte("v")))
	}
	require.NoError(t, db.Close())
	s = serve(t, dir, options())
	s.ready()
	require.NoError(t, s.end())
	db, err = state.Open(t.Context(), dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for key, kept := range keys {
		data, err := db.Unit(key).Load(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, kept, data != nil, key)
	}
}
