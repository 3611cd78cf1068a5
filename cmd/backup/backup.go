// Package backup holds the commands `export` and `import`: the whole registry
// as one file.
package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// format is the first line of a file: what it is, and its version.
const format = `{"iotops":"registry","version":1}`

// maxLine bounds one resource of a file, in bytes.
const maxLine = 64 << 20

// New returns the commands.
func New(f *app.Factory) []*cli.Command { return []*cli.Command{newExport(f), newImport(f)} }

func newExport(f *app.Factory) *cli.Command {
	var files []string
	var replace bool
	return cli.NewVerb(cli.Verb{
		Use: "export", Short: "Write all resources of the registry to one file.",
		Long: `Write all resources of the registry to one file, or to the terminal.

It is a line per resource, always in the same order, so that two exports of the same content are the same file. History and status
are not in it, and secrets are not: references to them are.`,
		Example: "iotops export plant.jsonl\niotops export > plant.jsonl",
		Options: func(s *cli.Set) {
			s.Positional(&files, "FILE", "File to write; without one, standard output.", 0, 1)
			s.Flag(&replace, "--replace").Doc("Overwrite an existing file.")
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				_, err := write(ctx, store, s.Out)
				return err
			}
			path, n, err := export(ctx, store, files[0], replace)
			if err != nil {
				return err
			}
			return s.Print(map[string]any{"file_path": path, "resource_count": n})
		},
	})
}

// export writes a file that is there whole or not at all.
func export(ctx context.Context, store *registry.Store, name string, replace bool) (string, int, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return "", 0, fault.As(fault.Invalid, err, "%s", name)
	}
	if _, err := os.Lstat(path); err == nil && !replace {
		return "", 0, fault.New(fault.Invalid, "the file %s already exists. Please choose another file name or add --replace", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return "", 0, fault.As(fault.Invalid, err, "write %s", path)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // nothing is left of a failure
	n, err := write(ctx, store, tmp)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return path, n, fault.As(fault.Invalid, err, "write %s", path)
}

func write(ctx context.Context, store *registry.Store, to io.Writer) (int, error) {
	w := bufio.NewWriter(to)
	n := 0
	if _, err := w.WriteString(format + "\n"); err != nil {
		return 0, err
	}
	err := store.View(ctx, func(r registry.Reader) error {
		for o, err := range registry.All(ctx, r) {
			if err != nil {
				return err
			}
			line, err := encode(o)
			if err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, errors.Join(err, w.Flush())
}

// record is a line of a file.
type record struct {
	Kind     model.Kind      `json:"kind"`
	Resource json.RawMessage `json:"resource"`
}

// encode returns the line of a resource, without what the registry alone decides.
func encode(o model.Object) ([]byte, error) {
	var doc map[string]json.RawMessage
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	for _, own := range []string{"generation", "revision", "created", "updated"} {
		delete(doc, own)
	}
	if text, err = json.Marshal(doc); err != nil {
		return nil, err
	}
	line, err := json.Marshal(record{o.Kind(), text})
	return append(line, '\n'), err
}

func newImport(f *app.Factory) *cli.Command {
	var files []string
	var replace bool
	return cli.NewVerb(cli.Verb{
		Use: "import", Short: "Read resources from a file that export wrote.",
		Long: `Read resources from a file that export wrote, all of them or none.

One that is there already and differs is refused, unless --replace is given. What is in the registry and not in the file stays.
A running serve takes everything up at once.`,
		Example: "iotops import plant.jsonl\niotops import plant.jsonl --replace",
		Options: func(s *cli.Set) {
			s.Positional(&files, "FILE", "File to read; - is standard input.", 1, 1)
			s.Flag(&replace, "--replace").Doc("Overwrite resources that are there and differ.")
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			list, err := read(s, files[0])
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if err := store.Update(ctx, func(tx *registry.Tx) error { return put(ctx, tx, list, replace) }); err != nil {
				return err
			}
			return s.Print(map[string]any{"resource_count": len(list)})
		},
	})
}

// put writes resources in a transaction.
func put(ctx context.Context, tx *registry.Tx, list []model.Object, replace bool) error {
	for _, o := range list {
		old, err := registry.Load(ctx, tx, o.Key())
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		case !replace:
			same, err := equal(old, o)
			if err != nil {
				return err
			}
			if !same && !untouched(old) {
				return fault.WithHint(fault.New(fault.Invalid, "%s is there already, and differs", o.Key()), "Use --replace to overwrite what is there.")
			}
		}
		if err := tx.Put(ctx, o, registry.None); err != nil {
			return fault.Wrap(err, "%s", o.Key())
		}
	}
	return nil
}

// untouched reports whether a resource is one of those that each registry has
// from the start, as it was made.
func untouched(o model.Object) bool {
	switch o.Kind() { // the others are made by users only
	case model.KindNamespace, model.KindInstance, model.KindDataflowProfile, model.KindDataflowEndpoint, model.KindSchemaRegistry:
		return o.Head().Generation == 1
	default:
		return false
	}
}

func equal(a, b model.Object) (bool, error) {
	x, err := encode(a)
	if err != nil {
		return false, err
	}
	y, err := encode(b)
	return bytes.Equal(x, y), err
}

// read returns the resources of a file.
func read(s *cli.IO, name string) ([]model.Object, error) {
	in := s.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "read")
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var list []model.Object
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if string(bytes.TrimSpace(lines.Bytes())) != format {
				return nil, fault.New(fault.Invalid, "%s is not an export of a registry, or of another version", name)
			}
			continue
		}
		o, err := decode(lines.Bytes())
		if err != nil {
			return nil, fault.Wrap(err, "%s, line %d", name, n)
		}
		list = append(list, o)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.As(fault.Invalid, err, "read %s", name)
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Invalid, "%s holds no resources", name)
	}
	return list, nil
}

func decode(line []byte) (model.Object, error) {
	var x record
	if err := strict(line, &x); err != nil {
		return nil, err
	}
	o, err := model.New(x.Kind)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "resource")
	}
	if err := strict(x.Resource, o); err != nil {
		return nil, err
	}
	return o, fault.Wrap(o.Validate(), "%s", o.Key())
}

// strict decodes one JSON document and refuses what it does not know.
func strict(text []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return fault.As(fault.Invalid, dec.Decode(to), "not a resource")
}
