// Package output prints results: in the formats of Azure's command line, to
// the letter, because scripts read them.
package output

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"slices"

	"github.com/jmespath/go-jmespath"

	"github.com/iotops/iotops/pkg/fault"
)

// Stream is a long result that is printed as it comes. An error ends it.
type Stream = iter.Seq2[any, error]

// Format prints one result.
type Format struct {
	Name string
	// Write prints a document: nil, bool, string, json.Number, []any or
	// map[string]any.
	Write func(w io.Writer, doc any, s Style) error
	// Stream prints a list as it comes; nil = it must be whole first.
	Stream func(w io.Writer, list Stream, s Style) error
}

// Style says how a document is printed.
type Style struct {
	Colour  bool // the writer is a terminal
	Ordered bool // the document's maps are from a query: see Object
}

// Formats returns all formats. The first is the default.
func Formats() []Format {
	return []Format{
		{"json", writeJSON, streamJSON},
		{"jsonc", writeJSONC, nil},
		{"none", func(io.Writer, any, Style) error { return nil }, streamNone},
		{"table", writeTable, nil},
		{"tsv", writeTSV, streamTSV},
		{"yaml", writeYAML, streamYAML},
		{"yamlc", writeYAMLC, nil},
	}
}

// Names returns the names of all formats.
func Names() []string {
	formats := Formats()
	names := make([]string, 0, len(formats))
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// Query is a compiled JMESPath expression.
type Query struct {
	text string
	path *jmespath.JMESPath
}

// CompileQuery returns a query, or why its text is none.
func CompileQuery(text string) (*Query, error) {
	path, err := jmespath.Compile(text)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "invalid query %q", text)
	}
	return &Query{text, path}, nil
}

// Apply returns what the query finds in a document.
func (q *Query) Apply(doc any) (any, error) {
	found, err := q.path.Search(plainNumbers(doc))
	if err != nil {
		return nil, fault.WithHint(fault.As(fault.Invalid, err, "query %q", q.text), "To learn more about [--query] please visit: https://jmespath.org")
	}
	return found, nil
}

// plainNumbers returns a document in which numbers are float64, which is what
// queries compute with. Whole numbers beyond its precision stay as they are.
func plainNumbers(doc any) any {
	switch x := doc.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil && (n > 1<<53 || n < -(1<<53)) {
			return x
		}
		if f, err := x.Float64(); err == nil {
			return f
		}
		return x
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = plainNumbers(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = plainNumbers(x[k])
		}
		return out
	default:
		return doc
	}
}

// Write prints v in a format. v is a Stream or anything that encoding/json
// takes; nil prints nothing. query may be nil.
func Write(w io.Writer, format string, colour bool, query *Query, v any) error {
	f, err := find(format)
	if err != nil {
		return err
	}
	s := Style{Colour: colour, Ordered: query != nil}
	if stream, ok := v.(Stream); ok {
		if query == nil && f.Stream != nil {
			return f.Stream(w, stream, s)
		}
		if v, err = collect(stream); err != nil {
			return err
		}
	}
	doc, err := Document(v)
	if err != nil {
		return err
	}
	if query != nil {
		if doc, err = query.Apply(doc); err != nil {
			return err
		}
		if doc, err = Document(doc); err != nil {
			return err
		}
	}
	if doc == nil {
		return nil
	}
	var buf bytes.Buffer
	if err := f.Write(&buf, doc, s); err != nil {
		return err
	}
	_, err = w.Write(buf.Bytes())
	return err
}

func find(name string) (Format, error) {
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fault.New(fault.Invalid, "no output format is called %q", name)
}

func collect(stream Stream) (any, error) {
	list := []any{}
	for v, err := range stream {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// isDocument reports whether v is made of what a document has already: looking
// is far cheaper than writing it and reading it again.
func isDocument(v any) bool {
	switch x := v.(type) {
	case nil, bool, string, json.Number:
		return true
	case []any:
		return !slices.ContainsFunc(x, func(item any) bool { return !isDocument(item) })
	case map[string]any:
		for _, item := range x {
			if !isDocument(item) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// Document returns v as JSON has it, with numbers kept to the digit.
func Document(v any) (any, error) {
	if isDocument(v) {
		return v, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var doc any
	err = dec.Decode(&doc)
	return doc, err
}
