// Package serve holds the command `serve`.
package serve

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// options are those of the command line; what is not given comes from the settings.
type options struct {
	place          app.Place
	broker         app.BrokerFlags
	listen         *string
	webSocket      *string
	user, password *string
	api            *string
	spoolSize      *int64
	spoolAge       *int64
	level          string
	demo, quiet    bool
	duration       *float64
}

// New returns the command.
func New(f *app.Factory) *cli.Command {
	var o options
	return cli.NewVerb(cli.Verb{
		Use:   "serve",
		Short: "Run the edge: the broker, the connectors of all enabled assets, health and metrics.",
		Long: `Run the edge: the broker, the connectors of all enabled assets, health and metrics.

Values of the instance's enabled assets go to the embedded MQTT broker, or to an external one (--mqtt-broker). What
changes in the registry takes effect while it runs. Ctrl-C or SIGTERM ends it within seconds; a second one at once.
On a terminal it shows a line per message and a summary each second; otherwise it logs as JSON.`,
		Example: `iotops serve
iotops serve --demo
iotops serve --mqtt-broker mqtts://broker.example:8883 --mqtt-user edge --mqtt-password-ref broker/password --mqtt-ca-file ca.pem
iotops serve --broker-listen 127.0.0.1:0 --api-listen "" --duration 10`,
		Exits:   "3  the instance does not exist",
		Options: func(s *cli.Set) { o.declare(f, s) },
		Run:     func(ctx context.Context, _ *cli.IO) error { return run(ctx, f, &o) },
	})
}

func (o *options) declare(f *app.Factory, s *cli.Set) {
	f.Place(s, &o.place)
	o.broker.Declare(s)
	s.Text(&o.listen, "--broker-listen").Ours().Doc("Address of the embedded broker.").Default("127.0.0.1:1883")
	s.Text(&o.webSocket, "--broker-ws-listen").Ours().Doc("Address of the embedded broker for MQTT over WebSocket; none unless given.")
	s.Text(&o.user, "--broker-user").Ours().Doc("User that clients of the embedded broker must log in as.")
	s.Text(&o.password, "--broker-password-ref").Ours().Doc("Reference to that user's password: NAME/KEY, env:NAME or file:PATH.")
	s.Text(&o.api, "--api-listen").Ours().Doc(`Loopback address of health, metrics and status; "" = none.`).Default("127.0.0.1:9600")
	s.Int(&o.spoolSize, "--spool-size").Ours().Doc("Most bytes kept on disk for an external broker that is away; 0 = nothing.").Default("1073741824")
	s.Int(&o.spoolAge, "--spool-age").Ours().Doc("Most seconds that a message is kept there.").Default("604800")
	s.Enum(&o.level, []string{"debug", "info", "warn", "error"}, "--log-level").Ours().Doc("What is logged.").Default("info; warn where messages are shown")
	s.Flag(&o.demo, "--demo").Ours().Doc("Show it at work: simulated machines and a registry of its own, both gone afterwards.")
	s.Flag(&o.quiet, "--quiet").Ours().Doc("Show no messages on a terminal.")
	s.Float(&o.duration, "--duration").Ours().Doc("End after so many seconds.")
}

// run puts settings and options together, and serves.
func run(ctx context.Context, f *app.Factory, o *options) error {
	cfg, err := f.Config()
	if err != nil {
		return err
	}
	instance, err := o.place.InstanceKey()
	if err != nil {
		return err
	}
	so := app.ServeOptions{
		Instance:       instance,
		TopicNamespace: cfg.TopicNamespace,
		Broker:         app.BrokerOptions{MQTT: o.broker.Apply(cfg.MQTT), Broker: cfg.Broker, Spool: cfg.Spool},
		APIListen:      cfg.API.Listen,
		View:           !o.quiet && (o.demo || f.IO.OutTTY),
	}
	b := &so.Broker
	set(&b.Broker.Listen, o.listen)
	set(&b.Broker.WebSocket, o.webSocket)
	set(&b.Broker.User, o.user)
	set(&b.Broker.Password, o.password)
	set(&so.APIListen, o.api)
	set(&b.Spool.MaxBytes, o.spoolSize)
	set(&b.Spool.MaxAge, o.spoolAge)
	if b.Spool.MaxBytes < 0 || b.Spool.MaxAge < 0 {
		return fault.New(fault.Invalid, "--spool-size and --spool-age are not negative")
	}
	if so.Log, err = logger(f, o.level, cfg.LogLevel, so.View); err != nil {
		return err
	}
	if o.duration != nil {
		if *o.duration <= 0 {
			return fault.New(fault.Invalid, "--duration is a positive number of seconds")
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*o.duration*float64(time.Second)))
		defer cancel()
	}
	if o.demo {
		return f.Demo(ctx, so)
	}
	so.Ready = func(s *app.Served) {
		if so.View {
			_, _ = fmt.Fprintf(f.IO.Out, "broker %s   api %s   Ctrl-C ends it\n", s.BrokerURL, or(s.API, "off"))
		}
	}
	return f.Serve(ctx, so)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func set[T any](dest, given *T) {
	if given != nil {
		*dest = *given
	}
}

// logger logs to stderr: as text where a person looks on, otherwise as JSON.
func logger(f *app.Factory, given, configured string, view bool) (*slog.Logger, error) {
	var level slog.Level
	text := or(given, configured)
	switch g := f.IO.Globals; {
	case given != "":
	case g.Debug:
		text = "debug"
	case g.Verbose:
		text = "info"
	case g.OnlyErrors:
		text = "error"
	case view && configured == "info":
		text = "warn"
	}
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, fault.As(fault.Invalid, err, "log level")
	}
	ho := &slog.HandlerOptions{Level: level}
	if f.IO.ErrTTY {
		return slog.New(slog.NewTextHandler(f.IO.ErrOut, ho)), nil
	}
	return slog.New(slog.NewJSONHandler(f.IO.ErrOut, ho)), nil
}
