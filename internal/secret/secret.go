// Package secret keeps secrets encrypted in the registry, and resolves
// references to them.
package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// maxSecret bounds one secret, in bytes.
const maxSecret = 1 << 20

// Store is the secrets of one instance. Its methods are safe for concurrent use.
type Store struct {
	registry *registry.Store
	instance string // "group/name", folded
	key      string // file of the master key
	given    bool   // by the user: it is not made
}

// New returns the secrets of an instance. The key that encrypts them is made
// when the first is written.
func New(r *registry.Store, instance model.Key) *Store {
	f := instance.Fold()
	return &Store{registry: r, instance: f.Parent + "/" + f.Name, key: filepath.Join(r.Dir(), "keys", "secrets.key")}
}

// WithKeyFile makes the store use a key file of the user's, which holds 32
// bytes or their base64 and must be there. It is called before the store is used.
func (s *Store) WithKeyFile(path string) *Store {
	s.key, s.given = path, true
	return s
}

// SplitRef splits "name/key". Azure's names have letters, digits and dashes.
func SplitRef(ref string) (name, key string, err error) {
	name, key, ok := strings.Cut(ref, "/")
	valid := regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,126}$`)
	if !ok || !valid.MatchString(name) || !valid.MatchString(key) {
		return "", "", fault.New(fault.Invalid, "%q is not a secret's name: it is NAME/KEY of letters, digits, dots, dashes and underscores", ref)
	}
	return name, key, nil
}

// cipher returns what encrypts and decrypts. make says whether a missing key
// may be made.
func (s *Store) cipher(mayMake bool) (cipher.AEAD, error) {
	key, err := os.ReadFile(s.key)
	if errors.Is(err, fs.ErrNotExist) && mayMake && !s.given {
		key, err = s.makeKey()
	}
	if err != nil {
		return nil, fault.WithHint(fault.As(fault.Denied, err, "the key that secrets are encrypted with"),
			"Restore the keys folder of the registry, or set the secrets again: iotops secret set")
	}
	if info, err := os.Stat(s.key); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fault.WithHint(fault.New(fault.Denied, "the key file %s may be read by others", s.key), "chmod 600 %s", s.key)
	}
	if text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(key))); s.given && err == nil {
		key = text
	}
	if len(key) != 32 {
		return nil, fault.New(fault.Denied, "the key file %s is damaged", s.key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// makeKey makes the key, unless another process has done so meanwhile.
func (s *Store) makeKey() ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(s.key), 0o700); err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(s.key), ".new-*") // 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	// A link fails where the file exists: whoever comes second takes the first one's key.
	if err := os.Link(f.Name(), s.key); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(s.key)
}

// seal names what a ciphertext is for, so that rows cannot be swapped.
func (s *Store) seal(name, key string) []byte {
	return []byte(s.instance + "\x00" + name + "\x00" + key)
}

// Put encrypts and writes one secret.
func (s *Store) Put(ctx context.Context, ref string, plain connector.Secret) error {
	name, key, err := SplitRef(ref)
	if err != nil {
		return err
	}
	if len(plain.Reveal()) > maxSecret {
		return fault.New(fault.Invalid, "secret %s: at most %d bytes are kept", ref, maxSecret)
	}
	c, err := s.cipher(true)
	if err != nil {
		return err
	}
	nonce := make([]byte, c.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	row := registry.SecretRow{
		Instance: s.instance, Name: name, Entry: key, Nonce: nonce,
		Ciphertext: c.Seal(nil, nonce, []byte(plain.Reveal()), s.seal(name, key)),
	}
	return s.registry.Update(ctx, func(tx *registry.Tx) error { return tx.PutSecret(ctx, row) })
}

// Get returns one secret, or an error with the code SecretNotFound.
func (s *Store) Get(ctx context.Context, ref string) (connector.Secret, error) {
	name, key, err := SplitRef(ref)
	if err != nil {
		return connector.Secret{}, err
	}
	row, ok, err := registry.GetSecret(ctx, s.registry, s.instance, name, key)
	if err != nil {
		return connector.Secret{}, err
	}
	if !ok {
		return connector.Secret{}, missing(ref, "iotops secret set -n "+ref)
	}
	c, err := s.cipher(false)
	if err != nil {
		return connector.Secret{}, err
	}
	if len(row.Nonce) != c.NonceSize() {
		return connector.Secret{}, damaged(ref)
	}
	plain, err := c.Open(nil, row.Nonce, row.Ciphertext, s.seal(name, key))
	if err != nil {
		return connector.Secret{}, damaged(ref)
	}
	return connector.NewSecret(string(plain)), nil
}

func missing(ref, hint string) error {
	return fault.WithHint(fault.WithCode(fault.New(fault.Unavailable, "secret %s is missing", ref), "SecretNotFound"), "Set it: %s", hint)
}

func damaged(ref string) error {
	return fault.WithHint(fault.New(fault.Denied, "secret %s cannot be decrypted: it was changed, or encrypted with another key", ref),
		"Set it again: iotops secret set -n %s", ref)
}

// List returns the names of all secrets as "name/key".
func (s *Store) List(ctx context.Context) ([]string, error) {
	return registry.ListSecrets(ctx, s.registry, s.instance)
}

// Delete removes one secret, or is an error of kind NotFound.
func (s *Store) Delete(ctx context.Context, ref string) error {
	name, key, err := SplitRef(ref)
	if err != nil {
		return err
	}
	return s.registry.Update(ctx, func(tx *registry.Tx) error { return tx.DeleteSecret(ctx, s.instance, name, key) })
}

// Resolve implements connector.Secrets: "name/key" of the store, "env:NAME" of
// the environment, "file:PATH" of the file system (one line end at the end is
// not part of it).
func (s *Store) Resolve(ctx context.Context, ref string) (connector.Secret, error) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		plain, found := os.LookupEnv(name)
		if !found {
			return connector.Secret{}, missing(ref, "the environment variable "+name+" of the process")
		}
		return connector.NewSecret(plain), nil
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		return readFile(ref, path)
	}
	return s.Get(ctx, ref)
}

func readFile(ref, path string) (connector.Secret, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return connector.Secret{}, missing(ref, "write it to that file")
	}
	if info.Size() > maxSecret {
		return connector.Secret{}, fault.New(fault.Invalid, "secret %s: at most %d bytes are read", ref, maxSecret)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user named the file
	if err != nil {
		return connector.Secret{}, fault.WithCode(fault.New(fault.Denied, "secret %s cannot be read", ref), "SecretNotFound")
	}
	return connector.NewSecret(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), nil
}
