package internal_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/iotops/iotops"

// layer is one row of the table in docs/design.md: what a group of packages may
// import from this module. Patterns end in "/..." for a whole tree; "$self"
// stands for the tree that the package itself is in.
type layer struct {
	packages []string
	may      []string
}

// layers is the table. The first row that matches a package counts.
func layers() []layer {
	foundations := []string{"internal/config", "internal/version", "internal/metrics"}
	contracts := []string{"internal/emit", "internal/sink", "internal/supervise", "internal/cli", "internal/output", "internal/kql"}
	adapters := []string{"internal/registry", "internal/state", "internal/secret", "internal/schemas", "internal/pki"}
	with := func(parts ...[]string) []string {
		all := []string{"pkg/..."}
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	return []layer{
		{[]string{""}, []string{"cmd"}},
		{[]string{"pkg/fault", "pkg/value", "pkg/message"}, nil},
		{[]string{"pkg/topic"}, []string{"pkg/fault"}},
		{[]string{"pkg/model"}, []string{"pkg/fault", "pkg/topic"}},
		{[]string{"pkg/connector"}, []string{"pkg/fault", "pkg/message", "pkg/model", "pkg/value"}},
		{foundations, with(foundations)},
		{[]string{"internal/kql"}, []string{"pkg/fault"}},
		{[]string{"internal/cli"}, with(foundations, []string{"internal/output"})},
		{contracts, with(foundations, []string{"internal/sink"})},
		{[]string{"internal/secret", "internal/schemas"}, with([]string{"internal/registry"})},
		{adapters, with(foundations)},
		{[]string{"internal/connector/all"}, with([]string{"internal/connector/...", "internal/pki"})},
		{[]string{"internal/thirdparty/..."}, []string{"$self"}},
		{[]string{"internal/connector/..."}, with([]string{"$self", "internal/pki", "internal/thirdparty/..."})},
		{[]string{"internal/sink/..."}, with(foundations, []string{"$self", "internal/sink", "internal/sink/spool"})},
		{[]string{"internal/simulate/..."}, with(foundations, []string{"$self", "internal/thirdparty/..."})},
		{[]string{"internal/host", "internal/reconcile", "internal/api"}, with(foundations, contracts, adapters)},
		{[]string{"internal/app"}, []string{"pkg/...", "internal/..."}},
		{[]string{"cmd"}, []string{"cmd/...", "internal/app", "internal/cli", "internal/output", "internal/version", "pkg/..."}},
		{[]string{"cmd/..."}, []string{"$self", "internal/app", "internal/cli", "internal/kql", "internal/output", "internal/registry", "internal/schemas", "internal/pki", "internal/version", "pkg/..."}},
	}
}

// owners says which packages may import a library: whoever wants to replace it
// has one place to look.
func owners() map[string][]string {
	return map[string][]string{
		"github.com/spf13/cobra":               {"cmd/...", "cmd", "internal/cli"},
		"github.com/spf13/viper":               {"internal/config"},
		module + "/internal/thirdparty/gopcua": {"internal/connector/opcua", "internal/simulate/opcua", "internal/thirdparty/..."},
		"github.com/mochi-mqtt/server/v2":      {"internal/sink/embedded"},
		"github.com/eclipse/paho.golang":       {"internal/sink/mqtt"},
		"github.com/jmespath/go-jmespath":      {"internal/output"},
		"database/sql":                         {"internal/registry", "internal/state", "internal/connector/sql"},
	}
}

// testOnly lists the trees that only tests may import.
func testOnly() []string {
	return []string{"internal/testkit/...", "internal/connector/connectortest", "internal/sink/sinktest"}
}

type goPackage struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
}

// TestLayers holds the imports of every package against the table.
func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		if matchAny(testOnly(), p.rel()) || len(p.GoFiles) == 0 {
			continue
		}
		row, ok := rowOf(p.rel())
		if !ok {
			t.Errorf("%s is in no layer: give it a row in layers() and in docs/design.md", p.rel())
			continue
		}
		for _, imported := range p.Imports {
			checkImport(t, p, row, imported)
		}
	}
}

func checkImport(t *testing.T, p goPackage, row layer, imported string) {
	t.Helper()
	for library, allowed := range owners() {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !matchAny(allowed, p.rel()) {
			t.Errorf("%s imports %s, which only %v may", p.rel(), imported, allowed)
		}
	}
	own, inside := strings.CutPrefix(imported, module+"/")
	if !inside {
		if strings.HasPrefix(p.rel(), "pkg/") && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
			t.Errorf("%s imports %s: pkg knows the standard library only", p.rel(), imported)
		}
		return
	}
	may := append([]string(nil), row.may...)
	for i, pattern := range may {
		if pattern == "$self" {
			may[i] = tree(p.rel()) + "/..."
		}
	}
	if !matchAny(may, own) {
		t.Errorf("%s imports %s: arrows go down only (see docs/design.md)", p.rel(), own)
	}
	if matchAny(testOnly(), own) {
		t.Errorf("%s imports %s, which is for tests", p.rel(), own)
	}
}

// TestPackageComments demands a package comment of every package.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" && !matchAny([]string{"internal/thirdparty/..."}, p.rel()) {
			t.Errorf("%s has no package comment", p.rel())
		}
	}
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,GoFiles,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	require.NoError(t, err)
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		list = append(list, p)
	}
	require.NotEmpty(t, list)
	return list
}

func (p goPackage) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func rowOf(rel string) (layer, bool) {
	for _, row := range layers() {
		if matchAny(row.packages, rel) {
			return row, true
		}
	}
	return layer{}, false
}

// tree returns the folder whose inside a package may import freely: the noun of
// a command, the folder of a connector or a sink.
func tree(rel string) string {
	parts := strings.Split(rel, "/")
	depth := 3
	if parts[0] == "cmd" {
		depth = 2
	}
	return strings.Join(parts[:min(depth, len(parts))], "/")
}

func matchAny(patterns []string, rel string) bool {
	for _, pattern := range patterns {
		prefix, isTree := strings.CutSuffix(pattern, "/...")
		if rel == prefix && !isTree || isTree && (rel == prefix || strings.HasPrefix(rel, prefix+"/")) {
			return true
		}
	}
	return false
}
