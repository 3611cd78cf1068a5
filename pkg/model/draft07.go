package model

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/url"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// draft07 checks a JSON Schema, draft-07, keyword by keyword. Keywords that the
// draft does not have are left alone, as it demands.
func (p *problems) draft07(doc any) {
	o, ok := doc.(map[string]any)
	if !ok {
		p.wrong("#", "%s is not an object", short(doc))
		return
	}
	c := &schemaCheck{problems: p, root: o, keywords: draft07Keywords()}
	c.schema("#", o)
	if !c.rebased {
		for _, r := range c.refs {
			if !resolves(o, r.ref) {
				p.wrong(r.at, "%q refers to nothing", r.ref)
			}
		}
	}
}

// schemaCheck walks one JSON Schema.
type schemaCheck struct {
	*problems
	root     map[string]any
	keywords map[string]func(*schemaCheck, at, any)
	refs     []localRef
	rebased  bool // an inner $id changes what local references refer to
}

// localRef is a reference into the same text.
type localRef struct {
	at  at
	ref string
}

// draft07Keywords is the table of keywords: what checks the value of each.
func draft07Keywords() map[string]func(*schemaCheck, at, any) {
	return map[string]func(*schemaCheck, at, any){
		"$schema": (*schemaCheck).dialect, "$id": (*schemaCheck).id, "$ref": (*schemaCheck).ref,
		"$comment": (*schemaCheck).text, "title": (*schemaCheck).text, "description": (*schemaCheck).text,
		"format": (*schemaCheck).text, "contentMediaType": (*schemaCheck).text, "contentEncoding": (*schemaCheck).text,
		"readOnly": (*schemaCheck).boolean, "writeOnly": (*schemaCheck).boolean, "uniqueItems": (*schemaCheck).boolean,
		"examples": (*schemaCheck).list, "enum": (*schemaCheck).list,
		"type": (*schemaCheck).types, "required": (*schemaCheck).names,
		"maximum": (*schemaCheck).number, "exclusiveMaximum": (*schemaCheck).number,
		"minimum": (*schemaCheck).number, "exclusiveMinimum": (*schemaCheck).number, "multipleOf": (*schemaCheck).positive,
		"maxLength": (*schemaCheck).count, "minLength": (*schemaCheck).count, "maxItems": (*schemaCheck).count,
		"minItems": (*schemaCheck).count, "maxProperties": (*schemaCheck).count, "minProperties": (*schemaCheck).count,
		"pattern": (*schemaCheck).pattern, "patternProperties": (*schemaCheck).byPattern,
		"properties": (*schemaCheck).byName, "definitions": (*schemaCheck).byName, "dependencies": (*schemaCheck).dependencies,
		"additionalItems": (*schemaCheck).schema, "contains": (*schemaCheck).schema, "additionalProperties": (*schemaCheck).schema,
		"propertyNames": (*schemaCheck).schema, "not": (*schemaCheck).schema,
		"if": (*schemaCheck).schema, "then": (*schemaCheck).schema, "else": (*schemaCheck).schema,
		"allOf": (*schemaCheck).schemas, "anyOf": (*schemaCheck).schemas, "oneOf": (*schemaCheck).schemas, "items": (*schemaCheck).items,
	}
}

// schema checks a schema: an object, or true or false.
func (c *schemaCheck) schema(a at, v any) {
	if _, ok := v.(bool); ok {
		return
	}
	o, ok := v.(map[string]any)
	if !ok {
		c.wrong(a, "%s is not a schema: an object, true or false", short(v))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if check, known := c.keywords[name]; known {
			check(c, a.key(name), o[name])
		}
	}
}

// dialect demands draft-07. The address is met with and without the s and the #.
func (c *schemaCheck) dialect(a at, v any) {
	text, _ := v.(string)
	address := strings.TrimSuffix(strings.Replace(text, "https://", "http://", 1), "#")
	if address != "http://json-schema.org/draft-07/schema" {
		c.wrong(a, "%s is not draft-07 (http://json-schema.org/draft-07/schema#)", short(v))
	}
}

func (c *schemaCheck) id(a at, v any) {
	c.text(a, v)
	if a != "#/$id" {
		c.rebased = true
	}
}

func (c *schemaCheck) ref(a at, v any) {
	text, ok := v.(string)
	if !ok {
		c.wrong(a, "%s is not text", short(v))
		return
	}
	if text == "#" || strings.HasPrefix(text, "#/") {
		c.refs = append(c.refs, localRef{a, text})
	}
}

func (c *schemaCheck) text(a at, v any) {
	if _, ok := v.(string); !ok {
		c.wrong(a, "%s is not text", short(v))
	}
}

func (c *schemaCheck) boolean(a at, v any) {
	if _, ok := v.(bool); !ok {
		c.wrong(a, "%s is not true or false", short(v))
	}
}

func (c *schemaCheck) list(a at, v any) {
	if _, ok := v.([]any); !ok {
		c.wrong(a, "%s is not a list", short(v))
	}
}

func (c *schemaCheck) number(a at, v any) {
	if _, ok := v.(json.Number); !ok {
		c.wrong(a, "%s is not a number", short(v))
	}
}

func (c *schemaCheck) positive(a at, v any) {
	if n, ok := v.(json.Number); !ok || !(magnitude(n) > 0) {
		c.wrong(a, "%s is not a number above 0", short(v))
	}
}

func (c *schemaCheck) count(a at, v any) {
	n, ok := v.(json.Number)
	if f := magnitude(n); !ok || f < 0 || f != math.Trunc(f) {
		c.wrong(a, "%s is not an integer of 0 or more", short(v))
	}
}

// magnitude returns a number as floating point has it.
func magnitude(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64) // out of range is infinite, with the sign
	return f
}

// names demands a list of texts, none of them twice.
func (c *schemaCheck) names(a at, v any) {
	items, ok := v.([]any)
	if !ok {
		c.wrong(a, "%s is not a list", short(v))
		return
	}
	seen := map[string]bool{}
	for i, item := range items {
		name, ok := item.(string)
		switch {
		case !ok:
			c.wrong(a.index(i), "%s is not text", short(item))
		case seen[name]:
			c.wrong(a.index(i), "%q comes twice", name)
		}
		seen[name] = true
	}
}

func (c *schemaCheck) types(a at, v any) {
	known := []string{"array", "boolean", "integer", "null", "number", "object", "string"}
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			c.wrong(a, "is an empty list")
		}
		c.names(a, v)
		for i, item := range list {
			if name, ok := item.(string); ok && !slices.Contains(known, name) {
				c.wrong(a.index(i), "%q is not one of %s", name, strings.Join(known, ", "))
			}
		}
		return
	}
	if name, ok := v.(string); !ok || !slices.Contains(known, name) {
		c.wrong(a, "%s is not one of %s", short(v), strings.Join(known, ", "))
	}
}

func (c *schemaCheck) pattern(a at, v any) {
	text, ok := v.(string)
	if !ok {
		c.wrong(a, "%s is not text", short(v))
		return
	}
	c.expression(a, text)
}

// expression checks a regular expression. Those of JSON Schema are JavaScript's:
// what Go merely does not have is let pass.
func (c *schemaCheck) expression(a at, text string) {
	_, err := syntax.Parse(text, syntax.Perl)
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return
	}
	switch bad.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrTrailingBackslash, syntax.ErrMissingRepeatArgument:
		c.wrong(a, "%q is not a regular expression: %s", text, bad.Code)
	default:
	}
}

// members returns the members of an object in order, or tells that it is none.
func (c *schemaCheck) members(a at, v any, each func(at, string, any)) {
	o, ok := v.(map[string]any)
	if !ok {
		c.wrong(a, "%s is not an object", short(v))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		each(a.key(name), name, o[name])
	}
}

func (c *schemaCheck) byName(a at, v any) {
	c.members(a, v, func(a at, _ string, v any) { c.schema(a, v) })
}

func (c *schemaCheck) byPattern(a at, v any) {
	c.members(a, v, func(a at, name string, v any) {
		c.expression(a, name)
		c.schema(a, v)
	})
}

func (c *schemaCheck) dependencies(a at, v any) {
	c.members(a, v, func(a at, _ string, v any) {
		if _, ok := v.([]any); ok {
			c.names(a, v)
			return
		}
		c.schema(a, v)
	})
}

func (c *schemaCheck) schemas(a at, v any) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		c.wrong(a, "%s is not a list of schemas", short(v))
		return
	}
	for i, item := range list {
		c.schema(a.index(i), item)
	}
}

func (c *schemaCheck) items(a at, v any) {
	if _, ok := v.([]any); ok {
		c.schemas(a, v)
		return
	}
	c.schema(a, v)
}

// resolves reports whether a reference such as "#/definitions/x" meets something.
func resolves(root any, ref string) bool {
	v := root
	for _, token := range strings.Split(strings.TrimPrefix(ref, "#"), "/")[1:] {
		name, err := url.PathUnescape(token)
		if err != nil {
			return false
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[name]
			if !ok {
				return false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return false
			}
			v = x[i]
		default:
			return false
		}
	}
	return true
}
