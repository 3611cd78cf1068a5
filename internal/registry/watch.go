package registry

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/iotops/iotops/pkg/model"
)

// pollInterval is how soon a write of another process is noticed. Asking costs
// a few microseconds.
const pollInterval = 100 * time.Millisecond

// watcher closes moved whenever the registry may have changed. It starts with
// the first Wait: a command that never waits pays nothing.
type watcher struct {
	mu     sync.Mutex
	moved  chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
	closed bool
}

func (w *watcher) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.moved)
	w.moved = make(chan struct{})
}

// next returns the channel that is closed at the next change, and starts
// watching for those of other processes.
func (w *watcher) next(db *sql.DB) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel == nil && !w.closed {
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel, w.done = cancel, make(chan struct{})
		go w.poll(ctx, db)
	}
	return w.moved
}

func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	cancel, done := w.cancel, w.done
	w.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// poll asks, on a connection of its own, whether another connection committed.
func (w *watcher) poll(ctx context.Context, db *sql.DB) {
	defer close(w.done)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var conn *sql.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	last := int64(-1)
	for {
		var err error
		if conn == nil {
			conn, err = db.Conn(ctx)
		}
		version := last
		if err == nil {
			err = conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version)
		}
		if err != nil && conn != nil {
			_ = conn.Close()
			conn = nil
		}
		if version != last {
			last = version
			w.wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Wait blocks until the registry is beyond since, and returns the revision that
// it is at. An error is ctx's, or that the file cannot be read.
func (s *Store) Wait(ctx context.Context, since model.Revision) (model.Revision, error) {
	for {
		moved := s.watch.next(s.read) //nolint:contextcheck // the watcher ends with Close
		rev, err := s.Revision(ctx)
		if err != nil || rev > since {
			return rev, err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return rev, ctx.Err()
		}
	}
}

// Changes returns the keys that were written after since, oldest first, each
// once.
func (s *Store) Changes(ctx context.Context, since model.Revision) ([]model.Change, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT kind, parent, name, revision, deleted FROM object WHERE revision > ? ORDER BY revision`, since)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	var list []model.Change
	for rows.Next() {
		var c model.Change
		if err := rows.Scan(&c.Key.Kind, &c.Key.Parent, &c.Key.Name, &c.Revision, &c.Deleted); err != nil {
			return nil, classify(err)
		}
		list = append(list, c)
	}
	return list, classify(rows.Err())
}
