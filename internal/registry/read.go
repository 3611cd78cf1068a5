package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Query says which resources to list. Empty members match everything; others
// are compared without regard to case, endpoints excepted.
type Query struct {
	Parent       string // the exact parent
	ParentPrefix string // parents below this one, such as "group/"
	Name         string
	Device       string // assets on this device
	Endpoint     string // assets on this endpoint of a device
	Profile      string // classic assets on this endpoint profile
}

const columns = `parent, name, revision, generation, deleted, created, updated, doc`

// Get returns one resource, or an error of kind NotFound.
func Get[T model.Object](ctx context.Context, r Reader, k model.Key) (T, error) {
	var zero T
	o, err := Load(ctx, r, k)
	if err != nil {
		return zero, err
	}
	t, ok := o.(T)
	if !ok {
		return zero, fault.New(fault.Internal, "%s is a %T", k, o)
	}
	return t, nil
}

// Load is Get for a kind that is only known when the program runs.
func Load(ctx context.Context, r Reader, k model.Key) (model.Object, error) {
	f := k.Fold()
	var found row
	err := r.queryer().QueryRowContext(ctx,
		`SELECT `+columns+` FROM object WHERE kind = ? AND pkey = ? AND nkey = ? AND deleted = 0`, f.Kind, f.Parent, f.Name).
		Scan(&found.parent, &found.name, &found.revision, &found.generation, &found.deleted, &found.created, &found.updated, &found.doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound(k)
	}
	if err != nil {
		return nil, classify(err)
	}
	o, err := model.New(k.Kind)
	if err != nil {
		return nil, err
	}
	return o, fault.Wrap(decode(o, found), "read %s", k)
}

// List streams the resources of T's kind that match q, by parent and name.
// Breaking off the loop is fine. An error ends it.
func List[T model.Object](ctx context.Context, r Reader, q Query) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for l, err := range list[T](ctx, r, q, `NULL`, ``) {
			if !yield(l.Object, err) {
				return
			}
		}
	}
}

// Listed is a resource with what was last reported of it.
type Listed[T model.Object] struct {
	Object T
	Status *model.Status // nil = nothing was
}

// ListStatus is List with the status of each resource.
func ListStatus[T model.Object](ctx context.Context, r Reader, q Query) iter.Seq2[Listed[T], error] {
	return list[T](ctx, r, q, `s.doc`, `LEFT JOIN status s USING (kind, pkey, nkey)`)
}

func list[T model.Object](ctx context.Context, r Reader, q Query, status, join string) iter.Seq2[Listed[T], error] {
	var zero T
	kind := zero.Kind()
	return func(yield func(Listed[T], error) bool) {
		where, args := q.where(kind)
		rows, err := r.queryer().QueryContext(ctx, `SELECT parent, name, revision, generation, deleted, created, o.updated, o.doc, `+status+
			` FROM object o `+q.index()+join+` WHERE `+where+` ORDER BY pkey, nkey`, args...)
		if err != nil {
			yield(Listed[T]{}, classify(err))
			return
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			l, err := scan[T](kind, rows)
			if !yield(l, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Listed[T]{}, classify(err))
		}
	}
}

func scan[T model.Object](kind model.Kind, rows *sql.Rows) (Listed[T], error) {
	var r row
	var status sql.NullString
	if err := rows.Scan(&r.parent, &r.name, &r.revision, &r.generation, &r.deleted, &r.created, &r.updated, &r.doc, &status); err != nil {
		return Listed[T]{}, classify(err)
	}
	o, err := model.New(kind)
	if err != nil {
		return Listed[T]{}, err
	}
	if err := decode(o, r); err != nil {
		return Listed[T]{}, fault.Wrap(err, "read %s %s/%s", kind, r.parent, r.name)
	}
	l := Listed[T]{Object: o.(T)} //nolint:forcetypeassert // New returns T for T's own kind
	if status.Valid {
		l.Status = &model.Status{}
		if err := json.Unmarshal([]byte(status.String), l.Status); err != nil {
			return l, fault.Wrap(err, "read status of %s %s/%s", kind, r.parent, r.name)
		}
	}
	return l, nil
}

func (q Query) where(kind model.Kind) (string, []any) {
	where, args := []string{"kind = ?", "deleted = 0"}, []any{kind}
	add := func(clause, value string) {
		if value != "" {
			where, args = append(where, clause), append(args, strings.ToLower(value))
		}
	}
	add("pkey = ?", q.Parent)
	if q.ParentPrefix != "" {
		prefix := strings.ToLower(q.ParentPrefix)
		where, args = append(where, "pkey >= ? AND pkey < ?"), append(args, prefix, prefix+"\U0010ffff")
	}
	add("nkey = ?", q.Name)
	add("device = ?", q.Device)
	add("profile = ?", q.Profile)
	if q.Endpoint != "" {
		where, args = append(where, "endpoint = ?"), append(args, q.Endpoint)
	}
	return strings.Join(where, " AND "), args
}

// index names the index that finds what refers to a device or a profile. Left
// to itself, SQLite prefers the primary key and computes the column of each
// resource of the namespace.
func (q Query) index() string {
	switch {
	case q.Device != "":
		return "INDEXED BY object_device "
	case q.Profile != "":
		return "INDEXED BY object_profile "
	default:
		return ""
	}
}

// Edit reads a resource, lets fn change it, checks it and writes it, in one
// transaction. It returns the resource as it is afterwards.
func Edit[T model.Object](ctx context.Context, s *Store, k model.Key, fn func(T) error) (T, error) {
	var out T
	err := s.Update(ctx, func(tx *Tx) error {
		o, err := Get[T](ctx, tx, k)
		if err != nil {
			return err
		}
		if err := fn(o); err != nil {
			return err
		}
		out = o
		return tx.Put(ctx, o, MustExist)
	})
	return out, err
}

// Referrers returns the keys of what refers to a device, an endpoint profile
// or (with its name) nothing else.
func Referrers(ctx context.Context, r Reader, k model.Key) ([]model.Key, error) {
	f := k.Fold()
	index, column, kind := "object_device", "device", model.KindAsset
	switch k.Kind { // only these two are referred to by assets
	case model.KindDevice:
	case model.KindEndpointProfile:
		index, column, kind = "object_profile", "profile", model.KindClassicAsset
	default:
		return nil, nil
	}
	rows, err := r.queryer().QueryContext(ctx,
		`SELECT parent, name FROM object INDEXED BY `+index+` WHERE kind = ? AND pkey = ? AND `+column+` = ? AND deleted = 0 ORDER BY nkey`, kind, f.Parent, f.Name)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	var keys []model.Key
	for rows.Next() {
		key := model.Key{Kind: kind}
		if err := rows.Scan(&key.Parent, &key.Name); err != nil {
			return nil, classify(err)
		}
		keys = append(keys, key)
	}
	return keys, classify(rows.Err())
}
