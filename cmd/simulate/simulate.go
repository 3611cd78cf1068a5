// Package simulate holds the command `simulate`: servers to try things with.
package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// options are those of the command line.
type options struct {
	place          app.Place
	listen         string
	user, password string
	counters       *int64
	interval       *int64
	duration       *float64
}

// New returns the group.
func New(f *app.Factory) *cli.Command {
	o := options{listen: "127.0.0.1:4840"}
	return cli.NewGroup("simulate", "Run simulated sources of data, to try things with.", cli.NewVerb(cli.Verb{
		Use:   "opcua",
		Short: "Run an OPC UA server with a small plant whose values move.",
		Long: `Run an OPC UA server with a small plant whose values move. Its node ids are ns=2;s=MACHINE.NAME: browse it.

With --counters there are variables ns=2;s=Counter.N too that go up by one with each interval, so that every gap is seen.
Security is None: it is meant for this machine. Ctrl-C ends it.`,
		Example: `iotops simulate opcua
iotops simulate opcua --listen 127.0.0.1:0 --counters 10000 --interval 100`,
		Options: func(s *cli.Set) {
			s.String(&o.listen, "--listen").Ours().Doc("Address to listen on; port 0 is a free one.").Default("127.0.0.1:4840")
			s.Int(&o.counters, "--counters").Ours().Doc("How many counters there are.").Default("0")
			s.Int(&o.interval, "--interval").Ours().Doc("How often values may move, in milliseconds.").Default("100")
			s.String(&o.user, "--user").Ours().Doc("User that clients must log in as; none = anonymous.")
			s.String(&o.password, "--password-ref").Ours().Doc("Reference to that user's password: NAME/KEY, env:NAME or file:PATH.")
			s.Float(&o.duration, "--duration").Ours().Doc("End after so many seconds.")
			f.Place(s, &o.place)
		},
		Run: func(ctx context.Context, io *cli.IO) error { return run(ctx, f, io, &o) },
	}))
}

func run(ctx context.Context, f *app.Factory, io *cli.IO, o *options) error {
	so := app.SimulateOptions{Listen: o.listen, User: o.user}
	if o.counters != nil {
		if *o.counters < 0 || *o.counters > 1_000_000 {
			return fault.New(fault.Invalid, "--counters is between 0 and 1000000")
		}
		so.Counters = int(*o.counters)
	}
	if o.interval != nil {
		if *o.interval < 1 {
			return fault.New(fault.Invalid, "--interval is at least 1 ms")
		}
		so.Interval = time.Duration(*o.interval) * time.Millisecond
	}
	if (o.user == "") != (o.password == "") {
		return fault.New(fault.Invalid, "--user and --password-ref go together")
	}
	if o.password != "" {
		instance, err := o.place.InstanceKey()
		if err != nil {
			return err
		}
		secrets, err := f.Secrets(ctx, instance)
		if err != nil {
			return err
		}
		if so.Password, err = secrets.Resolve(ctx, o.password); err != nil {
			return err
		}
	}
	if o.duration != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*o.duration*float64(time.Second)))
		defer cancel()
	}
	return app.Simulate(ctx, so, func(address string) error {
		_, err := fmt.Fprintln(io.Out, address)
		return err
	})
}
