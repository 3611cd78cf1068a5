package kql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// expr is a compiled expression: its value for a row.
type expr func(row map[string]any) any

// static is what is known of an expression's values beforehand.
type static uint8

const (
	anything static = iota
	condition
	scalar // a number or text, certainly
)

// node is an expression and what the parser must know of it.
type node struct {
	eval    expr
	static  static
	literal bool
	name    string // of the column that it makes; "" = none
	pos     int
}

func literal(v any, s static, pos int) node {
	return node{func(map[string]any) any { return v }, s, true, "", pos}
}

// wantCondition refuses what can never be true or false.
func (p *parser) wantCondition(n node, who string) error {
	if n.static == scalar {
		return p.fail(n.pos, "%s needs a condition, such as name == 'x'", who)
	}
	return nil
}

// expression reads conditions joined by or.
func (p *parser) expression() (node, error) { return p.joined("or", p.conjunction, anyOf) }

// conjunction reads conditions joined by and.
func (p *parser) conjunction() (node, error) { return p.joined("and", p.comparison, allOf) }

func (p *parser) joined(word string, part func() (node, error), join func([]expr) expr) (node, error) {
	first, err := part()
	if err != nil || !p.peek().is(word) {
		return first, err
	}
	if err := p.wantCondition(first, word); err != nil {
		return node{}, err
	}
	list := []expr{first.eval}
	for p.accept(word) {
		n, err := part()
		if err != nil {
			return node{}, err
		}
		if err := p.wantCondition(n, word); err != nil {
			return node{}, err
		}
		list = append(list, n.eval)
	}
	return node{eval: join(list), static: condition, pos: first.pos}, nil
}

// comparison reads an operand, and what it is compared with, if anything.
func (p *parser) comparison() (node, error) {
	left, err := p.operand()
	if err != nil {
		return node{}, err
	}
	t := p.peek()
	if t.kind != tokenName && t.kind != tokenMark || isStop(t.text) {
		return left, nil
	}
	list := comparisons()
	i := slices.IndexFunc(list, func(c comparison) bool { return c.name == t.text })
	if i < 0 {
		return node{}, p.unsupportedComparison(t, list)
	}
	p.at++
	if list[i].list != nil {
		items, err := p.items()
		if err != nil {
			return node{}, err
		}
		return node{eval: list[i].list(left, items), static: condition, pos: left.pos}, nil
	}
	right, err := p.operand()
	if err != nil {
		return node{}, err
	}
	return node{eval: list[i].pair(left, right), static: condition, pos: left.pos}, nil
}

// isStop reports whether a word or mark that follows an operand is no operator
// on it.
func isStop(text string) bool {
	switch text {
	case "and", "or", "by", "asc", "desc", "nulls", "|", "(", ")", "[", "]", ",", ".", ";":
		return true
	}
	return false
}

func (p *parser) unsupportedComparison(t token, list []comparison) error {
	names := make([]string, 0, len(list)+2)
	for _, c := range list {
		names = append(names, c.name)
	}
	names = append(names, "and", "or")
	err := p.fail(t.pos, "operator %s is not supported; supported: %s", t.describe(), strings.Join(names, ", "))
	if t.text == "-" {
		err = fault.WithHint(err, "A name with other characters than letters, digits and _ is written ['my-name'], or tags['my-name'].")
	}
	return err
}

// items reads the list that in takes.
func (p *parser) items() ([]node, error) {
	if !p.accept("(") {
		return nil, p.unexpected("( and a list of values")
	}
	var list []node
	for {
		n, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if p.accept(")") {
			return list, nil
		}
		if !p.accept(",") {
			return nil, p.unexpected(", or )")
		}
	}
}

func (p *parser) operand() (node, error) {
	t := p.peek()
	switch t.kind {
	case tokenString:
		p.at++
		return literal(t.text, scalar, t.pos), nil
	case tokenNumber:
		p.at++
		return p.numeral(t, t.text)
	case tokenName:
		return p.named(t)
	case tokenMark:
		return p.marked(t)
	default:
		return node{}, p.unexpected("a column or a value")
	}
}

// marked reads an operand that begins with a mark.
func (p *parser) marked(t token) (node, error) {
	switch t.text {
	case "[":
		name, ok := p.columnName()
		if !ok {
			p.at++
			return node{}, p.unexpected("a column as ['name']")
		}
		return p.path(name, t.pos)
	case "-":
		p.at++
		digits := p.peek()
		if digits.kind != tokenNumber {
			return node{}, p.unexpected("a number after -")
		}
		p.at++
		return p.numeral(t, "-"+digits.text)
	case "(":
		p.at++
		return p.nested(t, p.expression)
	default:
		return node{}, p.unexpected("a column or a value")
	}
}

// nested reads what is in parentheses, up to the closing one.
func (p *parser) nested(t token, inside func() (node, error)) (node, error) {
	if p.depth == MaxDepth {
		return node{}, p.fail(t.pos, "parentheses are nested more than %d deep", MaxDepth)
	}
	p.depth++
	defer func() { p.depth-- }()
	n, err := inside()
	if err != nil {
		return node{}, err
	}
	if !p.accept(")") {
		return node{}, p.unexpected(")")
	}
	return n, nil
}

func (p *parser) numeral(t token, text string) (node, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return literal(i, scalar, t.pos), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return node{}, p.fail(t.pos, "%s is not a number that can be computed with", clip(text))
	}
	return literal(f, scalar, t.pos), nil
}

// named reads an operand that begins with a word.
func (p *parser) named(t token) (node, error) {
	switch t.text {
	case "true", "false":
		p.at++
		return literal(t.text == "true", condition, t.pos), nil
	case "null":
		p.at++
		return literal(nil, anything, t.pos), nil
	case "and", "or", "by", "in", "in~":
		return node{}, p.unexpected("a column or a value")
	}
	p.at++
	if p.accept("(") {
		return p.call(t)
	}
	if t.text == "not" {
		return node{}, p.unexpected("( after not")
	}
	return p.path(t.text, t.pos)
}

func (p *parser) call(t token) (node, error) {
	list := functions()
	i := slices.IndexFunc(list, func(f function) bool { return f.name == t.text })
	if i < 0 {
		names := make([]string, 0, len(list))
		for _, f := range list {
			names = append(names, f.name)
		}
		return node{}, p.fail(t.pos, "function %s is not supported; supported: %s", t.describe(), strings.Join(names, ", "))
	}
	f := list[i]
	arg, err := p.nested(t, func() (node, error) {
		arg, err := p.expression()
		if err == nil && p.peek().is(",") {
			err = p.fail(p.peek().pos, "%s takes one value", f.name)
		}
		return arg, err
	})
	if err != nil {
		return node{}, err
	}
	if f.name == "not" {
		if err := p.wantCondition(arg, f.name); err != nil {
			return node{}, err
		}
	}
	out := node{static: f.static, pos: t.pos}
	if f.keepsName {
		out.name = arg.name
	}
	value, call := arg.eval, f.call
	out.eval = func(row map[string]any) any { return call(value(row)) }
	return out, nil
}

// step is one part of a path: a key, or an index where the key is empty and
// indexed is set.
type step struct {
	key     string
	index   int
	indexed bool
}

// path reads what follows the name of a column: .name, ['name'] and [0].
func (p *parser) path(root string, pos int) (node, error) {
	var steps []step
	name := []string{root}
	for {
		switch {
		case p.accept("."):
			t := p.peek()
			if t.kind != tokenName {
				return node{}, p.unexpected("the name of a property after .")
			}
			p.at++
			steps, name = append(steps, step{key: t.text}), append(name, t.text)
		case p.accept("["):
			s, text, err := p.bracket()
			if err != nil {
				return node{}, err
			}
			steps, name = append(steps, s), append(name, text)
		default:
			return node{eval: lookup(root, steps), name: strings.Join(name, "_"), pos: pos}, nil
		}
	}
}

// bracket reads ['name'] or [0] from behind the [, and returns its text too.
func (p *parser) bracket() (step, string, error) {
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	var s step
	t := p.peek()
	switch {
	case t.kind == tokenString && sign == "":
		s.key = t.text
	case t.kind == tokenNumber:
		i, err := strconv.ParseInt(sign+t.text, 10, 32)
		if err != nil {
			return s, "", p.fail(t.pos, "%s is not an index", clip(sign+t.text))
		}
		s.index, s.indexed = int(i), true
	default:
		return s, "", p.unexpected("a 'name' or an index")
	}
	p.at++
	if !p.accept("]") {
		return s, "", p.unexpected("]")
	}
	return s, sign + t.text, nil
}

// lookup returns the value at a path; null where there is none.
func lookup(root string, steps []step) expr {
	if len(steps) == 0 {
		return func(row map[string]any) any { return row[root] }
	}
	return func(row map[string]any) any {
		v := row[root]
		for i := range steps {
			if v = steps[i].of(v); v == nil {
				return nil
			}
		}
		return v
	}
}

// of returns the part of v that the step leads to. An index below 0 counts from
// the end.
func (s *step) of(v any) any {
	if !s.indexed {
		object, _ := v.(map[string]any)
		return object[s.key]
	}
	array, _ := v.([]any)
	i := s.index
	if i < 0 {
		i += len(array)
	}
	if i < 0 || i >= len(array) {
		return nil
	}
	return array[i]
}
