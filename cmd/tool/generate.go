package tool

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// NewGenerate returns the hidden `generate`: docs/cli and completions are made
// from the commands, and kept in the repository.
func NewGenerate(root func() *cli.Command) *cli.Command {
	verb := func(name, dir, what string, files func(*cli.Command) (map[string][]byte, error)) *cli.Command {
		out, check := dir, false
		return cli.NewVerb(cli.Verb{
			Use: name, Short: "Generate " + what + ".", Example: "iotops generate " + name + " --check",
			Options: func(s *cli.Set) {
				s.String(&out, "--out").Ours().Doc("Folder to write to.").Default(dir)
				s.Flag(&check, "--check").Ours().Doc("Write nothing: fail if what is there is not what would be written.")
			},
			Run: func(context.Context, *cli.IO) error {
				list, err := files(root())
				if err != nil {
					return err
				}
				if check {
					return compare(out, list)
				}
				return write(out, list)
			},
		})
	}
	g := cli.NewGroup("generate", "Generate documentation and completions.",
		verb("completions", "completions", "shell completions", completions),
		verb("docs", "docs/cli", "a page for each command", func(c *cli.Command) (map[string][]byte, error) { return cli.Markdown(c), nil }),
		verb("man", "man", "manual pages", func(c *cli.Command) (map[string][]byte, error) { return cli.Man(c), nil }),
	)
	g.Verb.Hidden = true
	g.Cobra.Hidden = true
	return g
}

func completions(root *cli.Command) (map[string][]byte, error) {
	var bash, fish, power, zsh bytes.Buffer
	err := errors.Join(root.Cobra.GenBashCompletionV2(&bash, true), root.Cobra.GenFishCompletion(&fish, true),
		root.Cobra.GenPowerShellCompletionWithDesc(&power), root.Cobra.GenZshCompletion(&zsh))
	return map[string][]byte{"iotops.bash": bash.Bytes(), "iotops.fish": fish.Bytes(), "iotops.ps1": power.Bytes(), "iotops.zsh": zsh.Bytes()}, err
}

func write(dir string, list map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documentation is for everybody
		return err
	}
	for _, name := range stale(dir, list) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for name, text := range list {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// stale returns the files in dir that are not generated any more.
func stale(dir string, list map[string][]byte) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if _, ok := list[e.Name()]; !ok && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func compare(dir string, list map[string][]byte) error {
	wrong := stale(dir, list)
	for name, text := range list {
		have, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // a generated file
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !bytes.Equal(have, text) {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fault.WithHint(fault.New(fault.Conflict, "%d files in %s are out of date, %s among them", len(wrong), dir, wrong[0]),
		"Run go run . generate docs and go run . generate completions.")
}
