// Package connector is the contract between iotops and whatever speaks to a
// source of data. The built-in connectors use it, and so does a connector that
// somebody else writes in Go.
//
// A connector is stateless. A running connection lives on the stack of Run;
// whoever calls Run decides when it starts, how long to wait after it failed,
// and when to stop it.
package connector

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

// Connector speaks one protocol. Its methods are safe for concurrent use.
type Connector interface {
	// Info describes the connector. It is constant.
	Info() Info

	// Validate checks what the connector is told: addresses, credentials that
	// do not fit, configuration texts. It is pure and never touches the network.
	// Errors are of kind Invalid or Unsupported and name the path of each problem.
	Validate(a *model.Assignment) error

	// Run connects and keeps the data of one assignment flowing.
	//
	//  1. It returns nil after ctx ends, and otherwise the reason why the
	//     connection is lost. It never retries or sleeps before it returns: the
	//     host does, following fault.KindOf and fault.WaitOf of the error.
	//  2. One goroutine owns the connection: a select over ctx, s.Updates,
	//     s.Actions and what the protocol delivers. Helpers are joined before
	//     Run returns, and cleaning up takes at most two seconds.
	//  3. What arrives on s.Updates has the same endpoint: assets and points
	//     are added and removed on the live connection.
	//  4. What the source can deliver again (a notification to acknowledge, a
	//     cursor to move on) is given up only after the completion passed to
	//     s.Out: Safe, or Expired or Dropped, which are counted by whoever had to
	//     give the message up, and would not come out better a second time.
	//  5. What the next Run, in this process or the next, needs to take up where
	//     this one stopped goes to s.State. It holds no secrets.
	Run(ctx context.Context, s Session) error
}

// Session is what the host lends to one Run.
type Session struct {
	Assignment *model.Assignment        // immutable snapshot at one revision
	Updates    <-chan *model.Assignment // same endpoint, other assets; the latest wins; never closed during Run
	Actions    <-chan Action            // requests to read, write or call; each is replied to exactly once
	Out        Output
	State      State
	Report     Reporter
	Secrets    Secrets
	Log        *slog.Logger // carries unit=…
}

// Info describes a connector.
type Info struct {
	Name          string   // the command line's word, such as "opcua"
	EndpointTypes []string // such as "Microsoft.OpcUa"; compared without regard to case
	Doc           string   // one sentence
	Style         Style    // what its messages look like
	Endpoint      []Field  // members of an endpoint's additionalConfiguration
	Dataset       []Field  // members of a datasetConfiguration
	DataPoint     []Field  // members of a dataPointConfiguration
	EventGroup    []Field  // members of an eventGroupConfiguration
	Event         []Field  // members of an eventConfiguration
}

// Style tells which of the two sets of message properties and payloads a
// connector's messages follow.
type Style uint8

// The styles.
const (
	StyleSDK   Style = iota // connectors built on Azure's SDKs: CloudEvents binary mode
	StyleOPCUA              // the connector for OPC UA: OPC UA PubSub JSON and its CloudEvents extension
)

// Field describes one member of a configuration document. Fields are derived
// from the connector's configuration struct: see Fields.
type Field struct {
	Path    string   // dotted JSON path, such as "session.timeoutMilliseconds"
	Type    string   // "string", "int", "bool", "number", "list"
	Default string   // JSON text; "" = none
	Doc     string   // one sentence; units included
	Enum    []string // allowed values; nil = any
	Min     *float64 // smallest allowed number; nil = any
	Secret  bool     // holds a reference to a secret
}

// Handle is a number that a connector uses in place of a data point or event.
// The host gives it out; it indexes the host's tables, so sources that let a
// client choose a number per item (OPC UA's ClientHandle) make looking up free.
type Handle uint32

// Binding ties a handle to what the assignment says about it. Its pointers
// lead into the assignment it came from.
type Binding struct {
	Handle  Handle
	Asset   *model.Asset
	Dataset *model.Dataset    // nil for an event
	Point   *model.DataPoint  // nil for an event
	Group   *model.EventGroup // nil for a data point
	Event   *model.Event      // nil for a data point
}

// Ref returns the item that b stands for.
func (b Binding) Ref() model.ItemRef {
	if b.Point != nil {
		return model.ItemRef{Kind: model.ItemDataPoint, Asset: b.Asset.Name, Group: b.Dataset.Name, Item: b.Point.Name}
	}
	return model.ItemRef{Kind: model.ItemEvent, Asset: b.Asset.Name, Group: b.Group.Name, Item: b.Event.Name}
}

// Output turns samples and events into messages. It belongs to the goroutine
// that calls Run: no method is safe for concurrent use.
type Output interface {
	// Update takes an assignment and says which handles are new and which the
	// source should stop delivering. An item keeps its handle, and its last
	// sample, for as long as its data source and its effective configuration
	// stay the same; what only concerns messages (destinations, names of the
	// asset) changes nothing here. A removed handle is ignored by Put at once.
	Update(a *model.Assignment) (added []Binding, removed []Handle)

	// Free lets removed handles be given out again, once the source has
	// confirmed that it no longer sends them.
	Free(removed []Handle)

	// Put records a sample; it is published with the next Flush. It reports
	// false for a handle that is not in use. *s is copied. No sample
	// overwrites another: a second one of the same point goes into a further
	// message.
	Put(h Handle, s *value.Sample) bool

	// PutEvent records an event; it is published with the next Flush. The
	// fields are used before PutEvent returns.
	PutEvent(h Handle, time int64, fields []value.Field) bool

	// Flush publishes what was recorded since the last Flush, as one cycle of
	// the source. c.Done is completed exactly once, when every message of the
	// cycle is complete, and at once if there was none. An error means that
	// at least one message was not accepted; c.Done then says Dropped.
	Flush(ctx context.Context, c Cycle) error

	// Publish sends a message of the connector's own making, such as a picture.
	// item says which stream, dataset or event it belongs to: destination and
	// static properties come from there, and m.Topic, QoS, Retain, Expiry and
	// Static are set by Publish.
	Publish(ctx context.Context, item model.ItemRef, m *message.Message) error

	// SetSource tells the source's own name (an OPC UA server's application
	// URI) once it is known. Messages carry it.
	SetSource(uri string)
}

// Cycle describes one delivery of the source.
type Cycle struct {
	Published int64              // when the source sent it, nanoseconds since the Unix epoch; 0 = unknown
	Received  int64              // when it arrived here
	Done      message.Completion // may be nil
}

// State is a small durable store that outlives Run and the process. Its keys
// are private to the unit. What Save wrote is on disk when it returns.
type State interface {
	Load(ctx context.Context, key string) ([]byte, error) // nil, nil if there is none
	Save(ctx context.Context, key string, data []byte) error
	Delete(ctx context.Context, key string) error
}

// Reporter takes what a connector has to say about itself. Calls are cheap and
// never block: the host coalesces them and writes at most once a second. They
// are safe for concurrent use.
type Reporter interface {
	// Applied says that a's configuration is in force.
	Applied(a *model.Assignment)
	// Health says whether the connection works: nil = yes. code is a stable
	// reason such as "OpcUaConnectorAssetConnected".
	Health(code string, err error)
	// Item says whether one data point, event, stream or action works: nil = yes.
	Item(ref model.ItemRef, err error)
	// Count adds n to one of the host's counters for an asset ("" = the unit).
	Count(c Counter, asset string, n int64)
}

// Counter names what a Reporter counts.
type Counter uint8

// The counters. Each is visible in status and metrics; see docs/guide/metrics.md.
const (
	CountValues      Counter = iota // values received from the source
	CountBad                        // of these: values with a bad status
	CountEvents                     // events received
	CountOverflow                   // values that carry the overflow bit: the source's queue dropped older ones
	CountLost                       // messages of the source that are known to be missing
	CountRepublished                // messages that were fetched again after a gap
	CountDuplicate                  // messages that arrived a second time and were dropped
	CountReconnects                 // connections made after the first
	CountersEnd                     // how many counters there are
)

// Secrets resolves references ("name/key", "env:NAME", "file:PATH").
type Secrets interface {
	// Resolve returns the secret's value. It is not to be stored or logged.
	// A missing secret is an error of kind Unavailable that names the reference.
	Resolve(ctx context.Context, ref string) (Secret, error)
}

// Secret is a resolved secret. It prints, logs and marshals as "***".
type Secret struct{ plain string }

// NewSecret wraps plain.
func NewSecret(plain string) Secret { return Secret{plain} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.plain }

// String implements fmt.Stringer.
func (Secret) String() string { return "***" }

// Format implements fmt.Formatter, so that no verb prints the secret.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Action is one request to a connector. Reply is called exactly once.
type Action struct {
	Item    model.ItemRef // the action, or the dataset that is read or written
	Type    string        // Call, Read or Write
	Payload []byte        // JSON
	Reply   func(ActionResult)
}

// ActionResult answers an Action.
type ActionResult struct {
	Payload []byte // JSON
	Code    string // stable name of what went wrong; "" = success
	Err     error  // nil = success; Payload may still say which parts failed
}

// Target is an endpoint to look at, outside of any Run.
type Target struct {
	Device   model.Key
	Name     string // endpoint name; "" for an address typed by hand
	Endpoint model.Endpoint
	Secrets  Secrets
	Log      *slog.Logger
}

// Prober tries an endpoint: can it be reached, who is it, does the login work.
type Prober interface {
	Probe(ctx context.Context, t Target) (ProbeResult, error)
}

// ProbeResult is what a Prober found out, as name and value pairs in the
// order in which they are to be shown.
type ProbeResult struct {
	Facts []value.Field
}

// Browser walks what an endpoint offers. The walk is lazy: breaking off the
// loop ends it and releases what the server holds for it.
type Browser interface {
	Browse(ctx context.Context, t Target, q BrowseQuery) iter.Seq2[Node, error]
}

// BrowseQuery says what part of an endpoint to walk.
type BrowseQuery struct {
	Root   string // node to start at; "" = where data begins
	Depth  int    // levels below the root; 0 = all
	Search string // only nodes whose name contains it, without regard to case, with their ancestors; "" = all
	Values bool   // read the values of variables too
}

// Node is one thing that a Browser found, parents before children.
type Node struct {
	Level     int      `json:"level"` // 0 = the root's children
	Path      string   `json:"path"`  // names from the root, joined by "/"
	ID        string   `json:"id"`    // what a data source refers to it by
	Name      string   `json:"name"`
	Class     string   `json:"class"` // such as Object, Variable, Method
	TypeID    string   `json:"typeId,omitempty"`
	DataType  string   `json:"dataType,omitempty"`
	Access    string   `json:"access,omitempty"` // "r", "w", "rw"
	Value     string   `json:"value,omitempty"`  // as JSON, only when asked for
	Match     bool     `json:"-"`                // false for an ancestor that is only shown for its children
	Children  bool     `json:"-"`
	Reference string   `json:"reference,omitempty"` // reference type that leads here
	Warnings  []string `json:"warnings,omitempty"`
}

// Discoverer makes one sweep and returns the full set of what there is.
type Discoverer interface {
	Discover(ctx context.Context, t Target) ([]Discovered, error)
}

// Discovered is one proposal of a Discoverer.
type Discovered struct {
	Object model.Object // a discovered device or a discovered asset
}

// Set is the connectors that a program knows.
type Set struct {
	list   []Connector
	byType map[string]Connector
}

// NewSet returns the set of cs. It panics if two claim one name or endpoint
// type: that is a mistake in the program.
func NewSet(cs ...Connector) *Set {
	s := &Set{list: cs, byType: map[string]Connector{}}
	names := map[string]bool{}
	for _, c := range cs {
		info := c.Info()
		if names[info.Name] {
			panic("connector: name claimed twice: " + info.Name)
		}
		names[info.Name] = true
		for _, t := range info.EndpointTypes {
			t = strings.ToLower(t)
			if s.byType[t] != nil {
				panic("connector: endpoint type claimed twice: " + t)
			}
			s.byType[t] = c
		}
	}
	return s
}

// All returns the connectors in the order in which they were given.
func (s *Set) All() []Connector { return s.list }

// ForType returns the connector of an endpoint type, or an error of kind Unsupported.
func (s *Set) ForType(endpointType string) (Connector, error) {
	if c := s.byType[strings.ToLower(endpointType)]; c != nil {
		return c, nil
	}
	return nil, fault.New(fault.Unsupported, "no connector for endpoint type %q", endpointType)
}

// Named returns the connector with a name, or an error of kind Unsupported.
func (s *Set) Named(name string) (Connector, error) {
	for _, c := range s.list {
		if strings.EqualFold(c.Info().Name, name) {
			return c, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "no connector is called %q", name)
}

// Capability returns c as a T (Prober, Browser, Discoverer), or an error of
// kind Unsupported that names both.
func Capability[T any](c Connector) (T, error) {
	if t, ok := c.(T); ok {
		return t, nil
	}
	var zero T
	what := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", (*T)(nil)), "*connector."))
	return zero, fault.New(fault.Unsupported, "connector %s has no %s", c.Info().Name, what)
}
