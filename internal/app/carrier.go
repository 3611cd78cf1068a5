package app

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/internal/sink/embedded"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// codeAddressInUse is the code of an error that says that a port is taken.
const codeAddressInUse = "AddressInUse"

// flushTime bounds how long messages in flight are waited for, when stopping.
const flushTime = 3 * time.Second

// BrokerOptions say where messages go: to the broker at MQTT.URL, or, without
// one, to the embedded broker.
type BrokerOptions struct {
	MQTT   config.MQTT
	Broker config.Broker
	Spool  config.Spool
}

// clientID returns the name of the sender.
func (o BrokerOptions) clientID(instance model.Key) string {
	if o.MQTT.ClientID != "" {
		return o.MQTT.ClientID
	}
	host, err := os.Hostname()
	if err != nil {
		host = "local"
	}
	return "iotops-" + host + "-" + instance.Name
}

// carrier is what messages go to: the embedded broker, or an external one.
type carrier struct {
	meter

	url     string
	run     func(ctx context.Context) error // nil = it runs by itself
	close   func()
	state   func() (ready bool, reason string)
	dropped func() int64
	numbers func(w *metrics.Writer)
}

// openCarrier opens the broker that o names.
func (f *Factory) openCarrier(ctx context.Context, o BrokerOptions, instance model.Key, secrets *secret.Store, log *slog.Logger) (*carrier, error) {
	if o.MQTT.URL != "" {
		return f.openExternal(ctx, o, instance, secrets, log)
	}
	return openEmbedded(ctx, o, secrets, log)
}

func openEmbedded(ctx context.Context, o BrokerOptions, secrets *secret.Store, log *slog.Logger) (*carrier, error) {
	eo := embedded.Options{TCP: o.Broker.Listen, WebSocket: o.Broker.WebSocket, User: o.Broker.User, Log: log}
	if o.Broker.Password != "" {
		var err error
		if eo.Password, err = secrets.Resolve(ctx, o.Broker.Password); err != nil {
			return nil, fault.Wrap(err, "password of the embedded broker")
		}
	}
	b, err := embedded.Start(eo)
	if err != nil {
		return nil, err
	}
	c := &carrier{
		meter: meter{next: b}, url: b.URL(), close: b.Close,
		state: func() (bool, string) { return true, "" },
		numbers: func(w *metrics.Writer) {
			s := b.Stats()
			w.One("iotops_broker_clients", metrics.Gauge, "Clients of the embedded broker that are connected.", float64(s.Clients))
			w.One("iotops_broker_subscriptions", metrics.Gauge, "Subscriptions at the embedded broker.", float64(s.Subscriptions))
			w.One("iotops_broker_retained_messages", metrics.Gauge, "Messages that the embedded broker retains.", float64(s.Retained))
			w.One("iotops_broker_messages_received_total", metrics.Counter, "Messages that clients and connectors gave to the embedded broker.", float64(s.Received))
			w.One("iotops_broker_messages_sent_total", metrics.Counter, "Messages that the embedded broker sent to clients.", float64(s.Sent))
			w.One("iotops_broker_messages_dropped_total", metrics.Counter, "Messages that a client was too slow for.", float64(s.Dropped))
		},
	}
	c.dropped = func() int64 { return c.count(message.Dropped) + b.Stats().Dropped }
	return c, nil
}

// flush waits until nothing is in flight, or a while.
func (c *carrier) flush() { c.wait(flushTime) }

// metrics writes the carrier's numbers.
func (c *carrier) metrics(w *metrics.Writer) {
	ready, _ := c.state()
	up := 0.0
	if ready {
		up = 1
	}
	w.One("iotops_broker_ready", metrics.Gauge, "Whether messages can be given to the broker, or kept for it.", up)
	w.Family("iotops_messages_total", metrics.Counter, "Messages by what became of them.")
	for _, o := range []message.Outcome{message.Safe, message.Expired, message.Dropped} {
		w.Sample(float64(c.count(o)), "outcome", o.String())
	}
	w.One("iotops_messages_refused_total", metrics.Counter, "Messages that were not accepted, because the disk or the memory for them is full; they are lost.", float64(c.refused.Load()))
	w.One("iotops_messages_in_flight", metrics.Gauge, "Messages that are accepted and not yet safe.", float64(c.pending.Load()))
	w.One("iotops_message_bytes_total", metrics.Counter, "Bytes of payload accepted.", float64(c.bytes.Load()))
	c.numbers(w)
}
