package topic_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/topic"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, name string
		want         bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/c", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"+/+", "/b", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"#", "a/b", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"a", "a/", false},
		{"a/", "a/", true},
	} {
		require.Equal(t, c.want, topic.Match(c.filter, c.name), "%s against %s", c.filter, c.name)
	}
}

func TestChecks(t *testing.T) {
	for _, bad := range []string{"", "a/+", "#", "a\x00b", "\xff", strings.Repeat("x", 65536)} {
		require.Error(t, topic.CheckName(bad), "%.20q", bad)
	}
	for _, bad := range []string{"", "a+/b", "#/b", "a/#/b", "a#"} {
		require.Error(t, topic.CheckFilter(bad), bad)
	}
	for _, good := range []string{"a", "a/b", "/", "+", "#", "a/+/b/#"} {
		require.NoError(t, topic.CheckFilter(good), good)
	}
	require.NoError(t, topic.CheckName("plant/oven/main"))
}

func TestLevel(t *testing.T) {
	require.Equal(t, "a_b_c_d", topic.Level("a/b+c#d"))
	require.Equal(t, "_", topic.Level(""))
	require.Equal(t, "Ofen 3", topic.Level("Ofen 3"))
}

// FuzzMatch holds Match against a regular expression made of the filter.
func FuzzMatch(f *testing.F) {
	f.Add("a/+/#", "a/b/c")
	f.Add("#", "")
	f.Fuzz(func(t *testing.T, filter, name string) {
		if topic.CheckFilter(filter) != nil || topic.CheckName(name) != nil {
			return
		}
		require.Equal(t, reference(filter, name), topic.Match(filter, name), "%q %q", filter, name)
	})
}

func reference(filter, name string) bool {
	if name[0] == '$' && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	pattern := regexp.QuoteMeta(filter)
	pattern = strings.ReplaceAll(pattern, `\+`, `[^/]*`)
	if pattern == `#` {
		pattern = `.*`
	}
	if before, ok := strings.CutSuffix(pattern, "/#"); ok {
		pattern = before + `(/.*)?`
	}
	return regexp.MustCompile(`(?s)^` + pattern + `$`).MatchString(name)
}
