package dataflow

import (
	"slices"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// login holds the options that say how dataflows log in to an endpoint.
type login struct {
	method          string
	noAuth          *bool
	given           model.DataflowAuthParts // Audience is that of a managed identity
	serviceAudience string                  // of a service account token
}

// part is one of the settings of authentication methods, and its option.
type part struct {
	option string
	value  string
	in     func(*model.DataflowAuthParts) *string
}

// declare declares the options that a type has.
func (l *login) declare(s *cli.Set, k kind) {
	has := func(method string) bool { return slices.Contains(k.methods, method) }
	if k.methods == nil {
		return
	}
	s.Enum(&l.method, slices.Sorted(slices.Values(k.methods)), "--auth-type").Doc("How to log in.").Default("what the other options say")
	if k.anonymous {
		s.ThreeState(&l.noAuth, "--no-auth").Doc("Whether nobody logs in.")
	}
	if has(model.FlowAuthUserAssigned) {
		s.String(&l.given.ClientID, "--client-id", "--cid").Doc("Client id of the user-assigned identity.")
		s.String(&l.given.TenantID, "--tenant-id", "--tid").Doc("Tenant id of the user-assigned identity.")
		scope := s.String(&l.given.Scope, "--scope").Doc("Scope of the user-assigned identity.")
		if k.scope != "" {
			scope.Default(k.scope)
		}
	}
	if has(model.FlowAuthSystemAssigned) {
		s.String(&l.given.Audience, l.audienceNames(k, "--sami-audience", "--sami-aud")...).Doc("Audience of the system-assigned identity.")
	}
	if has(model.FlowAuthServiceAccountToken) {
		s.String(&l.serviceAudience, l.audienceNames(k, "--sat-audience", "--sat-aud")...).Doc("Audience of the service account token.")
	}
	if has(model.FlowAuthSasl) {
		s.Enum(&l.given.SaslType, []string{"Plain", "ScramSha256", "ScramSha512"}, "--sasl-type").Doc("SASL mechanism.")
	}
	if what := secretOf(k); what != "" {
		s.String(&l.given.SecretRef, "--secret-name", "-s").Doc("Secret with " + map[string]string{
			model.FlowAuthX509: "the client certificate and its key.", model.FlowAuthSasl: "the user name and the password.",
			model.FlowAuthAccessToken: "the access token.",
		}[what])
	}
}

// audienceNames returns the names of an option for an audience: types with two
// of them tell them apart.
func (l *login) audienceNames(k kind, apart ...string) []string {
	if slices.Contains(k.methods, model.FlowAuthSystemAssigned) && slices.Contains(k.methods, model.FlowAuthServiceAccountToken) {
		return apart
	}
	return []string{"--audience", "--aud"}
}

// secretOf returns the method that a type's --secret-name is for, else "".
func secretOf(k kind) string {
	for _, method := range []string{model.FlowAuthX509, model.FlowAuthSasl, model.FlowAuthAccessToken} {
		if slices.Contains(k.methods, method) {
			return method
		}
	}
	return ""
}

func (l *login) anonymous() bool { return l.noAuth != nil && *l.noAuth }

// any reports whether anything is said about how to log in.
func (l *login) any() bool {
	return l.method != "" || l.anonymous() || l.serviceAudience != "" || l.given != model.DataflowAuthParts{}
}

// choose returns the method that the options mean: the first that fits.
func (l *login) choose(k kind) string {
	g := &l.given
	switch {
	case l.method != "":
		return l.method
	case l.anonymous():
		return model.FlowAuthAnonymous
	case g.ClientID != "" || g.TenantID != "" || g.Scope != "":
		return model.FlowAuthUserAssigned
	case l.serviceAudience != "":
		return model.FlowAuthServiceAccountToken
	case g.SaslType != "":
		return model.FlowAuthSasl
	case g.SecretRef != "":
		return secretOf(k)
	default:
		return model.FlowAuthSystemAssigned
	}
}

// parts returns the settings of a method: those that it needs, and those that it
// may have.
func (l *login) parts(k kind, method string) (needed, more []part) {
	g := &l.given
	secret := part{"--secret-name/-s", g.SecretRef, func(p *model.DataflowAuthParts) *string { return &p.SecretRef }}
	audience := func(value string, apart ...string) part {
		return part{strings.Join(l.audienceNames(k, apart...), "/"), value, func(p *model.DataflowAuthParts) *string { return &p.Audience }}
	}
	switch method {
	case model.FlowAuthUserAssigned:
		return []part{
			{"--client-id/--cid", g.ClientID, func(p *model.DataflowAuthParts) *string { return &p.ClientID }},
			{"--tenant-id/--tid", g.TenantID, func(p *model.DataflowAuthParts) *string { return &p.TenantID }},
		}, []part{{"--scope", g.Scope, func(p *model.DataflowAuthParts) *string { return &p.Scope }}}
	case model.FlowAuthSystemAssigned:
		return nil, []part{audience(g.Audience, "--sami-audience", "--sami-aud")}
	case model.FlowAuthServiceAccountToken:
		return []part{audience(l.serviceAudience, "--sat-audience", "--sat-aud")}, nil
	case model.FlowAuthSasl:
		return []part{{"--sasl-type", g.SaslType, func(p *model.DataflowAuthParts) *string { return &p.SaslType }}, secret}, nil
	case model.FlowAuthX509, model.FlowAuthAccessToken:
		return []part{secret}, nil
	default:
		return nil, nil
	}
}

// build returns how to log in. What is not given stays as old has it, if that is
// of the same method; old may be nil. unused names the options that the method
// has no use for.
func (l *login) build(k kind, old *model.DataflowAuthentication) (auth *model.DataflowAuthentication, unused []string, err error) {
	if l.method != "" && l.anonymous() {
		return nil, nil, invalid("--auth-type and --no-auth are mutually exclusive")
	}
	method := l.choose(k)
	auth = &model.DataflowAuthentication{Method: method}
	if method == model.FlowAuthAnonymous {
		return auth, l.unused(k, method), nil
	}
	if !slices.Contains(k.methods, method) {
		err := invalid("authentication method %s is not allowed for endpoints of type %s; allowed are %s", method, k.word, strings.Join(k.methods, ", "))
		return nil, nil, fault.WithHint(err, "Say how to log in: iotops dataflow endpoint create %s --help", k.word)
	}
	settings := &model.DataflowAuthParts{}
	if old != nil && old.Method == method && *old.Parts() != nil {
		*settings = **old.Parts()
	}
	needed, more := l.parts(k, method)
	for _, p := range slices.Concat(needed, more) {
		if p.value != "" {
			*p.in(settings) = p.value
		}
	}
	if method == model.FlowAuthUserAssigned && settings.Scope == "" {
		settings.Scope = k.scope
	}
	var missing []string
	for _, p := range needed {
		if *p.in(settings) == "" {
			missing = append(missing, p.option)
		}
	}
	if missing != nil {
		return nil, nil, invalid("authentication method %s is missing %s", method, strings.Join(missing, ", "))
	}
	*auth.Parts() = settings
	return auth, l.unused(k, method), nil
}

// unused returns the options that are given and that a method has no use for.
func (l *login) unused(k kind, method string) []string {
	var list []string
	needed, more := l.parts(k, method)
	own := slices.Concat(needed, more)
	for _, other := range k.methods {
		needed, more := l.parts(k, other)
		for _, p := range slices.Concat(needed, more) {
			same := func(q part) bool { return q.option == p.option }
			if p.value != "" && !slices.ContainsFunc(own, same) && !slices.Contains(list, p.option) {
				list = append(list, p.option)
			}
		}
	}
	return list
}

// invalid returns an error that says what is wrong with an argument.
func invalid(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
