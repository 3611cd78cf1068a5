package cmd_test

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	simulator "github.com/iotops/iotops/internal/simulate/opcua"
)

// patience is how long a script waits for what must happen.
const patience = 30 * time.Second

// opcuaserver starts a simulated plant and puts its address into a variable:
// "opcuaserver PLC".
func opcuaserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: opcuaserver VARIABLE")
	}
	s, err := simulator.Start(simulator.Options{})
	ts.Check(err)
	s.AddPlant()
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL())
}

// waitfor runs a program again and again until its output matches:
// "waitfor PATTERN program [args...]".
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor PATTERN program [args...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, path, args[2:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &out, &out
		cmd.Env = environment(ts)
		_ = cmd.Run() // a program that fails now may work later
		if want.MatchString(out.String()) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s: no match for %s in:\n%s", strings.Join(args[1:], " "), args[0], out.String())
		}
	}
}

// environment returns what a script's programs run with, as far as ours need it.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"HOME", "PATH", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "IOTOPS_REGISTRY", "TMPDIR"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// setvar puts a file's only line into a variable: "setvar URL file".
func setvar(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setvar VARIABLE file")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
