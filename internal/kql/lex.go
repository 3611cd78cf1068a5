package kql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenName             // a word: text is the word, or "in~"
	tokenString           // text is what it stands for
	tokenNumber           // text is as written
	tokenMark             // anything else, such as |, == or !contains
	tokenBad              // text says why it is none of these
)

// token is a piece of a query; pos and end are where it is, in bytes.
type token struct {
	kind     tokenKind
	text     string
	pos, end int
}

// is reports whether the token is this word or mark.
func (t token) is(text string) bool {
	return (t.kind == tokenName || t.kind == tokenMark) && t.text == text
}

// describe names the token in an error.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the query"
	case tokenString:
		return fmt.Sprintf("the text %q", clip(t.text))
	default:
		return clip(t.text)
	}
}

// clip shortens what an error repeats.
func clip(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// lexer cuts a text into tokens.
type lexer struct {
	text string
	at   int
}

// lex returns the tokens of a text, with one of kind tokenEnd last. What is
// wrong with a token stays in it until somebody needs the token: the parser may
// have something more important to refuse before.
func lex(text string) []token {
	l := &lexer{text: text}
	var tokens []token
	for {
		l.skipSpace()
		start := l.at
		kind, value := l.next()
		tokens = append(tokens, token{kind, value, start, l.at})
		if kind == tokenEnd {
			return tokens
		}
	}
}

// skipSpace skips white space and comments.
func (l *lexer) skipSpace() {
	for l.at < len(l.text) {
		if strings.HasPrefix(l.text[l.at:], "//") {
			line := strings.IndexByte(l.text[l.at:], '\n')
			if line < 0 {
				line = len(l.text) - l.at
			}
			l.at += line
			continue
		}
		r, size := utf8.DecodeRuneInString(l.text[l.at:])
		if !unicode.IsSpace(r) && r != '\ufeff' {
			return
		}
		l.at += size
	}
}

func (l *lexer) next() (tokenKind, string) {
	if l.at == len(l.text) {
		return tokenEnd, ""
	}
	r, size := utf8.DecodeRuneInString(l.text[l.at:])
	rest := l.text[l.at:]
	switch {
	case isNameStart(r):
		return tokenName, l.word()
	case isDigit(r):
		return l.number()
	case r == '\'' || r == '"':
		return l.quoted(byte(r))
	case strings.HasPrefix(rest, `@'`) || strings.HasPrefix(rest, `@"`):
		l.at++
		return l.verbatim(rest[1:2])
	case r == '!' && len(rest) > 1 && isNameStart(rune(rest[1])):
		l.at++
		return tokenMark, "!" + l.word()
	}
	for _, mark := range []string{"==", "=~", "!=", "!~", "<=", ">=", ".."} {
		if strings.HasPrefix(rest, mark) {
			l.at += len(mark)
			return tokenMark, mark
		}
	}
	l.at += size
	return tokenMark, string(r)
}

// word returns a name; "in" takes a tilde that follows at once with it.
func (l *lexer) word() string {
	start := l.at
	for l.at < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.text[l.at:])
		if !isNamePart(r) {
			break
		}
		l.at += size
	}
	if l.text[start:l.at] == "in" && strings.HasPrefix(l.text[l.at:], "~") {
		l.at++
	}
	return l.text[start:l.at]
}

func (l *lexer) number() (tokenKind, string) {
	start := l.at
	l.digits()
	if rest := l.text[l.at:]; len(rest) > 1 && rest[0] == '.' && isDigit(rune(rest[1])) {
		l.at++
		l.digits()
	}
	if exponent := l.text[l.at:]; exponent != "" && (exponent[0] == 'e' || exponent[0] == 'E') {
		digits := strings.TrimLeft(exponent[1:], "+-")
		if signs := len(exponent) - 1 - len(digits); signs <= 1 && digits != "" && isDigit(rune(digits[0])) {
			l.at += 1 + signs
			l.digits()
		}
	}
	if r, _ := utf8.DecodeRuneInString(l.text[l.at:]); isNamePart(r) {
		l.word()
		return tokenBad, clip(l.text[start:l.at]) + " is not a number"
	}
	return tokenNumber, l.text[start:l.at]
}

func (l *lexer) digits() {
	for l.at < len(l.text) && isDigit(rune(l.text[l.at])) {
		l.at++
	}
}

// verbatim reads a string in which a backslash is a backslash and a doubled
// quote is a quote.
func (l *lexer) verbatim(quote string) (tokenKind, string) {
	l.at++
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(l.text[l.at:], quote)
		if !found {
			return l.unterminated()
		}
		b.WriteString(text)
		l.at += len(text) + 1
		if !strings.HasPrefix(rest, quote) {
			return tokenString, b.String()
		}
		b.WriteString(quote)
		l.at++
	}
}

// quoted reads a string with escapes. It reads on behind one that it does not
// know, so that the string is one token in any case.
func (l *lexer) quoted(quote byte) (tokenKind, string) {
	l.at++
	var b strings.Builder
	unknown := ""
	for l.at < len(l.text) {
		switch c := l.text[l.at]; c {
		case quote:
			l.at++
			if unknown != "" {
				return tokenBad, unknown
			}
			return tokenString, b.String()
		case '\n', '\r':
			return l.unterminated()
		case '\\':
			start := l.at
			if !l.escape(&b) {
				unknown = fmt.Sprintf("a text has no escape %s; write \\\\ for a backslash, or the text as @'…'", l.text[start:l.at])
			}
		default:
			b.WriteByte(c)
			l.at++
		}
	}
	return l.unterminated()
}

func (l *lexer) unterminated() (tokenKind, string) {
	l.at = len(l.text)
	return tokenBad, "the text that begins here has no end"
}

// escape reads one escape sequence, and reports whether there is such.
func (l *lexer) escape(b *strings.Builder) bool {
	l.at++ // the backslash
	if l.at == len(l.text) {
		return true // the text has no end, and that is what will be said
	}
	r, size := utf8.DecodeRuneInString(l.text[l.at:])
	if r == '\n' || r == '\r' {
		return true // likewise
	}
	l.at += size
	switch r {
	case '\\', '\'', '"':
		b.WriteRune(r)
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		code, ok := l.hex()
		if !ok {
			return false
		}
		b.WriteRune(code)
	default:
		return false
	}
	return true
}

// hex reads the four digits of \u, and those of a second \u where the two are
// halves of one character.
func (l *lexer) hex() (rune, bool) {
	one, ok := fourDigits(l.text[l.at:])
	if !ok {
		return 0, false
	}
	l.at += 4
	if !utf16.IsSurrogate(one) {
		return one, true
	}
	if tail, found := strings.CutPrefix(l.text[l.at:], `\u`); found {
		if two, ok := fourDigits(tail); ok {
			l.at += 6
			return utf16.DecodeRune(one, two), true
		}
	}
	return utf8.RuneError, true
}

func fourDigits(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	code, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(code), err == nil
}

func isDigit(r rune) bool     { return r >= '0' && r <= '9' }
func isNameStart(r rune) bool { return r == '_' || unicode.IsLetter(r) }
func isNamePart(r rune) bool  { return isNameStart(r) || isDigit(r) }
