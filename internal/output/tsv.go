package output

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// writeTSV prints one line per element, without a header.
func writeTSV(w io.Writer, doc any, _ Style) error {
	list, ok := doc.([]any)
	if !ok {
		list = []any{doc}
	}
	for _, item := range list {
		if _, err := io.WriteString(w, tsvRow(item)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func streamTSV(w io.Writer, list Stream, s Style) error {
	for v, err := range list {
		if err != nil {
			return err
		}
		doc, err := Document(v)
		if err != nil {
			return err
		}
		if err := writeTSV(w, []any{doc}, s); err != nil {
			return err
		}
	}
	return nil
}

func tsvRow(item any) string {
	switch x := item.(type) {
	case map[string]any:
		cells := make([]string, 0, len(x))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			cells = append(cells, tsvCell(x[key]))
		}
		return strings.Join(cells, "\t")
	case []any:
		cells := make([]string, len(x))
		for i := range x {
			cells[i] = tsvCell(x[i])
		}
		return strings.Join(cells, "\t")
	case bool:
		return strconv.FormatBool(x)
	default:
		return tsvCell(item)
	}
}

func tsvCell(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case []any:
		return strconv.Itoa(len(x))
	case map[string]any:
		return ""
	case json.Number:
		return x.String()
	case string:
		return x
	default:
		return ""
	}
}
