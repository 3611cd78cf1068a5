package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iotops/iotops/internal/output"
)

// Verb is one command that does something.
type Verb struct {
	Use     string // its word
	Aliases []string
	Short   string // a sentence
	Long    string // "" = Short
	Example string // whole command lines, one a line
	Hidden  bool
	Exits   string // codes beside 0, 1 and 2, one a line: "3  the asset does not exist"

	// Options declares the options. It is called once per use of the command,
	// never at start-up.
	Options func(*Set)
	// Run does the work.
	Run func(ctx context.Context, s *IO) error
}

// Command is a verb, or a group of commands.
type Command struct {
	Cobra *cobra.Command
	Verb  Verb
	Subs  []*Command
}

// NewVerb returns the command of a verb.
func NewVerb(v Verb) *Command {
	c := &Command{Verb: v}
	c.Cobra = &cobra.Command{
		Use: v.Use, Aliases: v.Aliases, Short: v.Short, Long: v.Long, Hidden: v.Hidden,
		DisableFlagParsing: true, SilenceErrors: true, SilenceUsage: true,
		ValidArgsFunction: c.completions,
		RunE:              func(cc *cobra.Command, args []string) error { return c.run(cc.Context(), args) },
	}
	c.Cobra.SetHelpFunc(func(cc *cobra.Command, _ []string) { c.help(ioOf(cc.Context())) })
	return c
}

// NewGroup returns a group of commands.
func NewGroup(word, short string, subs ...*Command) *Command {
	c := &Command{Verb: Verb{Use: word, Short: short}, Subs: subs}
	c.Cobra = &cobra.Command{
		Use: word, Short: short, DisableFlagParsing: true, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cc *cobra.Command, args []string) error { return c.runGroup(ioOf(cc.Context()), args) },
	}
	c.Cobra.SetHelpFunc(func(cc *cobra.Command, _ []string) { c.help(ioOf(cc.Context())) })
	for _, s := range subs {
		c.Cobra.AddCommand(s.Cobra)
	}
	return c
}

type ioKey struct{}

// WithIO returns a context in which commands use s.
func WithIO(ctx context.Context, s *IO) context.Context { return context.WithValue(ctx, ioKey{}, s) }

func ioOf(ctx context.Context) *IO {
	if s, ok := ctx.Value(ioKey{}).(*IO); ok {
		return s
	}
	return System()
}

// path returns the command's words, such as "iotops asset show".
func (c *Command) path() string { return c.Cobra.CommandPath() }

// options declares the command's options and the global ones.
func (c *Command) options(g *Globals) *Set {
	s := &Set{}
	if c.Verb.Options != nil {
		c.Verb.Options(s)
	}
	s.own = len(s.list)
	s.Flag(&g.help, "--help", "-h").Doc("Show this help message and exit.")
	var format string
	o := s.Enum(&format, output.Names(), "--output", "-o").Doc("Output format.").Default("json")
	set := o.set
	o.set = func(v []string) error {
		err := set(v)
		g.Output, g.outputGiven = format, true
		return err
	}
	s.String(&g.queryText, "--query").Doc("JMESPath query string. See https://jmespath.org for more information and examples.")
	s.Flag(&g.Verbose, "--verbose").Doc("Increase logging verbosity. Use --debug for full debug logs.")
	s.Flag(&g.Debug, "--debug").Doc("Increase logging verbosity to show all debug logs.")
	s.Flag(&g.OnlyErrors, "--only-show-errors").Doc("Only show errors, suppressing warnings.")
	s.String(&g.subscription, "--subscription").Doc("Accepted where a script passes it, and without effect: there is one registry.")
	s.String(&g.Registry, "--registry").Ours().Doc("Folder of the registry.")
	s.String(&g.ConfigFile, "--config-file").Ours().Doc("Configuration file.")
	// A command's own option wins over a global one of the same name, and over
	// one of ours that is a prefix of its name.
	wins := func(x, global *Option) bool {
		return x.hasName(global.names[0]) || global.ours && !x.ours && x.begins(global.names[0])
	}
	s.list = append(s.list[:s.own:s.own], slices.DeleteFunc(slices.Clone(s.list[s.own:]), func(global *Option) bool {
		return slices.ContainsFunc(s.list[:s.own], func(x *Option) bool { return wins(x, global) })
	})...)
	return s
}

func (c *Command) run(ctx context.Context, args []string) error {
	s := ioOf(ctx)
	g := s.Globals
	if wantsHelp(args) {
		c.help(s)
		return nil
	}
	set := c.options(g)
	var warnings []string
	if err := parse(c.path(), set, args, func(w string) { warnings = append(warnings, w) }); err != nil {
		return err
	}
	if g.OnlyErrors && (g.Verbose || g.Debug) {
		return usage("--only-show-errors cannot be used together with --verbose or --debug")
	}
	if g.queryText != "" {
		var err error
		if g.Query, err = output.CompileQuery(g.queryText); err != nil {
			return usage("argument --query: invalid jmespath_type value: '%s'\nTo learn more about --query, please visit: https://jmespath.org", g.queryText)
		}
	}
	for _, w := range warnings {
		s.Warnf("%s", w)
	}
	if !g.outputGiven && g.Preferred != nil {
		g.Output = strings.ToLower(g.Preferred())
		if !slices.Contains(output.Names(), g.Output) {
			return usage("setting output: '%s' is not a format. Allowed values: %s.", g.Output, strings.Join(output.Names(), ", "))
		}
	}
	return c.Verb.Run(ctx, s)
}

// wantsHelp reports whether help is asked for, whatever else is wrong.
func wantsHelp(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "-h" || a == "--help" {
			return true
		}
	}
	return false
}

func (c *Command) runGroup(s *IO, args []string) error {
	if len(args) == 0 || wantsHelp(args) {
		c.help(s)
		return nil
	}
	word := args[0]
	if strings.HasPrefix(word, "-") {
		return usage("unrecognized arguments: %s", strings.Join(args, " "))
	}
	lines := []string{fmt.Sprintf("'%s' is misspelled or not recognized by the system.", word)}
	if near := c.similar(word); len(near) > 0 {
		lines = append(lines, "Did you mean '"+strings.Join(near, "' or '")+"'?")
	}
	lines = append(lines, fmt.Sprintf("Try %s --help", c.path()))
	return &UsageError{lines}
}

// similar returns words of the group that are much like word.
func (c *Command) similar(word string) []string {
	var near []string
	for _, sub := range c.Subs {
		if name := sub.Verb.Use; !sub.Verb.Hidden && ratio(word, name) >= 0.7 {
			near = append(near, name)
		}
	}
	return near
}

// ratio says how alike two words are, from 0 to 1, by their edit distance.
func ratio(a, b string) float64 {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return 1 - float64(row[len(b)])/float64(max(len(a), len(b), 1))
}
