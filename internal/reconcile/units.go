package reconcile

import (
	"context"
	"iter"
	"reflect"
	"strings"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// Reasons why nothing runs, as statuses show them.
const (
	reasonAssetDisabled  = "AssetDisabled"
	reasonDeviceDisabled = "DeviceDisabled"
)

// refresh brings the units of one device or endpoint profile to what r says.
func (l *Loop) refresh(ctx context.Context, r registry.Reader, source model.Key) error {
	o, err := registry.Load(ctx, r, source)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil {
		o = nil
	}
	assets, err := l.load(ctx, r, source)
	if err != nil {
		return err
	}
	wanted, refused := l.scope.AssignDevice(o, assets)
	l.tell(source, o, assets, wanted, refused)
	l.change(source, wanted)
	return nil
}

// load returns the assets that refer to a device or an endpoint profile.
func (l *Loop) load(ctx context.Context, r registry.Reader, source model.Key) ([]model.Object, error) {
	q := registry.Query{Parent: source.Parent}
	if source.Kind == model.KindDevice {
		q.Device = source.Name
		return collect(registry.List[*model.Asset](ctx, r, q), l.o.Only)
	}
	q.Profile = source.Name
	return collect(registry.List[*model.ClassicAsset](ctx, r, q), l.o.Only)
}

func collect[T model.Object](all iter.Seq2[T, error], only model.Key) ([]model.Object, error) {
	var list []model.Object
	for o, err := range all {
		if err != nil {
			return nil, err
		}
		if only == (model.Key{}) || o.Key().Equal(only) {
			list = append(list, o)
		}
	}
	return list, nil
}

// tell lets the board know what becomes of each asset.
func (l *Loop) tell(source model.Key, o model.Object, assets []model.Object, wanted []*model.Assignment, refused []model.Refused) {
	off := false
	if o != nil {
		l.board.Source(o)
		if d, ok := o.(*model.Device); ok {
			off = !d.IsEnabled()
		}
	}
	served := map[string]model.UnitKey{}
	for _, a := range wanted {
		for _, asset := range a.Assets {
			served[folded(asset.Key())] = a.Unit
		}
	}
	why := map[model.Key]error{}
	for _, x := range refused {
		why[x.Key] = x.Err
	}
	for _, asset := range assets {
		key := asset.Key()
		l.assets[key.Fold()] = source
		unit, ok := served[folded(key)]
		switch {
		case ok:
			l.board.Serve(asset, unit)
		case !enabled(asset):
			l.board.Idle(asset, reasonAssetDisabled, "the asset is disabled")
		case why[key] != nil:
			l.o.Log.Warn("asset not served", "asset", key.Name, "err", why[key])
			l.board.Refuse(asset, why[key])
		case off:
			l.board.Idle(asset, reasonDeviceDisabled, "its device is disabled")
		}
	}
}

// folded returns a form of an asset's key that is the same for both kinds:
// within one device or profile there is only one.
func folded(k model.Key) string { return strings.ToLower(k.Parent + "/" + k.Name) }

func enabled(o model.Object) bool {
	switch a := o.(type) {
	case *model.Asset:
		return a.IsEnabled()
	case *model.ClassicAsset:
		return a.IsEnabled()
	default:
		return false
	}
}

// change starts, updates, restarts and drops the units of one source.
func (l *Loop) change(source model.Key, wanted []*model.Assignment) {
	old := l.sources[source]
	now := make(map[model.UnitKey]*model.Assignment, len(wanted))
	for _, a := range wanted {
		now[a.Unit] = a
	}
	for key := range old {
		if now[key] == nil {
			l.drop(key)
		}
	}
	for key, a := range now {
		switch was := old[key]; {
		case was == nil:
			l.o.Log.Info("unit added", "unit", key.String(), "revision", int64(a.Revision))
			l.group.Set(key, a)
		case otherTarget(was, a):
			l.o.Log.Info("unit restarted", "unit", key.String(), "revision", int64(a.Revision), "reason", "endpoint changed")
			l.group.Drop(key)
			l.group.Set(key, a)
		case otherAssets(was, a):
			l.o.Log.Debug("unit updated", "unit", key.String(), "revision", int64(a.Revision))
			l.group.Set(key, a)
		default:
			now[key] = was
		}
	}
	if len(now) == 0 {
		delete(l.sources, source)
		return
	}
	l.sources[source] = now
}

// otherTarget reports whether a connection has to be made anew.
func otherTarget(was, a *model.Assignment) bool {
	if was.Device.UUID != a.Device.UUID || was.EndpointName != a.EndpointName || !reflect.DeepEqual(was.Endpoint, a.Endpoint) {
		return true
	}
	// An asset that was deleted and made anew has nothing to do with the old one.
	return a.Unit.Asset != "" && was.Assets[0].Properties.UUID != a.Assets[0].Properties.UUID
}

// otherAssets reports whether anything changed that a connector or its messages
// show. That the device's version moved is nothing of that kind.
func otherAssets(was, a *model.Assignment) bool {
	if was.TopicNamespace != a.TopicNamespace || was.Device.ExternalID != a.Device.ExternalID ||
		was.Device.Key != a.Device.Key || len(was.Assets) != len(a.Assets) {
		return true
	}
	for i, asset := range a.Assets {
		if was.Assets[i].Revision != asset.Revision || was.Assets[i].Name != asset.Name {
			return true
		}
	}
	return false
}

// ownSecret reports whether a changed secret is one of the instance.
func ownSecret(secret, instance model.Key) bool {
	path := instance.Parent + "/" + instance.Name
	return strings.EqualFold(secret.Parent, path)
}

// mentions reports whether an endpoint refers to the secret "name/entry".
func mentions(e *model.Endpoint, secret string) bool {
	name, _, _ := strings.Cut(secret, "/")
	is := func(ref string) bool { return strings.EqualFold(ref, secret) || strings.EqualFold(ref, name) }
	if a := e.Authentication; a != nil {
		if c := a.UsernamePasswordCredentials; c != nil && (is(c.UsernameSecretName) || is(c.PasswordSecretName)) {
			return true
		}
		if c := a.X509Credentials; c != nil && (is(c.CertificateSecretName) || is(c.KeySecretName) || is(c.IntermediateCertificatesSecretName)) {
			return true
		}
	}
	if t := e.TrustSettings; t != nil && is(t.TrustList) {
		return true
	}
	// A connector's own configuration may refer to secrets anywhere in it.
	return strings.Contains(strings.ToLower(e.AdditionalConfiguration), `"`+strings.ToLower(secret)+`"`)
}
