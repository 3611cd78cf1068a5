package opcua

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/value"
)

// statusError turns a bad status of one item into a fault.
func statusError(code ua.StatusCode, what string) error {
	if code&0x80000000 == 0 {
		return nil
	}
	name := statusName(code)
	kind := fault.Unavailable
	switch code { // the rest may get better by itself
	case ua.StatusBadNodeIDInvalid, ua.StatusBadNodeIDUnknown, ua.StatusBadAttributeIDInvalid, ua.StatusBadBrowseNameInvalid, ua.StatusBadNoMatch:
		kind = fault.Invalid
	case ua.StatusBadUserAccessDenied, ua.StatusBadNotReadable:
		kind = fault.Denied
	}
	return fault.WithCode(fault.New(kind, "%s: %s", what, name), name)
}

func statusName(code ua.StatusCode) string {
	if name := value.StatusName(uint32(code)); name != "" {
		return name
	}
	return fmt.Sprintf("0x%08X", uint32(code))
}

// translate turns an error of the connection into one that says what to do.
func (s *session) translate(err error, doing string) error {
	if err == nil {
		return nil
	}
	var code ua.StatusCode
	var opErr *net.OpError
	switch {
	case errors.As(err, &code):
		return s.translateStatus(code, doing)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, "%s", doing)
	case errors.As(err, &opErr):
		return fault.As(fault.Unavailable, err, "%s", doing)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		lost := fault.New(fault.Unavailable, "%s: the server closed the connection", doing)
		if s.opened {
			return lost
		}
		return fault.WithHint(lost, "Where security is on, this is how some servers refuse a certificate: look into the server's list of rejected certificates.")
	case fault.KindOf(err) != fault.Internal:
		return fault.Wrap(err, "%s", doing)
	default:
		return fault.As(fault.Unavailable, err, "%s", doing)
	}
}

func (s *session) translateStatus(code ua.StatusCode, doing string) error {
	name := statusName(code)
	fail := func(kind fault.Kind, hint string) error {
		err := fault.WithCode(fault.New(kind, "%s: %s", doing, name), name)
		if hint != "" {
			err = fault.WithHint(err, "%s", hint)
		}
		return err
	}
	switch code { // the rest needs no advice
	case ua.StatusBadUserAccessDenied, ua.StatusBadIdentityTokenRejected, ua.StatusBadIdentityTokenInvalid:
		return fail(fault.Denied, "Check the user name and password of the endpoint.")
	case ua.StatusBadSecurityChecksFailed, ua.StatusBadCertificateUntrusted:
		return fail(fault.Denied, fmt.Sprintf("The server does not trust our certificate. Trust it there (thumbprint %s).", s.thumbprint))
	case ua.StatusBadCertificateURIInvalid:
		return fail(fault.Denied, "The server wants the application URI of our certificate: make a new one by removing pki/own.")
	case ua.StatusBadTooManySessions:
		return fault.WithWait(fail(fault.Unavailable, "Close other clients of the server, or let assets share a session (\"shared\": true)."), 10*time.Second)
	case ua.StatusBadTimeout:
		return fail(fault.Unavailable, "")
	default:
		kind := fault.Unavailable
		if strings.HasPrefix(name, "BadCertificate") {
			kind = fault.Denied
		}
		return fail(kind, "")
	}
}
