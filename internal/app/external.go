package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/spool"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
)

// openExternal opens the client of an external broker, and what keeps messages
// on disk while that is away. The broker need not be there yet.
func (f *Factory) openExternal(ctx context.Context, o BrokerOptions, instance model.Key, secrets *secret.Store, log *slog.Logger) (*carrier, error) {
	dir, err := f.Dir()
	if err != nil {
		return nil, err
	}
	mo := mqtt.Options{
		URL: o.MQTT.URL, ClientID: o.clientID(instance), User: o.MQTT.User, CAFile: o.MQTT.CAFile,
		CertFile: o.MQTT.CertFile, KeyFile: o.MQTT.KeyFile, Log: log,
	}
	if o.MQTT.Password != "" {
		if mo.Password, err = secrets.Resolve(ctx, o.MQTT.Password); err != nil {
			return nil, fault.Wrap(err, "password of broker %s", o.MQTT.URL)
		}
	}
	closeSpool := func() {}
	if o.Spool.MaxBytes > 0 {
		name := strings.ReplaceAll(strings.ToLower(LeaseName(instance)), "/", "_")
		mo.Spool, err = spool.Open(filepath.Join(dir, "spool", name), spool.Options{
			MaxBytes: o.Spool.MaxBytes, MaxAge: time.Duration(o.Spool.MaxAge) * time.Second, Now: f.Now, Log: log,
		})
		if err != nil {
			return nil, err
		}
		closeSpool = func() { _ = mo.Spool.Close() } // what is in it stays for the next process
	}
	client, err := mqtt.New(mo)
	if err != nil {
		closeSpool()
		return nil, err
	}
	c := &carrier{
		meter: meter{next: client}, url: o.MQTT.URL, run: client.Run,
		close:   closeSpool,
		state:   func() (bool, string) { return externalState(client, mo.Spool != nil) },
		numbers: func(w *metrics.Writer) { externalNumbers(client, w) },
	}
	c.dropped = func() int64 {
		s := client.Stats()
		return c.count(message.Dropped) + c.refused.Load() + s.Spool.Dropped
	}
	return c, nil
}

// externalState says whether messages can be given to the client. While the
// broker is away they can, as long as the spool takes them.
func externalState(client *mqtt.Client, spooling bool) (bool, string) {
	st := client.Status()
	if st.Connected {
		return true, ""
	}
	why := "not connected yet"
	if st.Err != nil {
		why = st.Err.Error()
	}
	if !spooling {
		return false, why
	}
	if client.Stats().Spool.Full {
		return false, why + "; messages cannot be kept on disk either"
	}
	return true, why + "; messages are kept on disk"
}

func externalNumbers(client *mqtt.Client, w *metrics.Writer) {
	s := client.Stats()
	connected := 0.0
	if client.Status().Connected {
		connected = 1
	}
	w.One("iotops_mqtt_connected", metrics.Gauge, "Whether the external broker is connected.", connected)
	w.One("iotops_mqtt_connects_total", metrics.Counter, "Connections made to the external broker.", float64(s.Connects))
	w.One("iotops_mqtt_sent_total", metrics.Counter, "Messages that the external broker acknowledged, or of QoS 0 and written.", float64(s.Sent))
	w.One("iotops_mqtt_refused_total", metrics.Counter, "Messages that the external broker refused.", float64(s.Refused))
	w.One("iotops_mqtt_dropped_total", metrics.Counter, "Messages of QoS 0 given up while the external broker was away.", float64(s.Dropped))
	w.One("iotops_mqtt_in_flight", metrics.Gauge, "Messages sent and not yet acknowledged.", float64(s.InFlight))
	w.One("iotops_spool_messages", metrics.Gauge, "Messages kept on disk.", float64(s.Spool.Messages))
	w.One("iotops_spool_bytes", metrics.Gauge, "Bytes that the spool takes on disk.", float64(s.Spool.Bytes))
	w.One("iotops_spool_dropped_total", metrics.Counter, "Messages that the spool gave up: beyond its bound, too old, or damaged.", float64(s.Spool.Dropped))
	w.One("iotops_spool_failed_total", metrics.Counter, "Messages that could not be written to the spool.", float64(s.Spool.Failed))
}
