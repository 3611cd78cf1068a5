package registry

import (
	"context"
	"iter"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// All streams every resource of every kind, by kind, parent and name.
func All(ctx context.Context, r Reader) iter.Seq2[model.Object, error] {
	return func(yield func(model.Object, error) bool) {
		rows, err := r.queryer().QueryContext(ctx,
			`SELECT kind, parent, name, revision, generation, deleted, created, updated, doc FROM object WHERE deleted = 0 ORDER BY kind, pkey, nkey`)
		if err != nil {
			yield(nil, classify(err))
			return
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var kind model.Kind
			var x row
			if err := rows.Scan(&kind, &x.parent, &x.name, &x.revision, &x.generation, &x.deleted, &x.created, &x.updated, &x.doc); err != nil {
				yield(nil, classify(err))
				return
			}
			o, err := model.New(kind)
			if err == nil {
				err = fault.Wrap(decode(o, x), "read %s %s/%s", kind, x.parent, x.name)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, classify(err))
		}
	}
}
