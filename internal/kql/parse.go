package kql

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// parser compiles the tokens of a query.
type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
}

// operator is one that stands between two |.
type operator struct {
	name  string
	parse func(*parser) (stage, error)
}

// operators is the list of what is supported.
func operators() []operator {
	return []operator{
		{"where", (*parser).where},
		{"filter", (*parser).where},
		{"project", (*parser).project},
		{"project-away", (*parser).projectAway},
		{"extend", (*parser).extend},
		{"order", (*parser).order},
		{"sort", (*parser).order},
		{"take", (*parser).take},
		{"limit", (*parser).take},
		{"top", (*parser).top},
		{"count", (*parser).count},
		{"summarize", (*parser).summarize},
		{"distinct", (*parser).distinct},
	}
}

func (p *parser) query() ([]stage, error) {
	if p.peek().kind == tokenEnd {
		return nil, fault.New(fault.Invalid, "the query is empty")
	}
	led := p.accept("|")
	if p.endsAfter(p.at) {
		t := p.peek()
		switch {
		case t.kind == tokenName && strings.EqualFold(t.text, "resources"):
			p.at++
			if !p.accept("|") {
				return nil, nil
			}
		case t.kind == tokenName && !led && findOperator(operators(), t.text) < 0:
			return nil, p.fail(t.pos, "table %s is not supported; supported: resources", t.describe())
		}
	}
	var stages []stage
	for {
		if len(stages) == MaxOperators {
			return nil, p.fail(p.peek().pos, "a query has at most %d operators", MaxOperators)
		}
		s, err := p.operator()
		if err != nil {
			return nil, err
		}
		stages = append(stages, s)
		if p.peek().kind == tokenEnd {
			return stages, nil
		}
		if !p.accept("|") {
			return nil, p.unexpected("| or the end of the query")
		}
	}
}

// endsAfter reports whether the token at i is the only one before | or the end.
func (p *parser) endsAfter(i int) bool {
	if p.tokens[i].kind == tokenEnd {
		return false
	}
	following := p.tokens[i+1]
	return following.kind == tokenEnd || following.is("|")
}

func (p *parser) operator() (stage, error) {
	if p.peek().kind != tokenName {
		return nil, p.unexpected("an operator such as where")
	}
	t := p.operatorName()
	list := operators()
	i := findOperator(list, t.text)
	if i < 0 {
		names := make([]string, 0, len(list))
		for _, o := range list {
			names = append(names, o.name)
		}
		return nil, p.fail(t.pos, "operator %s is not supported; supported: %s", t.describe(), strings.Join(names, ", "))
	}
	return list[i].parse(p)
}

func findOperator(list []operator, name string) int {
	return slices.IndexFunc(list, func(o operator) bool { return o.name == name })
}

// operatorName reads a name that may have hyphens, such as project-away.
func (p *parser) operatorName() token {
	t := p.next()
	for {
		hyphen := p.peek()
		if !hyphen.is("-") || hyphen.pos != t.end {
			return t
		}
		part := p.tokens[p.at+1]
		if part.kind != tokenName || part.pos != hyphen.end {
			return t
		}
		t.text, t.end = p.text[t.pos:part.end], part.end
		p.at += 2
	}
}

func (p *parser) where() (stage, error) {
	test, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.wantCondition(test, "where"); err != nil {
		return nil, err
	}
	return filterRows(test.eval), nil
}

func (p *parser) project() (stage, error) {
	columns, err := p.columns()
	if err != nil {
		return nil, err
	}
	return projectRows(columns), nil
}

func (p *parser) extend() (stage, error) {
	columns, err := p.columns()
	if err != nil {
		return nil, err
	}
	return extendRows(columns), nil
}

func (p *parser) distinct() (stage, error) {
	columns, err := p.columns()
	if err != nil {
		return nil, err
	}
	return distinctRows(columns), nil
}

func (p *parser) projectAway() (stage, error) {
	gone := map[string]bool{}
	for {
		name, ok := p.columnName()
		if !ok {
			return nil, p.unexpected("the name of a column")
		}
		gone[name] = true
		if !p.accept(",") {
			return projectAwayRows(gone), nil
		}
	}
}

func (p *parser) order() (stage, error) {
	by, err := p.sortKeys()
	if err != nil {
		return nil, err
	}
	return sortRows(by), nil
}

func (p *parser) take() (stage, error) {
	n, err := p.limit()
	if err != nil {
		return nil, err
	}
	return takeRows(n), nil
}

func (p *parser) top() (stage, error) {
	n, err := p.limit()
	if err != nil {
		return nil, err
	}
	by, err := p.sortKeys()
	if err != nil {
		return nil, err
	}
	return topRows(n, by), nil
}

func (p *parser) count() (stage, error) { return countRows("Count", nil), nil }

func (p *parser) summarize() (stage, error) {
	name, named := p.alias()
	if !named {
		name = "count_"
	}
	t := p.peek()
	if t.kind != tokenName {
		return nil, p.unexpected("count()")
	}
	p.at++
	if t.text != "count" {
		return nil, p.fail(t.pos, "summarize %s is not supported; supported: count()", t.describe())
	}
	if !p.accept("(") || !p.accept(")") {
		return nil, p.unexpected("() after count")
	}
	if p.peek().is(",") {
		return nil, p.fail(p.peek().pos, "summarize takes one count()")
	}
	if !p.accept("by") {
		return countRows(name, nil), nil
	}
	start := p.peek().pos
	by, err := p.columns()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(by, func(c column) bool { return c.name == name }) {
		return nil, p.fail(start, "column %s occurs twice", clip(name))
	}
	return countRows(name, by), nil
}

// columns reads expressions with or without names of their own.
func (p *parser) columns() ([]column, error) {
	var list []column
	unnamed := 0
	seen := map[string]bool{}
	for {
		start := p.peek().pos
		name, named := p.alias()
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		switch {
		case named:
		case value.name != "":
			name = value.name
		default:
			unnamed++
			name = "Column" + strconv.Itoa(unnamed)
		}
		if seen[name] {
			return nil, p.fail(start, "column %s occurs twice", clip(name))
		}
		seen[name] = true
		list = append(list, column{name, value.eval})
		if !p.accept(",") {
			return list, nil
		}
	}
}

// alias reads "name =" where it comes next.
func (p *parser) alias() (string, bool) {
	start := p.at
	if name, ok := p.columnName(); ok && p.accept("=") {
		return name, true
	}
	p.at = start
	return "", false
}

// columnName reads a name as such or as ['name'] where it comes next.
func (p *parser) columnName() (string, bool) {
	if t := p.peek(); t.kind == tokenName {
		p.at++
		return t.text, true
	}
	if p.at+2 >= len(p.tokens) || !p.peek().is("[") || p.tokens[p.at+1].kind != tokenString || !p.tokens[p.at+2].is("]") {
		return "", false
	}
	p.at += 3
	return p.tokens[p.at-2].text, true
}

// sortKeys reads "by a, b asc".
func (p *parser) sortKeys() ([]sortKey, error) {
	if !p.accept("by") {
		return nil, p.unexpected("by")
	}
	var list []sortKey
	for {
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		key := sortKey{eval: value.eval, descending: true}
		if p.accept("asc") {
			key.descending = false
		} else {
			p.accept("desc")
		}
		key.nullsFirst = !key.descending
		if p.accept("nulls") {
			key.nullsFirst = p.accept("first")
			if !key.nullsFirst && !p.accept("last") {
				return nil, p.unexpected("first or last")
			}
		}
		list = append(list, key)
		if !p.accept(",") {
			return list, nil
		}
	}
}

// limit reads how many rows.
func (p *parser) limit() (int, error) {
	t := p.peek()
	if t.kind != tokenNumber {
		return 0, p.unexpected("a number of rows")
	}
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil {
		return 0, p.fail(t.pos, "%s is not a number of rows: a whole number up to 2147483647", t.describe())
	}
	p.at++
	return int(n), nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

// next returns the next token and moves on, but never past the end.
func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// accept moves past a word or mark where it comes next.
func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.at++
	return true
}

// unexpected says that the next token is not what it must be.
func (p *parser) unexpected(want string) error {
	t := p.peek()
	if t.kind == tokenBad {
		return p.fail(t.pos, "%s", t.text)
	}
	return p.fail(t.pos, "expected %s, found %s", want, t.describe())
}

// fail returns an error about a place in the text.
func (p *parser) fail(pos int, format string, args ...any) error {
	before := p.text[:pos]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	args = append([]any{line, column}, args...)
	return fault.New(fault.Invalid, "query, line %d, column %d: "+format, args...)
}
