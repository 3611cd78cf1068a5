package schemas_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/schemas"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func open(t *testing.T) *registry.Store {
	t.Helper()
	s, err := registry.Open(t.Context(), t.TempDir(), registry.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func schema(name string) *model.Schema {
	o := &model.Schema{Meta: model.Meta{Name: name, Parent: "default/default"}}
	o.Properties.Format, o.Properties.SchemaType = model.FormatJSONSchema, model.SchemaTypeMessage
	return o
}

func version(schema, name, content string) *model.SchemaVersion {
	v := &model.SchemaVersion{Meta: model.Meta{Name: name, Parent: "default/default/" + schema}}
	v.Properties.SchemaContent = content
	return v
}

func TestAVersionNeverChanges(t *testing.T) {
	s := open(t)
	put := func(o *model.Schema, v *model.SchemaVersion) error {
		return s.Update(t.Context(), func(tx *registry.Tx) error { return schemas.Put(t.Context(), tx, o, v) })
	}
	o, first := schema("oven"), version("oven", "1", "{}")
	require.NoError(t, put(o, first))
	require.NotEmpty(t, first.Properties.UUID)
	before, err := s.Revision(t.Context())
	require.NoError(t, err)

	again, same := schema("oven"), version("oven", "1", "{}")
	same.Properties.Description = "another"
	require.NoError(t, put(again, same))
	require.Equal(t, o.Properties.UUID, again.Properties.UUID)
	require.Equal(t, first, same, "what is stored")
	after, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after, "the same again is no change")

	changed := schema("oven")
	changed.Properties.Description = "not stored either"
	require.True(t, fault.Is(put(changed, version("oven", "1", "{ }")), fault.Conflict))
	stored, err := schemas.Schema(t.Context(), s, o.Key())
	require.NoError(t, err)
	require.Empty(t, stored.Properties.Description, "all or nothing")
	delta := schema("oven")
	delta.Properties.Format = model.FormatDelta
	require.True(t, fault.Is(put(delta, version("oven", "2", "{}")), fault.Conflict))
}

func TestVersionsAreInTheOrderOfTheirNumbers(t *testing.T) {
	s := open(t)
	o := schema("oven")
	require.NoError(t, s.Update(t.Context(), func(tx *registry.Tx) error {
		if err := schemas.Put(t.Context(), tx, o, version("oven", "10", "{}")); err != nil {
			return err
		}
		for _, name := range []string{"9", "0", "100", "2", "0010"} {
			if err := schemas.Add(t.Context(), tx, version("oven", name, "{}")); err != nil {
				return err
			}
		}
		return nil
	}))
	list, err := schemas.Versions(t.Context(), s, o.Key())
	require.NoError(t, err)
	names := make([]string, 0, len(list))
	for _, v := range list {
		names = append(names, v.Name)
	}
	require.Equal(t, []string{"0", "2", "9", "0010", "10", "100"}, names)
}

func TestTheOutermostThingThatIsMissingIsNamed(t *testing.T) {
	s := open(t)
	key := model.Key{Kind: model.KindSchemaVersion, Parent: "default/nowhere/oven", Name: "1"}
	_, err := schemas.Version(t.Context(), s, key)
	require.True(t, fault.Is(err, fault.NotFound))
	require.ErrorContains(t, err, "schemaRegistries/nowhere'")
	require.NotEmpty(t, fault.Hints(err))
	key.Parent = "default/default/oven"
	_, err = schemas.Version(t.Context(), s, key)
	require.ErrorContains(t, err, "schemas/oven'")
	err = s.Update(t.Context(), func(tx *registry.Tx) error { return schemas.Add(t.Context(), tx, version("oven", "1", "{}")) })
	require.ErrorContains(t, err, "schemas/oven'")
	for _, v := range []*model.SchemaVersion{{Meta: model.Meta{Name: "1", Parent: "default"}}, {Meta: model.Meta{Name: "1", Parent: "default/default"}}} {
		err = s.Update(t.Context(), func(tx *registry.Tx) error { return schemas.Add(t.Context(), tx, v) })
		require.True(t, fault.Is(err, fault.Invalid))
	}
}

func TestNoTwoRegistriesHaveTheSameNamespace(t *testing.T) {
	s := open(t)
	put := func(group, name, namespace string) error {
		o := &model.SchemaRegistry{Meta: model.Meta{Name: name, Parent: group}}
		o.Properties.Namespace = namespace
		return s.Update(t.Context(), func(tx *registry.Tx) error { return schemas.PutRegistry(t.Context(), tx, o) })
	}
	require.NoError(t, put("site1", "plant", "plant"))
	require.NoError(t, put("site1", "plant", "plant"), "is itself")
	require.True(t, fault.Is(put("site2", "plant", "plant"), fault.Conflict))
	require.True(t, fault.Is(put("site2", "plant", "default"), fault.Conflict))
	require.True(t, fault.Is(put("site1", "plant", "other"), fault.Conflict), "is fixed")
	require.True(t, fault.Is(put("site1", "other", ""), fault.Invalid))
}
