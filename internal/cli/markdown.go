package cli

import (
	"fmt"
	"strings"
)

// Markdown returns a page for each command that is not hidden, by file name.
func Markdown(root *Command) map[string][]byte {
	pages := map[string][]byte{}
	root.walk(func(c *Command) {
		var b strings.Builder
		fmt.Fprintf(&b, "# %s\n\n%s\n", c.path(), c.Verb.Short)
		if c.Verb.Long != "" {
			fmt.Fprintf(&b, "\n%s\n", c.Verb.Long)
		}
		if len(c.Subs) > 0 {
			b.WriteString("\n| command | |\n|---|---|\n")
			for _, sub := range c.Subs {
				if !sub.Verb.Hidden {
					fmt.Fprintf(&b, "| [%s](%s) | %s |\n", sub.Verb.Use, sub.pageName(), cell(sub.Verb.Short))
				}
			}
		} else {
			c.verbPage(&b)
		}
		pages[c.pageName()] = []byte(b.String())
	})
	return pages
}

// Man returns a manual page for each command that is not hidden, by file name.
func Man(root *Command) map[string][]byte {
	pages := map[string][]byte{}
	root.walk(func(c *Command) {
		name := strings.ReplaceAll(c.path(), " ", "-")
		var b strings.Builder
		fmt.Fprintf(&b, ".TH \"%s\" \"1\" \"\" \"iotops\" \"iotops\"\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n.nf\n", strings.ToUpper(name), name, roff(c.Verb.Short))
		var help strings.Builder
		if len(c.Subs) > 0 {
			c.groupHelp(&help)
		} else {
			c.verbHelp(&help)
		}
		b.WriteString(roff(help.String()) + "\n.fi\n")
		pages[name+".1"] = []byte(b.String())
	})
	return pages
}

// roff escapes text for a manual page.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	s = strings.ReplaceAll(s, "\n.", "\n\\&.")
	return strings.ReplaceAll(s, "\n'", "\n\\&'")
}

func (c *Command) walk(fn func(*Command)) {
	if c.Verb.Hidden {
		return
	}
	fn(c)
	for _, sub := range c.Subs {
		sub.walk(fn)
	}
}

func (c *Command) pageName() string { return strings.ReplaceAll(c.path(), " ", "_") + ".md" }

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (c *Command) verbPage(b *strings.Builder) {
	set := c.options(&Globals{})
	if set.positional != nil {
		fmt.Fprintf(b, "\n```\n%s %s\n```\n\n%s\n", c.path(), set.positional.word, set.positional.doc)
	}
	if c.Verb.Example != "" {
		fmt.Fprintf(b, "\n## Examples\n\n```\n%s\n```\n", c.Verb.Example)
	}
	own, _ := set.split()
	if len(own) > 0 {
		b.WriteString("\n## Options\n\n| option | |\n|---|---|\n")
		for _, r := range optionRows(own) {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(r[0], " ", "` `"), cell(r[1]))
		}
		b.WriteString("\nThe global options are on the page of [iotops](iotops.md).\n")
	}
	fmt.Fprintf(b, "\n## Exit codes\n\n```\n%s\n```\n", c.exits())
}
