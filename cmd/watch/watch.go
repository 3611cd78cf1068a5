// Package watch holds the command `watch`: live messages of a broker.
package watch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/topic"
)

// options are those of the command line.
type options struct {
	place    app.Place
	broker   app.BrokerFlags
	filters  []string
	limit    *int64
	duration *float64
	props    bool
}

// New returns the command.
func New(f *app.Factory) *cli.Command {
	var o options
	return cli.NewVerb(cli.Verb{
		Use:   "watch",
		Short: "Show live messages of a broker.",
		Long: `Show live messages of a broker: the one that the running serve publishes to, or another one (--mqtt-broker).

On a terminal, and with -o table or tsv, each message is a line: time, topic, size, payload. Otherwise each is a JSON document
on a line of its own, with its properties; a payload that is not text is in base64. Ctrl-C ends it.`,
		Example: `iotops watch 'plant/#'
iotops watch 'plant/oven' --limit 10 -o json
iotops watch '#' --mqtt-broker mqtts://broker.example:8883 --mqtt-user u --mqtt-password-ref env:PASSWORD`,
		Exits: "130  ended by Ctrl-C",
		Options: func(s *cli.Set) {
			s.Positional(&o.filters, "FILTER", "Topic filters: + is one level, # all that follow.", 1, 100)
			f.Place(s, &o.place)
			o.broker.Declare(s)
			s.Int(&o.limit, "--limit").Ours().Doc("End after so many messages; with --duration, fewer are a failure.")
			s.Float(&o.duration, "--duration").Ours().Doc("End after so many seconds.")
			s.Flag(&o.props, "--props").Ours().Doc("Show the user properties too.")
		},
		Run: func(ctx context.Context, io *cli.IO) error { return run(ctx, f, io, &o) },
	})
}

func run(ctx context.Context, f *app.Factory, io *cli.IO, o *options) error {
	for _, filter := range o.filters {
		if err := topic.CheckFilter(filter); err != nil {
			return err
		}
	}
	if o.limit != nil && *o.limit < 1 {
		return fault.New(fault.Invalid, "--limit is at least 1")
	}
	instance, err := o.place.InstanceKey()
	if err != nil {
		return err
	}
	if o.duration != nil && *o.duration <= 0 {
		return fault.New(fault.Invalid, "--duration is a positive number of seconds")
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.duration != nil {
		time.AfterFunc(time.Duration(*o.duration*float64(time.Second)), cancel)
	}
	p := &printer{io: io, now: f.Now, props: o.props, done: cancel}
	if o.limit != nil {
		p.left = *o.limit
	}
	if err := f.Watch(watching, &o.broker, instance, o.filters, p, f.Log()); err != nil {
		return err
	}
	if ctx.Err() == nil && p.left > 0 {
		return fault.New(fault.Unavailable, "%d of %d messages came within %g seconds", *o.limit-p.left, *o.limit, *o.duration)
	}
	return ctx.Err() // Ctrl-C: exit code 130
}

// printer writes each message on a line. It is a message.Publisher.
type printer struct {
	io    *cli.IO
	now   func() time.Time
	props bool
	done  func()

	mu   sync.Mutex
	left int64 // 0 = no limit
	over bool
	buf  bytes.Buffer
}

// Publish implements message.Publisher.
func (p *printer) Publish(_ context.Context, m *message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.buf.Reset()
	switch format := p.io.Globals.Output; {
	case format == "none":
	case format == "table", format == "tsv", p.io.OutTTY && !p.io.Globals.OutputGiven():
		p.line(m)
	default:
		p.document(m)
	}
	if _, err := p.io.Out.Write(p.buf.Bytes()); err != nil {
		p.over = true
		p.done() // nobody reads any more
		return nil
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.over = true
			p.done()
		}
	}
	return nil
}

// maxLine bounds what is shown of a payload on a terminal.
const maxLine = 2000

func (p *printer) line(m *message.Message) {
	text := "(" + strconv.Itoa(len(m.Payload)) + " bytes)"
	if utf8.Valid(m.Payload) {
		text = printable(string(m.Payload))
	}
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	fmt.Fprintf(&p.buf, "%s  %s  %d B  %s\n", p.now().Format("15:04:05.000"), printable(m.Topic), len(m.Payload), text)
	if p.props {
		for _, x := range m.Props {
			fmt.Fprintf(&p.buf, "    %s: %s\n", printable(x.Key), printable(x.Value))
		}
	}
}

// printable keeps what came from the network off the terminal's controls.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

func (p *printer) document(m *message.Message) {
	doc := map[string]any{"topic": m.Topic, "qos": m.QoS, "retain": m.Retain, "time": p.now().UTC().Format(time.RFC3339Nano)}
	switch {
	case json.Valid(m.Payload):
		doc["payload"] = json.RawMessage(m.Payload)
	case utf8.Valid(m.Payload):
		doc["payload"] = string(m.Payload)
	default:
		doc["payloadBase64"] = base64.StdEncoding.EncodeToString(m.Payload)
	}
	if m.ContentType != "" {
		doc["contentType"] = m.ContentType
	}
	if m.Expiry > 0 {
		doc["expirySeconds"] = int64(m.Expiry / time.Second)
	}
	if len(m.Props) > 0 {
		props := map[string]string{}
		for _, x := range m.Props {
			props[x.Key] = x.Value
		}
		doc["properties"] = props
	}
	enc := json.NewEncoder(&p.buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(doc) // it is made of what JSON has
}
