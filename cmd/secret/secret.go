// Package secret holds the commands for secrets. Values are printed by `show
// --reveal` only.
package secret

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
)

// maxValue bounds what is read, in bytes.
const maxValue = 1 << 20

// New returns the commands.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("secret", "Secrets that endpoints refer to.", newSet(f), newList(f), newShow(f), newDelete(f))
}

func newSet(f *app.Factory) *cli.Command {
	var p app.Place
	var name, file string
	return cli.NewVerb(cli.Verb{
		Use: "set", Short: "Set a secret.",
		Long:    "Set a secret. Its value is read from --value-file, else asked for without showing it, else read from standard input (one line end is dropped).",
		Example: "iotops secret set -n plc/password\nprintf %s \"$PASSWORD\" | iotops secret set -n plc/password",
		Options: func(s *cli.Set) {
			s.String(&name, "--name", "-n").Required().Doc("Name of the secret: NAME/KEY.")
			s.String(&file, "--value-file").Doc("File that holds the value, whole.")
			f.Place(s, &p)
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			plain, err := value(s, file)
			if err != nil {
				return err
			}
			store, err := open(ctx, f, &p)
			if err != nil {
				return err
			}
			return store.Put(ctx, name, connector.NewSecret(plain))
		},
	})
}

// secrets is what the commands ask of the store.
type secrets interface {
	Put(ctx context.Context, ref string, plain connector.Secret) error
	Get(ctx context.Context, ref string) (connector.Secret, error)
	List(ctx context.Context) ([]string, error)
	Delete(ctx context.Context, ref string) error
}

// open returns the secrets of an instance, which must exist.
func open(ctx context.Context, f *app.Factory, p *app.Place) (secrets, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	inst, err := p.LoadInstance(ctx, store)
	if err != nil {
		return nil, err
	}
	return f.Secrets(ctx, inst.Key())
}

// value reads a secret's value from where the user has it.
func value(s *cli.IO, file string) (string, error) {
	if file == "" && s.InTTY {
		return s.Password("Value: ")
	}
	in := s.In
	if file != "" {
		opened, err := os.Open(file) //nolint:gosec // the user named the file
		if err != nil {
			return "", fault.As(fault.Invalid, err, "--value-file")
		}
		defer func() { _ = opened.Close() }()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, maxValue+1))
	switch {
	case err != nil:
		return "", fault.As(fault.Invalid, err, "read the value")
	case len(text) > maxValue:
		return "", fault.New(fault.Invalid, "the value is longer than %d bytes", maxValue)
	case len(text) == 0:
		return "", fault.New(fault.Invalid, "the value is empty")
	case file != "":
		return string(text), nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func newList(f *app.Factory) *cli.Command {
	var p app.Place
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List the names of the secrets.", Example: "iotops secret list",
		Options: func(s *cli.Set) { f.Place(s, &p) },
		Run: func(ctx context.Context, s *cli.IO) error {
			store, err := open(ctx, f, &p)
			if err != nil {
				return err
			}
			names, err := store.List(ctx)
			if err != nil {
				return err
			}
			rows := make([]map[string]string, 0, len(names))
			for _, n := range names {
				rows = append(rows, map[string]string{"name": n})
			}
			return s.Print(rows)
		},
	})
}

func newShow(f *app.Factory) *cli.Command {
	var p app.Place
	var name string
	var reveal bool
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show that a secret is there, or its value.", Example: "iotops secret show -n plc/password\niotops secret show -n plc/password --reveal --query value -o tsv",
		Exits: "3  it does not exist",
		Options: func(s *cli.Set) {
			s.String(&name, "--name", "-n").Required().Doc("Name of the secret: NAME/KEY.")
			s.Flag(&reveal, "--reveal").Doc("Print the value.")
			f.Place(s, &p)
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			store, err := open(ctx, f, &p)
			if err != nil {
				return err
			}
			plain, err := store.Get(ctx, name)
			if fault.CodeOf(err) == "SecretNotFound" {
				return fault.As(fault.NotFound, err, "instance")
			}
			if err != nil {
				return err
			}
			row := map[string]any{"name": name}
			if reveal {
				row["value"] = plain.Reveal()
			}
			return s.Print(row)
		},
	})
}

func newDelete(f *app.Factory) *cli.Command {
	var p app.Place
	var name string
	var yes bool
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete a secret.", Example: "iotops secret delete -n plc/password -y",
		Exits: "3  it does not exist",
		Options: func(s *cli.Set) {
			s.String(&name, "--name", "-n").Required().Doc("Name of the secret: NAME/KEY.")
			f.Place(s, &p)
			s.Flag(&yes, "--yes", "-y").Doc("Do not ask for confirmation.")
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			if ok, err := s.Confirm(ctx, yes, ""); err != nil || !ok {
				if err == nil {
					s.Warnf("Deletion cancelled.")
				}
				return err
			}
			store, err := open(ctx, f, &p)
			if err != nil {
				return err
			}
			return store.Delete(ctx, name)
		},
	})
}
