// Package fault classifies errors by what a caller can do about them.
//
// Every error that crosses a package boundary either is a *Error or wraps one;
// anything else counts as Internal. The kind decides the exit code of a
// command, the HTTP status of the API and whether the supervisor retries.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of failure an error is.
type Kind uint8

// The kinds. The zero Kind is None: KindOf(nil) returns it.
const (
	None        Kind = iota
	Internal         // a bug, the disk, anything unclassified
	Invalid          // a value or a document that can never work as it stands
	NotFound         // a resource that does not exist
	Conflict         // it exists already, has moved on, or is still referenced
	Unavailable      // an endpoint, a broker or a cluster cannot be reached now
	Denied           // credentials or certificates are refused
	Unsupported      // a capability that is missing on one side
	Partial          // some items of a batch failed; each is listed
	Canceled         // the user or the owner stopped the operation
)

// String returns the kind's name as used in logs and API bodies.
func (k Kind) String() string {
	switch k {
	case None:
		return "none"
	case Invalid:
		return "invalid"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case Unavailable:
		return "unavailable"
	case Denied:
		return "denied"
	case Unsupported:
		return "unsupported"
	case Partial:
		return "partial"
	case Canceled:
		return "canceled"
	case Internal:
		return "internal"
	default:
		return "internal"
	}
}

// Error is a classified error. It is immutable once returned.
type Error struct {
	Kind Kind
	Msg  string        // what was being done or what is wrong: lower case, no full stop
	Code string        // optional stable name, such as an OPC UA status ("BadNodeIdUnknown")
	Hint string        // optional: what to do next, one recommendation a line
	Wait time.Duration // optional: how long a supervisor should wait before it tries again
	Most time.Duration // optional: how long it should wait at most, however often it failed
	Err  error         // optional cause
}

// Error returns the message followed by that of the cause.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Msg
	case e.Msg == "":
		return e.Err.Error()
	default:
		return e.Msg + ": " + e.Err.Error()
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k with a formatted message.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Wrap adds what was being done to err and keeps its kind. It returns nil for a nil err.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Msg: fmt.Sprintf(format, args...), Err: err}
}

// As gives err the kind k and says what was being done. It returns nil for a nil err.
func As(k Kind, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...), Err: err}
}

// WithHint adds a recommendation to err, keeping kind and message. It returns nil for a nil err.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Hint: fmt.Sprintf(format, args...), Err: err}
}

// WithCode adds a stable name to err, keeping kind and message. It returns nil for a nil err.
func WithCode(err error, code string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Code: code, Err: err}
}

// WithWait tells a supervisor how long to wait before it tries again.
// It returns nil for a nil err.
func WithWait(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Wait: wait, Err: err}
}

// WithBackoff is WithWait with a bound for the waits that follow, which grow. It
// returns nil for a nil err.
func WithBackoff(err error, first, most time.Duration) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Wait: first, Most: most, Err: err}
}

// KindOf returns the kind of the outermost classified error in err's chain.
// A nil error is None; context.Canceled is Canceled; a deadline or any error
// that reports Timeout() is Unavailable; everything else is Internal.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != None {
		return e.Kind
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Unavailable
	default:
		return Internal
	}
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return KindOf(err) == k }

// Hints returns every recommendation in err's chain, outermost first, without repeats.
func Hints(err error) []string {
	var hints []string
	seen := map[string]bool{}
	walk(err, func(e *Error) {
		for line := range strings.Lines(e.Hint) {
			line = strings.TrimSpace(line)
			if line != "" && !seen[line] {
				seen[line] = true
				hints = append(hints, line)
			}
		}
	})
	return hints
}

// CodeOf returns the outermost stable name in err's chain, else "".
func CodeOf(err error) string {
	code := ""
	walk(err, func(e *Error) {
		if code == "" {
			code = e.Code
		}
	})
	return code
}

// WaitOf returns the longest wait asked for in err's chain, else 0.
func WaitOf(err error) time.Duration {
	var wait time.Duration
	walk(err, func(e *Error) { wait = max(wait, e.Wait) })
	return wait
}

// MostOf returns the shortest bound of waits in err's chain, else 0.
func MostOf(err error) time.Duration {
	var most time.Duration
	walk(err, func(e *Error) {
		if e.Most > 0 && (most == 0 || e.Most < most) {
			most = e.Most
		}
	})
	return most
}

// walk calls fn for each *Error reachable from err, outermost first.
func walk(err error, fn func(*Error)) {
	for err != nil {
		if e, ok := err.(*Error); ok { //nolint:errorlint // walk looks at each link itself
			fn(e)
		}
		switch x := err.(type) { //nolint:errorlint // walk looks at each link itself
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			for _, child := range x.Unwrap() {
				walk(child, fn)
			}
			return
		default:
			return
		}
	}
}
