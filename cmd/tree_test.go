package cmd_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/cmd"
	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
)

// TestEveryCommandExplainsItself demands a summary of every command, and of
// every verb examples that call it.
func TestEveryCommandExplainsItself(t *testing.T) {
	var walk func(c *cli.Command)
	walk = func(c *cli.Command) {
		path := c.Cobra.CommandPath()
		require.True(t, strings.HasSuffix(c.Verb.Short, "."), "%s: the summary is no sentence: %q", path, c.Verb.Short)
		for _, sub := range c.Subs {
			walk(sub)
		}
		if len(c.Subs) == 0 {
			require.Contains(t, strings.ReplaceAll(c.Verb.Example, "iotops device", "iotops ns device"),
				strings.Replace(path, "iotops device", "iotops ns device", 1), "%s: no example calls it", path)
		}
	}
	walk(cmd.Root(app.NewFactory(&cli.IO{Globals: &cli.Globals{}})))
}
