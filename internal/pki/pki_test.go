package pki_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/fault"
)

func TestOwnIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	own, err := pki.New(dir).Own("OPC UA Broker")
	require.NoError(t, err)
	again, err := pki.New(dir).Own("OPC UA Broker")
	require.NoError(t, err)
	require.Equal(t, own.Certificate, again.Certificate)
	require.Equal(t, own.URI, again.URI)
	require.True(t, own.Key.Equal(again.Key))
	info, err := os.Stat(filepath.Join(dir, "own", "key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

type issued struct {
	der []byte
	key *rsa.PrivateKey
}

func issue(t *testing.T, name string, ca bool, parent *issued, until time.Time) *issued {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	signer, signKey := template, key
	if parent != nil {
		signer, err = x509.ParseCertificate(parent.der)
		require.NoError(t, err)
		signKey = parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signKey)
	require.NoError(t, err)
	return &issued{der, key}
}

func TestTrust(t *testing.T) {
	later := time.Now().Add(time.Hour)
	s := pki.New(t.TempDir())
	alone := issue(t, "alone", false, nil, later)
	root := issue(t, "root", true, nil, later)
	middle := issue(t, "middle", true, root, later)
	leaf := issue(t, "leaf", false, middle, later)
	old := issue(t, "old", false, nil, time.Now().Add(-time.Minute))
	for _, der := range [][]byte{alone.der, leaf.der, old.der, []byte("nonsense")} {
		require.True(t, fault.Is(s.Check(der), fault.Denied))
	}
	path, err := s.Reject(alone.der)
	require.NoError(t, err)
	e, err := pki.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, alone.der, e.DER)
	require.NoError(t, s.Add(pki.Trusted, e.Name, e.DER))
	require.NoError(t, s.Check(alone.der))
	require.NoFileExists(t, path, "no longer refused")

	require.NoError(t, s.Add(pki.Trusted, "root.der", root.der))
	require.Error(t, s.Check(leaf.der), "the issuer between is unknown")
	require.NoError(t, s.Add(pki.Issuers, "middle.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: middle.der})))
	require.NoError(t, s.Check(leaf.der))
	require.NoError(t, s.Add(pki.Trusted, "old.der", old.der))
	require.ErrorContains(t, s.Check(old.der), "not now")

	removed, err := s.Remove(pki.Trusted, []string{"root.der", "none.der", "../own/key.pem"})
	require.NoError(t, err)
	require.Equal(t, []string{"root.der"}, removed)
	require.Error(t, s.Check(leaf.der))
	require.Error(t, s.Add(pki.Trusted, "../x", alone.der))
}

func TestRejectedIsBounded(t *testing.T) {
	s := pki.New(t.TempDir())
	for i := range 105 {
		_, err := s.Reject([]byte{byte(i)})
		require.NoError(t, err)
	}
	dir, err := s.Reject([]byte{0})
	require.NoError(t, err)
	files, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.LessOrEqual(t, len(files), 100)
}

func TestReadFileRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.der"), []byte("no"), 0o600))
	for _, path := range []string{filepath.Join(dir, "a.der"), dir, filepath.Join(dir, "none")} {
		_, err := pki.ReadFile(path)
		require.True(t, fault.Is(err, fault.Invalid), path)
	}
}
