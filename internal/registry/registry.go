// Package registry keeps the resources of pkg/model in a SQLite file: with
// transactions, revisions, history, and a way to wait for changes that other
// processes make.
//
// Every resource is a document in one table, so a new kind needs no migration.
package registry

import (
	"context"
	"database/sql"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// FileName is the registry's file in its folder.
const FileName = "registry.db"

// Options tune a Store. The zero Options are good.
type Options struct {
	Now     func() time.Time // nil = time.Now
	Actor   string           // who writes, for the history; "" = "iotops"
	Log     *slog.Logger     // nil = discard
	History int              // how many revisions of one resource are kept; 0 = 100
}

// Store is an open registry. Its methods are safe for concurrent use, and any
// number of processes may have the same file open.
type Store struct {
	dir      string
	o        Options
	readOnly bool
	write    *sql.DB // one connection
	read     *sql.DB

	watch watcher
}

// Open opens the registry in dir and creates what is missing, the `default`
// instance, namespace and schema registry included. Where the file may only be read, so may the
// Store. A file of a newer iotops is refused.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Actor == "" {
		o.Actor = "iotops"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.History <= 0 {
		o.History = 100
	}
	file := filepath.Join(dir, FileName)
	s := &Store{dir: dir, o: o, watch: watcher{moved: make(chan struct{})}}
	if err := s.prepare(file); err != nil {
		return nil, err
	}
	if err := s.connect(ctx, file); err != nil {
		_ = s.Close()
		return nil, fault.Wrap(err, "open registry %s", file)
	}
	return s, nil
}

// prepare makes the folder and the file, for their owner only.
func (s *Store) prepare(file string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fault.WithHint(fault.As(fault.Denied, err, "registry folder"),
			"Choose a folder that you may write with --registry or IOTOPS_REGISTRY.")
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		return f.Close()
	}
	if f, readErr := os.Open(file); readErr == nil {
		s.readOnly = true
		return f.Close()
	}
	return fault.WithHint(fault.As(fault.Denied, err, "open registry"),
		"Choose a folder that you may write with --registry or IOTOPS_REGISTRY.")
}

// connect opens the two handles and migrates.
func (s *Store) connect(ctx context.Context, file string) error {
	var err error
	if s.read, err = sql.Open("sqlite", dsn(file, true)); err != nil {
		return classify(err)
	}
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(8)
	if s.readOnly {
		return s.checkVersion(ctx, s.read)
	}
	if s.write, err = sql.Open("sqlite", dsn(file, false)); err != nil {
		return classify(err)
	}
	s.write.SetMaxOpenConns(1)
	return s.migrate(ctx)
}

// dsn names the file and what each connection sets up first.
func dsn(file string, queryOnly bool) string {
	q := url.Values{}
	q.Add("_pragma", "busy_timeout(10000)")
	if queryOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(NORMAL)")
		q.Add("_txlock", "immediate")
	}
	q.Add("_pragma", "foreign_keys(1)")
	return "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + q.Encode()
}

// Close ends the watcher and closes the file.
func (s *Store) Close() error {
	s.watch.close()
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			if err := db.Close(); err != nil {
				return classify(err)
			}
		}
	}
	return nil
}

// Dir returns the folder that the registry is in.
func (s *Store) Dir() string { return s.dir }

// Revision returns the revision of the last write.
func (s *Store) Revision(ctx context.Context) (model.Revision, error) {
	var rev model.Revision
	err := s.read.QueryRowContext(ctx, `SELECT revision FROM clock`).Scan(&rev)
	return rev, classify(err)
}

// Update runs fn in one write transaction: all of it happens, or nothing.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if s.write == nil {
		return fault.WithHint(fault.New(fault.Denied, "registry %s may only be read", s.dir),
			"Run as a user who may write it, or choose another folder with --registry.")
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = tx.Rollback() }()
	t := &Tx{store: s, tx: tx, now: s.o.Now()}
	if err := tx.QueryRowContext(ctx, `SELECT revision FROM clock`).Scan(&t.revision); err != nil {
		return classify(err)
	}
	before := t.revision
	if err := fn(t); err != nil {
		return err
	}
	if t.revision == before {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE clock SET revision = ?`, t.revision); err != nil {
		return classify(err)
	}
	if err := tx.Commit(); err != nil {
		return classify(err)
	}
	s.watch.wake()
	return nil
}

// View runs fn on one snapshot: what it reads belongs together.
func (s *Store) View(ctx context.Context, fn func(Reader) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return classify(err)
	}
	defer func() { _ = tx.Rollback() }()
	return fn(snapshot{tx})
}

// Reader is a Store, a Tx or a snapshot: anything that Get and List can read.
type Reader interface {
	queryer() queryer
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type snapshot struct{ tx *sql.Tx }

func (s snapshot) queryer() queryer { return s.tx }

func (s *Store) queryer() queryer { return s.read }
