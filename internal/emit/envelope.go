package emit

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/value"
)

// envelope makes the properties of one message after the other in memory that
// it uses again. A property's value is valid until the next message.
type envelope struct {
	ids      *rand.ChaCha8
	clientID string
	cycles   sync.Pool

	now      time.Time
	at       int64 // when the source sent the cycle, else now
	transit  int64 // nanoseconds from the source to here; -1 = unknown
	clockMS  int64 // hybrid logical clock: last wall time
	clockSeq int64 // and its counter

	buf  []byte
	list []message.Prop
}

// cycle returns a cycle from the pool.
func (e *envelope) cycle() *cycle {
	if c, ok := e.cycles.Get().(*cycle); ok {
		return c
	}
	return &cycle{pool: &e.cycles}
}

// begin notes the times of a cycle.
func (e *envelope) begin(now time.Time, c connector.Cycle) {
	e.now, e.at, e.transit = now, c.Published, -1
	if e.at == 0 {
		e.at = now.UnixNano()
	}
	if c.Published != 0 && c.Received >= c.Published {
		e.transit = c.Received - c.Published
	}
}

// constProp returns a property that is the same in each message.
func constProp(key, val string) message.Prop { return message.Prop{Key: key, Value: val} }

// staticProps returns the properties of a target that never change.
func (p *Plan) staticProps(s spec) []message.Prop {
	props := []message.Prop{constProp("specversion", "1.0")}
	add := func(key, val string) {
		if val != "" {
			props = append(props, constProp(key, val))
		}
	}
	a := &s.asset.Properties
	external := a.ExternalAssetID
	if external == "" {
		external = a.UUID
	}
	if p.o.Style == connector.StyleOPCUA {
		add("datacontenttype", "application/json")
		add("subject", s.asset.Name)
		add("uuid", a.UUID)
		add("externalAssetId", external)
	} else {
		typ := s.word
		if s.typeRef != "" {
			typ += "/" + s.typeRef
		}
		add("type", typ)
		subject := s.subject
		if external != a.UUID {
			subject = external + subject[len(s.asset.Name):]
		}
		add("subject", subject)
	}
	if s.a.Device.UUID != "" {
		add("aiodeviceref", "ms-aio:"+s.a.Device.UUID+"_"+s.a.EndpointName)
	}
	if a.UUID != "" {
		add("aioassetref", "ms-aio:"+a.UUID)
	}
	add("__srcId", p.o.ClientID)
	add("__protVer", "1.0")
	return props
}

// sdkSource returns the CloudEvents source of a target in StyleSDK.
func sdkSource(s spec) string {
	id := s.a.Device.ExternalID
	if id == "" || id == s.a.Device.UUID {
		id = s.a.Device.Key.Name
	}
	source := "ms-aio:" + id
	if rest := strings.TrimPrefix(s.dataSource, "/"); rest != "" && !strings.ContainsAny(rest, " \"<>\\^`{|}") {
		source += "/" + rest
	}
	return source
}

// props returns the properties of one message that differ from the last one's.
func (e *envelope) props(style connector.Style, source string, t *target, kind string, at int64) []message.Prop {
	e.buf, e.list = e.buf[:0], e.list[:0]
	if cap(e.buf) < 512 {
		e.buf = make([]byte, 0, 512) // it never grows below: values point into it
	}
	e.add("id", e.appendUUID)
	if style == connector.StyleOPCUA {
		e.list = append(e.list, message.Prop{Key: "type", Value: kind})
		if source != "" {
			e.list = append(e.list, message.Prop{Key: "source", Value: source})
		}
		e.addInt("sequence", int64(t.sequence))
		if e.transit >= 0 {
			e.add("serverToConnectorMilliseconds", func(b []byte) []byte {
				return strconv.AppendFloat(b, float64(e.transit)/1e6, 'f', 4, 64)
			})
		}
		e.add("recordedtime", func(b []byte) []byte {
			return append(e.now.UTC().AppendFormat(b, "2006-01-02 15:04:05.000"), " +00:00"...)
		})
		e.add("traceparent", e.appendTrace)
	} else {
		e.list = append(e.list, message.Prop{Key: "source", Value: t.sdkHead})
	}
	e.add("time", func(b []byte) []byte { return value.AppendTime(b, at) })
	if e.clientID != "" {
		e.add("__ts", e.appendClock)
	}
	return e.list
}

// add appends one property; write appends its value to the buffer.
func (e *envelope) add(key string, write func([]byte) []byte) {
	start := len(e.buf)
	e.buf = write(e.buf)
	text := e.buf[start:]
	e.list = append(e.list, message.Prop{Key: key, Value: unsafe.String(unsafe.SliceData(text), len(text))})
}

func (e *envelope) addInt(key string, n int64) {
	e.add(key, func(b []byte) []byte { return strconv.AppendInt(b, n, 10) })
}

// appendUUID writes a random UUID, version 4.
func (e *envelope) appendUUID(b []byte) []byte {
	var id [16]byte
	_, _ = e.ids.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [][2]int{{4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		b = append(b, '-')
		b = hex.AppendEncode(b, id[part[0]:part[1]])
	}
	return b
}

// appendTrace writes a W3C trace context that begins here.
func (e *envelope) appendTrace(b []byte) []byte {
	var id [24]byte
	_, _ = e.ids.Read(id[:])
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, id[:16])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[16:])
	return append(b, "-01"...)
}

// appendClock writes the hybrid logical clock: milliseconds, counter, node.
func (e *envelope) appendClock(b []byte) []byte {
	if ms := e.now.UnixMilli(); ms > e.clockMS {
		e.clockMS, e.clockSeq = ms, 0
	} else {
		e.clockSeq++
	}
	b = appendPadded(b, e.clockMS, 15)
	b = append(b, ':')
	b = appendPadded(b, e.clockSeq, 5)
	b = append(b, ':')
	return append(b, e.clientID...)
}

func appendPadded(b []byte, n int64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	for range width - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}
