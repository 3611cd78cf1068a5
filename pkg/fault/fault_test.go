package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
)

func TestKinds(t *testing.T) {
	missing := fault.New(fault.NotFound, "device %s", "line1")
	for _, x := range []struct {
		err  error
		want fault.Kind
	}{
		{nil, fault.None},
		{io.EOF, fault.Internal},
		{missing, fault.NotFound},
		{fmt.Errorf("outside: %w", missing), fault.NotFound},
		{fault.Wrap(missing, "show"), fault.NotFound},
		{fault.As(fault.Invalid, missing, "asset"), fault.Invalid},
		{errors.Join(io.EOF, missing), fault.NotFound},
		{context.Canceled, fault.Canceled},
		{context.DeadlineExceeded, fault.Unavailable},
		{os.ErrDeadlineExceeded, fault.Unavailable},
		{fault.WithHint(missing, "create it"), fault.NotFound},
		{fault.WithCode(context.Canceled, "X"), fault.Canceled},
		{fault.WithWait(io.EOF, time.Second), fault.Internal},
	} {
		require.Equal(t, x.want, fault.KindOf(x.err), "%v", x.err)
		require.True(t, fault.Is(x.err, x.want))
	}
}

func TestNothingIsMadeOfNil(t *testing.T) {
	for _, err := range []error{
		fault.Wrap(nil, "x"), fault.As(fault.Invalid, nil, "x"), fault.WithHint(nil, "x"), fault.WithCode(nil, "x"), fault.WithWait(nil, 1),
	} {
		require.NoError(t, err)
	}
}

func TestAnErrorTellsItsStory(t *testing.T) {
	cause := errors.New("connection refused")
	err := fault.As(fault.Unavailable, cause, "connect %s", "plc")
	err = fault.WithHint(err, "is the server running?\nor the cable plugged in?")
	err = fault.WithCode(err, "inner")
	err = fault.WithWait(err, time.Second)
	err = fault.Wrap(fault.WithWait(fault.WithCode(fault.WithHint(err, "is the server running?"), "outer"), time.Minute), "asset oven")
	require.Equal(t, "asset oven: connect plc: connection refused", err.Error())
	require.ErrorIs(t, err, cause)
	require.Equal(t, []string{"is the server running?", "or the cable plugged in?"}, fault.Hints(err))
	require.Equal(t, "outer", fault.CodeOf(err))
	require.Equal(t, time.Minute, fault.WaitOf(err))
	joined := errors.Join(io.EOF, err)
	require.Equal(t, "outer", fault.CodeOf(joined))
	require.Len(t, fault.Hints(joined), 2)
	require.Empty(t, fault.CodeOf(io.EOF))
	require.Zero(t, fault.WaitOf(nil))
	grows := fault.Wrap(fault.WithBackoff(io.EOF, time.Second, time.Minute), "x")
	require.Equal(t, time.Second, fault.WaitOf(grows))
	require.Equal(t, time.Minute, fault.MostOf(grows))
	require.Zero(t, fault.MostOf(err))
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := fault.None; k <= fault.Canceled; k++ {
		require.False(t, seen[k.String()], k.String())
		seen[k.String()] = true
	}
}
