package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completions answers the tab key: names of options, or values of the option
// before.
func (c *Command) completions(cc *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	set := c.options(&Globals{})
	if strings.HasPrefix(typed, "-") {
		return set.names(args, typed), cobra.ShellCompDirectiveNoFileComp
	}
	// The option whose values these are: the last one on the line.
	for i, arg := range slices.Backward(args) {
		if !optionLike(arg) {
			continue
		}
		o, _, _, err := (&parser{set: set}).find(arg)
		if err != nil || o == nil {
			break
		}
		values := len(args) - 1 - i
		if o.arity == none || (o.arity == one || o.arity == optional) && values > 0 {
			break
		}
		switch {
		case len(o.enum) > 0:
			return o.enum, cobra.ShellCompDirectiveNoFileComp
		case o.complete != nil:
			return o.complete(cc.Context()), cobra.ShellCompDirectiveNoFileComp
		default:
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	if set.positional != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return set.names(args, "--"), cobra.ShellCompDirectiveNoFileComp
}

// names returns the long names of options that are not on the line yet.
func (s *Set) names(args []string, prefix string) []string {
	var list []string
	for _, o := range s.list {
		used := slices.ContainsFunc(args, func(a string) bool {
			name, _, _ := strings.Cut(a, "=")
			return o.hasName(name)
		})
		if o.hidden || used && o.arity != some {
			continue
		}
		for _, n := range o.names {
			if strings.HasPrefix(n, "--") && strings.HasPrefix(n, prefix) {
				list = append(list, n+"\t"+o.doc)
				break
			}
		}
	}
	return list
}
