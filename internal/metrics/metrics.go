// Package metrics writes numbers in Prometheus' text format.
//
// It is written by hand because the usual library costs every command, also
// those that never serve metrics, more than a millisecond of start-up. The
// format is described in
// https://prometheus.io/docs/instrumenting/exposition_formats/.
package metrics

import (
	"bufio"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ContentType is what the text is served as.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// The types of families.
const (
	Counter = "counter"
	Gauge   = "gauge"
)

// Writer writes families of samples. It belongs to one goroutine.
type Writer struct {
	w      *bufio.Writer
	family string
}

// NewWriter returns a Writer to w. Call Flush at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Flush writes what is buffered. It returns the first error of writing.
func (w *Writer) Flush() error { return w.w.Flush() }

// Family begins a family: its samples follow.
func (w *Writer) Family(name, kind, help string) {
	w.family = name
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	_, _ = w.w.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// Sample writes one number of the family. labels are names and values in turn.
func (w *Writer) Sample(v float64, labels ...string) {
	_, _ = w.w.WriteString(w.family)
	for i := 0; i+1 < len(labels); i += 2 {
		if i == 0 {
			_ = w.w.WriteByte('{')
		} else {
			_ = w.w.WriteByte(',')
		}
		_, _ = w.w.WriteString(labels[i] + `="` + escape(labels[i+1]) + `"`)
	}
	if len(labels) > 1 {
		_ = w.w.WriteByte('}')
	}
	_, _ = w.w.WriteString(" " + number(v) + "\n")
}

// One writes a family of one sample.
func (w *Writer) One(name, kind, help string, v float64, labels ...string) {
	w.Family(name, kind, help)
	w.Sample(v, labels...)
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatInt(int64(v), 10)
	default:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
}

// Process writes what is usual about the process and the Go runtime. started
// is when the process did.
func (w *Writer) Process(version string, started time.Time) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.One("iotops_build_info", Gauge, "The program that runs; always 1.", 1, "version", version, "goversion", runtime.Version())
	w.One("go_goroutines", Gauge, "Goroutines that exist.", float64(runtime.NumGoroutine()))
	w.One("go_memstats_alloc_bytes", Gauge, "Bytes of heap in use.", float64(m.Alloc))
	w.One("go_memstats_alloc_bytes_total", Counter, "Bytes of heap allocated, ever.", float64(m.TotalAlloc))
	w.One("go_memstats_sys_bytes", Gauge, "Bytes obtained from the system.", float64(m.Sys))
	w.One("go_gc_cycles_total", Counter, "Garbage collections.", float64(m.NumGC))
	w.One("process_start_time_seconds", Gauge, "When the process started, seconds since the Unix epoch.", float64(started.UnixMilli())/1000)
	if rss, fds, ok := fromProc(); ok {
		w.One("process_resident_memory_bytes", Gauge, "Resident memory.", rss)
		w.One("process_open_fds", Gauge, "Open file descriptors.", fds)
	}
	if cpu, ok := cpuSeconds(); ok {
		w.One("process_cpu_seconds_total", Counter, "User and system CPU time.", cpu)
	}
}

// fromProc reads Linux' /proc; elsewhere there is none.
func fromProc() (rss, fds float64, ok bool) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, 0, false
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return 0, 0, false
	}
	open, err := os.ReadDir("/proc/self/fd")
	return pages * float64(os.Getpagesize()), float64(len(open)), err == nil
}
