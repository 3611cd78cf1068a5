package opcua

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uacp"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uapolicy"
	"github.com/iotops/iotops/internal/thirdparty/gopcua/uasc"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Bounds of what a server may send at once.
const (
	maxMessage = 64 << 20
	maxChunks  = 4096
)

// callTimeout bounds one service call.
const callTimeout = 10 * time.Second

// dialTimeout bounds connecting.
const dialTimeout = 10 * time.Second

// session is one secure channel with one activated session on it. The library
// gives the codec and the channel; the services are ours: its own client
// reconnects by itself, and can end up without subscriptions and without an
// error.
type session struct {
	log        *slog.Logger
	channel    *uasc.SecureChannel
	conn       *uacp.Conn
	token      *ua.NodeID // authentication token: a secret
	opened     bool       // the secure channel is open
	thumbprint string     // of our certificate
	server     *ua.EndpointDescription
	timeout    time.Duration // of the session, as the server revised it
	namespaces []string
	limits     limits
}

// target is where to connect, and how.
type target struct {
	endpoint model.Endpoint
	settings settings
	secrets  connector.Secrets
	pki      *pki.Store
	log      *slog.Logger
}

// dial opens a connection and a secure channel.
func dial(ctx context.Context, address string, cfg *uasc.Config, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := &uacp.Dialer{
		Dialer: &net.Dialer{Timeout: dialTimeout},
		ClientACK: &uacp.Acknowledge{
			ReceiveBufSize: uacp.DefaultReceiveBufSize, SendBufSize: uacp.DefaultSendBufSize,
			MaxMessageSize: maxMessage, MaxChunkCount: maxChunks,
		},
	}
	conn, err := d.Dial(ctx, address)
	if err != nil {
		return err
	}
	// Errors of the channel reach every waiting request too; nobody else needs them.
	channel, err := uasc.NewSecureChannel(address, conn, cfg, make(chan error, 16))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if err := channel.Open(ctx); err != nil {
		_ = channel.Close()
		_ = conn.Close()
		return err
	}
	s.conn, s.channel = conn, channel
	return nil
}

// endpoints asks a server what it offers, on a channel of its own.
func endpoints(ctx context.Context, address string) ([]*ua.EndpointDescription, error) {
	s := &session{}
	if err := dial(ctx, address, &uasc.Config{
		SecurityPolicyURI: ua.SecurityPolicyURINone, SecurityMode: ua.MessageSecurityModeNone,
		Lifetime: uint32(time.Hour / time.Millisecond), RequestTimeout: callTimeout,
	}, s); err != nil {
		return nil, s.translate(err, "connect "+address)
	}
	defer s.drop()
	s.opened = true
	res, err := call[*ua.GetEndpointsResponse](ctx, s, &ua.GetEndpointsRequest{EndpointURL: address})
	if err != nil {
		return nil, s.translate(err, "ask "+address+" for its endpoints")
	}
	return res.Endpoints, nil
}

// connect opens, checks and activates a session.
func connect(ctx context.Context, t target) (*session, error) {
	offered, err := endpoints(ctx, t.endpoint.Address)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(offered, t.settings)
	if err != nil {
		return nil, err
	}
	s := &session{log: t.log, server: chosen}
	cfg := &uasc.Config{
		SecurityPolicyURI: chosen.SecurityPolicyURI, SecurityMode: chosen.SecurityMode,
		Lifetime: uint32(time.Hour / time.Millisecond), RequestTimeout: callTimeout,
	}
	clientURI := "urn:iotops"
	if chosen.SecurityPolicyURI != ua.SecurityPolicyURINone {
		own, err := secure(t, chosen, cfg)
		if err != nil {
			return nil, err
		}
		s.thumbprint, clientURI = pki.Thumbprint(own.Certificate), own.URI
	}
	if err := dial(ctx, t.endpoint.Address, cfg, s); err != nil {
		return nil, s.translate(err, "connect "+t.endpoint.Address)
	}
	s.opened = true
	if err := s.login(ctx, t, cfg, clientURI); err != nil {
		s.drop()
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

// secure checks the server's certificate and puts ours into cfg.
func secure(t target, chosen *ua.EndpointDescription, cfg *uasc.Config) (pki.Own, error) {
	if !t.settings.endpoint.Security.AutoAccept {
		if err := t.pki.Check(leaf(chosen.ServerCertificate)); err != nil {
			return pki.Own{}, untrusted(t.pki, leaf(chosen.ServerCertificate), err)
		}
	}
	name := t.settings.endpoint.ApplicationName
	if name == "" {
		name = "OPC UA Broker"
	}
	own, err := t.pki.Own(name)
	if err != nil {
		return pki.Own{}, err
	}
	cfg.Certificate, cfg.LocalKey = own.Certificate, own.Key
	cfg.RemoteCertificate, cfg.Thumbprint = chosen.ServerCertificate, uapolicy.Thumbprint(chosen.ServerCertificate)
	return own, nil
}

// untrusted keeps a refused certificate and says how to trust it.
func untrusted(store *pki.Store, der []byte, err error) error {
	err = fault.WithCode(fault.Wrap(err, "server certificate"), "OpcUaConnectorCertificateRejected")
	path, saveErr := store.Reject(der)
	if saveErr != nil {
		return errors.Join(err, saveErr)
	}
	// Somebody is about to trust it: no account locks for want of patience.
	err = fault.WithWait(err, 5*time.Second)
	return fault.WithHint(err, "If it is the right server, trust it: iotops connector opcua trust add --certificate-file %s", path)
}

// choose returns the endpoint that fits, the most secure one first.
func choose(offered []*ua.EndpointDescription, want settings) (*ua.EndpointDescription, error) {
	var fit []*ua.EndpointDescription
	for _, e := range offered {
		known := slices.Contains(policies(), e.SecurityPolicyURI) && strings.HasPrefix(e.EndpointURL, "opc.tcp:")
		if known && (want.policy == "" || e.SecurityPolicyURI == want.policy) && (want.mode == 0 || e.SecurityMode == want.mode) {
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		// A server that is starting, or gets a new certificate, offers less for a
		// while: what it says is never final.
		err := fault.WithWait(fault.New(fault.Unavailable, "the server offers no endpoint with the wanted security"), 30*time.Second)
		return nil, fault.WithHint(err, "See what it offers: iotops connector probe opcua ADDRESS")
	}
	return slices.MaxFunc(fit, func(a, b *ua.EndpointDescription) int {
		return (int(a.SecurityLevel) + 256*int(a.SecurityMode)) - (int(b.SecurityLevel) + 256*int(b.SecurityMode))
	}), nil
}

// login creates and activates the session.
func (s *session) login(ctx context.Context, t target, cfg *uasc.Config, clientURI string) error {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	created, err := call[*ua.CreateSessionResponse](ctx, s, &ua.CreateSessionRequest{
		ClientDescription: &ua.ApplicationDescription{
			ApplicationURI: clientURI, ProductURI: "urn:iotops", ApplicationName: ua.NewLocalizedText("iotops"), ApplicationType: ua.ApplicationTypeClient,
		},
		EndpointURL: t.endpoint.Address, SessionName: "iotops", ClientNonce: nonce, ClientCertificate: cfg.Certificate,
		RequestedSessionTimeout: float64(millis(t.settings.endpoint.Session.Timeout, 60000).Milliseconds()),
		MaxResponseMessageSize:  maxMessage,
	})
	if err != nil {
		return s.translate(err, "create session")
	}
	if created.ServerSignature != nil {
		if err := s.channel.VerifySessionSignature(created.ServerCertificate, nonce, created.ServerSignature.Signature); err != nil {
			return fault.As(fault.Denied, err, "the server cannot prove that it holds the key of its certificate")
		}
	}
	s.timeout = time.Duration(created.RevisedSessionTimeout) * time.Millisecond
	activate, err := s.identity(ctx, t, created)
	if err != nil {
		return err
	}
	s.token = created.AuthenticationToken
	if _, err := call[*ua.ActivateSessionResponse](ctx, s, activate); err != nil {
		return s.translate(err, "log in to "+t.endpoint.Address)
	}
	return nil
}

// identity makes the request that says who we are.
func (s *session) identity(ctx context.Context, t target, created *ua.CreateSessionResponse) (*ua.ActivateSessionRequest, error) {
	signature, algorithm, err := s.channel.NewSessionSignature(created.ServerCertificate, created.ServerNonce)
	if err != nil {
		return nil, fault.As(fault.Denied, err, "sign")
	}
	req := &ua.ActivateSessionRequest{
		ClientSignature: &ua.SignatureData{Algorithm: algorithm, Signature: signature}, LocaleIDs: []string{"en"},
		UserTokenSignature: &ua.SignatureData{},
	}
	switch t.endpoint.Method() {
	case model.AuthUsernamePassword:
		policy, err := s.tokenPolicy(ua.UserTokenTypeUserName)
		if err != nil {
			return nil, err
		}
		c := t.endpoint.Authentication.UsernamePasswordCredentials
		user, err := t.secrets.Resolve(ctx, c.UsernameSecretName)
		if err != nil {
			return nil, err
		}
		password, err := t.secrets.Resolve(ctx, c.PasswordSecretName)
		if err != nil {
			return nil, err
		}
		uri := policy.SecurityPolicyURI
		if uri == "" {
			uri = s.server.SecurityPolicyURI
		}
		if err := s.mayGivePassword(t, uri, created.ServerCertificate); err != nil {
			return nil, err
		}
		sealed, algorithm, err := s.channel.EncryptUserPassword(uri, password.Reveal(), created.ServerCertificate, created.ServerNonce)
		if err != nil {
			return nil, fault.New(fault.Denied, "the password cannot be encrypted for the server")
		}
		req.UserIdentityToken = ua.NewExtensionObject(&ua.UserNameIdentityToken{
			PolicyID: policy.PolicyID, UserName: user.Reveal(), Password: sealed, EncryptionAlgorithm: algorithm,
		})
	case model.AuthCertificate:
		return nil, fault.New(fault.Unsupported, "logging in to an OPC UA server with a user certificate is not supported yet; UsernamePassword and Anonymous are")
	default:
		policy, err := s.tokenPolicy(ua.UserTokenTypeAnonymous)
		if err != nil {
			return nil, err
		}
		req.UserIdentityToken = ua.NewExtensionObject(&ua.AnonymousIdentityToken{PolicyID: policy.PolicyID})
	}
	return req, nil
}

// mayGivePassword refuses to tell a password to whoever may listen. What the
// server offers is no reason: nobody vouches for that.
func (s *session) mayGivePassword(t target, policy string, certificate []byte) error {
	switch {
	case s.server.SecurityMode == ua.MessageSecurityModeSignAndEncrypt:
		return nil
	case policy == ua.SecurityPolicyURINone:
		if t.settings.mode == ua.MessageSecurityModeNone || t.settings.policy == ua.SecurityPolicyURINone {
			s.log.Warn("the password is sent in the clear, as the endpoint's security allows")
			return nil
		}
		return fault.WithHint(fault.New(fault.Denied, "the server takes passwords in the clear only"),
			"If the line is safe, say so: set the endpoint's security mode to none (--security-mode none).")
	case s.server.SecurityPolicyURI == ua.SecurityPolicyURINone && !t.settings.endpoint.Security.AutoAccept:
		// The password is sealed for a certificate that nothing was checked by yet.
		if err := t.pki.Check(leaf(certificate)); err != nil {
			return untrusted(t.pki, leaf(certificate), err)
		}
	}
	return nil
}

// tokenPolicy returns the server's rules for one way to log in.
func (s *session) tokenPolicy(t ua.UserTokenType) (*ua.UserTokenPolicy, error) {
	for _, p := range s.server.UserIdentityTokens {
		if p.TokenType == t {
			return p, nil
		}
	}
	if t == ua.UserTokenTypeAnonymous && len(s.server.UserIdentityTokens) == 0 {
		return &ua.UserTokenPolicy{PolicyID: "Anonymous"}, nil
	}
	word := "anonymous users"
	if t == ua.UserTokenTypeUserName {
		word = "user names and passwords"
	}
	return nil, fault.WithHint(fault.New(fault.Denied, "the server's endpoint takes no %s", word),
		"See what it takes: iotops connector probe opcua ADDRESS")
}

// call sends one request and returns its response, if that is an R.
func call[R ua.Response](ctx context.Context, s *session, req ua.Request) (R, error) {
	return callFor[R](ctx, s, req, callTimeout)
}

func callFor[R ua.Response](ctx context.Context, s *session, req ua.Request, timeout time.Duration) (R, error) {
	var res R
	err := s.channel.SendRequestWithTimeout(ctx, req, s.token, timeout, func(v ua.Response) error {
		r, ok := v.(R)
		if !ok {
			return fault.New(fault.Unavailable, "the server answered a %T with a %T", req, v)
		}
		res = r
		return nil
	})
	return res, err
}

// close ends the session, its subscriptions with it, and the connection. It
// works after ctx has ended too.
func (s *session) close(ctx context.Context) {
	if s.token != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_, _ = callFor[*ua.CloseSessionResponse](ctx, s, &ua.CloseSessionRequest{DeleteSubscriptions: true}, time.Second)
		cancel()
	}
	s.drop()
}

// drop ends the connection only: the server keeps the session for a while.
func (s *session) drop() {
	if s.channel != nil {
		_ = s.channel.Close()
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
}
