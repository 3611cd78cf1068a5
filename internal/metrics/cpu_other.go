//go:build !unix

package metrics

// cpuSeconds is only known on Unix.
func cpuSeconds() (float64, bool) { return 0, false }
