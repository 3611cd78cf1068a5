package output_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/pkg/fault"
)

func show(t *testing.T, format, query string, v any) (string, error) {
	t.Helper()
	var q *output.Query
	if query != "" {
		var err error
		q, err = output.CompileQuery(query)
		require.NoError(t, err)
	}
	var b strings.Builder
	err := output.Write(&b, format, false, q, v)
	return b.String(), err
}

func stream(items ...any) output.Stream {
	return func(yield func(any, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

var device = map[string]any{
	"name": "Öfen <1>", "id": "/x", "big": uint64(18446744073709551615), "enabled": true, "none": nil,
	"properties": map[string]any{"b": 1.5, "a": []any{1, "x"}}, "tags": []string{},
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ format, query, want string }{
		{"json", "", `{
  "big": 18446744073709551615,
  "enabled": true,
  "id": "/x",
  "name": "Öfen <1>",
  "none": null,
  "properties": {
    "a": [
      1,
      "x"
    ],
    "b": 1.5
  },
  "tags": []
}
`},
		{"yaml", "properties", "a:\n  - 1\n  - x\nb: 1.5\n"},
		{"tsv", "", "18446744073709551615\tTrue\t/x\tÖfen <1>\tNone\t\t0\n"},
		{"tsv", "enabled", "true\n"},
		{"tsv", "[name, enabled]", "Öfen <1>\ntrue\n"},
		{"table", "", "Big                   Enabled    Name\n--------------------  ---------  --------\n18446744073709551615  True       Öfen <1>\n"},
		{"none", "", ""},
		{"json", "missing", ""},
		{"json", "name", "\"Öfen <1>\"\n"},
	} {
		got, err := show(t, c.format, c.query, device)
		require.NoError(t, err)
		if c.format == "table" {
			got, c.want = strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(c.want), " ")
			got, c.want = strings.ReplaceAll(got, "-", ""), strings.ReplaceAll(c.want, "-", "")
		}
		require.Equal(t, c.want, got, "%s %s", c.format, c.query)
	}
}

func TestStreamsEqualLists(t *testing.T) {
	for _, items := range [][]any{{}, {map[string]any{"a": 1}}, {"x", map[string]any{"b": []any{}}, 3}} {
		for _, format := range output.Names() {
			whole, err := show(t, format, "", items)
			if err != nil {
				continue // a table of nothing printable
			}
			streamed, err := show(t, format, "", stream(items...))
			require.NoError(t, err)
			require.Equal(t, whole, streamed, format)
		}
	}
	got, err := show(t, "json", "[].name", stream(map[string]any{"name": "a"}, map[string]any{"name": "b"}))
	require.NoError(t, err)
	require.Equal(t, "[\n  \"a\",\n  \"b\"\n]\n", got)
}

func TestAStreamThatFails(t *testing.T) {
	boom := errors.New("boom")
	failing := output.Stream(func(yield func(any, error) bool) {
		if yield("x", nil) {
			yield(nil, boom)
		}
	})
	for _, format := range output.Names() {
		_, err := show(t, format, "", failing)
		require.ErrorIs(t, err, boom, format)
	}
}

func TestTables(t *testing.T) {
	got, err := show(t, "table", "", []any{
		map[string]any{"name": "温度", "value": 1, "nested": map[string]any{}}, map[string]any{"name": "a\nb"},
	})
	require.NoError(t, err)
	require.Equal(t, "Name  Value\n----  -----\n温度  1\na b\n", got)
	_, err = show(t, "table", "", map[string]any{"nested": map[string]any{}})
	require.ErrorContains(t, err, "table output unavailable")
	got, err = show(t, "table", "", []any{})
	require.NoError(t, err)
	require.Equal(t, "\n", got)
	got, err = show(t, "table", "[].[name]", []any{map[string]any{"name": "x"}})
	require.NoError(t, err)
	require.Equal(t, "Column1\n-------\nx\n", got)
}

func TestQueries(t *testing.T) {
	_, err := output.CompileQuery("[")
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = show(t, "json", "abs(name)", device)
	require.Error(t, err)
	got, err := show(t, "json", "properties.a[0] == `1`", device)
	require.NoError(t, err)
	require.Equal(t, "true\n", got)
}

func TestSeparatorsArePlainText(t *testing.T) {
	for _, text := range []string{"a\u2028b", "a\u2029b", `a\u2028b`, `a\\u2029b`, "\u202a", `\`, "\\\u2028"} {
		got, err := show(t, "json", "", map[string]any{"x": text})
		require.NoError(t, err)
		var back map[string]string
		require.NoError(t, json.Unmarshal([]byte(got), &back), got)
		require.Equal(t, text, back["x"])
		require.Equal(t, strings.Count(text, "\u2028"), strings.Count(got, "\u2028"))
		require.Equal(t, strings.Count(text, "\u2029"), strings.Count(got, "\u2029"))
	}
}
