package app

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// Watch hands every message that matches one of the filters to `to`, until ctx
// ends (nil) or the broker refuses us (why). The broker is the one that flags
// name, else the one that the running serve of the instance publishes to.
func (f *Factory) Watch(ctx context.Context, flags *BrokerFlags, instance model.Key, filters []string, to message.Publisher, log *slog.Logger) error {
	cfg, err := f.Config()
	if err != nil {
		return err
	}
	m := flags.Apply(cfg.MQTT)
	if m.URL == "" {
		h, running, err := f.Running(ctx, instance)
		if err != nil {
			return err
		}
		if !running || h.Broker == "" {
			return fault.WithHint(fault.New(fault.Unavailable, "no serve of instance %s runs", instance.Name),
				"Start it (iotops serve), or name a broker with --mqtt-broker.")
		}
		m.URL = h.Broker
		if cfg.Broker.User != "" && m.User == "" {
			m.User, m.Password = cfg.Broker.User, cfg.Broker.Password
		}
	}
	o := mqtt.Options{
		URL: m.URL, ClientID: "iotops-watch-" + uuid.NewString()[:8], User: m.User, CAFile: m.CAFile, CertFile: m.CertFile, KeyFile: m.KeyFile,
		SessionExpiry: 1, Log: log, // no session outlives a watcher
	}
	if m.Password != "" {
		secrets, err := f.Secrets(ctx, instance)
		if err != nil {
			return err
		}
		if o.Password, err = secrets.Resolve(ctx, m.Password); err != nil {
			return err
		}
	}
	client, err := mqtt.New(o)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return client.Run(ctx) })
	for _, filter := range filters {
		g.Go(func() error { return client.Subscribe(ctx, filter, to) })
	}
	return g.Wait()
}
