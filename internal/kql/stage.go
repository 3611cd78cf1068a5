package kql

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
)

type rows = iter.Seq2[map[string]any, error]

type sink = func(map[string]any, error) bool

// stage is a compiled operator: rows from rows. What it counts or keeps
// belongs to one run.
type stage func(in rows) rows

// each calls do for every row until it returns false, and hands an error on. It
// reports whether all rows were seen.
func each(in rows, yield sink, do func(row map[string]any) bool) bool {
	for row, err := range in {
		if err != nil {
			yield(nil, err)
			return false
		}
		if !do(row) {
			return false
		}
	}
	return true
}

// column is a value with a name.
type column struct {
	name string
	eval expr
}

func filterRows(test expr) stage {
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			each(in, yield, func(row map[string]any) bool {
				keep, _ := test(row).(bool)
				return !keep || yield(row, nil)
			})
		}
	}
}

// mapRows makes one row of each.
func mapRows(convert func(row map[string]any) map[string]any) stage {
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			each(in, yield, func(row map[string]any) bool { return yield(convert(row), nil) })
		}
	}
}

func pick(columns []column, row map[string]any) map[string]any {
	out := make(map[string]any, len(columns)+1) // one more for a count
	for _, c := range columns {
		out[c.name] = c.eval(row)
	}
	return out
}

func projectRows(columns []column) stage {
	return mapRows(func(row map[string]any) map[string]any { return pick(columns, row) })
}

func projectAwayRows(gone map[string]bool) stage {
	return mapRows(func(row map[string]any) map[string]any {
		out := make(map[string]any, len(row))
		for name, v := range row {
			if !gone[name] {
				out[name] = v
			}
		}
		return out
	})
}

func extendRows(columns []column) stage {
	return mapRows(func(row map[string]any) map[string]any {
		out := make(map[string]any, len(row)+len(columns))
		maps.Copy(out, row)
		for _, c := range columns {
			out[c.name] = c.eval(row)
		}
		return out
	})
}

// takeRows asks for no more rows than it gives.
func takeRows(n int) stage {
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			if n == 0 {
				return
			}
			given := 0
			each(in, yield, func(row map[string]any) bool {
				given++
				return yield(row, nil) && given < n
			})
		}
	}
}

func distinctRows(columns []column) stage {
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			seen := map[string]struct{}{}
			var key []byte
			each(in, yield, func(row map[string]any) bool {
				key = groupKey(key[:0], columns, row)
				if _, ok := seen[string(key)]; ok {
					return true
				}
				seen[string(key)] = struct{}{}
				return yield(pick(columns, row), nil)
			})
		}
	}
}

func groupKey(dst []byte, columns []column, row map[string]any) []byte {
	for _, c := range columns {
		dst = appendKey(dst, c.eval(row))
	}
	return dst
}

// group is a result of summarize before it has its count.
type group struct {
	row map[string]any
	n   int64
}

// countRows counts rows: all, or each group of those that are equal by some
// columns, in the order in which groups appear.
func countRows(name string, by []column) stage {
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			var groups []*group
			index := map[string]*group{}
			if len(by) == 0 { // there is a count of nothing
				index[""] = &group{row: map[string]any{}}
				groups = append(groups, index[""])
			}
			var key []byte
			whole := each(in, yield, func(row map[string]any) bool {
				key = groupKey(key[:0], by, row)
				g := index[string(key)]
				if g == nil {
					g = &group{row: pick(by, row)}
					groups = append(groups, g)
					index[string(key)] = g
				}
				g.n++
				return true
			})
			if !whole {
				return
			}
			for _, g := range groups {
				g.row[name] = g.n
				if !yield(g.row, nil) {
					return
				}
			}
		}
	}
}

// sortKey is one value to sort by.
type sortKey struct {
	eval                   expr
	descending, nullsFirst bool
}

// sortable is a row with its values to sort by.
type sortable struct {
	row    map[string]any
	values []any
}

func sortableRow(by []sortKey, row map[string]any) sortable {
	values := make([]any, len(by))
	for i := range by {
		v := by[i].eval(row)
		if x, ok := v.(json.Number); ok { // read it once, not at each comparison
			v = readNumber(x)
		}
		values[i] = v
	}
	return sortable{row, values}
}

func readNumber(x json.Number) any {
	n, ok := parseNumber(string(x))
	switch {
	case !ok:
		return string(x)
	case n.whole:
		return n.i
	default:
		return n.f
	}
}

func compareRows(by []sortKey) func(a, b sortable) int {
	return func(a, b sortable) int {
		for i := range by {
			if c := by[i].compare(a.values[i], b.values[i]); c != 0 {
				return c
			}
		}
		return 0
	}
}

func (k *sortKey) compare(a, b any) int {
	ka, kb := kindOf(a), kindOf(b)
	if (ka == kindNull) != (kb == kindNull) {
		if (ka == kindNull) == k.nullsFirst {
			return -1
		}
		return 1
	}
	c := int(ka) - int(kb)
	if c == 0 {
		c = compareSame(ka, a, b)
	}
	if k.descending {
		return -c
	}
	return c
}

// sortRows holds all rows. Rows that are equal stay in their order.
func sortRows(by []sortKey) stage { return keepFirst(-1, by) }

// topRows holds twice the rows that it gives at most: what cannot be among them
// any more is dropped whenever as many have come again.
func topRows(n int, by []sortKey) stage {
	if n == 0 {
		return takeRows(0)
	}
	return keepFirst(n, by)
}

// keepFirst sorts and keeps the first n rows; all where n is negative.
func keepFirst(n int, by []sortKey) stage {
	compare := compareRows(by)
	return func(in rows) rows {
		return func(yield func(map[string]any, error) bool) {
			var held []sortable
			cut := func() {
				slices.SortStableFunc(held, compare)
				if n >= 0 && len(held) > n {
					clear(held[n:])
					held = held[:n]
				}
			}
			whole := each(in, yield, func(row map[string]any) bool {
				held = append(held, sortableRow(by, row))
				if n >= 0 && len(held)-n >= max(n, 64) {
					cut()
				}
				return true
			})
			if !whole {
				return
			}
			cut()
			for _, s := range held {
				if !yield(s.row, nil) {
					return
				}
			}
		}
	}
}
