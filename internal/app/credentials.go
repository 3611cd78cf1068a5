package app

import (
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Credentials are the options that say how a connector logs in.
type Credentials struct {
	Certificate, Key, Intermediate, User, Password string
}

// Declare declares the options. certificate says whether a certificate may be used.
func (c *Credentials) Declare(s *cli.Set, certificate bool) {
	if certificate {
		s.String(&c.Certificate, "--certificate-ref", "--cert-ref").Deprecated("--cr", "--certificate-ref").Doc("Reference to the certificate: NAME/KEY.")
		s.String(&c.Key, "--key-ref").Doc("Reference to the certificate's key.")
		s.String(&c.Intermediate, "--intermediate-cert-ref", "--icr").Doc("Reference to the intermediate certificates.")
	}
	s.String(&c.User, "--username-ref", "--user-ref").Deprecated("--username-reference", "--username-ref").Deprecated("--ur", "--username-ref").
		Doc("Reference to the user name: NAME/KEY of `iotops secret set`, env:NAME or file:PATH.")
	s.String(&c.Password, "--password-ref", "--pass-ref").Deprecated("--password-reference", "--password-ref").Deprecated("--pr", "--password-ref").
		Doc("Reference to the password.")
}

// Build returns the authentication that the options describe. mode is what the
// user asked for; "" = what follows from the references.
func (c *Credentials) Build(mode string) (*model.Authentication, error) {
	user := c.User != "" || c.Password != ""
	switch {
	case (c.Key != "" || c.Intermediate != "") && c.Certificate == "":
		return nil, fault.New(fault.Invalid, "a key or intermediate certificates need a certificate: use --cert-ref")
	case c.Certificate != "" && user:
		return nil, fault.New(fault.Invalid, "--certificate-ref and --username-ref or --password-ref are mutually exclusive")
	case (c.User == "") != (c.Password == ""):
		return nil, fault.New(fault.Invalid, "a user name and a password go together: use both --username-ref and --password-ref")
	}
	method := model.AuthAnonymous
	switch {
	case c.Certificate != "":
		method = model.AuthCertificate
	case user:
		method = model.AuthUsernamePassword
	}
	if mode != "" && !strings.EqualFold(mode, method) {
		return nil, fault.New(fault.Invalid, "authentication mode %s does not go with the references that are given, which are for %s", mode, method)
	}
	a := &model.Authentication{Method: method}
	switch method {
	case model.AuthCertificate:
		a.X509Credentials = &model.X509Credentials{
			CertificateSecretName: c.Certificate, KeySecretName: c.Key, IntermediateCertificatesSecretName: c.Intermediate,
		}
	case model.AuthUsernamePassword:
		a.UsernamePasswordCredentials = &model.UsernamePasswordCredentials{UsernameSecretName: c.User, PasswordSecretName: c.Password}
	}
	return a, nil
}

// Given reports whether any reference was given.
func (c *Credentials) Given() bool { return *c != Credentials{} }
