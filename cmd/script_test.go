package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/cmd"
)

func TestMain(m *testing.M) {
	program := func() { os.Exit(cmd.Main()) }
	testscript.Main(m, map[string]func(){"iotops": program, "az": program})
}

// TestScripts runs the sessions under testdata/script, a folder per noun. Each
// one has a home and a registry of its own.
func TestScripts(t *testing.T) {
	nouns, err := filepath.Glob("../testdata/script/*")
	require.NoError(t, err)
	require.NotEmpty(t, nouns)
	for _, dir := range nouns {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: dir, Setup: setup, RequireExplicitExec: true, RequireUniqueNames: true,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "opcuaserver": opcuaserver, "waitfor": waitfor, "setvar": setvar, "resource": resource},
			})
		})
	}
}

func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	env.Setenv("HOME", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	env.Setenv("IOTOPS_REGISTRY", filepath.Join(home, "registry"))
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each program of a race build ends a second late
	return os.MkdirAll(home, 0o700)
}

// code runs a program that must end with an exit code: "code 3 iotops …".
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, not %d", args[1], got, want)
	}
}
