package kql

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function takes one value and returns one.
type function struct {
	name      string
	static    static
	keepsName bool // a column of it is called as the value that it takes
	call      func(v any) any
}

// functions is the list of what is supported. Those on text take null as no
// text, as Kusto does.
func functions() []function {
	return []function{
		{"not", condition, false, not},
		{"isnull", condition, false, func(v any) any { return v == nil }},
		{"isnotnull", condition, false, func(v any) any { return v != nil }},
		{"isempty", condition, false, func(v any) any { return isEmpty(v) }},
		{"isnotempty", condition, false, func(v any) any { return !isEmpty(v) }},
		{"tolower", scalar, false, func(v any) any { return strings.ToLower(text(v)) }},
		{"toupper", scalar, false, func(v any) any { return strings.ToUpper(text(v)) }},
		{"tostring", scalar, true, func(v any) any { return text(v) }},
		{"toint", scalar, true, toInt},
		{"strlen", scalar, false, func(v any) any { return int64(utf8.RuneCountInString(text(v))) }},
		{"array_length", scalar, false, arrayLength},
	}
}

func not(v any) any {
	b, known := v.(bool)
	if !known {
		return nil
	}
	return !b
}

func isEmpty(v any) bool {
	s, isText := v.(string)
	return v == nil || isText && s == ""
}

// toInt returns a whole number, or null where there is none in v.
func toInt(v any) any {
	switch kindOf(v) {
	case kindBool:
		return int64(compareSame(kindBool, v, false))
	case kindNumber:
		n := numberOf(v)
		if n.whole {
			return n.i
		}
		if n = floatNumber(math.Trunc(n.f)); n.whole {
			return n.i
		}
	case kindText:
		if i, err := strconv.ParseInt(strings.TrimSpace(text(v)), 10, 64); err == nil {
			return i
		}
	default:
	}
	return nil
}

func arrayLength(v any) any {
	if array, ok := v.([]any); ok {
		return int64(len(array))
	}
	return nil
}
