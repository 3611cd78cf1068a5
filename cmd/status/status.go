// Package status holds the command `status`.
package status

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/model"
)

// New returns the command.
func New(f *app.Factory) *cli.Command {
	var place app.Place
	return cli.NewVerb(cli.Verb{
		Use:   "status",
		Short: "Show what a running serve is doing: its units, their states, errors and counters.",
		Long: `Show what a running serve is doing: its units, their states, errors and counters.

Where no serve runs on the instance, it shows what the registry last heard of each asset.`,
		Example: `iotops status
iotops status -o table
iotops status --query "units[?state!='connected'].{unit:unit,error:error}"`,
		Exits:   "3  the instance does not exist",
		Options: func(s *cli.Set) { f.Place(s, &place) },
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := place.InstanceKey()
			if err != nil {
				return err
			}
			return show(ctx, f, io, key)
		},
	})
}

// result is what is printed.
type result struct {
	Running bool `json:"running"`
	*app.ServeStatus
	Assets []app.AssetHealth `json:"assets,omitempty"` // where nothing runs
}

func show(ctx context.Context, f *app.Factory, io *cli.IO, instance model.Key) error {
	assets, err := f.Health(ctx, instance) // tells of an instance that does not exist, too
	if err != nil {
		return err
	}
	st, running, err := f.Ask(ctx, instance)
	if err != nil {
		return err
	}
	rows := io.Globals.Query == nil && (io.Globals.Output == "table" || io.Globals.Output == "tsv")
	switch {
	case running && rows:
		return printRows(io, unitRows(st.Units))
	case running:
		return io.Print(result{Running: true, ServeStatus: st})
	case rows:
		return printRows(io, assetRows(assets))
	default:
		return io.Print(result{Assets: assets})
	}
}

// printRows writes rows in columns for a person, the heading first, or with tabs
// between them for a program.
func printRows(s *cli.IO, rows [][]string) error {
	if s.Globals.Output == "tsv" {
		for _, r := range rows[1:] {
			if _, err := fmt.Fprintln(s.Out, strings.Join(r, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i := range r {
			r[i] = cli.Printable(r[i])
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	return w.Flush()
}

func unitRows(units []app.UnitStatus) [][]string {
	rows := make([][]string, 1, 1+len(units))
	rows[0] = []string{"Unit", "State", "Since", "Values", "Bad", "Lost", "Failing", "Error"}
	for i := range units {
		u := &units[i]
		rows = append(rows, []string{
			u.Unit, u.State, u.Since.Local().Format(time.DateTime), count(u, "values"), count(u, "bad"),
			strconv.FormatInt(u.Counters["lost"]+u.Counters["overflow"], 10), strconv.Itoa(u.FailingItems), u.Error,
		})
	}
	return rows
}

func count(u *app.UnitStatus, name string) string { return strconv.FormatInt(u.Counters[name], 10) }

func assetRows(assets []app.AssetHealth) [][]string {
	rows := make([][]string, 1, 1+len(assets))
	rows[0] = []string{"Asset", "Kind", "Health", "Reason", "Since", "Message"}
	for _, a := range assets {
		since := ""
		if a.Since != nil {
			since = a.Since.Local().Format(time.DateTime)
		}
		rows = append(rows, []string{a.Name, a.Kind, a.Health, a.Reason, since, a.Message})
	}
	return rows
}
