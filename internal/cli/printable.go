package cli

import (
	"strings"
	"unicode"
)

// Printable takes out of a line what could steer a terminal: text from the
// network is shown through it.
func Printable(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, line)
}
