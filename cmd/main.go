// Package cmd is the command line: the tree of commands, and the one place
// where errors become messages and exit codes.
package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// Main runs the process's command line and returns its exit code.
func Main() int { return Run(cli.System(), os.Args) }

// Run runs one command line, its first word being the program's name.
func Run(s *cli.IO, argv []string) int {
	args, code, done := normalise(s, argv)
	if done {
		return code
	}
	ctx, stop := signals()
	defer stop()
	f := app.NewFactory(s)
	s.Globals.Preferred = func() string { return preferred(f) }
	root := Root(f)
	root.Cobra.SetArgs(args)
	root.Cobra.SetIn(s.In)
	root.Cobra.SetOut(s.Out)
	root.Cobra.SetErr(s.ErrOut)
	err := root.Cobra.ExecuteContext(cli.WithIO(ctx, s))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return report(s, err)
}

// preferred returns the format that the settings ask for. Settings that cannot
// be read are told of by whoever needs them.
func preferred(f *app.Factory) string {
	cfg, err := f.Config()
	if err != nil {
		return "json"
	}
	return cfg.Output
}

// signals returns a context that ends with the first SIGINT or SIGTERM. A second
// one ends the process, as if nobody had asked to be told.
func signals() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// normalise takes the words "iot ops" away, and hands what is not ours to
// Azure's own command line where we are called as az.
func normalise(s *cli.IO, argv []string) (args []string, code int, done bool) {
	args = argv[1:]
	ours := len(args) >= 2 && args[0] == "iot" && args[1] == "ops"
	if ours {
		args = args[2:]
	}
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(argv[0])), ".exe")
	if name == "az" && !ours {
		code, err := realAz(argv)
		if err != nil {
			return nil, report(s, err), true
		}
		return nil, code, true
	}
	return args, 0, false
}

// report prints an error and returns its exit code.
func report(s *cli.IO, err error) int {
	var usage *cli.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		s.Errorf("%s", strings.Join(usage.Lines, "\n"))
		return 2
	case fault.Is(err, fault.Canceled):
		return 130
	}
	if code := fault.CodeOf(err); code == "ResourceNotFound" {
		s.Errorf("(%s) %v\nCode: %s\nMessage: %v", code, err, code, err)
	} else {
		s.Errorf("%v", err)
	}
	for _, hint := range fault.Hints(err) {
		s.Line(hint)
	}
	if fault.Is(err, fault.NotFound) {
		return 3
	}
	return 1
}
