package kql

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind is what a value is. The order is that of order by.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindOther // arrays and objects
)

func kindOf(v any) kind {
	switch x := v.(type) {
	case nil:
		return kindNull
	case bool:
		return kindBool
	case string:
		return kindText
	case int64, float64, int:
		return kindNumber
	case json.Number:
		if _, ok := parseNumber(string(x)); ok {
			return kindNumber
		}
		return kindText
	default:
		return kindOther
	}
}

// number is a whole number where whole is set, and f in any case.
type number struct {
	whole bool
	i     int64
	f     float64
}

func wholeNumber(i int64) number { return number{true, i, float64(i)} }

func floatNumber(f float64) number {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return wholeNumber(int64(f))
	}
	return number{f: f}
}

func parseNumber(s string) (number, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return wholeNumber(i), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) { // too large is a number still
		return number{}, false
	}
	return floatNumber(f), true
}

// numberOf returns a value of kindNumber.
func numberOf(v any) number {
	switch x := v.(type) {
	case int64:
		return wholeNumber(x)
	case int:
		return wholeNumber(int64(x))
	case float64:
		return floatNumber(x)
	case json.Number:
		n, _ := parseNumber(string(x))
		return n
	default:
		return number{}
	}
}

func compareNumbers(a, b number) int {
	if a.whole && b.whole {
		return cmp.Compare(a.i, b.i)
	}
	c := cmp.Compare(a.f, b.f)
	if c == 0 && a.whole != b.whole { // the whole one was rounded up to 2^63
		return 1 - 2*boolRank(a.whole)
	}
	return c
}

// compareSame compares two values of the same kind.
func compareSame(k kind, a, b any) int {
	switch k {
	case kindNumber:
		return compareNumbers(numberOf(a), numberOf(b))
	case kindText:
		return strings.Compare(text(a), text(b))
	case kindBool:
		x, _ := a.(bool)
		y, _ := b.(bool)
		return boolRank(x) - boolRank(y)
	default:
		return 0
	}
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// same reports whether two values, neither of them null, are equal. A number or
// a boolean equals text that is written like it.
func same(a, b any) bool {
	if x, ok := a.(string); ok { // the usual case
		if y, ok := b.(string); ok {
			return x == y
		}
	}
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka == kindOther || kb == kindOther:
		return ka == kb && string(appendKey(nil, a)) == string(appendKey(nil, b))
	case ka == kb:
		return compareSame(ka, a, b) == 0
	case ka == kindText || kb == kindText:
		return text(a) == text(b)
	default:
		return false
	}
}

// sameFolded is same without regard to case.
func sameFolded(a, b any) bool {
	ka, kb := kindOf(a), kindOf(b)
	if ka == kindOther || kb == kindOther || ka == kb && ka != kindText {
		return same(a, b)
	}
	return strings.EqualFold(text(a), text(b))
}

// text returns a value as text: null as none, arrays and objects as JSON.
func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return string(x)
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(x)
	default:
		return string(appendJSON(nil, v))
	}
}

// appendJSON writes a value as JSON, with sorted keys.
func appendJSON(dst []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		return appendQuoted(dst, x)
	case json.Number:
		return append(dst, x...)
	case bool:
		return strconv.AppendBool(dst, x)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case int:
		return strconv.AppendInt(dst, int64(x), 10)
	case float64:
		return appendFloat(dst, x)
	case []any:
		dst = append(dst, '[')
		for i, item := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(x)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(append(appendQuoted(dst, key), ':'), x[key])
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

func appendFloat(dst []byte, f float64) []byte {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendKey writes a value so that two values give the same bytes exactly where
// they are equal and of one kind. It ends itself: keys can stand in a row.
func appendKey(dst []byte, v any) []byte {
	switch x := v.(type) {
	case []any:
		dst = binary.AppendUvarint(append(dst, '['), uint64(len(x)))
		for _, item := range x {
			dst = appendKey(dst, item)
		}
		return dst
	case map[string]any:
		dst = binary.AppendUvarint(append(dst, '{'), uint64(len(x)))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			dst = appendKey(appendTextKey(dst, key), x[key])
		}
		return dst
	case bool:
		return append(dst, 'b', byte(boolRank(x)))
	}
	switch kindOf(v) {
	case kindText:
		return appendTextKey(dst, text(v))
	case kindNumber:
		n := numberOf(v)
		if n.whole {
			return binary.BigEndian.AppendUint64(append(dst, 'i'), uint64(n.i))
		}
		return binary.BigEndian.AppendUint64(append(dst, 'f'), math.Float64bits(n.f))
	default:
		return append(dst, '0')
	}
}

func appendTextKey(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(append(dst, 's'), uint64(len(s))), s...)
}
