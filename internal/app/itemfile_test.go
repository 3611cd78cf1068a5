package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func FuzzItems(f *testing.F) {
	for _, text := range []string{
		`[{"name":"a","dataSource":"ns=2","dataPointConfiguration":{"queueSize":1}}]`, "- name: a\n  dataSource: x\n", "a: &a [*a]", "NodeID,TagName,QueueSize,ObservabilityMode\nns=2,t,5,gauge\n",
		"\ufeffNodeID\r\nx\r\n", `[null]`, "\"a\n", "é,é\né,é",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) ([]map[string]any, error){itemsOfJSON, itemsOfYAML, itemsOfCSV} {
			list, err := parse(text)
			if err != nil {
				continue
			}
			for _, item := range list {
				var p model.DataPoint
				if err := DecodeItem(item, &p); err != nil {
					require.True(t, fault.Is(err, fault.Invalid), "%v", err)
				}
				if item, err = ItemOfCells(item, PointCells("dataPointConfiguration")); err == nil {
					require.NoError(t, DecodeItem(item, &p))
				}
			}
		}
	})
}

func TestFilesAreWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	var warned []string
	file := ItemFile{Dir: filepath.Join(dir, "deep", "er"), Base: "x", Format: FormatJSON, Warn: func(w string) { warned = append(warned, w) }}
	path, err := file.Write([]string{"<a>"}, nil)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "[\n  \"<a>\"\n]", string(text))
	_, err = file.Write([]string{"b"}, nil)
	require.ErrorContains(t, err, "already exists")
	file.Replace = true
	_, err = file.Write([]string{"b"}, nil)
	require.NoError(t, err)
	require.Len(t, warned, 1)
	_, err = file.Write([]any{json.RawMessage("{")}, nil)
	require.Error(t, err)
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "[\n  \"b\"\n]", string(text), "a failure changes nothing")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestKnown(t *testing.T) {
	require.Equal(t, "5", Known("queueSize", "", "{}", `{"queueSize":5}`))
	require.Empty(t, Known("queueSize", `{"other":1}`, `{"queueSize":5}`), "the first that says something counts")
	require.Equal(t, "7", OwnOr("queueSize", `{"queueSize":7}`, `{"queueSize":5}`))
	require.Equal(t, "5", OwnOr("queueSize", `{"samplingInterval":7}`, `{"queueSize":5}`))
	require.Empty(t, Known("queueSize", "nonsense", `{"queueSize":null}`))
}
