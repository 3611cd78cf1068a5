package connector

import (
	"bytes"
	"cmp"
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/fault"
)

// list is one of the lists of certificates.
type list struct {
	name     string // of pki
	word     string // command
	what     string
	resource string // what Azure calls it
}

// place is the instance that a command names. The lists are the registry's:
// they serve all of its instances.
type place struct{ instance, group string }

func (p *place) declare(s *cli.Set) {
	s.String(&p.instance, "--instance", "-i", "-n").Doc("Instance name.").Default("default")
	s.String(&p.group, "--resource-group", "-g").Doc("Name of the resource group.").Default("default")
}

func newList(f *app.Factory, l list) *cli.Command {
	return cli.NewGroup(l.word, "Certificates of "+l.what+".", newAdd(f, l), newRemove(f, l), newShow(f, l))
}

// result is how a list is printed.
type result struct {
	Name       string     `json:"name"`
	Properties properties `json:"properties"`
}

type properties struct {
	Mapping      []mapping     `json:"objectSecretMapping"`
	Certificates []certificate `json:"certificates"`
	Provider     string        `json:"secretProviderClassName"`
}

type mapping struct {
	SourcePath string `json:"sourcePath"`
	TargetKey  string `json:"targetKey"`
}

type certificate struct {
	Name       string    `json:"name"`
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	URI        string    `json:"applicationUri,omitempty"`
	Thumbprint string    `json:"thumbprint"`
	NotBefore  time.Time `json:"notBefore"`
	NotAfter   time.Time `json:"notAfter"`
}

func describe(e pki.Entry) certificate {
	c := certificate{
		Name: e.Name, Subject: e.Cert.Subject.String(), Issuer: e.Cert.Issuer.String(), Thumbprint: pki.Thumbprint(e.DER),
		NotBefore: e.Cert.NotBefore, NotAfter: e.Cert.NotAfter,
	}
	if len(e.Cert.URIs) > 0 {
		c.URI = e.Cert.URIs[0].String()
	}
	return c
}

func (l list) result(store *pki.Store) (*result, error) {
	entries, err := store.List(l.name)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, nil //nolint:nilnil // an empty list is no list, as in Azure
	}
	r := &result{Name: l.resource, Properties: properties{Provider: "opc-ua-connector"}}
	for _, e := range entries {
		r.Properties.Mapping = append(r.Properties.Mapping, mapping{secretName(e.Name), e.Name})
		r.Properties.Certificates = append(r.Properties.Certificates, describe(e))
	}
	return r, nil
}

func secretName(file string) string { return strings.ReplaceAll(file, ".", "-") }

func newShow(f *app.Factory, l list) *cli.Command {
	var p place
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show the " + l.word + " list.", Example: "iotops connector opcua " + l.word + " show",
		Options: p.declare,
		Run: func(_ context.Context, s *cli.IO) error {
			store, err := f.PKI()
			if err != nil {
				return err
			}
			r, err := l.result(store)
			if err != nil {
				return err
			}
			if r == nil {
				return fault.WithHint(fault.New(fault.Invalid, "the %s list is empty", l.word), "Add to it: iotops connector opcua %s add --certificate-file FILE", l.word)
			}
			return s.Print(r)
		},
	})
}

func newAdd(f *app.Factory, l list) *cli.Command {
	var (
		p         place
		file      string
		secret    string
		overwrite *bool
	)
	return cli.NewVerb(cli.Verb{
		Use: "add", Short: "Add a certificate to the " + l.word + " list.",
		Example: "iotops connector opcua " + l.word + " add --certificate-file server.der",
		Options: func(s *cli.Set) {
			s.String(&file, "--certificate-file", "--cf").Required().Doc("Certificate: .der, or .crt with one certificate in PEM.")
			s.String(&secret, "--secret-name", "-s").Doc("Accepted where a script passes it: certificates are kept as files.")
			s.ThreeState(&overwrite, "--overwrite-secret").Doc("Replace another certificate of the same file name without a question.")
			p.declare(s)
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			if secret != "" && !regexp.MustCompile(`^[0-9a-zA-Z-]+$`).MatchString(secret) {
				return fault.New(fault.Invalid, "--secret-name: %q may hold letters, digits and - only", secret)
			}
			store, err := f.PKI()
			if err != nil {
				return err
			}
			e, err := read(file, l, f.Now())
			if err != nil {
				return err
			}
			if ok, err := mayWrite(ctx, s, store, l, e, overwrite != nil && *overwrite); err != nil || !ok {
				return err
			}
			if err := store.Add(l.name, e.Name, e.DER); err != nil {
				return err
			}
			r, err := l.result(store)
			if err != nil {
				return err
			}
			return s.Print(r)
		},
	})
}

// read returns the certificate of a file that follows the rules of the list.
func read(file string, l list, now time.Time) (pki.Entry, error) {
	extension := strings.ToLower(filepath.Ext(file))
	if extension != ".der" && extension != ".crt" {
		return pki.Entry{}, fault.New(fault.Invalid, "%s: only .der and .crt files are supported", file)
	}
	e, err := pki.ReadFile(file)
	if err != nil {
		return e, err
	}
	data, err := os.ReadFile(file) //nolint:gosec // the user named the file
	if err != nil {
		return e, fault.As(fault.Invalid, err, "--certificate-file")
	}
	block, _ := pem.Decode(data)
	switch {
	case extension == ".crt" && block == nil:
		return e, fault.New(fault.Invalid, "%s: a .crt file must be PEM", file)
	case extension == ".der" && block != nil:
		return e, fault.New(fault.Invalid, "%s: a .der file must be DER", file)
	case now.After(e.Cert.NotAfter):
		return e, fault.New(fault.Invalid, "%s: the certificate expired on %s", file, e.Cert.NotAfter.Format(time.DateOnly))
	case l.name == pki.Issuers && e.Cert.Version == 3 && !e.Cert.IsCA:
		return e, fault.New(fault.Invalid, "%s: an issuer must be a certificate authority (basic constraints)", file)
	}
	return e, nil
}

// mayWrite asks before another certificate of the same name is replaced.
func mayWrite(ctx context.Context, s *cli.IO, store *pki.Store, l list, e pki.Entry, overwrite bool) (bool, error) {
	entries, err := store.List(l.name)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(entries, func(x pki.Entry) bool { return x.Name == e.Name })
	if i < 0 || bytes.Equal(entries[i].DER, e.DER) {
		return true, nil
	}
	return s.Confirm(ctx, overwrite, fmt.Sprintf("The %s list has another certificate %s. Overwrite it?", l.word, e.Name))
}

func newRemove(f *app.Factory, l list) *cli.Command {
	var (
		p              place
		names          []string
		secrets, force bool
		yes            bool
	)
	return cli.NewVerb(cli.Verb{
		Use: "remove", Short: "Remove certificates from the " + l.word + " list.",
		Example: "iotops connector opcua " + l.word + " remove --certificate-names server.der -y",
		Options: func(s *cli.Set) {
			s.List(&names, "--certificate-names", "--cn").Required().Doc("File names of the certificates, separated by spaces.")
			s.Flag(&secrets, "--include-secrets").Doc("Accepted where a script passes it: certificates are kept as files.")
			s.Flag(&force, "--force").Doc("Accepted where a script passes it.")
			s.Flag(&yes, "--yes", "-y").Doc("Do not ask for confirmation.")
			p.declare(s)
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			store, err := f.PKI()
			if err != nil {
				return err
			}
			return remove(ctx, s, store, l, names, yes)
		},
	})
}

func remove(ctx context.Context, s *cli.IO, store *pki.Store, l list, names []string, yes bool) error {
	entries, err := store.List(l.name)
	if err != nil {
		return err
	}
	var known []string
	for _, name := range names {
		if slices.ContainsFunc(entries, func(e pki.Entry) bool { return e.Name == name }) {
			known = append(known, name)
		} else {
			s.Warnf("the %s list has no certificate %s", l.word, name)
		}
	}
	if len(known) == 0 {
		return fault.WithHint(fault.New(fault.Invalid, "none of the names is one of the %s list", l.word), "See its names: iotops connector opcua %s show", l.word)
	}
	ok, err := s.Confirm(ctx, yes, "")
	if err != nil {
		return err
	}
	if !ok {
		s.Warnf("removal cancelled")
		return nil
	}
	if _, err := store.Remove(l.name, known); err != nil {
		return err
	}
	r, err := l.result(store)
	if err != nil || r == nil {
		return err
	}
	return s.Print(r)
}

func newClient(f *app.Factory) *cli.Command {
	var (
		p    place
		name string
	)
	show := cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show the certificate that servers know us by. It is made where there is none.",
		Example: "iotops connector opcua client show",
		Options: func(s *cli.Set) {
			s.String(&name, "--application-name", "--app").Ours().Doc("Name in the certificate, where it has to be made.").Default("OPC UA Broker")
			p.declare(s)
		},
		Run: func(_ context.Context, s *cli.IO) error {
			store, err := f.PKI()
			if err != nil {
				return err
			}
			own, err := store.Own(cmp.Or(name, "OPC UA Broker"))
			if err != nil {
				return err
			}
			e, err := own.Entry()
			if err != nil {
				return err
			}
			return s.Print(result{Name: "aio-opc-ua-broker-client-certificate", Properties: properties{
				Mapping: []mapping{{secretName(e.Name), e.Name}}, Certificates: []certificate{describe(e)}, Provider: "opc-ua-connector",
			}})
		},
	})
	return cli.NewGroup("client", "The certificate that servers know us by.", show)
}
