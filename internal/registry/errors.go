package registry

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/iotops/iotops/pkg/fault"
)

// classify gives an error of SQLite its kind, by result code.
func classify(err error) error {
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.As(fault.Unavailable, err, "another process keeps the file locked")
	case sqlite3.SQLITE_FULL:
		return fault.WithHint(fault.WithCode(fault.As(fault.Unavailable, err, "disk full"), "DiskFull"),
			"Nothing was changed. Free some space and try again.")
	case sqlite3.SQLITE_IOERR:
		return fault.WithHint(fault.As(fault.Unavailable, err, "reading or writing the file"),
			"Is the disk full, or broken? Free some space and try again.")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN:
		return fault.WithHint(fault.As(fault.Denied, err, "not allowed"),
			"Run as a user who may write the registry, or choose another folder with --registry.")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.WithHint(fault.As(fault.Internal, err, "the file is damaged"),
			"Restore it from a copy, or move it away to start with an empty registry.")
	case sqlite3.SQLITE_INTERRUPT:
		return fault.As(fault.Canceled, err, "interrupted")
	default:
		return err
	}
}
