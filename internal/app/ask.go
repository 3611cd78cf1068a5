package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/iotops/iotops/internal/reconcile"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/state"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

const (
	askTime   = 5 * time.Second
	maxAnswer = 64 << 20
)

// Running returns the process that serves an instance, and whether there is one.
func (f *Factory) Running(ctx context.Context, instance model.Key) (state.Holder, bool, error) {
	db, err := f.State(ctx)
	if err != nil {
		return state.Holder{}, false, err
	}
	return db.Running(ctx, LeaseName(instance))
}

// Ask returns what the process that serves an instance tells of itself, and
// false where none runs or it has no API.
func (f *Factory) Ask(ctx context.Context, instance model.Key) (*ServeStatus, bool, error) {
	h, running, err := f.Running(ctx, instance)
	if err != nil || !running || h.API == "" {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	url := "http://" + h.API + "/api/v1/status"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, false, fault.As(fault.Internal, err, "ask %s", url)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, false, fault.As(fault.Unavailable, err, "ask process %d", h.PID)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, false, fault.New(fault.Unavailable, "process %d answers %s", h.PID, resp.Status)
	}
	st := &ServeStatus{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(st); err != nil {
		return nil, false, fault.As(fault.Unavailable, err, "answer of process %d", h.PID)
	}
	return st, true, nil
}

// AssetHealth is what the registry has of one asset.
type AssetHealth struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Health  string     `json:"health"`
	Reason  string     `json:"reason,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	Message string     `json:"message,omitempty"`
}

// Health returns what the registry has of each asset of an instance.
func (f *Factory) Health(ctx context.Context, instance model.Key) ([]AssetHealth, error) {
	store, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	list := []AssetHealth{}
	err = store.View(ctx, func(r registry.Reader) error {
		scope, err := reconcile.LoadScope(ctx, r, instance, "")
		if err != nil {
			return err
		}
		for a, err := range registry.List[*model.Asset](ctx, r, registry.Query{Parent: scope.Namespace}) {
			if err != nil {
				return err
			}
			list = append(list, AssetHealth{Name: a.Name, Kind: string(a.Kind())})
		}
		for a, err := range registry.List[*model.ClassicAsset](ctx, r, registry.Query{Parent: instance.Parent}) {
			if err != nil {
				return err
			}
			list = append(list, AssetHealth{Name: a.Name, Kind: string(a.Kind())})
		}
		for i := range list {
			if err := list[i].fill(ctx, r, scope); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func (h *AssetHealth) fill(ctx context.Context, r registry.Reader, scope model.Scope) error {
	key := model.Key{Kind: model.Kind(h.Kind), Parent: scope.Namespace, Name: h.Name}
	if key.Kind == model.KindClassicAsset {
		key.Parent = scope.Instance.Parent
	}
	st, err := registry.Status(ctx, r, key)
	if err != nil {
		return err
	}
	h.Health = model.HealthUnknown
	if st == nil {
		return nil
	}
	if s := st.HealthState; s != nil {
		h.Health, h.Reason, h.Message, h.Since = s.Status, s.ReasonCode, s.Message, &s.LastTransitionTime
	}
	if c := st.Config; c != nil && c.Error != nil {
		h.Message = c.Error.Message
	}
	return nil
}
