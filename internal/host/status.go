package host

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// maxDetails bounds how many failing items of one dataset are listed.
const maxDetails = 100

// The reasons of the host's own. Others come from connectors.
const (
	reasonNotRunning   = "NotRunning"
	reasonNotContacted = "NotContactedYet"
	reasonNotUsed      = "NotUsed"
	reasonDeviceOff    = "DeviceDisabled"
	reasonItemsFailing = "ItemsFailing"
	reasonFailed       = "ConnectionFailed"
)

// state is what an asset or an endpoint is told of a unit.
type state struct {
	health  string
	reason  string
	message string
	err     error // why, if unavailable
}

// ofUnit returns the health of a unit's connection.
func (v view) ofUnit(u *unit) state {
	if u == nil {
		return state{health: model.HealthUnknown, reason: reasonNotContacted}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.rejected != nil && !u.reported:
		return failed("", u.rejected)
	case !u.reported:
		return state{health: model.HealthUnknown, reason: reasonNotContacted}
	case u.err != nil:
		return failed(u.code, u.err)
	default:
		return state{health: model.HealthAvailable, reason: u.code}
	}
}

func failed(code string, err error) state {
	if code == "" {
		code = codeOf(err)
	}
	return state{model.HealthUnavailable, code, explain(err), err}
}

// codeOf returns a stable name for an error that may not carry one.
func codeOf(err error) string {
	if code := fault.CodeOf(err); code != "" {
		return code
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return "InvalidConfiguration"
	case fault.Unsupported:
		return "Unsupported"
	case fault.Denied:
		return "AccessDenied"
	case fault.NotFound:
		return "NotFound"
	default:
		return reasonFailed
	}
}

// explain says what is wrong and, where that is known, what to do about it.
func explain(err error) string {
	return strings.Join(append([]string{err.Error()}, fault.Hints(err)...), ". ")
}

func statusError(err error) *model.StatusError {
	if err == nil {
		return nil
	}
	return &model.StatusError{Code: codeOf(err), Message: explain(err)}
}

func (s state) healthState() *model.HealthState {
	return &model.HealthState{Status: s.health, ReasonCode: s.reason, Message: s.message}
}

// stopped is what remains to be said when nothing runs.
func stopped() state {
	return state{health: model.HealthUnknown, reason: reasonNotRunning, message: "iotops serve is not running"}
}

// ofSource returns the status of a device or an endpoint profile.
func (v view) ofSource(p *post) *model.Status {
	s := &model.Status{Config: &model.ConfigStatus{Version: p.source.version}}
	if len(p.source.endpoints) == 0 {
		return s
	}
	s.Endpoints = &model.EndpointsStatus{Inbound: map[string]model.EndpointStatus{}}
	for _, name := range p.source.endpoints {
		var units []*unit
		for _, u := range v.byDevice[deviceOf(p.key)] {
			if u.key.Endpoint == name {
				units = append(units, u)
			}
		}
		s.Endpoints.Inbound[name] = v.ofEndpoint(p.source, units)
	}
	return s
}

// ofEndpoint merges the units of one endpoint.
func (v view) ofEndpoint(s *source, units []*unit) model.EndpointStatus {
	switch {
	case v.stopped:
		return model.EndpointStatus{HealthState: stopped().healthState()}
	case !s.enabled:
		return model.EndpointStatus{HealthState: state{health: model.HealthUnknown, reason: reasonDeviceOff, message: "the device is disabled"}.healthState()}
	case len(units) == 0:
		return model.EndpointStatus{HealthState: state{health: model.HealthUnknown, reason: reasonNotUsed, message: "no enabled asset uses it"}.healthState()}
	}
	counts := map[string]int{}
	first := map[string]state{}
	for _, u := range units {
		st := v.ofUnit(u)
		if f, ok := first[st.health]; !ok || st.message < f.message { // the same one each time
			first[st.health] = st
		}
		counts[st.health]++
	}
	bad, up := counts[model.HealthUnavailable], counts[model.HealthAvailable]
	st, ok := first[model.HealthUnavailable]
	switch {
	case ok && up > 0:
		st.health = model.HealthDegraded
		st.message = fmt.Sprintf("%d of %d connections fail: %s", bad, len(units), st.message)
	case !ok && up > 0:
		st = first[model.HealthAvailable]
	case !ok:
		st = first[model.HealthUnknown]
	}
	st.reason = strings.Replace(st.reason, "ConnectorAsset", "ConnectorInboundEndpoint", 1)
	return model.EndpointStatus{Error: statusError(st.err), HealthState: st.healthState()}
}

// ofAsset returns the status of an asset.
func (v view) ofAsset(p *post) *model.Status {
	a := p.asset
	s := &model.Status{}
	switch {
	case a.err != nil:
		s.Config = &model.ConfigStatus{Version: a.spec.Generation, Error: statusError(a.err)}
		s.HealthState = failed("", a.err).healthState()
	case a.idle != nil:
		s.Config = &model.ConfigStatus{Version: a.spec.Generation}
		s.HealthState = state{health: model.HealthUnknown, reason: a.idle.code, message: a.idle.message}.healthState()
	default:
		u := v.units[a.unit]
		s.Config = configOf(u, a.spec, p.written)
		st := v.ofUnit(u)
		total, bad := v.items(s, u, a.spec)
		if st.health == model.HealthAvailable && bad > 0 {
			st.health, st.reason = model.HealthDegraded, reasonItemsFailing
			st.message = fmt.Sprintf("%d of %d items fail", bad, total)
			if bad == total {
				st.health = model.HealthUnavailable
			}
		}
		s.HealthState = st.healthState()
	}
	if v.stopped && a.err == nil && a.idle == nil {
		s.HealthState = stopped().healthState()
	}
	return s
}

// configOf says which version of an asset is in force, or why it is not.
func configOf(u *unit, spec *model.Asset, written *model.Status) *model.ConfigStatus {
	var before *model.ConfigStatus
	if written != nil {
		before = written.Config
	}
	if u == nil {
		return before
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.refused[spec.Name]; err != nil {
		return &model.ConfigStatus{Version: spec.Generation, Error: statusError(err)}
	}
	if u.rejected != nil {
		return &model.ConfigStatus{Version: spec.Generation, Error: statusError(u.rejected)}
	}
	if version, ok := u.applied[spec.Name]; ok {
		return &model.ConfigStatus{Version: version}
	}
	return before
}

// items fills in the states of an asset's items, and counts those that can
// fail by themselves, and those that do.
func (v view) items(s *model.Status, u *unit, spec *model.Asset) (total, bad int) {
	errs := map[model.ItemRef]error{}
	if u != nil {
		u.mu.Lock()
		for _, ref := range itemsOf(spec) {
			if err := u.items[ref]; err != nil {
				errs[ref] = err
			}
		}
		u.mu.Unlock()
	}
	p := &spec.Properties
	for i := range p.Datasets {
		d := &p.Datasets[i]
		st, failing := datasetStatus(spec.Name, d, errs)
		s.Datasets = append(s.Datasets, st)
		total, bad = total+len(d.DataPoints), bad+failing
	}
	one := func(kind model.ItemKind, group, item string) error {
		total++
		err := errs[model.ItemRef{Kind: kind, Asset: spec.Name, Group: group, Item: item}]
		if err != nil {
			bad++
		}
		return err
	}
	for i := range p.EventGroups {
		g := model.EventGroupStatus{Name: p.EventGroups[i].Name}
		for _, e := range p.EventGroups[i].Events {
			g.Events = append(g.Events, model.DatasetStatus{Name: e.Name, Error: statusError(one(model.ItemEvent, g.Name, e.Name))})
		}
		s.EventGroups = append(s.EventGroups, g)
	}
	for i := range p.Streams {
		name := p.Streams[i].Name
		s.Streams = append(s.Streams, model.DatasetStatus{Name: name, Error: statusError(one(model.ItemStream, name, ""))})
	}
	for i := range p.ManagementGroups {
		g := model.ManagementGroupStatus{Name: p.ManagementGroups[i].Name}
		for _, x := range p.ManagementGroups[i].Actions {
			g.Actions = append(g.Actions, model.ActionStatus{Name: x.Name, Error: statusError(one(model.ItemAction, g.Name, x.Name))})
		}
		s.ManagementGroups = append(s.ManagementGroups, g)
	}
	return total, bad
}

// datasetStatus returns the state of a dataset and how many of its points fail.
// Each failing point is a detail: its name as code, its source as info.
func datasetStatus(asset string, d *model.Dataset, errs map[model.ItemRef]error) (model.DatasetStatus, int) {
	st := model.DatasetStatus{Name: d.Name}
	if err := errs[model.ItemRef{Kind: model.ItemDataset, Asset: asset, Group: d.Name}]; err != nil {
		st.Error = statusError(err)
		return st, len(d.DataPoints)
	}
	failing := 0
	for i := range d.DataPoints {
		x := &d.DataPoints[i]
		err := errs[model.ItemRef{Kind: model.ItemDataPoint, Asset: asset, Group: d.Name, Item: x.Name}]
		if err == nil {
			continue
		}
		failing++
		if st.Error == nil {
			st.Error = &model.StatusError{Code: codeOf(err), Message: "data point " + x.Name + ": " + err.Error()}
		}
		if len(st.Error.Details) < maxDetails {
			st.Error.Details = append(st.Error.Details, model.StatusErrorDetail{Code: x.Name, Message: err.Error(), Info: x.DataSource})
		}
	}
	if failing > 1 {
		st.Error.Message += fmt.Sprintf(" (and %d more)", failing-1)
	}
	return st, failing
}

// date sets the times of a status: a state that is as it was keeps the time of
// its last transition.
func date(next, old *model.Status, now time.Time) {
	now = now.UTC().Truncate(time.Microsecond)
	if old == nil {
		old = &model.Status{}
	}
	if c := next.Config; c != nil {
		if o := old.Config; o != nil && o.Version == c.Version && reflect.DeepEqual(o.Error, c.Error) {
			next.Config = o
		} else {
			c.LastTransitionTime = now
		}
	}
	dateHealth(next.HealthState, old.HealthState, now)
	if next.Endpoints == nil {
		return
	}
	for name, e := range next.Endpoints.Inbound {
		var was *model.HealthState
		if old.Endpoints != nil {
			was = old.Endpoints.Inbound[name].HealthState
		}
		dateHealth(e.HealthState, was, now)
	}
}

func dateHealth(h, was *model.HealthState, now time.Time) {
	if h == nil {
		return
	}
	h.LastTransitionTime, h.LastUpdateTime = now, now
	if was != nil && was.Status == h.Status && was.ReasonCode == h.ReasonCode {
		h.LastTransitionTime = was.LastTransitionTime
	}
}
