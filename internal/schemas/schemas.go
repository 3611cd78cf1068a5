// Package schemas keeps schemas and their versions in the registry: what a
// schema registry does beyond storing documents.
package schemas

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Registry returns a schema registry, which must exist.
func Registry(ctx context.Context, r registry.Reader, k model.Key) (*model.SchemaRegistry, error) {
	o, err := registry.Get[*model.SchemaRegistry](ctx, r, k)
	if fault.Is(err, fault.NotFound) {
		err = fault.WithHint(err, "Create it: iotops schema registry create -n %s -g %s --registry-namespace %s", k.Name, k.Parent, k.Name)
	}
	return o, err
}

// Schema returns a schema, which must exist, and so must its registry.
func Schema(ctx context.Context, r registry.Reader, k model.Key) (*model.Schema, error) {
	if err := within(ctx, r, k, model.KindSchemaRegistry); err != nil {
		return nil, err
	}
	return registry.Get[*model.Schema](ctx, r, k)
}

// Version returns a version, which must exist, and so must its schema.
func Version(ctx context.Context, r registry.Reader, k model.Key) (*model.SchemaVersion, error) {
	if err := within(ctx, r, k, model.KindSchema); err != nil {
		return nil, err
	}
	return registry.Get[*model.SchemaVersion](ctx, r, k)
}

// within demands that what k is in exists: an error should name the outermost
// thing that is missing.
func within(ctx context.Context, r registry.Reader, k model.Key, kind model.Kind) error {
	holder, ok := k.Within(kind)
	if !ok {
		return fault.New(fault.Invalid, "%s is in no %s", k, kind)
	}
	var err error
	if kind == model.KindSchema {
		_, err = Schema(ctx, r, holder)
	} else {
		_, err = Registry(ctx, r, holder)
	}
	return err
}

// PutRegistry creates or replaces a schema registry. It gives o its uuid.
func PutRegistry(ctx context.Context, tx *registry.Tx, o *model.SchemaRegistry) error {
	o.Properties.UUID = uuid.NewString()
	switch old, err := registry.Get[*model.SchemaRegistry](ctx, tx, o.Key()); {
	case err == nil:
		o.Properties.UUID = old.Properties.UUID
	case !fault.Is(err, fault.NotFound):
		return err
	}
	for other, err := range registry.List[*model.SchemaRegistry](ctx, tx, registry.Query{}) {
		if err != nil {
			return err
		}
		if !other.Key().Equal(o.Key()) && strings.EqualFold(other.Properties.Namespace, o.Properties.Namespace) {
			return fault.WithHint(fault.New(fault.Conflict, "the namespace %s is that of schema registry %s in group %s already",
				o.Properties.Namespace, other.Name, other.Parent), "Choose another one: references to schemas begin with it.")
		}
	}
	return tx.Put(ctx, o, registry.None)
}

// Put creates or replaces a schema with one version; other versions stay. It
// gives both their uuids.
func Put(ctx context.Context, tx *registry.Tx, o *model.Schema, v *model.SchemaVersion) error {
	if err := within(ctx, tx, o.Key(), model.KindSchemaRegistry); err != nil {
		return err
	}
	o.Properties.UUID = uuid.NewString()
	switch old, err := registry.Get[*model.Schema](ctx, tx, o.Key()); {
	case err == nil:
		o.Properties.UUID = old.Properties.UUID
	case !fault.Is(err, fault.NotFound):
		return err
	}
	if err := tx.Put(ctx, o, registry.None); err != nil {
		return err
	}
	return add(ctx, tx, o, v)
}

// Add adds a version to a schema, which must exist. It gives v its uuid and its
// hash. Where the version exists with the same content, nothing changes and v
// becomes what is stored; with another content it is refused.
func Add(ctx context.Context, tx *registry.Tx, v *model.SchemaVersion) error {
	key, ok := v.Key().Within(model.KindSchema)
	if !ok {
		return fault.New(fault.Invalid, "%s is in no schema", v.Key())
	}
	o, err := Schema(ctx, tx, key)
	if err != nil {
		return err
	}
	return add(ctx, tx, o, v)
}

func add(ctx context.Context, tx *registry.Tx, o *model.Schema, v *model.SchemaVersion) error {
	v.Parent = o.Key().Below()
	v.Properties.UUID, v.Properties.Hash = uuid.NewString(), model.SchemaHash(v.Properties.SchemaContent)
	if err := o.Accepts(v); err != nil {
		return err
	}
	switch old, err := registry.Get[*model.SchemaVersion](ctx, tx, v.Key()); {
	case err == nil && old.Properties.SchemaContent == v.Properties.SchemaContent:
		*v = *old
		return nil
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	}
	return tx.Put(ctx, v, registry.None)
}

// Versions returns the versions of a schema in the order of their numbers.
func Versions(ctx context.Context, r registry.Reader, schema model.Key) ([]*model.SchemaVersion, error) {
	list := []*model.SchemaVersion{}
	for v, err := range registry.List[*model.SchemaVersion](ctx, r, registry.Query{Parent: schema.Below()}) {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *model.SchemaVersion) int { return compare(a.Name, b.Name) })
	return list, nil
}

// compare orders names of versions, which are digits, by number.
func compare(a, b string) int {
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), cmp.Compare(a, b))
}
