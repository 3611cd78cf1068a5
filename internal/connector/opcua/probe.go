package opcua

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/value"
)

// facts collects what a probe finds, in the order in which it is shown.
type facts []value.Field

func (f *facts) add(name, format string, args ...any) {
	*f = append(*f, value.Field{Name: name, Value: value.OfString(fmt.Sprintf(format, args...))})
}

// Probe implements connector.Prober. Once the server's endpoints are known,
// what goes wrong is among the facts as well as in the error.
func (c *Connector) Probe(ctx context.Context, t connector.Target) (connector.ProbeResult, error) {
	var f facts
	err := c.probe(ctx, t, &f)
	return connector.ProbeResult{Facts: f}, err
}

func (c *Connector) probe(ctx context.Context, t connector.Target, f *facts) error {
	parsed, err := parseEndpoint(&t.Endpoint)
	if err != nil {
		return err
	}
	began := time.Now()
	offered, err := endpoints(ctx, t.Endpoint.Address)
	if err != nil {
		return err
	}
	f.add("address", "%s", t.Endpoint.Address)
	f.add("answerMilliseconds", "%.1f", float64(time.Since(began).Microseconds())/1000)
	aboutServer(f, offered)
	aboutCertificate(f, c.pki, offered)
	s, err := connect(ctx, target{endpoint: t.Endpoint, settings: parsed, secrets: t.Secrets, pki: c.pki, log: t.Log})
	if err != nil {
		f.add("login", "refused: %s", err)
		return err
	}
	defer s.close(ctx)
	f.add("login", "works, as %s, with %s", strings.ToLower(t.Endpoint.Method()), security(s.server))
	return s.aboutSession(ctx, f)
}

// aboutServer tells who the server is and what it offers.
func aboutServer(f *facts, offered []*ua.EndpointDescription) {
	for _, e := range offered {
		if e != nil && e.Server != nil {
			f.add("applicationUri", "%s", e.Server.ApplicationURI)
			f.add("productUri", "%s", e.Server.ProductURI)
			if e.Server.ApplicationName != nil {
				f.add("applicationName", "%s", e.Server.ApplicationName.Text)
			}
			break
		}
	}
	for i, e := range offered {
		if e == nil {
			continue
		}
		var tokens []string
		for _, p := range e.UserIdentityTokens {
			if p != nil {
				tokens = append(tokens, strings.TrimPrefix(p.TokenType.String(), "UserTokenType"))
			}
		}
		slices.Sort(tokens)
		f.add(fmt.Sprintf("endpoint%d", i+1), "%s, level %d, logins %s, at %s", security(e), e.SecurityLevel,
			cmp.Or(strings.Join(slices.Compact(tokens), " "), "Anonymous"), e.EndpointURL)
	}
}

// aboutCertificate tells what the server's certificate is, and whether it is trusted.
func aboutCertificate(f *facts, store *pki.Store, offered []*ua.EndpointDescription) {
	i := slices.IndexFunc(offered, func(e *ua.EndpointDescription) bool { return e != nil && len(e.ServerCertificate) > 0 })
	if i < 0 {
		f.add("certificate", "none")
		return
	}
	der := leaf(offered[i].ServerCertificate)
	sum := sha256.Sum256(der)
	if cert, err := x509.ParseCertificate(der); err == nil {
		f.add("certificate", "%s", cert.Subject)
		f.add("certificateValidUntil", "%s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	f.add("certificateThumbprint", "%s", pki.Thumbprint(der))
	f.add("certificateSha256", "%s", hex.EncodeToString(sum[:]))
	if err := store.Check(der); err != nil {
		f.add("certificateTrusted", "no: %s", err)
	} else {
		f.add("certificateTrusted", "yes")
	}
}

// aboutSession tells what only a session sees.
func (s *session) aboutSession(ctx context.Context, f *facts) error {
	const idServerStatus = 2256
	results, err := s.read(ctx, []*ua.ReadValueID{readOf(ua.NewNumericNodeID(0, idServerStatus), ua.AttributeIDValue)})
	if err != nil {
		return fault.Wrap(err, "server status")
	}
	if x, ok := variantOf(results[0]).(*ua.ExtensionObject); ok && x != nil {
		if status, ok := x.Value.(*ua.ServerStatusDataType); ok {
			f.add("state", "%s", strings.TrimPrefix(status.State.String(), "ServerState"))
			f.add("runningSince", "%s", status.StartTime.UTC().Format(time.RFC3339))
			f.add("clockAheadSeconds", "%.1f", time.Until(status.CurrentTime).Seconds())
			if b := status.BuildInfo; b != nil {
				f.add("product", "%s", strings.TrimSpace(b.ManufacturerName+" "+b.ProductName+" "+b.SoftwareVersion))
			}
		}
	}
	f.add("sessionTimeout", "%s", s.timeout)
	f.add("namespaces", "%s", strings.Join(s.namespaces, " "))
	f.add("requestLimits", "read %d, browse %d, monitor %d", s.limits.read, s.limits.browse, s.limits.monitor)
	return nil
}

// leaf returns the first certificate of a chain: servers may send issuers after it.
func leaf(der []byte) []byte {
	if certs, err := x509.ParseCertificates(der); err == nil && len(certs) > 0 {
		return certs[0].Raw
	}
	return der
}
