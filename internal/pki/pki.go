// Package pki keeps certificates in a folder: our own, those of others that
// are trusted, the issuers that may stand between, and those that were refused.
package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OPC UA names certificates by their SHA-1 digest
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/iotops/iotops/pkg/fault"
)

// The lists of a Store.
const (
	Trusted  = "trusted"  // peers, or authorities whose certificates are trusted
	Issuers  = "issuers"  // authorities between a trusted one and a peer
	Rejected = "rejected" // peers that were refused: kept to be looked at, and trusted
)

// maxRejected bounds how many refused certificates are kept.
const maxRejected = 100

// maxFile bounds the size of a certificate file.
const maxFile = 1 << 20

// Store is a folder of certificates. It has no state in memory: what other
// processes put there counts at once.
type Store struct {
	dir string
	now func() time.Time
}

// New returns the store in dir. Folders are made when something is written.
func New(dir string) *Store { return &Store{dir: dir, now: time.Now} }

// Own is our application's certificate and key.
type Own struct {
	Certificate []byte // DER
	Key         *rsa.PrivateKey
	URI         string // application URI: the certificate's
}

// Entry describes our certificate, under its file name.
func (o Own) Entry() (Entry, error) {
	cert, err := x509.ParseCertificate(o.Certificate)
	if err != nil {
		return Entry{}, fault.Wrap(err, "own certificate")
	}
	return Entry{Name: "cert.der", DER: o.Certificate, Cert: cert}, nil
}

// Own returns our certificate. It is made at first use, and again when it has
// expired.
func (s *Store) Own(applicationName string) (Own, error) {
	certFile, keyFile := filepath.Join(s.dir, "own", "cert.der"), filepath.Join(s.dir, "own", "key.pem")
	own, err := readOwn(certFile, keyFile)
	if err == nil {
		cert, parseErr := x509.ParseCertificate(own.Certificate)
		if parseErr == nil && s.now().Before(cert.NotAfter) {
			return own, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Own{}, fault.Wrap(err, "own certificate")
	}
	own, err = s.makeOwn(applicationName)
	if err != nil {
		return Own{}, fault.Wrap(err, "make own certificate")
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Key)
	if err != nil {
		return Own{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	if err := write(keyFile, text, 0o600); err != nil {
		return Own{}, err
	}
	return own, write(certFile, own.Certificate, 0o644)
}

func readOwn(certFile, keyFile string) (Own, error) {
	der, err := os.ReadFile(certFile) //nolint:gosec // a file of our own folder
	if err != nil {
		return Own{}, err
	}
	text, err := os.ReadFile(keyFile) //nolint:gosec // a file of our own folder
	if err != nil {
		return Own{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return Own{}, fault.New(fault.Invalid, "%s holds no PEM block", keyFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Own{}, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return Own{}, fault.New(fault.Invalid, "%s holds no RSA key", keyFile)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Own{}, err
	}
	return Own{Certificate: der, Key: private, URI: applicationURI(cert)}, nil
}

func applicationURI(cert *x509.Certificate) string {
	if len(cert.URIs) == 0 {
		return ""
	}
	return cert.URIs[0].String()
}

func (s *Store) makeOwn(name string) (Own, error) {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Own{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Own{}, err
	}
	uri := &url.URL{Scheme: "urn", Opaque: strings.ToLower(host) + ":iotops"}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"iotops"}},
		NotBefore:    s.now().Add(-time.Hour), NotAfter: s.now().AddDate(5, 0, 0),
		// What OPC 10000-6, 6.2.2 demands of an application instance certificate.
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment |
			x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, URIs: []*url.URL{uri}, DNSNames: []string{host},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return Own{Certificate: der, Key: key, URI: uri.String()}, err
}

// Thumbprint returns the SHA-1 digest of a certificate in hex, as OPC UA names it.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // the name that OPC UA uses
	return hex.EncodeToString(sum[:])
}

// Check returns nil if a peer's certificate is trusted: it is in the trusted
// list itself, or an authority there vouches for it.
func (s *Store) Check(der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fault.As(fault.Denied, err, "the certificate cannot be read")
	}
	if now := s.now(); now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
		return fault.New(fault.Denied, "the certificate of %q is valid from %s to %s, not now", cert.Subject.CommonName,
			cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
	}
	trusted, err := s.List(Trusted)
	if err != nil {
		return err
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, t := range trusted {
		if bytes.Equal(t.DER, der) {
			return nil
		}
		if t.Cert.IsCA {
			roots.AddCert(t.Cert)
		}
	}
	issuers, err := s.List(Issuers)
	if err != nil {
		return err
	}
	for _, i := range issuers {
		between.AddCert(i.Cert)
	}
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return fault.New(fault.Denied, "the certificate of %q (thumbprint %s) is not trusted", cert.Subject.CommonName, Thumbprint(der))
	}
	return nil
}

// Entry is one certificate of a list.
type Entry struct {
	Name string // file name
	DER  []byte
	Cert *x509.Certificate
}

// List returns a list's certificates by name. What is no certificate is left out.
func (s *Store) List(list string) ([]Entry, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, list))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.As(fault.Denied, err, "certificate list %s", list)
	}
	var entries []Entry
	for _, f := range files {
		e, err := ReadFile(filepath.Join(s.dir, list, f.Name()))
		if err == nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// ReadFile returns the one certificate in a DER or PEM file.
func ReadFile(path string) (Entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Entry{}, fault.As(fault.Invalid, err, "certificate file")
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return Entry{}, fault.New(fault.Invalid, "%s is not a certificate file", path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the user named the file
	if err != nil {
		return Entry{}, fault.As(fault.Denied, err, "certificate file")
	}
	if block, rest := pem.Decode(data); block != nil {
		if more, _ := pem.Decode(rest); more != nil {
			return Entry{}, fault.New(fault.Invalid, "%s holds several certificates; one is supported", path)
		}
		data = block.Bytes
	}
	cert, err := x509.ParseCertificate(data)
	if err != nil {
		return Entry{}, fault.As(fault.Invalid, err, "%s holds no certificate", path)
	}
	return Entry{Name: filepath.Base(path), DER: cert.Raw, Cert: cert}, nil
}

// Add puts a certificate into a list under a file name. What the rejected list
// has of it goes.
func (s *Store) Add(list, name string, der []byte) error {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return fault.New(fault.Invalid, "%q is not a file name", name)
	}
	if err := write(filepath.Join(s.dir, list, name), der, 0o644); err != nil {
		return fault.As(fault.Denied, err, "add to certificate list %s", list)
	}
	if list != Rejected {
		_ = os.Remove(s.rejectedFile(der)) // it need not be there
	}
	return nil
}

// Remove takes certificates out of a list and returns the names that were there.
func (s *Store) Remove(list string, names []string) ([]string, error) {
	var removed []string
	for _, name := range names {
		if name != filepath.Base(name) {
			continue
		}
		err := os.Remove(filepath.Join(s.dir, list, name))
		if err == nil {
			removed = append(removed, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return removed, fault.As(fault.Denied, err, "remove from certificate list %s", list)
		}
	}
	return removed, nil
}

func (s *Store) rejectedFile(der []byte) string {
	return filepath.Join(s.dir, Rejected, Thumbprint(der)+".der")
}

// Reject keeps a refused certificate and returns the file that it is in.
func (s *Store) Reject(der []byte) (string, error) {
	path := s.rejectedFile(der)
	if err := write(path, der, 0o644); err != nil {
		return "", err
	}
	return path, s.trimRejected()
}

// trimRejected drops the oldest refused certificates beyond the bound.
func (s *Store) trimRejected() error {
	files, err := os.ReadDir(filepath.Join(s.dir, Rejected))
	if err != nil || len(files) <= maxRejected {
		return err
	}
	type aged struct {
		name string
		at   time.Time
	}
	var list []aged
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			list = append(list, aged{f.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b aged) int { return b.at.Compare(a.at) })
	for _, old := range list[min(maxRejected, len(list)):] {
		if err := os.Remove(filepath.Join(s.dir, Rejected, old.name)); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file appear whole, or not at all.
func write(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
