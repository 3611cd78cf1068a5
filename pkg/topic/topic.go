// Package topic holds the rules of MQTT topic names and filters (MQTT 5.0,
// section 4.7) and the templates that make names.
package topic

import (
	"strings"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// MaxLength is the longest topic name or filter, in bytes: MQTT counts it in 16 bits.
const MaxLength = 65535

// CheckName returns why name cannot be published to, or nil.
func CheckName(name string) error {
	if err := check(name); err != nil {
		return err
	}
	if strings.ContainsAny(name, "+#") {
		return fault.New(fault.Invalid, "topic %q: a topic to publish to has no wildcards (+ or #)", name)
	}
	return nil
}

// CheckFilter returns why filter cannot be subscribed to, or nil.
func CheckFilter(filter string) error {
	if err := check(filter); err != nil {
		return err
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "#" && i == len(levels)-1 || level == "+" {
			continue
		}
		if strings.ContainsAny(level, "+#") {
			return fault.New(fault.Invalid, "filter %q: + stands for a whole level, and # for all that follow, at the end", filter)
		}
	}
	return nil
}

func check(s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "a topic must not be empty")
	case len(s) > MaxLength:
		return fault.New(fault.Invalid, "a topic has at most %d bytes, this one %d", MaxLength, len(s))
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return fault.New(fault.Invalid, "topic %q is not UTF-8 text without NUL", s)
	}
	return nil
}

// Match reports whether a filter matches a name. Names that begin with $ are
// not matched by a filter that begins with a wildcard.
func Match(filter, name string) bool {
	if strings.HasPrefix(name, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		if filter == "#" {
			return true
		}
		f, restF, moreF := strings.Cut(filter, "/")
		n, restN, moreN := strings.Cut(name, "/")
		if f != "+" && f != n {
			return false
		}
		switch {
		case !moreF && !moreN:
			return true
		case moreF && !moreN:
			return restF == "#" // "a/#" matches "a" too
		case !moreF:
			return false
		}
		filter, name = restF, restN
	}
}

// Level turns any text into one topic level: what MQTT forbids there, and
// control characters, become "_".
func Level(text string) string {
	if text == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if r == '+' || r == '#' || r == '/' || r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '_'
		}
		return r
	}, text)
}
