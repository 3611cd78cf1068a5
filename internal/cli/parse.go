package cli

import (
	"fmt"
	"slices"
	"strings"
)

// UsageError is a command line that the parser refuses: exit code 2.
type UsageError struct{ Lines []string }

// Error returns all lines.
func (e *UsageError) Error() string { return strings.Join(e.Lines, "\n") }

func usage(format string, args ...any) error {
	return &UsageError{[]string{fmt.Sprintf(format, args...)}}
}

// Usage returns an error that says that the command line is wrong.
func Usage(format string, args ...any) error { return usage(format, args...) }

// choice is a value that is not among an option's values.
type choice struct {
	o     *Option
	value string
}

// Error implements error; parse gives the message its command.
func (c choice) Error() string {
	return "'" + c.value + "' is not a valid value for '" + c.o.label() + "'."
}

// parser reads one command line.
type parser struct {
	command string // "iotops asset show", for messages
	set     *Set
	warn    func(string)
	unknown []string
	rest    []string
}

// parse fills what the options of set point to.
func parse(command string, set *Set, args []string, warn func(string)) error {
	p := &parser{command: command, set: set, warn: warn}
	for i := 0; i < len(args); {
		n, err := p.token(args[i:])
		if err != nil {
			return err
		}
		i += n
	}
	return p.finish()
}

// token handles the option or the value at the beginning of args and returns
// how many tokens it took.
func (p *parser) token(args []string) (int, error) {
	t := args[0]
	if t == "--" {
		p.rest = append(p.rest, args[1:]...)
		return len(args), nil
	}
	if !optionLike(t) {
		p.rest = append(p.rest, t)
		return 1, nil
	}
	o, name, attached, err := p.find(t)
	if err != nil {
		return 0, err
	}
	if o == nil {
		p.unknown = append(p.unknown, t)
		n := 1
		for n < len(args) && !optionLike(args[n]) {
			p.unknown = append(p.unknown, args[n])
			n++
		}
		return n, nil
	}
	if instead, old := o.deprecated[name]; old {
		p.warn(fmt.Sprintf("Option '%s' has been deprecated and will be removed in a future release. Use '%s' instead.", name, instead))
	}
	values, n, err := p.values(o, attached, args[1:])
	if err != nil {
		return 0, err
	}
	o.seen = true
	if err := o.set(values); err != nil {
		return 0, p.refine(err)
	}
	return 1 + n, nil
}

// refine gives a bad choice the message that Azure's command line has.
func (p *parser) refine(err error) error {
	c, ok := err.(choice) //nolint:errorlint // only our own setters return it, bare
	if !ok {
		return err
	}
	return &UsageError{[]string{
		fmt.Sprintf("%s: '%s' is not a valid value for '%s'.", p.command, c.value, c.o.label()),
		"Allowed values: " + strings.Join(c.o.enum, ", ") + ".",
	}}
}

// optionLike tells options from values: a lone dash and negative numbers are
// values, and so is what has a space in it.
func optionLike(t string) bool {
	if len(t) < 2 || t[0] != '-' {
		return false
	}
	if c := t[1]; c >= '0' && c <= '9' || c == '.' {
		return false
	}
	name, _, _ := strings.Cut(t, "=")
	return !strings.Contains(name, " ")
}

// find returns the option that a token means, the name it was found by, and the
// value attached to it (nil = none).
func (p *parser) find(t string) (*Option, string, *string, error) {
	name, val, hasValue := strings.Cut(t, "=")
	var attached *string
	if hasValue {
		attached = &val
	}
	for _, o := range p.set.list {
		if o.hasName(name) {
			return o, name, attached, nil
		}
	}
	if !strings.HasPrefix(t, "--") {
		for _, o := range p.set.list { // -nVALUE
			if short := t[:2]; o.hasName(short) {
				rest := t[2:]
				return o, short, &rest, nil
			}
		}
		return nil, name, nil, nil
	}
	return p.byPrefix(name, attached)
}

// byPrefix returns the one option that a prefix of a long name means.
func (p *parser) byPrefix(name string, attached *string) (*Option, string, *string, error) {
	var found []*Option
	var names []string
	for _, o := range p.set.list {
		for _, long := range o.names {
			if !o.ours && strings.HasPrefix(long, name) {
				names = append(names, long)
				if !slices.Contains(found, o) {
					found = append(found, o)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, name, nil, nil
	case 1:
		return found[0], names[0], attached, nil
	default:
		return nil, "", nil, usage("ambiguous option: %s could match %s", name, strings.Join(names, ", "))
	}
}

// values takes the values of an option from what follows it.
func (p *parser) values(o *Option, attached *string, next []string) ([]string, int, error) {
	follow := 0
	for follow < len(next) && !optionLike(next[follow]) && next[follow] != "--" {
		follow++
	}
	switch o.arity {
	case none:
		if attached != nil {
			return nil, 0, usage("argument %s: ignored explicit argument '%s'", o.label(), *attached)
		}
		return nil, 0, nil
	case one, optional:
		switch {
		case attached != nil:
			return []string{*attached}, 0, nil
		case follow > 0 && (o.arity == one || p.set.positional == nil || isTruth(next[0])):
			return next[:1], 1, nil
		case o.arity == optional:
			return nil, 0, nil
		default:
			return nil, 0, usage("argument %s: expected one argument", o.label())
		}
	default:
		if attached != nil {
			return []string{*attached}, 0, nil
		}
		if follow == 0 && o.arity == some {
			return nil, 0, usage("argument %s: expected at least one argument", o.label())
		}
		return slices.Clone(next[:follow]), follow, nil
	}
}

// isTruth reports whether a token is the value of a three-state flag.
func isTruth(t string) bool {
	return slices.Contains([]string{"true", "yes", "t", "y", "1", "false", "no", "f", "n", "0"}, strings.ToLower(t))
}

// finish checks what can only be known at the end.
func (p *parser) finish() error {
	var missing []string
	for _, o := range p.set.list {
		if o.required && !o.seen {
			missing = append(missing, o.label())
		}
	}
	if pos := p.set.positional; pos != nil {
		if len(p.rest) < pos.min {
			missing = append([]string{pos.word}, missing...)
		}
		take := min(len(p.rest), pos.max)
		*pos.dest, p.rest = p.rest[:take], p.rest[take:]
	}
	if len(missing) > 0 {
		return usage("the following arguments are required: %s", strings.Join(missing, ", "))
	}
	if extra := slices.Concat(p.unknown, p.rest); len(extra) > 0 {
		return usage("unrecognized arguments: %s", strings.Join(extra, " "))
	}
	return nil
}

// Pair is one key=value token.
type Pair struct{ Key, Value string }

// Pairs splits key=value tokens at the first "=". A token without one, and a
// key without a value, is told to warn; the former is left out.
func Pairs(tokens []string, option string, warn func(string)) []Pair {
	var list []Pair
	for _, t := range tokens {
		key, val, ok := strings.Cut(t, "=")
		if !ok || key == "" {
			warn(fmt.Sprintf("%s %s is invalid and was left out. Expected form: key=value", option, t))
			continue
		}
		if val == "" {
			warn(fmt.Sprintf("%s: no value for key %s", option, key))
		}
		list = append(list, Pair{key, val})
	}
	return list
}

// Location returns a location as Azure spells it: lower case, without spaces.
func Location(text string) string {
	return strings.ToLower(strings.ReplaceAll(text, " ", ""))
}
