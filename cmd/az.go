package cmd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/iotops/iotops/internal/cli"
)

// realAz runs Azure's own command line, the first on PATH that is not us.
func realAz(argv []string) (int, error) {
	path := findAz()
	if path == "" {
		return 0, cli.Usage("'az' is iotops here, which knows 'az iot ops' only, and there is no other az on PATH")
	}
	if runtime.GOOS != "windows" {
		if err := syscall.Exec(path, append([]string{path}, argv[1:]...), os.Environ()); err != nil {
			return 0, err
		}
	}
	cmd := exec.Command(path, argv[1:]...) //nolint:gosec,noctx // the user's own az; it ends with us
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// findAz returns the first az on PATH that is another file than this program.
func findAz() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	own, err := os.Stat(self)
	if err != nil {
		return ""
	}
	names := []string{"az"}
	if runtime.GOOS == "windows" {
		names = []string{"az.cmd", "az.exe", "az.bat"}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		for _, name := range names {
			path := filepath.Join(dir, name)
			info, err := os.Stat(path) // follows links
			if err == nil && !info.IsDir() && !os.SameFile(own, info) && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
				return path
			}
		}
	}
	return ""
}
