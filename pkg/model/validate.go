package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/topic"
)

// problems collects everything that is wrong with a resource.
type problems struct{ list []error }

func (p *problems) add(path, format string, args ...any) {
	p.list = append(p.list, fault.New(fault.Invalid, "%s: %s", path, fmt.Sprintf(format, args...)))
}

func (p *problems) err() error {
	switch len(p.list) {
	case 0:
		return nil
	case 1:
		return p.list[0]
	default:
		return fault.As(fault.Invalid, errors.Join(p.list...), "%d problems", len(p.list))
	}
}

// nameRule is what a kind's names must be like.
type nameRule struct {
	min, max int
	device   bool // upper case and a dash at the end are allowed
}

// checkName holds a resource's name against a rule of the resource model, 2.2.
func (p *problems) checkName(name string, r nameRule) { p.checkPattern("name", name, r) }

// checkPattern is checkName for what is like a name.
func (p *problems) checkPattern(path, name string, r nameRule) {
	if len(name) < r.min || len(name) > r.max {
		p.add(path, "%q has %d characters, allowed are %d to %d", name, len(name), r.min, r.max)
		return
	}
	for i, c := range []byte(name) {
		lower := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		upper := 'A' <= c && c <= 'Z'
		switch {
		case lower, r.device && upper:
		case c == '-' && i > 0 && (r.device || i < len(name)-1):
		case r.device:
			p.add(path, "%q must be letters, digits and dashes, and begin with a letter or digit", name)
			return
		default:
			p.add(path, "%q must be lower-case letters, digits and dashes, and begin and end with a letter or digit", name)
			return
		}
	}
}

// configuration demands that a text is empty or JSON.
func (p *problems) configuration(path, text string) {
	if text != "" && !json.Valid([]byte(text)) {
		p.add(path, "is not valid JSON")
	}
}

func (p *problems) destinations(path string, list []Destination) {
	if len(list) > 1 {
		p.add(path, "has %d destinations; one is supported", len(list))
	}
	for i, d := range list {
		p.destination(fmt.Sprintf("%s[%d]", path, i), d)
	}
}

func (p *problems) destination(path string, d Destination) {
	c := d.Configuration
	switch d.Target {
	case TargetMqtt:
		if err := topic.CheckName(c.Topic); err != nil {
			p.add(path+".configuration.topic", "%v", err)
		}
		if c.QoS != "" && c.QoS != "Qos0" && c.QoS != "Qos1" {
			p.add(path+".configuration.qos", "%q is not Qos0 or Qos1", c.QoS)
		}
		if c.Retain != "" && c.Retain != "Keep" && c.Retain != "Never" {
			p.add(path+".configuration.retain", "%q is not Keep or Never", c.Retain)
		}
		if c.TTL != nil && (*c.TTL < 0 || *c.TTL > 1<<32-1) {
			p.add(path+".configuration.ttl", "%d is not between 0 and %d seconds", *c.TTL, int64(1<<32-1))
		}
	case TargetStateStore:
		if c.Key == "" {
			p.add(path+".configuration.key", "is missing")
		}
	case TargetStorage:
		if c.Path == "" {
			p.add(path+".configuration.path", "is missing")
		}
	default:
		p.add(path+".target", "%q is not %s, %s or %s", d.Target, TargetMqtt, TargetStateStore, TargetStorage)
	}
}

// unique checks that each item has a name and that no name comes twice.
func unique[T any](p *problems, path string, list []T, name func(*T) string) {
	seen := map[string]int{}
	for i := range list {
		n := name(&list[i])
		if strings.TrimSpace(n) == "" {
			p.add(fmt.Sprintf("%s[%d].name", path, i), "is missing")
			continue
		}
		if len(n) > maxText {
			p.add(fmt.Sprintf("%s[%d].name", path, i), "is longer than %d characters", maxText)
		}
		if first, ok := seen[n]; ok {
			p.add(fmt.Sprintf("%s[%d].name", path, i), "%q is the name of %s[%d] already", n, path, first)
		}
		seen[n] = i
	}
}

// maxText bounds names of items, references and addresses.
const maxText = 2048

func (p *problems) required(path, text string) {
	if strings.TrimSpace(text) == "" {
		p.add(path, "is missing")
	} else if len(text) > maxText {
		p.add(path, "is longer than %d characters", maxText)
	}
}

func (p *problems) authentication(path string, a *Authentication) {
	if a == nil {
		return
	}
	switch a.Method {
	case AuthAnonymous, "":
	case AuthUsernamePassword:
		if c := a.UsernamePasswordCredentials; c == nil || c.UsernameSecretName == "" || c.PasswordSecretName == "" {
			p.add(path+".usernamePasswordCredentials", "needs usernameSecretName and passwordSecretName")
		}
	case AuthCertificate:
		if c := a.X509Credentials; c == nil || c.CertificateSecretName == "" {
			p.add(path+".x509Credentials", "needs certificateSecretName")
		}
	default:
		p.add(path+".method", "%q is not %s, %s or %s", a.Method, AuthAnonymous, AuthCertificate, AuthUsernamePassword)
	}
}

// Validate implements Object.
func (o *Instance) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	if ref := o.Properties.ADRNamespaceRef; ref != nil {
		if _, err := ParseID(KindNamespace, ref.ResourceID); err != nil {
			p.add("properties.adrNamespaceRef.resourceId", "%v", err)
		}
	}
	return p.err()
}

// Validate implements Object.
func (o *Namespace) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 64})
	return p.err()
}

// Validate implements Object.
func (o *Device) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63, device: true})
	for name, e := range o.Properties.Endpoints.Inbound {
		path := "endpoints.inbound." + name
		p.required("endpoints.inbound: endpoint name", name)
		if e == nil {
			p.add(path, "is empty")
			continue
		}
		p.required(path+".endpointType", e.EndpointType)
		p.required(path+".address", e.Address)
		p.authentication(path+".authentication", e.Authentication)
		p.configuration(path+".additionalConfiguration", e.AdditionalConfiguration)
	}
	return p.err()
}

// Validate implements Object.
func (o *Asset) Validate() error {
	p := &problems{}
	a := &o.Properties
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.required("deviceRef.deviceName", a.DeviceRef.DeviceName)
	p.required("deviceRef.endpointName", a.DeviceRef.EndpointName)
	if len(a.AssetTypeRefs) > 1 {
		p.add("assetTypeRefs", "has %d entries; one is supported", len(a.AssetTypeRefs))
	}
	p.configuration("defaultDatasetsConfiguration", a.DefaultDatasetsConfiguration)
	p.configuration("defaultEventsConfiguration", a.DefaultEventsConfiguration)
	p.configuration("defaultStreamsConfiguration", a.DefaultStreamsConfiguration)
	p.configuration("defaultManagementGroupsConfiguration", a.DefaultManagementGroupsConfiguration)
	p.destinations("defaultDatasetsDestinations", a.DefaultDatasetsDestinations)
	p.destinations("defaultEventsDestinations", a.DefaultEventsDestinations)
	p.destinations("defaultStreamsDestinations", a.DefaultStreamsDestinations)
	p.datasets(a.Datasets)
	p.eventGroups(a.EventGroups)
	p.streams(a.Streams)
	p.managementGroups(a.ManagementGroups)
	return p.err()
}

func (p *problems) datasets(list []Dataset) {
	unique(p, "datasets", list, func(d *Dataset) string { return d.Name })
	for i := range list {
		d, path := &list[i], fmt.Sprintf("datasets[%d]", i)
		p.configuration(path+".datasetConfiguration", d.DatasetConfiguration)
		p.destinations(path+".destinations", d.Destinations)
		unique(p, path+".dataPoints", d.DataPoints, func(x *DataPoint) string { return x.Name })
		for j := range d.DataPoints {
			x, path := &d.DataPoints[j], fmt.Sprintf("%s.dataPoints[%d]", path, j)
			p.required(path+".dataSource", x.DataSource)
			p.configuration(path+".dataPointConfiguration", x.DataPointConfiguration)
		}
	}
}

func (p *problems) eventGroups(list []EventGroup) {
	unique(p, "eventGroups", list, func(g *EventGroup) string { return g.Name })
	for i := range list {
		g, path := &list[i], fmt.Sprintf("eventGroups[%d]", i)
		p.configuration(path+".eventGroupConfiguration", g.EventGroupConfiguration)
		p.destinations(path+".defaultDestinations", g.DefaultDestinations)
		unique(p, path+".events", g.Events, func(e *Event) string { return e.Name })
		for j := range g.Events {
			e, path := &g.Events[j], fmt.Sprintf("%s.events[%d]", path, j)
			p.configuration(path+".eventConfiguration", e.EventConfiguration)
			p.destinations(path+".destinations", e.Destinations)
		}
	}
}

func (p *problems) streams(list []Stream) {
	unique(p, "streams", list, func(s *Stream) string { return s.Name })
	for i := range list {
		s, path := &list[i], fmt.Sprintf("streams[%d]", i)
		p.configuration(path+".streamConfiguration", s.StreamConfiguration)
		p.destinations(path+".destinations", s.Destinations)
	}
}

func (p *problems) managementGroups(list []ManagementGroup) {
	unique(p, "managementGroups", list, func(g *ManagementGroup) string { return g.Name })
	for i := range list {
		g, path := &list[i], fmt.Sprintf("managementGroups[%d]", i)
		p.configuration(path+".managementGroupConfiguration", g.ManagementGroupConfiguration)
		p.timeout(path+".defaultTimeoutInSeconds", g.DefaultTimeoutInSeconds)
		unique(p, path+".actions", g.Actions, func(a *Action) string { return a.Name })
		for j := range g.Actions {
			a, path := &g.Actions[j], fmt.Sprintf("%s.actions[%d]", path, j)
			p.required(path+".targetUri", a.TargetURI)
			p.configuration(path+".actionConfiguration", a.ActionConfiguration)
			p.timeout(path+".timeoutInSeconds", a.TimeoutInSeconds)
			if a.ActionType != "" && a.ActionType != "Call" && a.ActionType != "Read" && a.ActionType != "Write" {
				p.add(path+".actionType", "%q is not Call, Read or Write", a.ActionType)
			}
		}
	}
}

func (p *problems) timeout(path string, seconds *int64) {
	if seconds != nil && *seconds < 0 {
		p.add(path, "%d is negative", *seconds)
	}
}

// Validate implements Object.
func (o *ClassicAsset) Validate() error {
	p := &problems{}
	a := &o.Properties
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.required("assetEndpointProfileRef", a.AssetEndpointProfileRef)
	p.configuration("defaultDatasetsConfiguration", a.DefaultDatasetsConfiguration)
	p.configuration("defaultEventsConfiguration", a.DefaultEventsConfiguration)
	p.classicTopic("defaultTopic", a.DefaultTopic)
	names := map[string]bool{}
	for i := range a.Datasets {
		d, path := &a.Datasets[i], fmt.Sprintf("datasets[%d]", i)
		name := d.Name
		if name == "" {
			name = DefaultDataset
		}
		if names[name] {
			p.add(path+".name", "%q comes twice", name)
		}
		names[name] = true
		p.configuration(path+".datasetConfiguration", d.DatasetConfiguration)
		p.classicTopic(path+".topic", d.Topic)
		unique(p, path+".dataPoints", d.DataPoints, func(x *ClassicDataPoint) string { return x.Name })
		for j := range d.DataPoints {
			x, path := &d.DataPoints[j], fmt.Sprintf("%s.dataPoints[%d]", path, j)
			p.required(path+".dataSource", x.DataSource)
			p.configuration(path+".dataPointConfiguration", x.DataPointConfiguration)
		}
	}
	unique(p, "events", a.Events, func(e *ClassicEvent) string { return e.Name })
	for i := range a.Events {
		e, path := &a.Events[i], fmt.Sprintf("events[%d]", i)
		p.required(path+".eventNotifier", e.EventNotifier)
		p.configuration(path+".eventConfiguration", e.EventConfiguration)
		p.classicTopic(path+".topic", e.Topic)
	}
	return p.err()
}

func (p *problems) classicTopic(path string, t *ClassicTopic) {
	if t == nil {
		return
	}
	if err := topic.CheckName(t.Path); err != nil {
		p.add(path+".path", "%v", err)
	}
	if t.Retain != "" && t.Retain != "Keep" && t.Retain != "Never" {
		p.add(path+".retain", "%q is not Keep or Never", t.Retain)
	}
}

// Validate implements Object.
func (o *EndpointProfile) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.required("targetAddress", o.Properties.TargetAddress)
	p.required("endpointProfileType", o.Properties.EndpointProfileType)
	p.authentication("authentication", o.Properties.Authentication)
	p.configuration("additionalConfiguration", o.Properties.AdditionalConfiguration)
	return p.err()
}
