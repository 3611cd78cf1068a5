package output

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// row is one line of a table: cells by column.
type row map[string]string

// writeTable prints scalar fields as columns, as Azure's command line does.
func writeTable(w io.Writer, doc any, s Style) error {
	list, ok := doc.([]any)
	if !ok {
		list = []any{doc}
	}
	if len(list) == 0 {
		_, err := io.WriteString(w, "\n")
		return err
	}
	var columns []string
	rows := make([]row, 0, len(list))
	for _, item := range list {
		r, order := tableRow(item, s)
		for _, c := range order {
			if !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
		rows = append(rows, r)
	}
	if len(columns) == 0 {
		return fault.WithHint(fault.New(fault.Invalid, "table output unavailable"),
			"Use the --query option to specify an appropriate query, or another output format.")
	}
	if !s.Ordered {
		slices.Sort(columns)
	}
	return renderTable(w, columns, rows)
}

// tableRow returns the cells of an item and the order of its columns.
func tableRow(item any, s Style) (row, []string) {
	r := row{}
	var order []string
	add := func(name string, v any) {
		if text, ok := tableCell(v); ok {
			r[name] = text
			order = append(order, name)
		}
	}
	switch x := item.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			if !s.Ordered && (key == "id" || key == "type" || key == "etag") {
				continue
			}
			first, size := utf8.DecodeRuneInString(key)
			add(string(unicode.ToUpper(first))+key[size:], x[key])
		}
	case []any:
		for i, v := range x {
			add(fmt.Sprintf("Column%d", i+1), v)
		}
	default:
		add("Result", item)
	}
	return r, order
}

func tableCell(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case json.Number:
		return x.String(), true
	case bool:
		if x {
			return "True", true
		}
		return "False", true
	default:
		return "", false
	}
}

func renderTable(w io.Writer, columns []string, rows []row) error {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = displayWidth(c)
		for _, r := range rows {
			widths[i] = max(widths[i], displayWidth(oneLine(r[c])))
		}
	}
	var out strings.Builder
	line := func(cell func(i int) string) {
		var b strings.Builder
		for i := range columns {
			text := oneLine(cell(i))
			b.WriteString(text)
			if i < len(columns)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-displayWidth(text)+2))
			}
		}
		out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
	line(func(i int) string { return columns[i] })
	line(func(i int) string { return strings.Repeat("-", widths[i]) })
	for _, r := range rows {
		line(func(i int) string { return r[columns[i]] })
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// oneLine keeps a cell on its line and control characters off the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// displayWidth returns how many columns of a terminal s takes: East Asian wide
// characters two, combining marks none.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
			r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
			n += 2
		default:
			n++
		}
	}
	return n
}
