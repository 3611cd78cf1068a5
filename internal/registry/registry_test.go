package registry_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("IOTOPS_TEST_WRITER"); dir != "" {
		writeForever(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// seeded is the revision of a new registry: its namespace, its instance, and the
// dataflow profile and endpoint of that; and its schema registry.
const seeded = 5

func open(t *testing.T, dir string) *registry.Store {
	t.Helper()
	s, err := registry.Open(t.Context(), dir, registry.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func device(name string) *model.Device {
	d := &model.Device{Meta: model.Meta{Name: name, Parent: "default/default", Tags: map[string]string{"a": "b"}}}
	d.Properties.Endpoints.Inbound = map[string]*model.Endpoint{
		"plc": {EndpointType: model.EndpointOPCUA, Address: "opc.tcp://localhost:4840", AdditionalConfiguration: `{ "z" :1}`},
	}
	return d
}

func asset(name string) *model.Asset {
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: "default/default"}}
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: "Line1", EndpointName: "plc"}
	return a
}

func put(t *testing.T, s *registry.Store, o model.Object, p registry.Precondition) error {
	t.Helper()
	return s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Put(t.Context(), o, p) })
}

func TestDefaultsAreThereFromTheStart(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "new", "folder"))
	inst, err := registry.Get[*model.Instance](t.Context(), s, model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"})
	require.NoError(t, err)
	key, err := model.ParseID(model.KindNamespace, inst.Properties.ADRNamespaceRef.ResourceID)
	require.NoError(t, err)
	_, err = registry.Get[*model.Namespace](t.Context(), s, key)
	require.NoError(t, err)
	rev, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, seeded, rev)
	require.Equal(t, defaultSchemas, inst.Properties.SchemaRegistryRef.ResourceID)
	key, err = model.ParseID(model.KindSchemaRegistry, defaultSchemas)
	require.NoError(t, err)
	_, err = registry.Get[*model.SchemaRegistry](t.Context(), s, key)
	require.NoError(t, err)
}

const defaultSchemas = "/subscriptions/" + model.Subscription + "/resourceGroups/default/providers/Microsoft.DeviceRegistry/schemaRegistries/default"

// TestAFileWithoutSchemasGetsTheDefaultRegistry opens files of the first format.
func TestAFileWithoutSchemasGetsTheDefaultRegistry(t *testing.T) {
	const own = "/subscriptions/x/resourceGroups/g/providers/Microsoft.DeviceRegistry/schemaRegistries/own"
	for name, tc := range map[string]struct {
		prepare string
		want    string // the default instance's schema registry; "" = there is no default instance
	}{
		"as it was":           {`UPDATE object SET doc = json_remove(doc, '$.properties.schemaRegistryRef') WHERE kind = 'instance'`, defaultSchemas},
		"another registry":    {`UPDATE object SET doc = json_set(doc, '$.properties.schemaRegistryRef.resourceId', '` + own + `') WHERE kind = 'instance'`, own},
		"no default instance": {`UPDATE object SET deleted = 1, doc = '{}' WHERE kind = 'instance'`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, open(t, dir).Close())
			db, err := sql.Open("sqlite", filepath.Join(dir, registry.FileName))
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), `DELETE FROM object WHERE kind = 'schemaRegistry'; `+tc.prepare+
				`; DELETE FROM history WHERE revision = 5; UPDATE clock SET revision = 4; PRAGMA user_version = 1`)
			require.NoError(t, err)
			require.NoError(t, db.Close())

			s := open(t, dir)
			_, err = registry.Get[*model.SchemaRegistry](t.Context(), s, model.Key{Kind: model.KindSchemaRegistry, Parent: "default", Name: "default"})
			require.NoError(t, err)
			inst, err := registry.Get[*model.Instance](t.Context(), s, model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"})
			if tc.want == "" {
				require.True(t, fault.Is(err, fault.NotFound))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, inst.Properties.SchemaRegistryRef.ResourceID)
		})
	}
}

func TestSchemasAndTheirVersions(t *testing.T) {
	s := open(t, t.TempDir())
	schema := &model.Schema{Meta: model.Meta{Name: "oven", Parent: "default/default"}}
	schema.Properties.Format, schema.Properties.SchemaType = model.FormatJSONSchema, model.SchemaTypeMessage
	version := func(name, content string) *model.SchemaVersion {
		v := &model.SchemaVersion{Meta: model.Meta{Name: name, Parent: schema.Key().Below()}}
		v.Properties.SchemaContent, v.Properties.Hash = content, model.SchemaHash(content)
		return v
	}
	require.NoError(t, put(t, s, schema, registry.None))
	require.NoError(t, put(t, s, version("1", `{}`), registry.None))
	require.NoError(t, put(t, s, version("1", `{}`), registry.None))
	require.NoError(t, put(t, s, version("2", `{"type":"object"}`), registry.None))
	require.True(t, fault.Is(put(t, s, version("1", `{"type":"object"}`), registry.None), fault.Conflict), "versions do not change")

	del := func(k model.Key) error {
		return s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Delete(t.Context(), k, registry.None) })
	}
	home := model.Key{Kind: model.KindSchemaRegistry, Parent: "default", Name: "default"}
	err := del(home)
	require.True(t, fault.Is(err, fault.Conflict))
	require.ErrorContains(t, err, "schema oven")
	before, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.NoError(t, del(schema.Key()))
	changes, err := s.Changes(t.Context(), before)
	require.NoError(t, err)
	require.Len(t, changes, 3, "the versions go with the schema")
	require.NoError(t, del(home))
	require.NoError(t, put(t, s, version("1", `{"type":"string"}`), registry.None), "what is gone fixes nothing")
}

func TestAnInstanceComesAndGoesWithItsOwn(t *testing.T) {
	s := open(t, t.TempDir())
	inst := &model.Instance{Meta: model.Meta{Name: "plant2", Parent: "default"}}
	require.NoError(t, put(t, s, inst, registry.MustCreate))
	profile, err := registry.Get[*model.DataflowProfile](t.Context(), s, model.Key{Kind: model.KindDataflowProfile, Parent: "default/plant2", Name: "default"})
	require.NoError(t, err)
	flow := &model.Dataflow{Meta: model.Meta{Name: "copy", Parent: "default/plant2/default"}, Properties: json.RawMessage(`{"operations":[
		{"operationType":"Source","sourceSettings":{"endpointRef":"default","dataSources":["a"]}},
		{"operationType":"Destination","destinationSettings":{"endpointRef":"default","dataDestination":"b"}}]}`)}
	require.NoError(t, put(t, s, flow, registry.None))

	// What was deleted does not come back with a change of the instance.
	require.NoError(t, s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Delete(t.Context(), profile.Key(), registry.None) }))
	_, err = registry.Load(t.Context(), s, flow.Key())
	require.True(t, fault.Is(err, fault.NotFound), "dataflows go with their profile")
	inst.Properties.Description = "changed"
	require.NoError(t, put(t, s, inst, registry.None))
	_, err = registry.Load(t.Context(), s, profile.Key())
	require.True(t, fault.Is(err, fault.NotFound))

	require.NoError(t, s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Delete(t.Context(), inst.Key(), registry.None) }))
	for e, err := range registry.List[*model.DataflowEndpoint](t.Context(), s, registry.Query{}) {
		require.NoError(t, err)
		require.Equal(t, "default/default", e.Parent, "those of the other instance stay")
	}
}

func TestRoundTripKeepsEverything(t *testing.T) {
	s := open(t, t.TempDir())
	d := device("Line1")
	require.NoError(t, put(t, s, d, registry.MustCreate))
	require.EqualValues(t, 1, d.Generation)
	got, err := registry.Get[*model.Device](t.Context(), s, model.Key{Kind: model.KindDevice, Parent: "DEFAULT/Default", Name: "LINE1"})
	require.NoError(t, err)
	require.Equal(t, d, got, "the configuration text byte for byte too")

	again := device("line1")
	require.NoError(t, put(t, s, again, registry.None))
	require.Equal(t, "Line1", again.Name, "the case of the first writer stays")
	require.EqualValues(t, 1, again.Generation, "nothing changed, so nothing is written")
	require.Equal(t, d.Revision, again.Revision)
}

func TestPreconditions(t *testing.T) {
	s := open(t, t.TempDir())
	require.True(t, fault.Is(put(t, s, device("line1"), registry.MustExist), fault.NotFound))
	require.NoError(t, put(t, s, device("line1"), registry.MustCreate))
	require.True(t, fault.Is(put(t, s, device("LINE1"), registry.MustCreate), fault.Conflict))
	changed := device("line1")
	changed.Properties.Model = "x"
	require.True(t, fault.Is(put(t, s, changed, registry.IfGeneration(7)), fault.Conflict))
	require.NoError(t, put(t, s, changed, registry.IfGeneration(1)))
	require.EqualValues(t, 2, changed.Generation)
}

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	before, err := s.Revision(t.Context())
	require.NoError(t, err)
	sentinel := errors.New("no")
	err = s.Update(t.Context(), func(tx *registry.Tx) error {
		require.NoError(t, tx.Put(t.Context(), device("line1"), registry.None))
		return sentinel
	})
	require.ErrorIs(t, err, sentinel)
	bad := device("line1")
	bad.Properties.Endpoints.Inbound["plc"].Address = ""
	require.True(t, fault.Is(put(t, s, bad, registry.None), fault.Invalid))
	after, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestDeleteAndRecreate(t *testing.T) {
	s := open(t, t.TempDir())
	d := device("line1")
	require.NoError(t, put(t, s, d, registry.None))
	require.NoError(t, put(t, s, asset("oven"), registry.None))
	refs, err := registry.Referrers(t.Context(), s, d.Key())
	require.NoError(t, err)
	require.Equal(t, []model.Key{{Kind: model.KindAsset, Parent: "default/default", Name: "oven"}}, refs)
	ns := model.Key{Kind: model.KindNamespace, Parent: "default", Name: "default"}
	del := func(k model.Key) error {
		return s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Delete(t.Context(), k, registry.None) })
	}
	require.True(t, fault.Is(del(ns), fault.Conflict))
	since, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.SetStatus(t.Context(), d.Key(), &model.Status{HealthState: &model.HealthState{Status: model.HealthAvailable}}))
	require.NoError(t, del(d.Key()))
	require.True(t, fault.Is(del(d.Key()), fault.NotFound))
	st, err := registry.Status(t.Context(), s, d.Key())
	require.NoError(t, err)
	require.Nil(t, st)
	changes, err := s.Changes(t.Context(), since)
	require.NoError(t, err)
	require.Equal(t, []model.Change{{Key: d.Key(), Revision: since + 1, Deleted: true}}, changes)
	require.NoError(t, put(t, s, device("line1"), registry.MustCreate))
	past, err := registry.History(t.Context(), s, d.Key())
	require.NoError(t, err)
	require.Equal(t, []string{"create", "delete", "create"}, []string{past[0].Operation, past[1].Operation, past[2].Operation})
}

func TestHistoryIsBounded(t *testing.T) {
	s, err := registry.Open(t.Context(), t.TempDir(), registry.Options{History: 5})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for i := range 64 {
		d := device("line1")
		d.Properties.Model = strconv.Itoa(i)
		require.NoError(t, put(t, s, d, registry.None))
	}
	past, err := registry.History(t.Context(), s, device("line1").Key())
	require.NoError(t, err)
	require.LessOrEqual(t, len(past), 5+16)
	last, ok := past[len(past)-1].Object.(*model.Device)
	require.True(t, ok)
	require.Equal(t, "63", last.Properties.Model)
}

func TestListStreamsInOrder(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Update(t.Context(), func(tx *registry.Tx) error {
		for _, name := range []string{"ccc", "aaa", "bbb"} {
			if err := tx.Put(t.Context(), asset(name), registry.None); err != nil {
				return err
			}
		}
		return nil
	}))
	names := func(q registry.Query) []string {
		var list []string
		for a, err := range registry.List[*model.Asset](t.Context(), s, q) {
			require.NoError(t, err)
			list = append(list, a.Name)
		}
		return list
	}
	require.Equal(t, []string{"aaa", "bbb", "ccc"}, names(registry.Query{}))
	require.Equal(t, []string{"bbb"}, names(registry.Query{Name: "BBB"}))
	require.Len(t, names(registry.Query{Device: "LINE1", Endpoint: "plc", Parent: "Default/default"}), 3)
	require.Len(t, names(registry.Query{ParentPrefix: "default/"}), 3)
	require.Empty(t, names(registry.Query{Device: "other"}))
	for _, err := range registry.List[*model.Asset](t.Context(), s, registry.Query{}) {
		require.NoError(t, err)
		break
	}
}

func TestStatusNeverMovesTheRevision(t *testing.T) {
	s := open(t, t.TempDir())
	d := device("line1")
	require.NoError(t, put(t, s, d, registry.None))
	require.NoError(t, s.SetStatus(t.Context(), d.Key(), &model.Status{Config: &model.ConfigStatus{Version: 1}}))
	rev, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, d.Revision, rev)
	st, err := registry.Status(t.Context(), s, d.Key())
	require.NoError(t, err)
	require.EqualValues(t, 1, st.Config.Version)
}

func TestWaitSeesOtherStores(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	const writes = 50
	var wg sync.WaitGroup
	for _, s := range []*registry.Store{a, b} {
		wg.Go(func() {
			for i := range writes {
				d := device("line1")
				d.Properties.Model = fmt.Sprintf("%p-%d", s, i)
				if err := s.Update(t.Context(), func(tx *registry.Tx) error { return tx.Put(t.Context(), d, registry.None) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	rev := model.Revision(seeded)
	for rev < seeded+2*writes {
		var err error
		rev, err = a.Wait(t.Context(), rev)
		require.NoError(t, err)
	}
	wg.Wait()
	changes, err := a.Changes(t.Context(), seeded)
	require.NoError(t, err)
	require.Len(t, changes, 1, "each key once")
	require.Equal(t, rev, changes[0].Revision)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = a.Wait(ctx, rev)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestConcurrentEditsAllCount(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, put(t, s, asset("oven"), registry.None))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			other, err := registry.Open(t.Context(), dir, registry.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = other.Close() }()
			for i := range 10 {
				_, err := registry.Edit(t.Context(), other, asset("oven").Key(), func(a *model.Asset) error {
					return a.DatasetItems().Add(model.Dataset{Name: fmt.Sprintf("%d-%d", worker, i)}, false)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	a, err := registry.Get[*model.Asset](t.Context(), s, asset("oven").Key())
	require.NoError(t, err)
	require.Len(t, a.Properties.Datasets, 80)
	require.EqualValues(t, 81, a.Generation)
}

func TestANewerFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, open(t, dir).Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, registry.FileName))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `PRAGMA user_version = 999`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = registry.Open(t.Context(), dir, registry.Options{})
	require.True(t, fault.Is(err, fault.Invalid))
	require.ErrorContains(t, err, "newer iotops")
	require.NotEmpty(t, fault.Hints(err))
}

func TestWhatIsNotADatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, registry.FileName), []byte("this is not a database, but long enough to be read as one ......................................................"), 0o600))
	_, err := registry.Open(t.Context(), dir, registry.Options{})
	require.ErrorContains(t, err, "damaged")
	require.NotEmpty(t, fault.Hints(err))
}

func TestAFullDiskChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	registry.LimitPages(t, s, 40)
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		d := device(fmt.Sprintf("line%d", i))
		d.Properties.Manufacturer = string(make([]byte, 2000))
		err = put(t, s, d, registry.None)
	}
	require.Equal(t, "DiskFull", fault.CodeOf(err))
	require.True(t, fault.Is(err, fault.Unavailable))
	rev, revErr := s.Revision(t.Context())
	require.NoError(t, revErr)
	n := 0
	for _, err := range registry.List[*model.Device](t.Context(), s, registry.Query{}) {
		require.NoError(t, err)
		n++
	}
	require.EqualValues(t, n+seeded, rev)
}
