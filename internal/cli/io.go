package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/pkg/fault"
)

// Globals are the options that every command has.
type Globals struct {
	Output         string
	Query          *output.Query
	Verbose, Debug bool
	OnlyErrors     bool
	Registry       string // folder; "" = as configured
	ConfigFile     string

	// Preferred returns the settings' output format, for where the command line
	// names none. It is called after the command line is read.
	Preferred func() string

	outputGiven  bool
	help         bool
	subscription string
	queryText    string
}

// IO is where a command reads and writes. Results go to Out, everything else
// to ErrOut.
type IO struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	OutTTY, ErrTTY, InTTY bool

	Globals *Globals
}

// System returns the process's own streams.
func System() *IO {
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) } //nolint:gosec // a descriptor fits
	return &IO{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		OutTTY: tty(os.Stdout), ErrTTY: tty(os.Stderr), InTTY: tty(os.Stdin), Globals: &Globals{Output: "json"},
	}
}

// Print prints a result in the chosen format.
func (s *IO) Print(v any) error {
	return output.Write(s.Out, s.Globals.Output, s.OutTTY, s.Globals.Query, v)
}

// level is how a line is shown.
type level struct{ word, colour string }

// Errorf says what went wrong.
func (s *IO) Errorf(format string, args ...any) { s.say(level{"ERROR", "\x1b[91m"}, format, args...) }

// Warnf warns, unless only errors are wanted.
func (s *IO) Warnf(format string, args ...any) {
	if !s.Globals.OnlyErrors {
		s.say(level{"WARNING", "\x1b[33m"}, format, args...)
	}
}

// Infof tells what happens, where --verbose or --debug asks for it.
func (s *IO) Infof(format string, args ...any) {
	if s.Globals.Verbose || s.Globals.Debug {
		s.say(level{"INFO", "\x1b[32m"}, format, args...)
	}
}

// Line prints a plain line beside the result, such as a recommendation.
func (s *IO) Line(text string) { _, _ = fmt.Fprintln(s.ErrOut, text) }

func (s *IO) say(l level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.ErrTTY {
		_, _ = fmt.Fprintf(s.ErrOut, "%s%s\x1b[0m\n", l.colour, text)
		return
	}
	_, _ = fmt.Fprintf(s.ErrOut, "%s: %s\n", l.word, text)
}

// Confirm asks whether to go on. yes answers already. It returns false where
// the answer is no, and an error where there is nobody to ask.
func (s *IO) Confirm(ctx context.Context, yes bool, what string) (bool, error) {
	if yes {
		return true, nil
	}
	lines := make(chan string)
	scanner := bufio.NewScanner(s.In)
	go func() {
		defer close(lines)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	if what != "" {
		_, _ = fmt.Fprintln(s.ErrOut, what)
	}
	for {
		_, _ = fmt.Fprint(s.ErrOut, "Continue? [y/n]: ")
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case line, ok := <-lines:
			if !ok {
				return false, fault.WithHint(fault.New(fault.Invalid, "no input to confirm with"), "Use --yes to skip the question.")
			}
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y":
				return true, nil
			case "n":
				return false, nil
			}
		}
	}
}

// OutputGiven reports whether the command line names an output format. Where
// it does not, a command that has a better view for a terminal may show that.
func (g *Globals) OutputGiven() bool { return g.outputGiven }
