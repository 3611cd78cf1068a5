package connector

import (
	"context"
	"errors"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// runOptions are those of `connector run`.
type runOptions struct {
	place     app.Place
	connector []string
	asset     string
	broker    app.BrokerFlags
	count     *int64
	duration  *float64
}

func newRun(f *app.Factory) *cli.Command {
	var o runOptions
	return cli.NewVerb(cli.Verb{
		Use:   "run",
		Short: "Run the connector of one asset in the foreground, and print what it delivers.",
		Long: `Run the connector of one asset in the foreground, and print what it delivers.

Messages go to the terminal, or to an external broker (--mqtt-broker). No state is kept and no status is written, so it
does not get in the way of a serve that runs. What changes in the registry takes effect while it runs. The asset may be
a classic one. Ctrl-C ends it.`,
		Example: `iotops connector run opcua --asset oven
iotops connector run opcua --asset oven --count 10
iotops connector run opcua --asset oven --mqtt-broker mqtt://localhost:1883 --duration 60`,
		Exits: "3    the asset or the instance does not exist\n130  ended by Ctrl-C",
		Options: func(s *cli.Set) {
			s.Positional(&o.connector, "CONNECTOR", "The connector, such as opcua.", 1, 1)
			s.String(&o.asset, "--asset", "-a").Required().Doc("Name of the asset.").Complete(f.AssetNames)
			f.Place(s, &o.place)
			o.broker.Declare(s)
			s.Int(&o.count, "--count").Doc("End after so many messages.")
			s.Float(&o.duration, "--duration").Doc("End after so many seconds.")
		},
		Run: func(ctx context.Context, _ *cli.IO) error { return run(ctx, f, &o) },
	})
}

func run(ctx context.Context, f *app.Factory, o *runOptions) error {
	instance, err := o.place.InstanceKey()
	if err != nil {
		return err
	}
	cfg, err := f.Config()
	if err != nil {
		return err
	}
	ro := app.RunOptions{
		Instance: instance, Connector: o.connector[0], Asset: o.asset, TopicNamespace: cfg.TopicNamespace,
		MQTT: o.broker.Apply(cfg.MQTT), Log: f.Log(),
	}
	if !o.broker.Given() { // to the terminal, whatever serve is told to use
		ro.MQTT.URL = ""
	}
	if o.count != nil {
		if ro.Count = *o.count; ro.Count <= 0 {
			return fault.New(fault.Invalid, "--count is a positive number")
		}
	}
	if o.duration != nil {
		if *o.duration <= 0 {
			return fault.New(fault.Invalid, "--duration is a positive number of seconds")
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*o.duration*float64(time.Second)))
		defer cancel()
	}
	if err := f.RunOne(ctx, ro); err != nil {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // Ctrl-C: exit code 130
	}
	return nil
}
