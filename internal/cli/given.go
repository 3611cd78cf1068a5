package cli

import (
	"strings"
	"unicode"
)

// OutputGiven reports whether the command line names an output format. Where
// it does not, a command that has a better view for a terminal may show that.
func (g *Globals) OutputGiven() bool { return g.outputGiven }

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
