package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/iotops/iotops/pkg/fault"
)

// Holder is the process that runs an instance.
type Holder struct {
	Host   string    `json:"host"`
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
	Broker string    `json:"broker,omitempty"` // URL of the broker that it publishes to
	API    string    `json:"api,omitempty"`    // host:port of its API
}

// Lease is held by the one process that runs an instance. The operating system
// frees it when the process ends, however it ends.
type Lease struct {
	s        *DB
	instance string
	lock     *os.File
}

func (s *DB) lockPath(instance string) string {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' {
			return '_'
		}
		return r
	}, strings.ToLower(instance))
	return filepath.Join(s.dir, "serve-"+name+".lock")
}

// AcquireLease makes the calling process the one that runs an instance, or says
// who is.
func (s *DB) AcquireLease(ctx context.Context, instance string) (*Lease, error) {
	f, err := os.OpenFile(s.lockPath(instance), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.As(fault.Denied, err, "lease")
	}
	switch err := lockFile(f); {
	case errors.Is(err, errLocked):
		_ = f.Close()
		who := "another process"
		if h, ok, err := s.row(ctx, instance); err == nil && ok {
			who = fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Local().Format(time.DateTime))
		}
		return nil, fault.WithHint(fault.New(fault.Conflict, "instance %s is served already by %s", instance, who),
			"Stop it first, or serve another registry (--registry).")
	case err != nil:
		_ = f.Close()
		return nil, fault.As(fault.Denied, err, "lease")
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	l := &Lease{s, instance, f}
	_, err = s.db.ExecContext(ctx,
		`INSERT OR REPLACE INTO holder (instance, host, pid, since, broker, api) VALUES (?, ?, ?, ?, '', '')`,
		strings.ToLower(instance), host, os.Getpid(), time.Now().UnixMilli())
	if err != nil {
		l.Release()
		return nil, fault.As(fault.Unavailable, err, "lease")
	}
	return l, nil
}

// Publish tells other processes where the holder's broker and API are.
func (l *Lease) Publish(ctx context.Context, broker, api string) error {
	_, err := l.s.db.ExecContext(ctx, `UPDATE holder SET broker = ?, api = ? WHERE instance = ?`, broker, api, strings.ToLower(l.instance))
	return fault.As(fault.Unavailable, err, "lease")
}

// Release gives the lease up.
func (l *Lease) Release() { _ = l.lock.Close() }

// Running returns the process that runs an instance, and whether there is one.
func (s *DB) Running(ctx context.Context, instance string) (Holder, bool, error) {
	f, err := os.OpenFile(s.lockPath(instance), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fault.As(fault.Denied, err, "lease")
	}
	defer func() { _ = f.Close() }()
	if err := lockFile(f); err == nil {
		return Holder{}, false, nil // nobody holds it; closing the file lets go again
	} else if !errors.Is(err, errLocked) {
		return Holder{}, false, fault.As(fault.Denied, err, "lease")
	}
	return s.row(ctx, instance)
}

func (s *DB) row(ctx context.Context, instance string) (Holder, bool, error) {
	var h Holder
	var since int64
	err := s.db.QueryRowContext(ctx, `SELECT host, pid, since, broker, api FROM holder WHERE instance = ?`, strings.ToLower(instance)).
		Scan(&h.Host, &h.PID, &since, &h.Broker, &h.API)
	if errors.Is(err, sql.ErrNoRows) {
		return Holder{}, false, nil
	}
	h.Since = time.UnixMilli(since)
	return h, err == nil, fault.As(fault.Unavailable, err, "lease")
}
