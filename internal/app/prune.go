package app

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/state"
	"github.com/iotops/iotops/pkg/model"
)

// pruneState drops what is kept for devices and assets that are no more. It is
// called before units run: a state that is dropped by mistake would cost data,
// so what cannot be told is kept.
func pruneState(ctx context.Context, r registry.Reader, db *state.DB) error {
	alive := map[string]bool{}
	for o, err := range registry.All(ctx, r) {
		if err != nil {
			return err
		}
		switch x := o.(type) {
		case *model.Device:
			alive[x.Properties.UUID] = true
		case *model.EndpointProfile:
			alive[x.Properties.UUID] = true
		case *model.Asset:
			alive[x.Properties.UUID] = true
		case *model.ClassicAsset:
			alive[x.Properties.UUID] = true
		}
	}
	return db.Prune(ctx, func(unit string) bool { return keepsState(unit, alive) })
}

// keepsState reports whether all that a unit's key (host.StateKey) names by
// uuid is still there.
func keepsState(unit string, alive map[string]bool) bool {
	for part := range strings.SplitSeq(unit, ":") {
		if uuid.Validate(part) == nil && !alive[part] {
			return false
		}
	}
	return true
}
