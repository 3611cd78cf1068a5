// Package kql runs the useful part of the Kusto Query Language over documents:
// what people hand to Azure Resource Graph to pick, shape, sort and count resources.
//
// A query is a chain of operators separated by |. It may begin with a | or with
// the name of the one table there is, resources. Operators: where (or filter),
// project, project-away, extend, order by (or sort by), take (or limit), top,
// count, distinct, and summarize count(). Whatever else the language has is
// refused by its name; nothing is ignored.
//
// A document is what JSON is made of: map[string]any, []any, string, bool,
// json.Number, float64, int64 and nil. What is missing is null. As in Kusto:
//
//   - null equals nothing, and differs from everything but null;
//   - null is neither smaller nor larger than anything: the answer is null, and
//     where keeps a row for true only;
//   - and, or and not() know three values: true, false and null;
//   - == and in compare text to the letter; =~, in~, contains, startswith,
//     endswith and has do without regard to case;
//   - operators on text take a number, a boolean, an array or an object as its
//     text, and == does so for a number or a boolean that meets text;
//   - order by puts the largest first unless asc is said, and nulls last (first
//     with asc) unless nulls first or nulls last is said.
//
// Names of columns and properties are compared to the letter. Whole numbers are
// exact within 64 bits; beyond that they are floating point.
package kql

import (
	"iter"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// The limits of a query's text. They keep a text that nobody wrote by hand from
// costing memory or stack.
const (
	MaxLength    = 64 << 10 // bytes
	MaxDepth     = 100      // parentheses and functions inside each other
	MaxOperators = 200      // operators separated by |
)

// Query is a compiled query. It does not change, and several goroutines may run
// it at once.
type Query struct {
	stages []stage
}

// Parse compiles a query. Its error is Invalid and says where in the text the
// first thing is that is wrong or not supported.
func Parse(text string) (*Query, error) {
	if len(text) > MaxLength {
		return nil, fault.New(fault.Invalid, "a query has at most %d bytes, this one %d", MaxLength, len(text))
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "a query is UTF-8 text")
	}
	p := &parser{text: text, tokens: lex(text)}
	stages, err := p.query()
	if err != nil {
		return nil, err
	}
	return &Query{stages}, nil
}

// Run returns the rows that the query makes of others, one by one. Only order
// by, top, distinct and summarize hold anything back: order by all rows, top as
// many as it was told twice over, the others one key a result. It never
// changes a row that it was given; rows that pass as they are share their
// contents with it. An error among the rows ends the result.
func (q *Query) Run(rows iter.Seq2[map[string]any, error]) iter.Seq2[map[string]any, error] {
	for _, s := range q.stages {
		rows = s(rows)
	}
	return rows
}
