package cmd_test

import (
	"context"
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/model"
)

// resource writes a resource that no command makes, as a connector does:
// "resource KIND file".
func resource(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: resource KIND file")
	}
	o, err := model.New(model.Kind(args[0]))
	ts.Check(err)
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), o))
	store, err := registry.Open(context.Background(), ts.Getenv("IOTOPS_REGISTRY"), registry.Options{})
	ts.Check(err)
	defer func() { ts.Check(store.Close()) }()
	ts.Check(store.Update(context.Background(), func(tx *registry.Tx) error {
		return tx.Put(context.Background(), o, registry.None)
	}))
}
