// Package browse holds the command `browse`.
package browse

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
)

// options are those of the command line.
type options struct {
	target       app.TargetFlags
	root, search string
	depth, limit *int64
	values       bool
}

// New returns the command.
func New(f *app.Factory) *cli.Command {
	var o options
	return cli.NewVerb(cli.Verb{
		Use:   "browse",
		Short: "Show what a server offers.",
		Long: `Show what a server offers.

On a terminal it prints a tree; with -o json, yaml or tsv a list that is printed while it is found, and with -o table a
table. The id of a node is what --data-source of a data point takes.`,
		Example: `iotops browse opc.tcp://plc:4840 --security-mode none
iotops browse --device press --endpoint opcua --search temperature --values
iotops browse opc.tcp://plc:4840 --root "ns=2;s=Line1" --depth 2 -o table`,
		Exits: "3  the device does not exist",
		Options: func(s *cli.Set) {
			o.target.Declare(s)
			s.String(&o.root, "--root").Doc("Node to start at: a node id, or a browse path such as /2:Line1 from the objects folder.").Default("the objects folder")
			s.Int(&o.depth, "--depth").Doc("Levels to show; 0 = all.").Default("0")
			s.String(&o.search, "--search").Doc("Show only nodes whose name contains this, and what leads to them.")
			s.Flag(&o.values, "--values").Doc("Show the values of variables.")
			s.Int(&o.limit, "--limit").Doc("Stop after so many nodes; 0 = never.").Default("0")
		},
		Run: func(ctx context.Context, s *cli.IO) error { return run(ctx, s, f, &o) },
	})
}

func run(ctx context.Context, s *cli.IO, f *app.Factory, o *options) error {
	depth, err := count("--depth", o.depth)
	if err != nil {
		return err
	}
	limit, err := count("--limit", o.limit)
	if err != nil {
		return err
	}
	c, target, err := o.target.Resolve(ctx, f)
	if err != nil {
		return err
	}
	b, err := connector.Capability[connector.Browser](c)
	if err != nil {
		return err
	}
	nodes := b.Browse(ctx, target, connector.BrowseQuery{Root: o.root, Depth: depth, Search: o.search, Values: o.values})
	if limit > 0 {
		nodes = first(nodes, limit)
	}
	tree := s.OutTTY && !s.Globals.OutputGiven() && s.Globals.Output == "json" && s.Globals.Query == nil
	if s.ErrTTY && !tree {
		nodes = progress(s.ErrOut, nodes)
	}
	if tree {
		return printTree(s.Out, nodes)
	}
	if s.Globals.Output == "table" && s.Globals.Query == nil {
		return s.Print(rows(nodes))
	}
	return s.Print(stream(nodes))
}

// row is a node in a table, which has no column for an "id".
type row struct {
	Name     string `json:"name"`
	NodeID   string `json:"nodeId"`
	Class    string `json:"class"`
	DataType string `json:"dataType,omitempty"`
	Access   string `json:"access,omitempty"`
	Value    string `json:"value,omitempty"`
}

// rows makes a table of a walk: names are indented by level.
func rows(nodes iter.Seq2[connector.Node, error]) output.Stream {
	return func(yield func(any, error) bool) {
		for n, err := range nodes {
			r := row{
				cli.Printable(strings.Repeat("  ", n.Level) + n.Name), cli.Printable(n.ID), n.Class, n.DataType, n.Access, cli.Printable(shorten(n.Value)),
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// count returns an option that is a number of something.
func count(name string, n *int64) (int, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 0 || *n > math.MaxInt32:
		return 0, fault.New(fault.Invalid, "%s: %d is not between 0 and %d", name, *n, math.MaxInt32)
	default:
		return int(*n), nil
	}
}

// first ends a walk after n nodes; what only leads to a match does not count.
func first(nodes iter.Seq2[connector.Node, error], n int) iter.Seq2[connector.Node, error] {
	return func(yield func(connector.Node, error) bool) {
		seen := 0
		for node, err := range nodes {
			if !yield(node, err) || err != nil {
				return
			}
			if node.Match {
				seen++
			}
			if seen >= n {
				return
			}
		}
	}
}

// progress tells a person who waits how far the walk is.
func progress(w io.Writer, nodes iter.Seq2[connector.Node, error]) iter.Seq2[connector.Node, error] {
	return func(yield func(connector.Node, error) bool) {
		n, told := 0, time.Time{}
		defer func() { _, _ = fmt.Fprint(w, "\r\x1b[K") }()
		for node, err := range nodes {
			n++
			if now := time.Now(); now.Sub(told) > 100*time.Millisecond {
				told = now
				_, _ = fmt.Fprintf(w, "\r%d nodes", n)
			}
			if !yield(node, err) {
				return
			}
		}
	}
}

// stream makes a printable list of a walk.
func stream(nodes iter.Seq2[connector.Node, error]) output.Stream {
	return func(yield func(any, error) bool) {
		for node, err := range nodes {
			if !yield(node, err) || err != nil {
				return
			}
		}
	}
}

// printTree prints a node a line, indented by level.
func printTree(w io.Writer, nodes iter.Seq2[connector.Node, error]) error {
	for n, err := range nodes {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, line(n)); err != nil {
			return err
		}
	}
	return nil
}

// line is a node as the tree shows it: name, value, type, id.
func line(n connector.Node) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("  ", n.Level))
	b.WriteString(n.Name)
	if n.Value != "" {
		b.WriteString(" = " + shorten(n.Value))
	}
	kind := n.Class
	if n.DataType != "" {
		kind = strings.TrimSpace(n.DataType + " " + n.Access)
	}
	b.WriteString("  [" + kind + "]  " + n.ID)
	for _, warning := range n.Warnings {
		b.WriteString("  ! " + warning)
	}
	return cli.Printable(b.String())
}

// maxValue is how much of a value a line shows.
const maxValue = 60

func shorten(s string) string {
	r := []rune(s)
	if len(r) <= maxValue {
		return s
	}
	return string(r[:maxValue]) + "…"
}
