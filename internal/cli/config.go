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
	Required bool // the parser refuses a command line without it

	Names   []string
	Path    string   // dotted path in the JSON text
	Type    string   // "string", "int", "number", "bool", "not" (a bool that is stored the other way round) or "objects"
	Default any      // written where the option is absent and everything is written; nil = null
	Min     *int64   // smallest integer
	Enum    []string // allowed values, whatever their case
	Prefix  string   // put before an Enum's value
	Keys    []Pair   // of "objects": what each key=value token is called in JSON; the first is required
	Doc     string
}

// ConfigOptions make a configuration text of options: one row each.
type ConfigOptions struct {
	Rows []ConfigRow
	Full bool // write every row, given or default; else only what is given

	texts   []*string
	ints    []*int64
	numbers []*float64
	bools   []*bool
	objects [][][]string
}

// Declare declares an option for each row.
func (c *ConfigOptions) Declare(s *Set) {
	n := len(c.Rows)
	c.texts, c.ints, c.numbers = make([]*string, n), make([]*int64, n), make([]*float64, n)
	c.bools, c.objects = make([]*bool, n), make([][][]string, n)
	for i, r := range c.Rows {
		var o *Option
		switch {
		case r.Type == "int":
			o = s.Int(&c.ints[i], r.Names...)
		case r.Type == "number":
			o = s.Float(&c.numbers[i], r.Names...)
		case r.Type == "bool", r.Type == "not":
			o = s.ThreeState(&c.bools[i], r.Names...)
		case r.Type == "objects":
			o = s.Append(&c.objects[i], r.Names...)
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
		if r.Required {
			o.Required()
		}
		if r.Default != nil {
			o.Default(fmt.Sprint(r.Default))
		}
	}
}

// given returns the value of a row, and whether it is on the command line.
func (c *ConfigOptions) given(i int) (any, bool, error) {
	if c.texts == nil {
		return nil, false, nil
	}
	switch {
	case c.texts[i] != nil:
		return *c.texts[i], true, nil
	case c.ints[i] != nil:
		return *c.ints[i], true, nil
	case c.numbers[i] != nil:
		return *c.numbers[i], true, nil
	case c.bools[i] != nil:
		return *c.bools[i] != (c.Rows[i].Type == "not"), true, nil
	case c.objects[i] != nil:
		list, err := c.Rows[i].list(c.objects[i])
		return list, true, err
	default:
		return nil, false, nil
	}
}

// Given returns the paths of the rows that are on the command line.
func (c *ConfigOptions) Given() []string {
	var paths []string
	for i, r := range c.Rows {
		if _, ok, _ := c.given(i); ok {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// list returns the objects that key=value tokens describe.
func (r *ConfigRow) list(occurrences [][]string) ([]*object, error) {
	list := make([]*object, 0, len(occurrences))
	for _, tokens := range occurrences {
		o := &object{}
		for _, t := range tokens {
			key, val, _ := strings.Cut(t, "=")
			i := slices.IndexFunc(r.Keys, func(p Pair) bool { return p.Key == key })
			if i < 0 || val == "" {
				return nil, fault.New(fault.Invalid, "%s: %q is not one of %s", r.Names[0], t, r.forms())
			}
			o.set([]string{r.Keys[i].Value}, val)
		}
		if o.values[r.Keys[0].Value] == nil {
			return nil, fault.New(fault.Invalid, "%s %s is missing %s=", r.Names[0], strings.Join(tokens, " "), r.Keys[0].Key)
		}
		list = append(list, o)
	}
	return list, nil
}

func (r *ConfigRow) forms() string {
	forms := make([]string, len(r.Keys))
	for i, k := range r.Keys {
		forms[i] = k.Key + "="
	}
	return strings.Join(forms, ", ")
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
		v, given, err := c.given(i)
		if err != nil {
			return "", err
		}
		if !given {
			if !c.Full {
				continue
			}
			v = r.Default
		}
		if r.Min != nil && below(v, *r.Min) {
			wrong = append(wrong, fmt.Sprintf("%s needs to be at least %d. (%s is %v)", r.Names[0], *r.Min, r.Path, v))
		}
		doc.set(strings.Split(r.Path, "."), v)
	}
	if len(wrong) > 0 {
		return "", fault.New(fault.Invalid, "Invalid input data:\n%s", strings.Join(wrong, "\n"))
	}
	text, err := json.Marshal(doc)
	return string(text), err
}

func below(v any, low int64) bool {
	switch n := v.(type) {
	case int64:
		return n < low
	case float64:
		return !(n >= float64(low)) // so that what is no number is refused too
	default:
		return false
	}
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
