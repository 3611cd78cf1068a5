package app

import (
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/host"
	"github.com/iotops/iotops/internal/metrics"
	"github.com/iotops/iotops/internal/supervise"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/model"
)

// ServeStatus is what `serve` tells of itself at /api/v1/status.
type ServeStatus struct {
	Instance string       `json:"instance"`
	Version  string       `json:"version"`
	PID      int          `json:"pid"`
	Since    time.Time    `json:"since"`
	Revision int64        `json:"revision"` // of the registry: everything up to it is in force
	Broker   BrokerStatus `json:"broker"`
	Units    []UnitStatus `json:"units"`
}

// BrokerStatus is where messages go.
type BrokerStatus struct {
	URL     string `json:"url"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"` // why not, or what to know although it is
	Dropped int64  `json:"dropped"`
}

// UnitStatus is what one unit is doing.
type UnitStatus struct {
	Unit         string           `json:"unit"`
	Connector    string           `json:"connector,omitempty"`
	Device       string           `json:"device"`
	Endpoint     string           `json:"endpoint,omitempty"`
	State        string           `json:"state"` // starting, connecting, connected, waiting or rejected
	Since        time.Time        `json:"since"`
	Restarts     int              `json:"restarts"`
	Error        string           `json:"error,omitempty"`
	RetryIn      float64          `json:"retryInSeconds,omitempty"`
	FailingItems int              `json:"failingItems"`
	LastValue    *time.Time       `json:"lastValue,omitempty"`
	Counters     map[string]int64 `json:"counters"`
	Assets       []AssetCounters  `json:"assets"`
}

// AssetCounters are the counters of one asset of a unit.
type AssetCounters struct {
	Name      string           `json:"name"`
	LastValue *time.Time       `json:"lastValue,omitempty"`
	Counters  map[string]int64 `json:"counters"`
}

// counter is one of connector's counters as status and metrics call it.
type counter struct {
	c                   connector.Counter
	name, metric, about string
}

func counters() []counter {
	return []counter{
		{connector.CountValues, "values", "values_total", "Values received from the source."},
		{connector.CountBad, "bad", "bad_values_total", "Values with a bad status, of those received."},
		{connector.CountEvents, "events", "events_total", "Events received from the source."},
		{connector.CountOverflow, "overflow", "overflow_values_total", "Values that say that the source's queue dropped older ones."},
		{connector.CountLost, "lost", "lost_messages_total", "Messages of the source that are known to be missing."},
		{connector.CountRepublished, "republished", "republished_messages_total", "Messages of the source that were fetched again after a gap."},
		{connector.CountDuplicate, "duplicate", "duplicate_messages_total", "Messages of the source that came a second time and were left out."},
		{connector.CountReconnects, "reconnects", "reconnects_total", "Connections made after the first."},
	}
}

func named(c host.Counts) (map[string]int64, *time.Time) {
	m := map[string]int64{}
	for _, x := range counters() {
		m[x.name] = c.N[x.c]
	}
	if c.Last.IsZero() {
		return m, nil
	}
	at := c.Last.UTC()
	return m, &at
}

// units merges what the group and the host know.
func (e *engine) units() []UnitStatus {
	states := e.group.Status()
	list := make([]UnitStatus, 0, len(states))
	reports := map[model.UnitKey]host.Report{}
	for _, r := range e.host.Report() {
		reports[r.Key] = r
	}
	for key, st := range states {
		u := UnitStatus{
			Unit: key.String(), Device: key.Device[strings.LastIndexByte(key.Device, '/')+1:], Endpoint: key.Endpoint,
			State: string(st.State), Since: st.Since.UTC(), Restarts: st.Restarts, Assets: []AssetCounters{},
		}
		err := st.Err
		if r, ok := reports[key]; ok {
			u.Connector, u.Device, u.FailingItems = r.Connector, r.Device, r.Items
			if st.State == supervise.Running {
				u.State, err = "connecting", r.Err
				if r.Connected {
					u.State, u.Since = "connected", r.Since.UTC()
				}
			}
			u.Counters, u.LastValue = named(r.Total)
			for name, c := range r.Assets {
				a := AssetCounters{Name: name}
				a.Counters, a.LastValue = named(c)
				u.Assets = append(u.Assets, a)
			}
			slices.SortFunc(u.Assets, func(a, b AssetCounters) int { return strings.Compare(a.Name, b.Name) })
		}
		if err != nil {
			u.Error = err.Error()
		}
		if st.State == supervise.Waiting {
			u.RetryIn = st.Wait.Seconds()
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b UnitStatus) int { return strings.Compare(a.Unit, b.Unit) })
	return list
}

// metrics writes the numbers of the units. Assets of one name on different
// endpoints are told apart by device and endpoint.
func (e *engine) metrics(w *metrics.Writer) {
	units := e.units()
	for _, x := range counters() {
		w.Family("iotops_connector_"+x.metric, metrics.Counter, x.about)
		for _, u := range units {
			for _, a := range u.Assets {
				w.Sample(float64(a.Counters[x.name]), "connector", u.Connector, "device", u.Device, "endpoint", u.Endpoint, "asset", a.Name)
			}
		}
	}
	w.Family("iotops_connector_last_value_timestamp_seconds", metrics.Gauge, "When values last arrived, seconds since the Unix epoch.")
	for _, u := range units {
		for _, a := range u.Assets {
			if a.LastValue != nil {
				w.Sample(float64(a.LastValue.UnixMilli())/1000, "connector", u.Connector, "device", u.Device, "endpoint", u.Endpoint, "asset", a.Name)
			}
		}
	}
	states := map[string]int{"starting": 0, "connecting": 0, "connected": 0, "waiting": 0, "rejected": 0}
	items := 0
	for _, u := range units {
		states[u.State]++
		items += u.FailingItems
	}
	w.Family("iotops_units", metrics.Gauge, "Units by what they are doing.")
	for _, state := range []string{"starting", "connecting", "connected", "waiting", "rejected"} {
		w.Sample(float64(states[state]), "state", state)
	}
	connected, all := e.endpoints()
	w.One("iotops_endpoints", metrics.Gauge, "Endpoints that enabled assets use.", float64(all))
	w.One("iotops_endpoints_connected", metrics.Gauge, "Of these: connected ones.", float64(connected))
	w.One("iotops_failing_items", metrics.Gauge, "Data points, events, streams and actions in an error state.", float64(items))
	w.One("iotops_reconcile_revision", metrics.Gauge, "Revision of the registry that is in force.", float64(e.loop.Status().Revision))
}
