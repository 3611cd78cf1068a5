// Package state keeps what outlives a connection and a process: the durable
// state of units, and who runs an instance. It is state.db beside the registry.
package state

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite" // and the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
)

// FileName is the file in the registry's folder.
const FileName = "state.db"

// MaxValue bounds one value, in bytes.
const MaxValue = 1 << 20

const schema = `
CREATE TABLE IF NOT EXISTS unit (
	unit TEXT NOT NULL,
	name TEXT NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (unit, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (
	instance TEXT PRIMARY KEY,
	host     TEXT NOT NULL,
	pid      INTEGER NOT NULL,
	since    INTEGER NOT NULL, -- milliseconds since the Unix epoch
	broker   TEXT NOT NULL,
	api      TEXT NOT NULL
) WITHOUT ROWID;
`

// DB is the open file. Its methods are safe for concurrent use, and several
// processes may have it open.
type DB struct {
	dir    string
	db     *sql.DB
	writes chan write
	done   chan struct{}
	close  sync.Once
}

// write is one change that waits to be on disk.
type write struct {
	unit, name string
	data       []byte // nil = delete
	result     chan error
}

// remedy says what to do about a file that cannot be opened.
func remedy(err error) string {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
			return "Is the disk full? Free some space and try again."
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return "The file is damaged: move it away, and connections start anew."
		}
	}
	return "Run as a user who may write the folder, or choose another one with --registry."
}

// Open opens state.db in dir and creates it if need be.
func Open(ctx context.Context, dir string) (*DB, error) {
	file := filepath.Join(dir, FileName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.As(fault.Denied, err, "state folder")
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return nil, fault.As(fault.Denied, err, "open state")
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{}
	for _, p := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"} {
		q.Add("_pragma", p)
	}
	q.Add("_txlock", "immediate")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fault.Wrap(err, "open state")
	}
	db.SetMaxOpenConns(2)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		_ = db.Close()
		return nil, fault.WithHint(fault.As(fault.Unavailable, err, "open state %s", file), "%s", remedy(err))
	}
	s := &DB{dir: dir, db: db, writes: make(chan write, 256), done: make(chan struct{})}
	go s.commitLoop() //nolint:contextcheck // it ends with Close
	return s, nil
}

// Close waits for what is being written and closes the file.
func (s *DB) Close() error {
	s.close.Do(func() { close(s.writes) })
	<-s.done
	return s.db.Close()
}

// commitLoop writes what is waiting, all of it in one transaction: many units
// that save at once share one sync of the disk.
func (s *DB) commitLoop() {
	defer close(s.done)
	for first := range s.writes {
		batch := []write{first}
		for more := true; more && len(batch) < cap(s.writes); {
			select {
			case w, ok := <-s.writes:
				if !ok {
					more = false
					break
				}
				batch = append(batch, w)
			default:
				more = false
			}
		}
		err := s.commit(batch)
		for _, w := range batch {
			w.result <- err
		}
	}
}

func (s *DB) commit(batch []write) error {
	ctx := context.Background() // what is queued is written, whoever still waits
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fault.As(fault.Unavailable, err, "write state")
	}
	defer func() { _ = tx.Rollback() }()
	for _, w := range batch {
		if w.data == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM unit WHERE unit = ? AND name = ?`, w.unit, w.name)
		} else {
			_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO unit (unit, name, data) VALUES (?, ?, ?)`, w.unit, w.name, w.data)
		}
		if err != nil {
			return fault.As(fault.Unavailable, err, "write state")
		}
	}
	return fault.As(fault.Unavailable, tx.Commit(), "write state")
}

// Unit returns the durable state of one unit.
func (s *DB) Unit(unit string) connector.State { return unitState{s, unit} }

type unitState struct {
	s    *DB
	unit string
}

// Load implements connector.State.
func (u unitState) Load(ctx context.Context, key string) ([]byte, error) {
	var data []byte
	err := u.s.db.QueryRowContext(ctx, `SELECT data FROM unit WHERE unit = ? AND name = ?`, u.unit, key).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if data == nil && err == nil {
		data = []byte{} // there is a value, and it is empty
	}
	return data, fault.As(fault.Unavailable, err, "read state")
}

// Save implements connector.State. data is on disk when it returns.
func (u unitState) Save(ctx context.Context, key string, data []byte) error {
	if len(data) > MaxValue {
		return fault.New(fault.Invalid, "state %s: %d bytes are more than %d", key, len(data), MaxValue)
	}
	if data == nil {
		data = []byte{}
	}
	return u.s.enqueue(ctx, write{u.unit, key, data, make(chan error, 1)})
}

// Delete implements connector.State.
func (u unitState) Delete(ctx context.Context, key string) error {
	return u.s.enqueue(ctx, write{u.unit, key, nil, make(chan error, 1)})
}

func (s *DB) enqueue(ctx context.Context, w write) error {
	select {
	case s.writes <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-w.result
}

// Prune drops the state of units that keep does not want.
func (s *DB) Prune(ctx context.Context, keep func(unit string) bool) error {
	rows, err := s.db.QueryContext(ctx, `SELECT DISTINCT unit FROM unit`)
	if err != nil {
		return fault.Wrap(err, "read state")
	}
	defer func() { _ = rows.Close() }()
	var gone []string
	for rows.Next() {
		var unit string
		if err := rows.Scan(&unit); err != nil {
			return fault.Wrap(err, "read state")
		}
		if !keep(unit) {
			gone = append(gone, unit)
		}
	}
	if err := rows.Err(); err != nil {
		return fault.Wrap(err, "read state")
	}
	for _, unit := range gone {
		if _, err := s.db.ExecContext(ctx, `DELETE FROM unit WHERE unit = ?`, unit); err != nil {
			return fault.Wrap(err, "write state")
		}
	}
	return nil
}
