package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// ConfigRow is one option that goes into a configuration text.
type ConfigRow struct {
	Names   []string
	Path    string   // dotted path in the JSON text
	Type    string   // "string", "int" or "bool"
	Default any      // written where the option is absent and everything is written; nil = null
	Min     *int64   // smallest integer
	Enum    []string // allowed values, whatever their case
	Prefix  string   // put before an Enum's value
	Doc     string
}

// ConfigOptions make a configuration text of options: one row each.
type ConfigOptions struct {
	Rows []ConfigRow
	Full bool // write every row, given or default; else only what is given

	texts []*string
	ints  []*int64
	bools []*bool
}

// Declare declares an option for each row.
func (c *ConfigOptions) Declare(s *Set) {
	c.texts, c.ints, c.bools = make([]*string, len(c.Rows)), make([]*int64, len(c.Rows)), make([]*bool, len(c.Rows))
	for i, r := range c.Rows {
		var o *Option
		switch {
		case r.Type == "int":
			o = s.Int(&c.ints[i], r.Names...)
		case r.Type == "bool":
			o = s.ThreeState(&c.bools[i], r.Names...)
		case r.Enum != nil:
			value := ""
			o = s.Enum(&value, r.Enum, r.Names...)
			set := o.set
			o.set = func(v []string) error {
				err := set(v)
				full := r.Prefix + value
				c.texts[i] = &full
				return err
			}
		default:
			o = s.Text(&c.texts[i], r.Names...)
		}
		o.Doc(r.Doc)
		if r.Default != nil {
			o.Default(fmt.Sprint(r.Default))
		}
	}
}

// given returns the value of a row, and whether it is on the command line.
func (c *ConfigOptions) given(i int) (any, bool) {
	if c.texts == nil {
		return nil, false
	}
	switch {
	case c.texts[i] != nil:
		return *c.texts[i], true
	case c.ints[i] != nil:
		return *c.ints[i], true
	case c.bools[i] != nil:
		return *c.bools[i], true
	default:
		return nil, false
	}
}

// Text returns the configuration: stored with the given options put over it.
// Everything out of its range is said in one error.
func (c *ConfigOptions) Text(stored string) (string, error) {
	var wrong []string
	doc := &object{}
	if strings.TrimSpace(stored) != "" {
		if err := json.Unmarshal([]byte(stored), doc); err != nil {
			return "", fault.New(fault.Invalid, "the stored configuration is not a valid JSON object")
		}
	}
	for i, r := range c.Rows {
		v, given := c.given(i)
		if !given {
			if !c.Full {
				continue
			}
			v = r.Default
		}
		if n, ok := v.(int64); ok && r.Min != nil && n < *r.Min {
			wrong = append(wrong, fmt.Sprintf("%s needs to be at least %d. (%s is %d)", r.Names[0], *r.Min, r.Path, n))
		}
		doc.set(strings.Split(r.Path, "."), v)
	}
	if len(wrong) > 0 {
		return "", fault.New(fault.Invalid, "Invalid input data:\n%s", strings.Join(wrong, "\n"))
	}
	text, err := json.Marshal(doc)
	return string(text), err
}

// object is a JSON object that keeps the order of its members.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) set(path []string, v any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	key := path[0]
	if !slices.Contains(o.keys, key) {
		o.keys = append(o.keys, key)
	}
	if len(path) == 1 {
		o.values[key] = v
		return
	}
	inner, ok := o.values[key].(*object)
	if !ok {
		inner = &object{}
		o.values[key] = inner
	}
	inner.set(path[1:], v)
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		val, err := json.Marshal(o.values[k])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON implements json.Unmarshaler. Objects inside keep their order too.
func (o *object) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fault.New(fault.Invalid, "not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		name, _ := key.(string)
		inner := &object{}
		if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && json.Unmarshal(raw, inner) == nil {
			o.set([]string{name}, inner)
			continue
		}
		o.set([]string{name}, raw)
	}
	_, err = dec.Token()
	return err
}

// JSONText returns what a configuration option names: the text of a file, else
// itself. What it holds must be JSON; what says which configuration it is.
func JSONText(option, what string) (string, error) {
	text := option
	if info, err := os.Stat(option); err == nil && info.Mode().IsRegular() {
		data, err := os.ReadFile(option) //nolint:gosec // the user named the file
		if err != nil {
			return "", fault.As(fault.Invalid, err, "%s configuration", what)
		}
		text = strings.TrimPrefix(string(data), "\ufeff")
		if strings.TrimSpace(text) == "" {
			return "", fault.New(fault.Invalid, "%s is empty", option)
		}
	}
	if !json.Valid([]byte(text)) {
		return "", fault.New(fault.Invalid, "%s configuration is not a valid JSON", what)
	}
	return text, nil
}
