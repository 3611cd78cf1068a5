package supervise_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/supervise"
)

func TestDropDoesNotWaitAndSetStartsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		var specs []int
		g := supervise.NewGroup(func(ctx context.Context, _ string, spec int, _ <-chan int) error {
			specs = append(specs, spec)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(2 * time.Second) // cleans up slowly
			return nil
		}, supervise.Options{})
		g.Set("a", 1)
		synctest.Wait()
		began := time.Now()
		g.Drop("a")
		g.Set("a", 2)
		g.Set("a", 3)
		require.Equal(t, began, time.Now())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1, 3}, specs)
		require.EqualValues(t, 1, most.Load())

		g.Drop("a")
		g.Set("a", 4)
		g.Drop("a") // takes the 4 back
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Empty(t, g.Status())

		g.Set("a", 5)
		synctest.Wait()
		g.Drop("a")
		g.Set("a", 6)
		g.Remove("a") // waits for the old one, and starts no new one
		require.Empty(t, g.Status())
		require.Zero(t, running.Load())

		g.Set("a", 7)
		synctest.Wait()
		g.Drop("a")
		g.Set("a", 8)
		g.Stop()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1, 3, 5, 7}, specs)
	})
}
