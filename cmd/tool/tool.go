// Package tool holds the commands about iotops itself: version, settings,
// completions, documentation, the az shim.
package tool

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/version"
	"github.com/iotops/iotops/pkg/fault"
)

// NewVersion returns `version`.
func NewVersion() *cli.Command {
	return cli.NewVerb(cli.Verb{
		Use: "version", Short: "Show which build this is.", Example: "iotops version",
		Run: func(_ context.Context, s *cli.IO) error { return s.Print(version.Get()) },
	})
}

// NewConfig returns `config`.
func NewConfig(f *app.Factory) *cli.Command {
	var origin bool
	show := cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show the settings in force.",
		Long:    "Flags win over the environment (IOTOPS_…), that over the configuration file, that over defaults.",
		Example: "iotops config show\niotops config show --origin -o table",
		Options: func(s *cli.Set) {
			s.Flag(&origin, "--origin").Ours().Doc("Show where each value comes from, its environment variable and its meaning.")
		},
		Run: func(_ context.Context, s *cli.IO) error {
			list, err := f.Settings()
			if err != nil {
				return err
			}
			if origin {
				return s.Print(list)
			}
			values := map[string]any{}
			for _, x := range list {
				values[x.Key] = x.Value
			}
			return s.Print(values)
		},
	})
	return cli.NewGroup("config", "Look at the settings.", show)
}

// NewCompletion returns `completion`.
func NewCompletion(root func() *cli.Command) *cli.Command {
	shell := func(name, load string, write func(io.Writer) error) *cli.Command {
		return cli.NewVerb(cli.Verb{
			Use: name, Short: "Print completions for " + name + ".", Example: load,
			Run: func(_ context.Context, s *cli.IO) error { return write(s.Out) },
		})
	}
	return cli.NewGroup("completion", "Print completions for a shell.",
		shell("bash", "source <(iotops completion bash)", func(w io.Writer) error { return root().Cobra.GenBashCompletionV2(w, true) }),
		shell("fish", "iotops completion fish | source", func(w io.Writer) error { return root().Cobra.GenFishCompletion(w, true) }),
		shell("powershell", "iotops completion powershell | Out-String | Invoke-Expression", func(w io.Writer) error { return root().Cobra.GenPowerShellCompletionWithDesc(w) }),
		shell("zsh", "iotops completion zsh > \"${fpath[1]}/_iotops\"", func(w io.Writer) error { return root().Cobra.GenZshCompletion(w) }),
	)
}

// NewInstallShim returns `install-shim`.
func NewInstallShim() *cli.Command {
	var dirs []string
	var replace bool
	return cli.NewVerb(cli.Verb{
		Use: "install-shim", Short: "Let scripts that say `az iot ops` find iotops.",
		Long:    "Makes a link called az in a folder. Called by that name, iotops runs `az iot ops …` itself and hands everything else to the next az on PATH.",
		Example: "iotops install-shim ~/bin",
		Options: func(s *cli.Set) {
			s.Positional(&dirs, "DIR", "Folder that comes early on PATH.", 1, 1)
			s.Flag(&replace, "--replace").Doc("Replace what is called az there.")
		},
		Run: func(_ context.Context, s *cli.IO) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			path := filepath.Join(dirs[0], "az")
			if filepath.Ext(self) == ".exe" {
				path += ".exe"
			}
			if replace {
				if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
					return fault.As(fault.Denied, err, "replace")
				}
			}
			if err := os.Symlink(self, path); err != nil {
				if errors.Is(err, os.ErrExist) {
					return fault.WithHint(fault.New(fault.Conflict, "%s exists already", path), "Use --replace to put the link in its place.")
				}
				return fault.As(fault.Denied, err, "make the link")
			}
			return s.Print(map[string]string{"link": path, "target": self})
		},
	})
}
