//go:build unix

package metrics

import "golang.org/x/sys/unix"

// cpuSeconds returns the CPU time that the process used.
func cpuSeconds() (float64, bool) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return seconds(u.Utime) + seconds(u.Stime), true
}

func seconds(t unix.Timeval) float64 { return float64(t.Nano()) / 1e9 }
