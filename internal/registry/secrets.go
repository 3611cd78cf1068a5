package registry

import (
	"context"
	"database/sql"
	"errors"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// SecretRow is one encrypted secret. The registry never sees it in the clear:
// package secret does.
type SecretRow struct {
	Instance, Name, Entry string
	Nonce, Ciphertext     []byte
}

// PutSecret writes one encrypted secret. Watchers see a Change of kind secret.
func (t *Tx) PutSecret(ctx context.Context, r SecretRow) error {
	_, err := t.tx.ExecContext(ctx,
		`INSERT OR REPLACE INTO secret (instance, name, entry, nonce, ciphertext, updated) VALUES (?, ?, ?, ?, ?, ?)`,
		r.Instance, r.Name, r.Entry, r.Nonce, r.Ciphertext, t.now.UnixMicro())
	if err != nil {
		return classify(err)
	}
	return t.touchSecret(ctx, r)
}

// DeleteSecret removes one secret, or is an error of kind NotFound.
func (t *Tx) DeleteSecret(ctx context.Context, instance, name, entry string) error {
	res, err := t.tx.ExecContext(ctx, `DELETE FROM secret WHERE instance = ? AND name = ? AND entry = ?`, instance, name, entry)
	if err != nil {
		return classify(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fault.WithCode(fault.New(fault.NotFound, "no secret is called %s/%s", name, entry), "SecretNotFound"))
	}
	return t.touchSecret(ctx, SecretRow{Instance: instance, Name: name, Entry: entry})
}

// touchSecret leaves a mark that watchers find: a tombstone that names the secret.
func (t *Tx) touchSecret(ctx context.Context, r SecretRow) error {
	t.revision++
	k := model.Key{Kind: model.KindSecret, Parent: r.Instance, Name: r.Name + "/" + r.Entry}
	f := k.Fold()
	_, err := t.tx.ExecContext(ctx,
		`INSERT OR REPLACE INTO object (kind, pkey, nkey, parent, name, revision, generation, deleted, created, updated, doc)
		 VALUES (?, ?, ?, ?, ?, ?, 0, 1, ?, ?, '{}')`,
		f.Kind, f.Parent, f.Name, k.Parent, k.Name, t.revision, t.now.UnixMicro(), t.now.UnixMicro())
	return classify(err)
}

// GetSecret returns one encrypted secret, and whether there is one.
func GetSecret(ctx context.Context, r Reader, instance, name, entry string) (SecretRow, bool, error) {
	row := SecretRow{Instance: instance, Name: name, Entry: entry}
	err := r.queryer().QueryRowContext(ctx,
		`SELECT nonce, ciphertext FROM secret WHERE instance = ? AND name = ? AND entry = ?`, instance, name, entry).
		Scan(&row.Nonce, &row.Ciphertext)
	if errors.Is(err, sql.ErrNoRows) {
		return SecretRow{}, false, nil
	}
	return row, err == nil, classify(err)
}

// ListSecrets returns the names of an instance's secrets as "name/entry".
func ListSecrets(ctx context.Context, r Reader, instance string) ([]string, error) {
	rows, err := r.queryer().QueryContext(ctx, `SELECT name, entry FROM secret WHERE instance = ? ORDER BY name, entry`, instance)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name, entry string
		if err := rows.Scan(&name, &entry); err != nil {
			return nil, classify(err)
		}
		names = append(names, name+"/"+entry)
	}
	return names, classify(rows.Err())
}
