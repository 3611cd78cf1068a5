package kql

// comparison is an operator between two operands, or between one and a list.
type comparison struct {
	name string
	pair func(l, r node) expr
	list func(l node, items []node) expr
}

// comparisons is the list of what is supported.
func comparisons() []comparison {
	equality := func(same func(a, b any) bool, want bool) func(l, r node) expr {
		return func(l, r node) expr { return equals(l.eval, r.eval, same, want) }
	}
	text := func(test func(s, part string) bool, want bool) func(l, r node) expr {
		return func(l, r node) expr { return textTest(l, r, test, want) }
	}
	relation := func(test func(c int) bool) func(l, r node) expr {
		return func(l, r node) expr { return relates(l.eval, r.eval, test) }
	}
	member := func(folded, want bool) func(l node, items []node) expr {
		return func(l node, items []node) expr { return isIn(l.eval, items, folded, want) }
	}
	return []comparison{
		{name: "==", pair: equality(same, true)},
		{name: "!=", pair: equality(same, false)},
		{name: "=~", pair: equality(sameFolded, true)},
		{name: "!~", pair: equality(sameFolded, false)},
		{name: "<", pair: relation(func(c int) bool { return c < 0 })},
		{name: "<=", pair: relation(func(c int) bool { return c <= 0 })},
		{name: ">", pair: relation(func(c int) bool { return c > 0 })},
		{name: ">=", pair: relation(func(c int) bool { return c >= 0 })},
		{name: "contains", pair: text(containsFolded, true)},
		{name: "!contains", pair: text(containsFolded, false)},
		{name: "startswith", pair: text(startsFolded, true)},
		{name: "!startswith", pair: text(startsFolded, false)},
		{name: "endswith", pair: text(endsFolded, true)},
		{name: "!endswith", pair: text(endsFolded, false)},
		{name: "has", pair: text(hasTerm, true)},
		{name: "!has", pair: text(hasTerm, false)},
		{name: "in", list: member(false, true)},
		{name: "!in", list: member(false, false)},
		{name: "in~", list: member(true, true)},
		{name: "!in~", list: member(true, false)},
	}
}

// equals tests whether two values are the same. Null equals nothing, and
// whether it equals null is not known.
func equals(l, r expr, same func(a, b any) bool, want bool) expr {
	return func(row map[string]any) any {
		a, b := l(row), r(row)
		if a == nil || b == nil {
			if a == nil && b == nil {
				return nil
			}
			return !want
		}
		return same(a, b) == want
	}
}

// relates tests numbers against numbers and text against text. For anything
// else the answer is not known.
func relates(l, r expr, test func(c int) bool) expr {
	return func(row map[string]any) any {
		a, b := l(row), r(row)
		k := kindOf(a)
		if k != kindOf(b) || k != kindNumber && k != kindText {
			return nil
		}
		return test(compareSame(k, a, b))
	}
}

// textTest tests text. Nothing is found in what is missing, and what is missing
// is found in nothing. The test gets what it looks for folded.
func textTest(l, r node, test func(s, part string) bool, want bool) expr {
	value, part := l.eval, r.eval
	if r.literal {
		v := part(nil)
		if v == nil {
			return func(map[string]any) any { return !want }
		}
		folded := fold(text(v))
		return func(row map[string]any) any {
			v := value(row)
			return v != nil && test(text(v), folded) == want || v == nil && !want
		}
	}
	return func(row map[string]any) any {
		a, b := value(row), part(row)
		if a == nil || b == nil {
			return !want
		}
		return test(text(a), fold(text(b))) == want
	}
}

// isIn tests whether a value is in a list.
func isIn(value expr, items []node, folded, want bool) expr {
	if set := literalTexts(items, folded); set != nil {
		return func(row map[string]any) any {
			v := value(row)
			if k := kindOf(v); k == kindNull || k == kindOther {
				return !want
			}
			s := text(v)
			if folded {
				s = fold(s)
			}
			return set[s] == want
		}
	}
	equal := same
	if folded {
		equal = sameFolded
	}
	return func(row map[string]any) any {
		v := value(row)
		if v == nil {
			return !want
		}
		for i := range items {
			if item := items[i].eval(row); item != nil && equal(v, item) {
				return want
			}
		}
		return !want
	}
}

// literalTexts returns the items as a set where all are plain text: the usual
// case, and the one in which a list is long.
func literalTexts(items []node, folded bool) map[string]bool {
	set := make(map[string]bool, len(items))
	for _, n := range items {
		if !n.literal {
			return nil
		}
		s, ok := n.eval(nil).(string)
		if !ok {
			return nil
		}
		if folded {
			s = fold(s)
		}
		set[s] = true
	}
	return set
}

// allOf is and: false where one is false, else null where one is null.
func allOf(parts []expr) expr {
	return func(row map[string]any) any {
		var out any = true
		for _, e := range parts {
			v, known := e(row).(bool)
			if !known {
				out = nil
			} else if !v {
				return false
			}
		}
		return out
	}
}

// anyOf is or: true where one is true, else null where one is null.
func anyOf(parts []expr) expr {
	return func(row map[string]any) any {
		var out any = false
		for _, e := range parts {
			v, known := e(row).(bool)
			if !known {
				out = nil
			} else if v {
				return true
			}
		}
		return out
	}
}
