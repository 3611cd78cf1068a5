package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/iotops/iotops/pkg/message"
)

// linesASecond is how many messages are shown one by one: as many as one can read.
const linesASecond = 10

// view shows on a terminal what passes: a line per message, and a summary each
// second that says how many lines were left out. It never holds up a message.
type view struct {
	out     io.Writer
	now     func() time.Time
	summary func() string

	budget  atomic.Int64
	skipped atomic.Int64
	lines   chan viewLine
}

// viewLine is what is shown of one message.
type viewLine struct {
	at    time.Time
	topic string
	size  int
	age   time.Duration // since the source sent it; -1 = unknown
}

func newView(out io.Writer, now func() time.Time, summary func() string) *view {
	v := &view{out: out, now: now, summary: summary, lines: make(chan viewLine, linesASecond)}
	v.budget.Store(linesASecond)
	return v
}

// see notes one message.
func (v *view) see(m *message.Message) {
	if v.budget.Add(-1) < 0 {
		v.skipped.Add(1)
		return
	}
	now := v.now()
	line := viewLine{at: now, topic: strings.Clone(m.Topic), size: len(m.Payload), age: -1}
	for i := range m.Props {
		if m.Props[i].Key != "time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, m.Props[i].Value); err == nil {
			line.age = max(now.Sub(at), 0)
		}
	}
	select {
	case v.lines <- line:
	default:
		v.skipped.Add(1)
	}
}

// run prints until ctx ends.
func (v *view) run(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-v.lines:
			v.print(l)
		case <-second.C:
			v.budget.Store(linesASecond)
			text := v.summary()
			if n := v.skipped.Swap(0); n > 0 {
				text += fmt.Sprintf("   (%d more lines)", n)
			}
			_, _ = fmt.Fprintln(v.out, text)
		}
	}
}

func (v *view) print(l viewLine) {
	age := "-"
	if l.age >= 0 {
		age = shortly(l.age)
	}
	topic := strings.Map(func(r rune) rune { // a topic may hold what moves the cursor
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, l.topic)
	_, _ = fmt.Fprintf(v.out, "%s  %-48s %7d B  %8s\n", l.at.Format("15:04:05.000"), topic, l.size, age)
}

// shortly writes a duration with two or three digits.
func shortly(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
