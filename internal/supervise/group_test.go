package supervise_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/iotops/iotops/internal/supervise"
	"github.com/iotops/iotops/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunsUntilRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		g := supervise.NewGroup(func(ctx context.Context, key string, spec int, _ <-chan int) error {
			require.Equal(t, "a", key)
			require.Equal(t, 7, spec)
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			return nil
		}, supervise.Options{})
		g.Set("a", 7)
		synctest.Wait()
		require.EqualValues(t, 1, running.Load())
		require.Equal(t, supervise.Running, g.Status()["a"].State)
		g.Remove("a")
		require.Zero(t, running.Load())
		require.Empty(t, g.Status())
		g.Remove("a")
		g.Stop()
		g.Set("a", 7)
		require.Empty(t, g.Status())
		time.Sleep(time.Second)
	})
}

func TestBackoffDoublesUpToAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		g := supervise.NewGroup(func(context.Context, string, int, <-chan int) error {
			starts = append(starts, time.Now())
			return fault.New(fault.Unavailable, "nobody there")
		}, supervise.Options{})
		g.Set("a", 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		st := g.Status()["a"]
		require.Equal(t, supervise.Waiting, st.State)
		require.ErrorContains(t, st.Err, "nobody there")
		g.Stop()
		require.InDelta(t, 55, len(starts), 12, "about one a minute, after the first few")
		for i := 1; i < len(starts); i++ {
			gap := starts[i].Sub(starts[i-1])
			want := min(500*time.Millisecond<<min(i-1, 10), time.Minute)
			require.GreaterOrEqual(t, gap, want)
			require.LessOrEqual(t, gap, want*6/5+time.Millisecond)
		}
	})
}

func TestAGoodRunResetsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		g := supervise.NewGroup(func(ctx context.Context, _ string, _ int, _ <-chan int) error {
			starts = append(starts, time.Now())
			if len(starts)%5 == 0 {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
				}
			}
			return errors.New("broken")
		}, supervise.Options{})
		g.Set("a", 0)
		time.Sleep(3 * time.Minute)
		g.Stop()
		require.Greater(t, len(starts), 6)
		require.Less(t, starts[5].Sub(starts[4])-time.Minute, time.Second, "500 ms again after a good run")
		time.Sleep(time.Second)
	})
}

func TestRejectedWaitsForANewSpec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		g := supervise.NewGroup(func(ctx context.Context, _ string, spec int, _ <-chan int) error {
			runs.Add(1)
			if spec == 0 {
				return fault.New(fault.Invalid, "no good")
			}
			<-ctx.Done()
			return nil
		}, supervise.Options{})
		g.Set("a", 0)
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, runs.Load())
		require.Equal(t, supervise.Rejected, g.Status()["a"].State)
		g.Set("a", 1)
		synctest.Wait()
		require.EqualValues(t, 2, runs.Load())
		require.Equal(t, supervise.Running, g.Status()["a"].State)
		g.Stop()
	})
}

func TestTheLatestUpdateWinsAndSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var specs, updates []int
		fail := make(chan struct{})
		g := supervise.NewGroup(func(ctx context.Context, _ string, spec int, more <-chan int) error {
			specs = append(specs, spec)
			for {
				select {
				case u := <-more:
					updates = append(updates, u)
				case <-fail:
					return errors.New("lost")
				case <-ctx.Done():
					return nil
				}
			}
		}, supervise.Options{})
		g.Set("a", 1)
		synctest.Wait()
		g.Set("a", 2)
		synctest.Wait()
		fail <- struct{}{}
		time.Sleep(time.Minute)
		g.Stop()
		require.Equal(t, []int{1, 2}, specs, "the update is what the next run starts with")
		require.Equal(t, []int{2}, updates)
	})
}

func TestAPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		g := supervise.NewGroup(func(ctx context.Context, _ string, _ int, _ <-chan int) error {
			if runs.Add(1) == 1 {
				panic("boom")
			}
			<-ctx.Done()
			return nil
		}, supervise.Options{})
		g.Set("a", 0)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 2, runs.Load())
		require.ErrorContains(t, g.Status()["a"].Err, "boom")
		g.Stop()
	})
}

func TestWaitsAsLongAsTheErrorAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			err  error
			want time.Duration
		}{
			{fault.WithWait(fault.New(fault.Unavailable, "busy"), 10*time.Second), 10 * time.Second},
			{fault.WithWait(fault.New(fault.Unavailable, "busy"), time.Hour), time.Minute},
			{fault.New(fault.Denied, "wrong password"), time.Minute},
		} {
			g := supervise.NewGroup(func(context.Context, string, int, <-chan int) error { return c.err }, supervise.Options{})
			g.Set("a", 0)
			synctest.Wait()
			got := g.Status()["a"].Wait
			require.GreaterOrEqual(t, got, c.want)
			require.LessOrEqual(t, got, c.want*6/5+time.Millisecond)
			g.Stop()
			time.Sleep(time.Second)
		}
	})
}

func TestOneOfManyDoesNotDisturbTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int32
		g := supervise.NewGroup(func(ctx context.Context, key, _ int, _ <-chan int) error {
			starts.Add(1)
			if key == 0 {
				return errors.New("always")
			}
			<-ctx.Done()
			return nil
		}, supervise.Options{})
		for key := range 1000 {
			g.Set(key, 0)
		}
		time.Sleep(time.Minute)
		require.InDelta(t, 1005, starts.Load(), 6)
		g.Stop()
		time.Sleep(time.Second)
	})
}

// TestASpecThatWasTakenByAFailingRunIsTried fails for the old spec after the
// newer one was taken from the updates.
func TestASpecThatWasTakenByAFailingRunIsTried(t *testing.T) {
	good := make(chan struct{})
	g := supervise.NewGroup(func(ctx context.Context, _ string, spec int, updates <-chan int) error {
		if spec == 1 {
			<-updates
			return fault.New(fault.Invalid, "spec 1 is bad")
		}
		close(good)
		<-ctx.Done()
		return nil
	}, supervise.Options{})
	defer g.Stop()
	g.Set("a", 1)
	g.Set("a", 2)
	g.Set("a", 3)
	select {
	case <-good:
	case <-time.After(30 * time.Second):
		t.Fatal("the newer spec is never tried")
	}
}

// TestWaitsGrowUpToWhatTheErrorAllows backs off, but not beyond.
func TestWaitsGrowUpToWhatTheErrorAllows(t *testing.T) {
	g := supervise.NewGroup(func(context.Context, string, int, <-chan int) error {
		return fault.WithBackoff(fault.New(fault.Unavailable, "down"), 2*time.Millisecond, 8*time.Millisecond)
	}, supervise.Options{MinWait: time.Millisecond, MaxWait: time.Minute})
	defer g.Stop()
	g.Set("a", 1)
	var waits []time.Duration
	require.Eventually(t, func() bool {
		st := g.Status()["a"]
		if st.State == supervise.Waiting && st.Restarts >= len(waits) {
			waits = append(waits, st.Wait)
		}
		return st.Restarts > 30
	}, 30*time.Second, 100*time.Microsecond)
	for _, w := range waits {
		require.GreaterOrEqual(t, w, 2*time.Millisecond)
		require.LessOrEqual(t, w, 10*time.Millisecond) // a fifth is chance
	}
}
