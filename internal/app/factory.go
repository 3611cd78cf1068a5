// Package app is where everything is put together: what commands may ask for,
// and what `serve` is made of.
package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/internal/connector/all"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/secret"
	"github.com/iotops/iotops/internal/state"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Factory lends commands what they need. Each thing is made when it is first
// asked for; a command pays for nothing else. Close ends what was made. It
// belongs to one command; its methods are safe for concurrent use.
type Factory struct {
	IO  *cli.IO
	Now func() time.Time

	mu       sync.Mutex
	cfg      *config.Config
	settings []config.Setting
	store    *registry.Store
	db       *state.DB
}

// NewFactory returns a factory for commands that use s.
func NewFactory(s *cli.IO) *Factory { return &Factory{IO: s, Now: time.Now} }

// Close closes what was opened.
func (f *Factory) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	if f.store != nil {
		errs = append(errs, f.store.Close())
	}
	f.db, f.store = nil, nil
	return errors.Join(errs...)
}

// Config returns the settings.
func (f *Factory) Config() (*config.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config()
}

func (f *Factory) config() (*config.Config, error) {
	if f.cfg != nil {
		return f.cfg, nil
	}
	flags := map[string]string{}
	if r := f.IO.Globals.Registry; r != "" {
		flags["registry"] = r
	}
	cfg, settings, err := config.Load(f.IO.Globals.ConfigFile, flags)
	if err != nil {
		return nil, err
	}
	f.cfg, f.settings = cfg, settings
	return cfg, nil
}

// Settings returns every setting with where it comes from.
func (f *Factory) Settings() ([]config.Setting, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.config()
	return f.settings, err
}

// systemDir is where a machine's registry is, if somebody made the folder.
const systemDir = "/var/lib/iotops"

// Dir returns the folder of the registry.
func (f *Factory) Dir() (string, error) {
	cfg, err := f.Config()
	if err != nil {
		return "", err
	}
	if cfg.Registry != "" {
		return cfg.Registry, nil
	}
	switch _, err := os.ReadDir(systemDir); {
	case err == nil:
		return systemDir, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fault.WithHint(fault.As(fault.Denied, err, "the registry of this machine"),
			"Run as a user who may read it, or choose another folder with --registry.")
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "iotops"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fault.WithHint(fault.As(fault.Invalid, err, "find a folder for the registry"), "Name one with --registry.")
	}
	return filepath.Join(home, ".local", "share", "iotops"), nil
}

// Registry returns the registry, opened.
func (f *Factory) Registry(ctx context.Context) (*registry.Store, error) {
	dir, err := f.Dir()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		f.store, err = registry.Open(ctx, dir, registry.Options{Now: f.Now})
	}
	return f.store, err
}

// State returns the store of what outlives connections, opened.
func (f *Factory) State(ctx context.Context) (*state.DB, error) {
	dir, err := f.Dir()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		f.db, err = state.Open(ctx, dir)
	}
	return f.db, err
}

// Secrets returns an instance's secrets.
func (f *Factory) Secrets(ctx context.Context, instance model.Key) (*secret.Store, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	secrets := secret.New(store, instance)
	if cfg.KeyFile != "" {
		secrets = secrets.WithKeyFile(cfg.KeyFile)
	}
	return secrets, nil
}

// PKI returns the certificate store.
func (f *Factory) PKI() (*pki.Store, error) {
	dir, err := f.Dir()
	if err != nil {
		return nil, err
	}
	return pki.New(filepath.Join(dir, "pki")), nil
}

// Connectors returns the connectors that there are.
func (f *Factory) Connectors() (*connector.Set, error) {
	store, err := f.PKI()
	if err != nil {
		return nil, err
	}
	return all.New(all.Options{PKI: store}), nil
}

// Log returns a logger for one-shot commands: it follows --verbose and --debug.
func (f *Factory) Log() *slog.Logger {
	g, level := f.IO.Globals, slog.LevelWarn
	switch {
	case g.Debug:
		level = slog.LevelDebug
	case g.Verbose:
		level = slog.LevelInfo
	case g.OnlyErrors:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(f.IO.ErrOut, &slog.HandlerOptions{Level: level}))
}
