package output

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// writeJSON prints with an indent of 2 and sorted keys; text stays as it is.
func writeJSON(w io.Writer, doc any, _ Style) error {
	text, err := indented(doc, "")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

func indented(doc any, prefix string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf) // maps are encoded with sorted keys
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return plain(text), nil
}

// plain takes two escapes back that encoding/json makes for JavaScript's sake:
// those of the line and the paragraph separator, which are plain text.
func plain(text []byte) []byte {
	escape := []byte(`\u202`)
	if !bytes.Contains(text, escape) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch rest := text[i:]; {
		case rest[0] != '\\':
			out = append(out, rest[0])
		case bytes.HasPrefix(rest, escape) && len(rest) > len(escape) && (rest[len(escape)] == '8' || rest[len(escape)] == '9'):
			out = append(out, "\u2028"[:2]...)
			out = append(out, 0xa8+rest[len(escape)]-'8')
			i += len(escape)
		default: // an escape of two bytes at least: the second may be a backslash itself
			out = append(out, rest[:2]...)
			i++
		}
	}
	return out
}

func streamJSON(w io.Writer, list Stream, _ Style) error {
	first := true
	for v, err := range list {
		if err != nil {
			return err
		}
		doc, err := Document(v)
		if err != nil {
			return err
		}
		text, err := indented(doc, "  ")
		if err != nil {
			return err
		}
		lead := ",\n  "
		if first {
			lead, first = "[\n  ", false
		}
		if _, err := io.WriteString(w, lead+string(text)); err != nil {
			return err
		}
	}
	end := "\n]\n"
	if first {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

func streamNone(_ io.Writer, list Stream, _ Style) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// ANSI colours of keys, strings and other scalars.
const (
	colourKey    = "\x1b[34;1m"
	colourString = "\x1b[33m"
	colourOther  = "\x1b[36m"
	colourEnd    = "\x1b[39;49;00m"
)

// writeJSONC is writeJSON in colour, on a terminal.
func writeJSONC(w io.Writer, doc any, s Style) error {
	if !s.Colour {
		return writeJSON(w, doc, s)
	}
	text, err := indented(doc, "")
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		out.WriteString(colourLine(line, `": `, `"`))
	}
	out.WriteByte('\n')
	_, err = io.WriteString(w, out.String())
	return err
}

// colourLine paints one line of an indented document: key and scalar.
func colourLine(line, separator, quote string) string {
	body := strings.TrimLeft(line, " -")
	indent := line[:len(line)-len(body)]
	end := strings.TrimRight(body, ",\n")
	tail := body[len(end):]
	key := ""
	if k, v, ok := strings.Cut(end, separator); ok && (quote == "" || strings.HasPrefix(k, quote)) {
		key, end = colourKey+k+strings.TrimSuffix(separator, " ")+colourEnd+" ", v
	}
	switch {
	case end == "" || strings.ContainsAny(end[:1], "{}[]"):
	case strings.HasPrefix(end, `"`):
		end = colourString + end + colourEnd
	default:
		end = colourOther + end + colourEnd
	}
	return indent + key + end + tail
}
