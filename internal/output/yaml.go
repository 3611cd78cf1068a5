package output

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// WriteYAML writes a value as JSON has it, in block style with sorted keys.
func WriteYAML(w io.Writer, v any) error {
	doc, err := Document(v)
	if err != nil {
		return err
	}
	return writeYAML(w, doc, Style{})
}

// writeYAML prints block style with sorted keys.
func writeYAML(w io.Writer, doc any, _ Style) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(yamlValue(doc)); err != nil {
		return err
	}
	return enc.Close()
}

// yamlValue returns a document with numbers that YAML prints as numbers.
func yamlValue(doc any) any {
	switch x := doc.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		if f, err := x.Float64(); err == nil {
			return f
		}
		return x.String()
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = yamlValue(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x)) // maps are encoded with sorted keys
		for k := range x {
			out[k] = yamlValue(x[k])
		}
		return out
	default:
		return doc
	}
}

func streamYAML(w io.Writer, list Stream, s Style) error {
	empty := true
	for v, err := range list {
		if err != nil {
			return err
		}
		doc, err := Document(v)
		if err != nil {
			return err
		}
		empty = false
		if err := writeYAML(w, []any{doc}, s); err != nil {
			return err
		}
	}
	if empty {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	return nil
}

// writeYAMLC is writeYAML in colour, on a terminal.
func writeYAMLC(w io.Writer, doc any, s Style) error {
	if !s.Colour {
		return writeYAML(w, doc, s)
	}
	var buf bytes.Buffer
	if err := writeYAML(&buf, doc, s); err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(buf.String()) {
		out.WriteString(colourLine(line, ": ", ""))
	}
	_, err := io.WriteString(w, out.String())
	return err
}
