package spool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/sink/spool"
	"github.com/iotops/iotops/pkg/message"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("IOTOPS_TEST_SPOOL"); dir != "" {
		appendForever(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// appendForever is a process that says which messages became safe, until it is killed.
func appendForever(dir string) {
	s, err := spool.Open(dir, spool.Options{Segment: 4096})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	for i := 0; ; i++ {
		done := make(chan struct{})
		m := msg(i)
		m.Done = message.CompletionFunc(func(message.Outcome) { close(done) })
		if err := s.Append(m); err != nil {
			panic(err)
		}
		<-done
		mu.Lock()
		_, _ = fmt.Fprintln(os.Stdout, i)
		mu.Unlock()
	}
}

func msg(i int) *message.Message {
	return &message.Message{
		Topic: "t", Payload: []byte(strconv.Itoa(i)), ContentType: "text/plain", Text: true, QoS: 1, Retain: i%2 == 0, Expiry: time.Minute,
		Static: []message.Prop{{Key: "s", Value: "1"}}, Props: []message.Prop{{Key: "p", Value: strconv.Itoa(i)}},
	}
}

func open(t *testing.T, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func next(t *testing.T, s *spool.Spool) (spool.Entry, int) {
	t.Helper()
	e, err := s.Next(t.Context())
	require.NoError(t, err)
	n, err := strconv.Atoi(string(e.Message.Payload))
	require.NoError(t, err)
	return e, n
}

func TestMessagesComeBackWholeAndInOrder(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 1000})
	for i := range 100 {
		require.NoError(t, s.Append(msg(i)))
	}
	for i := range 100 {
		e, n := next(t, s)
		require.Equal(t, i, n)
		want := msg(i)
		want.Props, want.Static = append(want.Static, want.Props...), nil
		require.Equal(t, want, e.Message)
		s.Commit(e)
	}
	require.Zero(t, s.Len())
	require.Zero(t, s.Stats().Messages)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Append(msg(100)))
	_, n := next(t, s)
	require.Equal(t, 100, n)
}

func TestSafeMeansOnDisk(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Add(1)
		m := msg(i)
		m.Done = message.CompletionFunc(func(o message.Outcome) {
			if o != message.Safe {
				t.Errorf("message %d: %s", i, o)
			}
			wg.Done()
		})
		require.NoError(t, s.Append(m))
	}
	wg.Wait()
}

func TestReopening(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{Segment: 500})
	require.NoError(t, err)
	for i := range 50 {
		require.NoError(t, s.Append(msg(i)))
	}
	for range 20 {
		e, _ := next(t, s)
		s.Commit(e)
	}
	require.NoError(t, s.Close())
	s, err = spool.Open(dir, spool.Options{Segment: 500})
	require.NoError(t, err)
	require.EqualValues(t, 30, s.Len())
	_, n := next(t, s) // read, but not committed
	require.Equal(t, 20, n)
	require.NoError(t, s.Append(msg(50)))
	require.NoError(t, s.Close())
	s = open(t, dir, spool.Options{})
	seen := map[int]bool{}
	last := -1
	for len(seen) < 31 {
		e, n := next(t, s)
		require.Greater(t, n, last)
		last = n
		if n >= 20 {
			seen[n] = true
		}
		s.Commit(e)
	}
	require.True(t, seen[20], "what was not committed comes again")
	require.True(t, seen[50])
}

func TestTheOldestGiveWay(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 1000, MaxBytes: 5000})
	for i := range 1000 {
		require.NoError(t, s.Append(msg(i)))
	}
	st := s.Stats()
	require.LessOrEqual(t, st.Bytes, int64(7000))
	require.Equal(t, int64(1000), st.Dropped+st.Messages)
	_, n := next(t, s)
	require.EqualValues(t, st.Dropped, n)
}

func TestTooOldIsDropped(t *testing.T) {
	now := time.Now()
	s := open(t, t.TempDir(), spool.Options{MaxAge: time.Minute, Now: func() time.Time { return now }})
	require.NoError(t, s.Append(msg(0)))
	now = now.Add(2 * time.Minute)
	require.NoError(t, s.Append(msg(1)))
	_, n := next(t, s)
	require.Equal(t, 1, n)
	require.EqualValues(t, 1, s.Stats().Dropped)
}

func TestATornEndIsCutOff(t *testing.T) {
	for _, damage := range []func(t *testing.T, path string, size int64){
		func(t *testing.T, path string, size int64) { require.NoError(t, os.Truncate(path, size-3)) },
		func(t *testing.T, path string, size int64) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{0xff}, size-2)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
	} {
		dir := t.TempDir()
		s, err := spool.Open(dir, spool.Options{})
		require.NoError(t, err)
		for i := range 3 {
			require.NoError(t, s.Append(msg(i)))
		}
		require.NoError(t, s.Close())
		files, err := filepath.Glob(filepath.Join(dir, "*.spool"))
		require.NoError(t, err)
		info, err := os.Stat(files[0])
		require.NoError(t, err)
		damage(t, files[0], info.Size())
		s = open(t, dir, spool.Options{})
		require.EqualValues(t, 2, s.Len())
		require.NoError(t, s.Append(msg(3)))
		for _, want := range []int{0, 1, 3} {
			_, n := next(t, s)
			require.Equal(t, want, n)
		}
	}
}

func TestKillLosesNothingThatWasSafe(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "IOTOPS_TEST_SPOOL="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		safe := -1
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				safe = n
			}
			if safe == 50 {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
		s, err := spool.Open(dir, spool.Options{})
		require.NoError(t, err)
		for i := 0; i <= safe; i++ {
			e, n := next(t, s)
			require.Equal(t, i, n)
			s.Commit(e)
		}
		for s.Len() > 0 {
			e, _ := next(t, s)
			s.Commit(e)
		}
		require.NoError(t, s.Close())
	}
}

// TestAnOffsetIsOnlyOfItsOwnSegment empties the spool after the offset was
// saved, and kills it: what is kept afterwards must not be skipped.
func TestAnOffsetIsOnlyOfItsOwnSegment(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		s, err := spool.Open(dir, spool.Options{})
		require.NoError(t, err)
		for i := range 5 {
			require.NoError(t, s.Append(msg(i)))
		}
		for i := range 5 {
			e, n := next(t, s)
			require.Equal(t, i, n)
			s.Commit(e)
		}
		require.Zero(t, s.Len())
		require.NoError(t, s.Append(msg(7)))
		require.NoError(t, s.Close())
		s, err = spool.Open(dir, spool.Options{})
		require.NoError(t, err)
		e, n := next(t, s)
		require.Equal(t, 7, n)
		s.Commit(e)
		require.NoError(t, s.Close())
	}
}

// TestWhatIsPrependedComesFirst is what a client keeps at its end.
func TestWhatIsPrependedComesFirst(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{})
	require.NoError(t, err)
	for i := 2; i < 5; i++ {
		require.NoError(t, s.Append(msg(i)))
	}
	require.NoError(t, s.Prepend([]*message.Message{msg(0), msg(1)}))
	require.NoError(t, s.Close())
	s = open(t, dir, spool.Options{})
	for i := range 5 {
		e, n := next(t, s)
		require.Equal(t, i, n)
		s.Commit(e)
	}
	require.Zero(t, s.Len())
}

func TestAWrongClockDropsNothing(t *testing.T) {
	now := time.Unix(100, 0)
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	require.NoError(t, s.Append(msg(0)))
	require.NoError(t, s.Close())
	now = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s = open(t, dir, spool.Options{Now: func() time.Time { return now }})
	_, n := next(t, s)
	require.Zero(t, n)
	require.Zero(t, s.Stats().Dropped)
}

func TestASmallBoundBinds(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 1 << 20})
	for range 5000 {
		require.NoError(t, s.Append(&message.Message{Topic: "x", Payload: make([]byte, 1000)}))
	}
	require.LessOrEqual(t, s.Stats().Bytes, int64(1<<20+1<<18))
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{})
	require.NoError(t, os.RemoveAll(dir))
	require.Error(t, s.Append(msg(0)), "as on a full disk: no new segment can be made")
	require.True(t, s.Stats().Full)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, s.Append(msg(1)), "and it works again by itself")
	require.False(t, s.Stats().Full)
}

func TestConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 2000})
	const writers, each = 4, 200
	for w := range writers {
		go func() {
			for i := range each {
				m := msg(i)
				m.Topic = strconv.Itoa(w)
				if err := s.Append(m); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	last := map[string]int{}
	for range writers * each {
		e, n := next(t, s)
		require.Equal(t, last[e.Message.Topic], n, "order per topic")
		last[e.Message.Topic] = n + 1
		s.Commit(e)
	}
}
