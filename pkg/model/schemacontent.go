package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// This file knows what contents of schemas must be like. JSON Schema is checked
// by a table rather than by a library: those that there are compile every
// meta-schema when a program starts, tell where in the meta-schema something is
// wrong instead of where in the text, or refuse patterns that Go's regular
// expressions lack.

// formatOf returns the format that a content claims to have.
func formatOf(content string) string {
	var head struct {
		Schema string `json:"$schema"`
	}
	if json.Unmarshal([]byte(content), &head) == nil && head.Schema == FormatDelta {
		return FormatDelta
	}
	return FormatJSONSchema
}

// decodeContent returns a content as JSON has it, numbers kept to the digit. An
// error says in which line it stops to be JSON.
func decodeContent(content string) (any, error) {
	var raw json.RawMessage
	var syntax *json.SyntaxError
	switch err := json.Unmarshal([]byte(content), &raw); {
	case errors.As(err, &syntax):
		line := 1 + strings.Count(content[:min(int(syntax.Offset), len(content))], "\n")
		return nil, fault.New(fault.Invalid, "is not JSON: line %d: %v", line, syntax)
	case err != nil:
		return nil, fault.As(fault.Invalid, err, "is not JSON")
	}
	dec := json.NewDecoder(strings.NewReader(content))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.As(fault.Invalid, err, "is not JSON")
	}
	return doc, nil
}

// at is a place in a content, as a JSON pointer.
type at string

func (a at) key(name string) at {
	return a + "/" + at(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}

func (a at) index(i int) at { return at(fmt.Sprintf("%s/%d", a, i)) }

// maxContentProblems is how many problems of one content are told.
const maxContentProblems = 10

// wrong notes a problem of a content.
func (p *problems) wrong(a at, format string, args ...any) {
	if len(p.list) < maxContentProblems {
		p.add("schemaContent "+string(a), format, args...)
	}
}

// short returns a JSON value as messages show it.
func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	const most = 60
	if r := []rune(string(text)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(text)
}

// delta checks a Delta schema: an envelope that holds a struct.
func (p *problems) delta(doc any) {
	o, ok := doc.(map[string]any)
	if !ok {
		p.wrong("#", "%s is not an object", short(doc))
		return
	}
	if o["$schema"] != FormatDelta {
		p.wrong("#/$schema", "%s is not %q", short(o["$schema"]), FormatDelta)
	}
	if o["type"] != "object" {
		p.wrong("#/type", `%s is not "object"`, short(o["type"]))
	}
	inner, ok := o["properties"].(map[string]any)
	if !ok || inner["type"] != "struct" {
		p.wrong("#/properties", `is not an object whose "type" is "struct"`)
		return
	}
	p.deltaStruct("#/properties", inner)
}

func (p *problems) deltaStruct(a at, o map[string]any) {
	a = a.key("fields")
	fields, ok := o["fields"].([]any)
	if !ok {
		p.wrong(a, "%s is not a list of fields", short(o["fields"]))
		return
	}
	seen := map[string]bool{}
	for i, f := range fields {
		field, ok := f.(map[string]any)
		if !ok {
			p.wrong(a.index(i), "%s is not an object", short(f))
			continue
		}
		name, ok := field["name"].(string)
		if !ok || name == "" {
			p.wrong(a.index(i).key("name"), "%s is not a name", short(field["name"]))
		}
		if folded := strings.ToLower(name); name != "" && seen[folded] {
			p.wrong(a.index(i).key("name"), "%q is the name of another field", name)
		} else {
			seen[folded] = true
		}
		p.deltaType(a.index(i).key("type"), field["type"])
		p.deltaOptional(a.index(i), field, "nullable")
		if m, there := field["metadata"]; there {
			if _, ok := m.(map[string]any); !ok {
				p.wrong(a.index(i).key("metadata"), "%s is not an object", short(m))
			}
		}
	}
}

// deltaOptional demands that a member is true or false, if it is there.
func (p *problems) deltaOptional(a at, o map[string]any, name string) {
	if v, there := o[name]; there {
		if _, ok := v.(bool); !ok {
			p.wrong(a.key(name), "%s is not true or false", short(v))
		}
	}
}

func (p *problems) deltaType(a at, t any) {
	if name, ok := t.(string); ok {
		if !deltaPrimitive(name) {
			p.wrong(a, "%q is not a type of Delta", name)
		}
		return
	}
	o, _ := t.(map[string]any)
	switch o["type"] {
	case "struct":
		p.deltaStruct(a, o)
	case "array":
		p.deltaType(a.key("elementType"), o["elementType"])
		p.deltaOptional(a, o, "containsNull")
	case "map":
		p.deltaType(a.key("keyType"), o["keyType"])
		p.deltaType(a.key("valueType"), o["valueType"])
		p.deltaOptional(a, o, "valueContainsNull")
	default:
		p.wrong(a, "%s is neither the name of a type nor a struct, an array or a map", short(t))
	}
}

// deltaPrimitive reports whether Delta has a primitive type of a name.
func deltaPrimitive(name string) bool {
	switch name {
	case "string", "long", "integer", "short", "byte", "float", "double", "decimal", "boolean", "binary", "date", "timestamp", "timestamp_ntz", "variant":
		return true
	}
	digits, ok := strings.CutSuffix(strings.ReplaceAll(name, " ", ""), ")")
	digits, isDecimal := strings.CutPrefix(digits, "decimal(")
	p, s, two := strings.Cut(digits, ",")
	precision, err1 := strconv.Atoi(p)
	scale, err2 := strconv.Atoi(s)
	return ok && isDecimal && two && err1 == nil && err2 == nil && 1 <= precision && precision <= 38 && 0 <= scale && scale <= precision
}
