package kql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The tests below are without regard to case; part is folded already.
// Text of plain ASCII, which nearly all is, is looked at where it is.

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fold returns s so that texts that differ in case only become the same, as
// strings.EqualFold has it.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		if least < utf8.RuneSelf {
			return unicode.ToLower(least)
		}
		return least
	}, s)
}

func startsFolded(s, part string) bool {
	if isASCII(s) {
		return len(s) >= len(part) && strings.EqualFold(s[:len(part)], part)
	}
	return strings.HasPrefix(fold(s), part)
}

func endsFolded(s, part string) bool {
	if isASCII(s) {
		return len(s) >= len(part) && strings.EqualFold(s[len(s)-len(part):], part)
	}
	return strings.HasSuffix(fold(s), part)
}

func containsFolded(s, part string) bool { return strings.Contains(fold(s), part) }

// hasTerm reports whether part is in s as a whole word or words: letters and
// digits that it begins and ends with have no more of them beside them.
func hasTerm(s, part string) bool {
	if part == "" {
		return true
	}
	s = fold(s)
	first, firstSize := utf8.DecodeRuneInString(part)
	last, _ := utf8.DecodeLastRuneInString(part)
	for from := 0; ; {
		i := strings.Index(s[from:], part)
		if i < 0 {
			return false
		}
		start := from + i
		before, _ := utf8.DecodeLastRuneInString(s[:start])
		after, _ := utf8.DecodeRuneInString(s[start+len(part):])
		insideWord := inTerm(first) && inTerm(before) || inTerm(last) && inTerm(after)
		if !insideWord {
			return true
		}
		from = start + firstSize
	}
}

func inTerm(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
