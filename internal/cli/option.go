package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// arity is how many values an option takes.
type arity uint8

const (
	one      arity = iota
	none           // a flag
	optional       // a three-state flag
	some           // one or more
	any0           // none or more
)

// Option is one option of a command. Its methods return it, so that a
// declaration is one line.
type Option struct {
	names      []string // long ones first, as they are printed
	arity      arity
	doc        string
	required   bool
	ours       bool // takes no part in prefix matching
	hidden     bool
	enum       []string
	deprecated map[string]string // spelling -> replacement
	fallback   string            // shown default
	set        func(values []string) error
	complete   func(ctx context.Context) []string
	seen       bool
}

// Required makes the parser refuse a command line without the option.
func (o *Option) Required() *Option { o.required = true; return o }

// Doc describes the option in a sentence or two.
func (o *Option) Doc(text string) *Option { o.doc = text; return o }

// Ours marks an option that Azure's command does not have: prefixes never mean it.
func (o *Option) Ours() *Option { o.ours = true; return o }

// Hidden keeps the option out of help and completion.
func (o *Option) Hidden() *Option { o.hidden = true; return o }

// Default is shown in help.
func (o *Option) Default(text string) *Option { o.fallback = text; return o }

// Complete offers values on the tab key.
func (o *Option) Complete(fn func(ctx context.Context) []string) *Option { o.complete = fn; return o }

// Deprecated accepts an old spelling, with a warning that names the new one.
func (o *Option) Deprecated(old, instead string) *Option {
	if o.deprecated == nil {
		o.deprecated = map[string]string{}
	}
	o.deprecated[old] = instead
	return o
}

// label is the option's names as messages print them.
func (o *Option) label() string { return strings.Join(o.names, "/") }

func (o *Option) hasName(name string) bool {
	_, old := o.deprecated[name]
	return old || slices.Contains(o.names, name)
}

// begins reports whether a long name of the option begins with a prefix.
func (o *Option) begins(prefix string) bool {
	return slices.ContainsFunc(o.names, func(name string) bool { return strings.HasPrefix(name, prefix) })
}

// Given reports whether the option was on the command line.
func (o *Option) Given() bool { return o.seen }

// Set collects the options of one command.
type Set struct {
	list       []*Option
	own        int // how many of the list are the command's own; the others are global
	positional *positional
}

// positional is what a command takes besides options.
type positional struct {
	word     string // such as ADDRESS
	doc      string
	min, max int
	dest     *[]string
}

func (s *Set) add(a arity, set func([]string) error, names []string) *Option {
	o := &Option{names: names, arity: a, set: set}
	s.list = append(s.list, o)
	return o
}

// Positional declares between least and most arguments without a name.
func (s *Set) Positional(dest *[]string, word, doc string, least, most int) {
	s.positional = &positional{word: word, doc: doc, min: least, max: most, dest: dest}
}

// String is an option with one value; the last one counts.
func (s *Set) String(dest *string, names ...string) *Option {
	return s.add(one, func(v []string) error { *dest = v[0]; return nil }, names)
}

// Text is String for an option whose absence matters: *dest stays nil.
func (s *Set) Text(dest **string, names ...string) *Option {
	return s.add(one, func(v []string) error { *dest = &v[0]; return nil }, names)
}

// Int is an option with one integer; *dest stays nil where it is absent.
func (s *Set) Int(dest **int64, names ...string) *Option {
	o := s.add(one, nil, names)
	o.set = func(v []string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(v[0]), 10, 64)
		if err != nil {
			return usage("argument %s: invalid int value: '%s'", o.label(), v[0])
		}
		*dest = &n
		return nil
	}
	return o
}

// Float is an option with one number; *dest stays nil where it is absent.
func (s *Set) Float(dest **float64, names ...string) *Option {
	o := s.add(one, nil, names)
	o.set = func(v []string) error {
		n, err := strconv.ParseFloat(strings.TrimSpace(v[0]), 64)
		if err != nil {
			return usage("argument %s: invalid float value: '%s'", o.label(), v[0])
		}
		*dest = &n
		return nil
	}
	return o
}

// Flag is an option without a value.
func (s *Set) Flag(dest *bool, names ...string) *Option {
	return s.add(none, func([]string) error { *dest = true; return nil }, names)
}

// ThreeState is a flag that can be absent (*dest stays nil), on, or given a value.
func (s *Set) ThreeState(dest **bool, names ...string) *Option {
	o := s.add(optional, nil, names)
	o.enum = []string{"false", "true"}
	o.set = func(v []string) error {
		state := true
		if len(v) == 1 {
			switch strings.ToLower(v[0]) {
			case "true", "yes", "t", "y", "1":
			case "false", "no", "f", "n", "0":
				state = false
			default:
				return choice{o, v[0]}
			}
		}
		*dest = &state
		return nil
	}
	return o
}

// Enum is an option with one of several values, whatever their case. *dest gets
// the spelling in values.
func (s *Set) Enum(dest *string, values []string, names ...string) *Option {
	o := s.add(one, nil, names)
	o.enum = values
	o.set = func(v []string) error {
		i := slices.IndexFunc(values, func(x string) bool { return strings.EqualFold(x, v[0]) })
		if i < 0 {
			return choice{o, v[0]}
		}
		*dest = values[i]
		return nil
	}
	return o
}

// List takes one or more values; the last occurrence counts.
func (s *Set) List(dest *[]string, names ...string) *Option {
	return s.add(some, func(v []string) error { *dest = v; return nil }, names)
}

// Extend takes one or more values; those of all occurrences count.
func (s *Set) Extend(dest *[]string, names ...string) *Option {
	return s.add(some, func(v []string) error { *dest = append(*dest, v...); return nil }, names)
}

// Append takes one or more values; each occurrence is one entry.
func (s *Set) Append(dest *[][]string, names ...string) *Option {
	return s.add(some, func(v []string) error { *dest = append(*dest, v); return nil }, names)
}

// Tags takes key=value pairs; one without "=" has the empty value, and "" alone
// is an empty bag. *dest stays nil where the option is absent.
func (s *Set) Tags(dest *map[string]string, names ...string) *Option {
	return s.add(any0, func(v []string) error {
		bag := map[string]string{}
		for _, token := range v {
			if key, val, _ := strings.Cut(token, "="); key != "" {
				bag[key] = val
			}
		}
		*dest = bag
		return nil
	}, names)
}
