package registry

import (
	"context"
	"time"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Version is what a resource was at a revision.
type Version struct {
	Revision  model.Revision
	At        time.Time
	Who       string       // user and program
	Operation string       // create, update or delete
	Object    model.Object // as it was afterwards; before, for a delete
}

// History returns what a resource was, oldest first. Resources that are
// deleted have a history too. Old versions are dropped beyond Options.History.
func History(ctx context.Context, r Reader, k model.Key) ([]Version, error) {
	f := k.Fold()
	rows, err := r.queryer().QueryContext(ctx,
		`SELECT revision, at, who, operation, generation, doc FROM history WHERE kind = ? AND pkey = ? AND nkey = ? ORDER BY revision`, f.Kind, f.Parent, f.Name)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	var list []Version
	for rows.Next() {
		var v Version
		var at int64
		old := row{parent: k.Parent, name: k.Name}
		if err := rows.Scan(&v.Revision, &at, &v.Who, &v.Operation, &old.generation, &old.doc); err != nil {
			return nil, classify(err)
		}
		v.At = time.UnixMicro(at).UTC()
		old.revision, old.created, old.updated = v.Revision, at, at
		if v.Object, err = model.New(k.Kind); err != nil {
			return nil, err
		}
		if err := decode(v.Object, old); err != nil {
			return nil, fault.Wrap(err, "read revision %d of %s", v.Revision, k)
		}
		list = append(list, v)
	}
	return list, classify(rows.Err())
}
