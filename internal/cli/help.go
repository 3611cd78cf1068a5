package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// help prints what a command does and takes.
func (c *Command) help(s *IO) {
	var b strings.Builder
	if len(c.Subs) > 0 {
		c.groupHelp(&b)
	} else {
		c.verbHelp(&b)
	}
	_, _ = io.WriteString(s.Out, b.String())
}

func (c *Command) groupHelp(b *strings.Builder) {
	fmt.Fprintf(b, "\nGroup\n    %s : %s\n", c.path(), c.Verb.Short)
	list := func(title string, groups bool) {
		var rows [][2]string
		for _, sub := range c.Subs {
			if !sub.Verb.Hidden && (len(sub.Subs) > 0) == groups {
				rows = append(rows, [2]string{sub.Verb.Use, sub.Verb.Short})
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(b, "\n%s:\n", title)
			columns(b, rows)
		}
	}
	list("Subgroups", true)
	list("Commands", false)
	fmt.Fprintf(b, "\nTo search for examples of a command: %s COMMAND --help\n", c.path())
}

func (c *Command) verbHelp(b *strings.Builder) {
	fmt.Fprintf(b, "\nCommand\n    %s : %s\n", c.path(), c.Verb.Short)
	if c.Verb.Long != "" {
		fmt.Fprintf(b, "%s\n", indent(c.Verb.Long, 8))
	}
	set := c.options(&Globals{})
	if p := set.positional; p != nil {
		fmt.Fprintf(b, "\nPositional\n")
		columns(b, [][2]string{{p.word, p.doc}})
	}
	own, global := set.split()
	if len(own) > 0 {
		fmt.Fprintf(b, "\nArguments\n")
		columns(b, optionRows(own))
	}
	fmt.Fprintf(b, "\nGlobal Arguments\n")
	columns(b, optionRows(global))
	if c.Verb.Example != "" {
		fmt.Fprintf(b, "\nExamples\n%s\n", indent(c.Verb.Example, 4))
	}
	fmt.Fprintf(b, "\nExit codes\n%s\n", indent(c.exits(), 4))
}

func (c *Command) exits() string {
	text := "0  success\n1  it failed: the message says why\n2  the command line is wrong"
	if c.Verb.Exits != "" {
		text += "\n" + c.Verb.Exits
	}
	return text
}

// split tells a command's own options from the global ones; required ones come first.
func (s *Set) split() (own, global []*Option) {
	for i, o := range s.list {
		switch {
		case o.hidden:
		case i < s.own:
			own = append(own, o)
		default:
			global = append(global, o)
		}
	}
	slices.SortStableFunc(own, func(a, b *Option) int {
		if a.required == b.required {
			return 0
		}
		if a.required {
			return -1
		}
		return 1
	})
	return own, global
}

func optionRows(list []*Option) [][2]string {
	rows := make([][2]string, 0, len(list))
	for _, o := range list {
		doc := o.doc
		if len(o.enum) > 0 {
			doc += "  Allowed values: " + strings.Join(o.enum, ", ") + "."
		}
		if o.fallback != "" {
			doc += "  Default: " + o.fallback + "."
		}
		name := strings.Join(o.names, " ")
		if o.required {
			name += " [Required]"
		}
		rows = append(rows, [2]string{name, doc})
	}
	return rows
}

// columns prints names and descriptions side by side.
func columns(b *strings.Builder, rows [][2]string) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		lines := wrap(r[1], max(100-width-8, 30))
		for i, line := range lines {
			name := r[0]
			if i > 0 {
				name = ""
			}
			sep := " : "
			if i > 0 {
				sep = "   "
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf("    %-*s%s%s", width, name, sep, line), " ") + "\n")
		}
	}
}

func wrap(text string, width int) []string {
	lines, line := []string{}, ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func indent(text string, n int) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad)
}
