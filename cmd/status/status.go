// Package status holds the command `status`.
package status

import (
	"context"
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
		return io.Print(unitRows(st.Units))
	case running:
		return io.Print(result{Running: true, ServeStatus: st})
	case rows:
		return io.Print(assets)
	default:
		return io.Print(result{Assets: assets})
	}
}

// row is a unit in one line.
type row struct {
	Unit    string `json:"unit"`
	State   string `json:"state"`
	Since   string `json:"since"`
	Values  int64  `json:"values"`
	Bad     int64  `json:"bad"`
	Lost    int64  `json:"lost"`
	Failing int    `json:"failing"`
	Error   string `json:"error"`
}

func unitRows(units []app.UnitStatus) []row {
	rows := make([]row, 0, len(units))
	for _, u := range units {
		rows = append(rows, row{
			u.Unit, u.State, u.Since.Local().Format(time.DateTime), u.Counters["values"], u.Counters["bad"],
			u.Counters["lost"] + u.Counters["overflow"], u.FailingItems, u.Error,
		})
	}
	return rows
}
