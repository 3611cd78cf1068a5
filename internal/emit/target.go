package emit

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

// target is a dataset, an event or a stream: something with a destination.
type target struct {
	ref      model.ItemRef
	event    bool
	topic    string
	qos      byte
	retain   bool
	expiry   time.Duration
	static   []message.Prop
	sdkHead  string // StyleSDK: the CloudEvents source
	err      error  // why it has no destination that can be served
	sequence uint32 // number of the last message; OPC UA's goes from 1 and wraps to 1

	points    []point
	keyFrames int // every n-th message holds all points; 0 = never
	sinceKey  int

	touched bool
	pending []pending
	rounds  []round // reused
	events  []event
	buf     []byte // payload, reused
}

// point is one data point of a dataset.
type point struct {
	prefix string // `"name":{`, ready to write
	last   value.Sample
	seen   bool
	mark   uint64 // number of the message that it was last put in
	cycle  uint64 // number of the Flush that it last had a sample in
	round  int    // and how many it had there before
}

// pending is a sample that waits for Flush.
type pending struct {
	h    connector.Handle
	s    value.Sample
	next int // of the same message; -1 = none
}

// round is the chain of samples that make one message.
type round struct{ first, last int }

// event is an event that waits for Flush.
type event struct {
	at      int64
	payload []byte
}

func newPoint(name string) point {
	return point{prefix: string(append(value.AppendString(nil, name), ':', '{'))}
}

// spec is what a target is made of.
type spec struct {
	a          *model.Assignment
	asset      *model.Asset
	dest       model.Destination
	word       string // DataSet, Event or Stream
	typeRef    string
	dataSource string
	subject    string
}

// target returns the target of ref, renewed from s: the old one where there is one,
// so that its sequence and what waits in it go on.
func (p *Plan) target(ref model.ItemRef, old map[model.ItemRef]*target, s spec) *target {
	t := old[ref]
	if t == nil {
		t = &target{ref: ref}
	}
	p.targets[ref] = t
	p.order = append(p.order, t)
	had := t.err
	t.err = nil
	c := s.dest.Configuration
	t.topic, t.qos, t.retain, t.expiry = c.Topic, 1, c.Retain == "Keep", 0
	if c.QoS == "Qos0" {
		t.qos = 0
	}
	if c.TTL != nil {
		t.expiry = time.Duration(*c.TTL) * time.Second
	}
	if s.dest.Target != model.TargetMqtt {
		t.err = fault.WithCode(fault.New(fault.Unsupported, "destination %s is not served yet; Mqtt is", s.dest.Target), "DestinationUnsupported")
	}
	t.static = p.staticProps(s)
	t.sdkHead = sdkSource(s)
	if p.o.OnItem != nil && (t.err != nil || had != nil) {
		p.o.OnItem(ref, t.err)
	}
	return t
}

// addEvent writes an event's payload into a buffer that is used again.
func (t *target) addEvent(at int64, fields []value.Field) {
	n := len(t.events)
	if n < cap(t.events) {
		t.events = t.events[:n+1]
	} else {
		t.events = append(t.events, event{})
	}
	e := &t.events[n]
	e.at = at
	e.payload = append(e.payload[:0], '{')
	for i := range fields {
		if i > 0 {
			e.payload = append(e.payload, ',')
		}
		e.payload = value.AppendString(e.payload, fields[i].Name)
		e.payload = append(e.payload, ':')
		e.payload = fields[i].Value.AppendJSON(e.payload)
	}
	e.payload = append(e.payload, '}')
}

// keyFrameCount finds the first keyFrameCount of a dataset's own
// configuration, the asset's and the endpoint's.
func keyFrameCount(dataset, asset, endpoint string) int {
	for _, text := range []string{dataset, asset} {
		var c struct {
			N *int `json:"keyFrameCount"`
		}
		if text != "" && json.Unmarshal([]byte(text), &c) == nil && c.N != nil && *c.N >= 0 {
			return *c.N
		}
	}
	var e struct {
		Defaults struct {
			N int `json:"keyFrameCount"`
		} `json:"defaults"`
	}
	if endpoint == "" || json.Unmarshal([]byte(endpoint), &e) != nil {
		return 0
	}
	return max(e.Defaults.N, 0)
}

// appendSample writes one point of a dataset message.
func appendSample(buf []byte, prefix string, s *value.Sample) []byte {
	buf = append(buf, prefix...)
	at := s.Source
	if at == 0 {
		at = s.Server
	}
	if at != 0 {
		buf = append(buf, `"SourceTimestamp":"`...)
		buf = value.AppendTime(buf, at)
		buf = append(buf, `",`...)
	}
	buf = append(buf, `"Value":`...)
	buf = s.Value.AppendJSON(buf)
	if s.Status&0xffff0000 != 0 { // anything but plain Good; info bits are no quality
		buf = append(buf, `,"StatusCode":`...)
		buf = value.AppendStatus(buf, s.Status&0xffff0000)
	}
	return append(buf, '}')
}

// all reports whether every point is in the message with a mark.
func (t *target) all(mark uint64) bool {
	return !slices.ContainsFunc(t.points, func(x point) bool { return x.mark != mark })
}
