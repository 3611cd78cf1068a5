package opcua

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
	"github.com/iotops/iotops/pkg/value"
)

// Reason codes of health, as the connector for OPC UA of Azure IoT Operations has them.
const (
	codeConnected    = "OpcUaConnectorAssetConnected"
	codeDisconnected = "OpcUaConnectorAssetDisconnected"
	codeInvalid      = "OpcUaConnectorInboundEndpointInvalidConfiguration"
	codeRejected     = "OpcUaConnectorCertificateRejected"
)

// run is one running connection. It belongs to Run's goroutine.
type run struct {
	host       connector.Session
	assignment *model.Assignment
	settings   settings
	session    *session
	names      *namespaces
	log        *slog.Logger
	pub        *publisher
	subs       map[uint32]*subscription
	items      map[connector.Handle]*monitored
	failed     []*monitored // to be tried again
	resting    []resting    // handles that are not wanted any more, oldest first
	sample     value.Sample // reused
	touched    time.Time    // when the server last answered
}

// resting are handles whose items are deleted. A notification that was sent
// before may still come, or come again: they must not mean another point by then.
type resting struct {
	handles []connector.Handle
	since   time.Time
}

// restTime is longer than any notification stays on its way.
const restTime = time.Minute

// watchInterval is how often gaps and silence are looked for.
const watchInterval = 250 * time.Millisecond

// retryItems is how often items that the server refused are tried again.
const retryItems = 30 * time.Second

// Run implements connector.Connector.
func (c *Connector) Run(ctx context.Context, s connector.Session) error {
	err := c.run(ctx, s)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	code := codeDisconnected
	switch {
	case fault.CodeOf(err) == codeRejected:
		code = codeRejected
	case fault.Is(err, fault.Invalid):
		code = codeInvalid
	}
	s.Report.Health(code, err)
	return err
}

func (c *Connector) run(ctx context.Context, s connector.Session) error {
	parsed, err := parseEndpoint(&s.Assignment.Endpoint)
	if err != nil {
		return err
	}
	t := target{endpoint: s.Assignment.Endpoint, settings: parsed, secrets: s.Secrets, pki: c.pki, log: s.Log}
	session, err := connect(ctx, t)
	if err != nil {
		return c.patience(parsed, err)
	}
	names, err := recall(ctx, s, session.namespaces)
	if err != nil {
		session.close(ctx)
		return c.patience(parsed, err)
	}
	r := &run{
		names: names, touched: time.Now(),
		host: s, assignment: s.Assignment, settings: parsed, session: session, log: s.Log,
		subs: map[uint32]*subscription{}, items: map[connector.Handle]*monitored{},
	}
	defer func() {
		// The server need not keep anything: nothing of it is taken up again yet,
		// and sessions that nobody closes lock others out.
		session.close(ctx)
		if r.pub != nil {
			r.pub.stop()
		}
	}()
	s.Out.SetSource(session.server.Server.ApplicationURI)
	s.Log.Info("connected", "security", security(session.server))
	return c.patience(parsed, r.loop(ctx))
}

// patience adds how long the endpoint wants to be left alone after a failure.
func (c *Connector) patience(s settings, err error) error {
	if err == nil || fault.WaitOf(err) > 0 || fault.Is(err, fault.Denied) {
		return err
	}
	first, most := millis(s.endpoint.Session.ReconnectPeriod, 2000), millis(s.endpoint.Session.ReconnectBackOff, 10000)
	return fault.WithBackoff(err, first, max(first, most))
}

func security(e *ua.EndpointDescription) string {
	const prefix = len("http://opcfoundation.org/UA/SecurityPolicy#")
	policy := e.SecurityPolicyURI
	if len(policy) > prefix {
		policy = policy[prefix:]
	}
	return policy + "/" + strings.TrimPrefix(e.SecurityMode.String(), "MessageSecurityMode")
}

// loop keeps the connection until it is lost or ctx ends.
func (r *run) loop(ctx context.Context) error {
	if err := r.apply(ctx, r.host.Assignment); err != nil {
		return err
	}
	r.host.Report.Health(codeConnected, nil)
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	retry := time.NewTicker(retryItems)
	defer retry.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case p := <-r.pub.responses:
			err = r.take(ctx, p)
		case a := <-r.host.Updates:
			err = r.apply(ctx, a)
		case action := <-r.host.Actions:
			action.Reply(connector.ActionResult{
				Code: "BadNotSupported", Err: fault.New(fault.Unsupported, "process control is not supported yet"),
			})
		case <-watch.C:
			err = r.watch(ctx)
		case <-retry.C:
			err = r.retryFailed(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// apply brings the server's monitored items to what an assignment wants.
func (r *run) apply(ctx context.Context, a *model.Assignment) error {
	r.assignment = a
	added, removed := r.host.Out.Update(a)
	if err := r.unmonitor(ctx, removed); err != nil {
		return err
	}
	if len(removed) > 0 {
		r.resting = append(r.resting, resting{removed, time.Now()})
	}
	fresh := make([]*monitored, 0, len(added))
	for _, b := range added {
		if b.Point == nil {
			r.host.Report.Item(b.Ref(), fault.WithCode(fault.New(fault.Unsupported, "events are not supported yet"), "BadNotSupported"))
			continue
		}
		fresh = append(fresh, &monitored{binding: b})
	}
	if err := r.monitor(ctx, fresh); err != nil {
		return err
	}
	if r.pub == nil {
		r.pub = newPublisher(context.WithoutCancel(ctx), r.session)
	}
	r.pub.ask(2+len(r.subs), r.publishTimeout())
	r.host.Report.Applied(a)
	return nil
}

// publishTimeout is longer than any silence that a subscription may keep.
func (r *run) publishTimeout() time.Duration {
	longest := millis(r.settings.endpoint.KeepAlive, 10000)
	for _, sub := range r.subs {
		longest = max(longest, sub.keepAlive)
	}
	return 4*longest + callTimeout
}
