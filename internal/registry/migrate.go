package registry

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/google/uuid"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DefaultName is the name of the group, instance, namespace and schema registry
// that are there from the start.
const DefaultName = "default"

// checkVersion refuses a file of a newer iotops, and an empty one.
func (s *Store) checkVersion(ctx context.Context, db *sql.DB) error {
	version, err := userVersion(ctx, db)
	if err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	return known(version, len(names))
}

func known(version, newest int) error {
	if version > newest {
		return fault.WithHint(
			fault.New(fault.Invalid, "the registry was written by a newer iotops (format %d, this one knows %d)", version, newest),
			"Install the newer iotops, or choose another folder with --registry.")
	}
	return nil
}

func userVersion(ctx context.Context, db queryer) (int, error) {
	var version int
	err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version)
	return version, classify(err)
}

// migrate brings the file to the newest format, one transaction a step.
func (s *Store) migrate(ctx context.Context) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	version, err := userVersion(ctx, s.write)
	if err != nil {
		return err
	}
	if err := known(version, len(names)); err != nil {
		return err
	}
	for version < len(names) {
		if err := s.step(ctx, names[version], version); err != nil {
			return fault.Wrap(err, "migrate to %s", strings.TrimSuffix(path.Base(names[version]), ".sql"))
		}
		if version, err = userVersion(ctx, s.write); err != nil {
			return err
		}
	}
	return nil
}

// step runs one migration, unless another process has done so meanwhile.
func (s *Store) step(ctx context.Context, name string, version int) error {
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = tx.Rollback() }()
	now, err := userVersion(ctx, tx)
	if err != nil || now != version {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return classify(err)
	}
	if err := s.plant(ctx, tx, version); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version+1)); err != nil {
		return classify(err)
	}
	return classify(tx.Commit())
}

// plant puts the resources into the registry that come with a format.
func (s *Store) plant(ctx context.Context, tx *sql.Tx, version int) error {
	t := &Tx{store: s, tx: tx, now: s.o.Now()}
	if err := tx.QueryRowContext(ctx, `SELECT revision FROM clock`).Scan(&t.revision); err != nil {
		return classify(err)
	}
	var err error
	switch version {
	case 0:
		err = t.seed(ctx)
	case 1:
		err = t.seedSchemas(ctx)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE clock SET revision = ?`, t.revision)
	return classify(err)
}

// seed puts the default instance and its namespace into a new registry.
func (t *Tx) seed(ctx context.Context) error {
	ns := &model.Namespace{Meta: model.Meta{Name: DefaultName, Parent: DefaultName, Location: "local"}}
	ns.Properties.UUID = uuid.NewString()
	inst := &model.Instance{Meta: model.Meta{Name: DefaultName, Parent: DefaultName, Location: "local"}}
	inst.Properties.ADRNamespaceRef = &model.ResourceRef{ResourceID: model.ID(ns.Key())}
	inst.Properties.SchemaRegistryRef = defaultSchemas()
	for _, o := range []model.Object{ns, inst} {
		if err := t.Put(ctx, o, MustCreate); err != nil {
			return err
		}
	}
	return nil
}

// defaultSchemas refers to the default schema registry.
func defaultSchemas() *model.ResourceRef {
	return &model.ResourceRef{ResourceID: model.ID(model.Key{Kind: model.KindSchemaRegistry, Parent: DefaultName, Name: DefaultName})}
}

// seedSchemas adds the default schema registry, which the default instance uses
// unless it has another one or is gone.
func (t *Tx) seedSchemas(ctx context.Context) error {
	r := &model.SchemaRegistry{Meta: model.Meta{Name: DefaultName, Parent: DefaultName, Location: "local"}}
	r.Properties.UUID, r.Properties.Namespace = uuid.NewString(), DefaultName
	if err := t.Put(ctx, r, MustCreate); err != nil {
		return err
	}
	inst, err := Get[*model.Instance](ctx, t, model.Key{Kind: model.KindInstance, Parent: DefaultName, Name: DefaultName})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case inst.Properties.SchemaRegistryRef == nil:
		inst.Properties.SchemaRegistryRef = defaultSchemas()
	}
	return t.Put(ctx, inst, MustExist)
}
