package schema

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// maxContent bounds what is read as the content of a version, in bytes.
const maxContent = 4 << 20

// content returns what an option names: the text of a file, else itself. The
// mark that some editors put before UTF-8 text is no part of it.
func content(option string) (string, error) {
	info, err := os.Stat(option)
	switch {
	case err != nil && errors.Is(err, fs.ErrPermission):
		return "", fault.As(fault.Invalid, err, "schema content")
	case err != nil: // no file, nor could be: the text itself
		return inline(option)
	case info.IsDir():
		return "", fault.WithHint(fault.New(fault.Invalid, "%s is a directory, not a file with a schema", option), "Name a file in it, or give the schema itself.")
	}
	text, err := read(option)
	switch {
	case err != nil:
		return "", err
	case !utf8.ValidString(text):
		return "", fault.WithHint(fault.New(fault.Invalid, "%s is not UTF-8 text", option), "Save it as UTF-8.")
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.TrimSpace(text) == "" {
		return "", fault.New(fault.Invalid, "%s is empty", option)
	}
	return text, nil
}

// inline returns a text given on the command line. One that is not even like a
// schema was meant as a file.
func inline(text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return "", fault.New(fault.Invalid, "the schema content is empty")
	case !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "["):
		return "", fault.WithHint(fault.New(fault.Invalid, "%q is neither a file nor a schema", short(text)), "Give the path of a file, or the JSON text of a schema.")
	}
	return text, nil
}

func short(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// read returns the text of a file, or of a pipe.
func read(name string) (string, error) {
	file, err := os.Open(name) //nolint:gosec // the user named the file
	if err != nil {
		return "", fault.As(fault.Invalid, err, "schema content")
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxContent+1))
	switch {
	case err != nil:
		return "", fault.As(fault.Invalid, err, "schema content")
	case len(text) > maxContent:
		return "", fault.New(fault.Invalid, "%s has more than %d MiB, which is too much for a schema", name, maxContent>>20)
	}
	return string(text), nil
}
