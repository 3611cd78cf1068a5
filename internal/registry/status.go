package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// SetStatus replaces what is reported of a resource. It never moves the
// revision. The status of a resource that is gone is not kept.
func (s *Store) SetStatus(ctx context.Context, k model.Key, st *model.Status) error {
	if s.write == nil {
		return fault.New(fault.Denied, "registry %s may only be read", s.dir)
	}
	doc, err := json.Marshal(st)
	if err != nil {
		return err
	}
	f := k.Fold()
	_, err = s.write.ExecContext(ctx,
		`INSERT OR REPLACE INTO status (kind, pkey, nkey, updated, doc)
		 SELECT kind, pkey, nkey, ?, ? FROM object WHERE kind = ? AND pkey = ? AND nkey = ? AND deleted = 0`,
		s.o.Now().UnixMicro(), string(doc), f.Kind, f.Parent, f.Name)
	return classify(err)
}

// Status returns what was last reported of a resource; nil if nothing was.
func Status(ctx context.Context, r Reader, k model.Key) (*model.Status, error) {
	f := k.Fold()
	var doc string
	err := r.queryer().QueryRowContext(ctx,
		`SELECT doc FROM status WHERE kind = ? AND pkey = ? AND nkey = ?`, f.Kind, f.Parent, f.Name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no report is not an error
	}
	if err != nil {
		return nil, classify(err)
	}
	st := &model.Status{}
	return st, fault.Wrap(json.Unmarshal([]byte(doc), st), "read status of %s", k)
}
