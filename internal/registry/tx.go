package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Precondition says in which state a resource must be for a write to happen.
type Precondition struct {
	kind       byte
	generation int64
}

// The preconditions without a parameter.
var (
	None       = Precondition{}        //nolint:gochecknoglobals // a constant; Go has none of struct type
	MustCreate = Precondition{kind: 1} //nolint:gochecknoglobals // likewise
	MustExist  = Precondition{kind: 2} //nolint:gochecknoglobals // likewise
)

// IfGeneration demands that the resource is at generation n.
func IfGeneration(n int64) Precondition { return Precondition{kind: 3, generation: n} }

// Tx is one write transaction. It belongs to the goroutine that runs Update's
// function.
type Tx struct {
	store    *Store
	tx       *sql.Tx
	now      time.Time
	revision model.Revision
}

func (t *Tx) queryer() queryer { return t.tx }

// row is a resource as the table has it.
type row struct {
	parent, name     string
	revision         model.Revision
	generation       int64
	deleted          bool
	created, updated int64
	doc              string
}

func (t *Tx) load(ctx context.Context, k model.Key) (row, bool, error) {
	k = k.Fold()
	var r row
	err := t.tx.QueryRowContext(ctx,
		`SELECT parent, name, revision, generation, deleted, created, updated, doc FROM object WHERE kind = ? AND pkey = ? AND nkey = ?`,
		k.Kind, k.Parent, k.Name).Scan(&r.parent, &r.name, &r.revision, &r.generation, &r.deleted, &r.created, &r.updated, &r.doc)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, false, nil
	}
	return r, err == nil, classify(err)
}

// Put checks o and writes it. It sets Generation, Revision, Created and
// Updated, and the case of name and parent that the registry keeps. Where
// nothing but those would change, nothing is written.
func (t *Tx) Put(ctx context.Context, o model.Object, p Precondition) error {
	if err := o.Validate(); err != nil {
		return err
	}
	key := o.Key()
	old, found, err := t.load(ctx, key)
	if err != nil {
		return err
	}
	live := found && !old.deleted
	if err := check(key, p, live, old.generation); err != nil {
		return err
	}
	if live {
		if err := succeed(o, old); err != nil {
			return err
		}
	}
	head := o.Head()
	if live {
		head.Name, head.Parent = old.name, old.parent
	}
	doc, err := encode(o)
	if err != nil {
		return fault.Wrap(err, "encode %s", key)
	}
	if live && doc == old.doc {
		fill(head, old)
		return nil
	}
	if err := t.store1(ctx, o, doc, old, live); err != nil {
		return err
	}
	if inst, ok := o.(*model.Instance); ok && !live {
		return t.furnish(ctx, inst)
	}
	return nil
}

// furnish gives a new instance what each one has from the start.
func (t *Tx) furnish(ctx context.Context, inst *model.Instance) error {
	for _, o := range inst.Defaults() {
		if err := t.Put(ctx, o, None); err != nil {
			return err
		}
	}
	return nil
}

func check(key model.Key, p Precondition, live bool, generation int64) error {
	switch {
	case p.kind == MustCreate.kind && live:
		return fault.New(fault.Conflict, "%s exists already", key)
	case p.kind == MustExist.kind && !live, p.kind == 3 && !live:
		return notFound(key)
	case p.kind == 3 && generation != p.generation:
		return fault.New(fault.Conflict, "%s has changed meanwhile (generation %d, not %d)", key, generation, p.generation)
	}
	return nil
}

// succeed asks a resource of which something is fixed whether it may take the
// place of what is stored.
func succeed(o model.Object, old row) error {
	next, ok := o.(model.Successor)
	if !ok {
		return nil
	}
	was, err := model.New(o.Kind())
	if err != nil {
		return err
	}
	if err := decode(was, old); err != nil {
		return fault.Wrap(err, "read %s", o.Key())
	}
	return next.Replaces(was)
}

// store1 writes one resource and its history.
func (t *Tx) store1(ctx context.Context, o model.Object, doc string, old row, live bool) error {
	t.revision++
	head, key, operation := o.Head(), o.Key(), "update"
	now := t.now.UTC().Truncate(time.Microsecond)
	head.Revision, head.Updated = t.revision, now
	if live {
		head.Created, head.Generation = time.UnixMicro(old.created).UTC(), old.generation+1
	} else {
		head.Created, head.Generation, operation = now, 1, "create"
	}
	folded := key.Fold()
	_, err := t.tx.ExecContext(ctx,
		`INSERT INTO object (kind, pkey, nkey, parent, name, revision, generation, deleted, created, updated, doc)
		 VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)
		 ON CONFLICT (kind, pkey, nkey) DO UPDATE SET parent = excluded.parent, name = excluded.name, revision = excluded.revision,
		 generation = excluded.generation, deleted = 0, created = excluded.created, updated = excluded.updated, doc = excluded.doc`,
		folded.Kind, folded.Parent, folded.Name, key.Parent, key.Name, t.revision, head.Generation,
		head.Created.UnixMicro(), now.UnixMicro(), doc)
	if err != nil {
		return classify(err)
	}
	return t.remember(ctx, key, operation, head.Generation, doc)
}

// remember adds a line of history and drops what is too old.
func (t *Tx) remember(ctx context.Context, key model.Key, operation string, generation int64, doc string) error {
	k := key.Fold()
	_, err := t.tx.ExecContext(ctx,
		`INSERT INTO history (revision, kind, pkey, nkey, at, who, operation, generation, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.revision, k.Kind, k.Parent, k.Name, t.now.UnixMicro(), t.store.o.Actor, operation, generation, doc)
	if err != nil {
		return classify(err)
	}
	if generation%16 != 0 { // pruning now and then is enough
		return nil
	}
	_, err = t.tx.ExecContext(ctx,
		`DELETE FROM history WHERE kind = ?1 AND pkey = ?2 AND nkey = ?3 AND revision <= (SELECT revision FROM history
		 WHERE kind = ?1 AND pkey = ?2 AND nkey = ?3 ORDER BY revision DESC LIMIT 1 OFFSET ?4)`,
		k.Kind, k.Parent, k.Name, t.store.o.History)
	return classify(err)
}

// Delete removes a resource, with what belongs to it alone (model.Inside).
// Watchers see each as a Change that is Deleted. What still holds other
// resources is refused.
func (t *Tx) Delete(ctx context.Context, k model.Key, p Precondition) error {
	old, found, err := t.load(ctx, k)
	if err != nil {
		return err
	}
	if !found || old.deleted {
		return notFound(k)
	}
	if err := check(k, p, true, old.generation); err != nil {
		return err
	}
	if err := t.empty(ctx, k); err != nil {
		return err
	}
	t.revision++
	f := k.Fold()
	if _, err := t.tx.ExecContext(ctx,
		`UPDATE object SET deleted = 1, revision = ?, updated = ?, doc = '{}' WHERE kind = ? AND pkey = ? AND nkey = ?`,
		t.revision, t.now.UnixMicro(), f.Kind, f.Parent, f.Name); err != nil {
		return classify(err)
	}
	if _, err := t.tx.ExecContext(ctx, `DELETE FROM status WHERE kind = ? AND pkey = ? AND nkey = ?`, f.Kind, f.Parent, f.Name); err != nil {
		return classify(err)
	}
	if err := t.compact(ctx); err != nil {
		return err
	}
	return t.remember(ctx, k, "delete", old.generation, old.doc)
}

// keepTombstones is how many revisions a deleted resource stays visible to
// watchers. A watcher that is further behind starts over.
const keepTombstones = 100_000

func (t *Tx) compact(ctx context.Context) error {
	if t.revision%256 != 0 {
		return nil
	}
	_, err := t.tx.ExecContext(ctx, `DELETE FROM object WHERE deleted = 1 AND revision < ?`, int64(t.revision)-keepTombstones)
	return classify(err)
}

// empty makes sure that a resource that others live in holds none: those that
// are only part of it are deleted, others keep it.
func (t *Tx) empty(ctx context.Context, k model.Key) error {
	switch k.Kind {
	case model.KindNamespace:
		return t.refuseIfHolding(ctx, k, "namespace", "Delete its devices and assets first.",
			model.KindDevice, model.KindAsset, model.KindDiscoveredDevice, model.KindDiscoveredAsset)
	case model.KindSchemaRegistry:
		return t.refuseIfHolding(ctx, k, "schema registry", "Delete its schemas first.", model.KindSchema)
	default: // the others may go with all that is in them
	}
	kinds := model.Inside(k.Kind)
	if len(kinds) == 0 {
		return nil
	}
	parts, err := t.inside(ctx, k, -1, kinds...)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := t.Delete(ctx, part, None); err != nil {
			return err
		}
	}
	return nil
}

// refuseIfHolding keeps what has something in it.
func (t *Tx) refuseIfHolding(ctx context.Context, k model.Key, what, hint string, kinds ...model.Kind) error {
	const shown = 3
	held, err := t.inside(ctx, k, shown+1, kinds...)
	if err != nil || len(held) == 0 {
		return err
	}
	names := make([]string, len(held))
	for i, h := range held {
		names[i] = string(h.Kind) + " " + h.Name
	}
	return fault.WithHint(fault.New(fault.Conflict, "%s %s is not empty: it holds %s", what, k.Name, join(names, shown)), "%s", hint)
}

// inside returns the keys of what lives in a resource, by kind and name; most
// bounds them (-1 = all).
func (t *Tx) inside(ctx context.Context, k model.Key, most int, kinds ...model.Kind) ([]model.Key, error) {
	args := make([]any, 0, len(kinds)+2)
	args = append(args, k.Fold().Below())
	for _, kind := range kinds {
		args = append(args, kind)
	}
	rows, err := t.tx.QueryContext(ctx, //nolint:gosec // only question marks are put in
		`SELECT kind, parent, name FROM object WHERE pkey = ? AND deleted = 0 AND kind IN (?`+strings.Repeat(", ?", len(kinds)-1)+
			`) ORDER BY kind, nkey LIMIT ?`, append(args, most)...)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	var keys []model.Key
	for rows.Next() {
		var key model.Key
		if err := rows.Scan(&key.Kind, &key.Parent, &key.Name); err != nil {
			return nil, classify(err)
		}
		keys = append(keys, key)
	}
	return keys, classify(rows.Err())
}

func join(names []string, most int) string {
	text := ""
	for i, n := range names {
		if i == most {
			return text + " and more"
		}
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}

func notFound(k model.Key) error {
	return fault.WithCode(fault.New(fault.NotFound, "the resource '%s' under group '%s' was not found", model.TypePath(k), k.Group()), "ResourceNotFound")
}

// encode returns o as it is stored: without what the columns hold.
func encode(o model.Object) (string, error) {
	head := o.Head()
	saved := *head
	head.Name, head.Parent, head.Generation, head.Revision, head.Created, head.Updated = "", "", 0, 0, time.Time{}, time.Time{}
	text, err := json.Marshal(o)
	*head = saved
	return string(text), err
}

// decode is the reverse of encode.
func decode(o model.Object, r row) error {
	if err := json.Unmarshal([]byte(r.doc), o); err != nil {
		return err
	}
	head := o.Head()
	head.Name, head.Parent = r.name, r.parent
	fill(head, r)
	return nil
}

func fill(head *model.Meta, r row) {
	head.Generation, head.Revision = r.generation, r.revision
	head.Created, head.Updated = time.UnixMicro(r.created).UTC(), time.UnixMicro(r.updated).UTC()
}
