// Package history holds the commands `history`: what resources were, and the
// way back.
package history

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

const exitNotFound = "3  there is no such resource, and there was none"

// New returns the commands.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("history", "See what resources were, and take changes back.", newList(f), newRevert(f), newShow(f))
}

// target is the resource that a command names.
type target struct {
	place    app.Place
	kind     string
	name     string
	revision *int64
}

// kinds are the words for sorts of resources.
func kinds() map[string]model.Kind {
	return map[string]model.Kind{
		"asset": model.KindAsset, "classic-asset": model.KindClassicAsset, "device": model.KindDevice, "endpoint-profile": model.KindEndpointProfile,
		"instance": model.KindInstance, "namespace": model.KindNamespace,
	}
}

func (t *target) declare(f *app.Factory, s *cli.Set) {
	t.kind = "asset"
	s.String(&t.name, "--name", "-n").Required().Doc("Name of the resource.").Complete(f.AssetNames)
	s.Enum(&t.kind, slices.Sorted(maps.Keys(kinds())), "--kind").Doc("What it is.").Default("asset")
	f.Place(s, &t.place)
}

func (t *target) declareRevision(s *cli.Set) {
	s.Int(&t.revision, "--revision").Required().Doc("Revision, as `iotops history list` shows it.")
}

func (t *target) key(ctx context.Context, r registry.Reader) (model.Key, error) {
	k := model.Key{Kind: kinds()[t.kind], Name: t.name}
	var err error
	if k.Kind == model.KindAsset || k.Kind == model.KindDevice {
		k.Parent, err = t.place.Namespace(ctx, r)
	} else {
		k.Parent, err = t.place.GroupName()
	}
	return k, err
}

// load returns the versions of the resource, oldest first.
func (t *target) load(ctx context.Context, r registry.Reader) ([]registry.Version, error) {
	key, err := t.key(ctx, r)
	if err != nil {
		return nil, err
	}
	list, err := registry.History(ctx, r, key)
	if err == nil && len(list) == 0 {
		_, err = registry.Load(ctx, r, key) // says what is missing
	}
	return list, err
}

// find returns the version that the command names.
func (t *target) find(ctx context.Context, r registry.Reader) (registry.Version, error) {
	list, err := t.load(ctx, r)
	if err != nil {
		return registry.Version{}, err
	}
	for _, v := range list {
		if v.Revision == model.Revision(*t.revision) {
			return v, nil
		}
	}
	return registry.Version{}, fault.WithHint(fault.New(fault.Invalid, "%s %s has no revision %d", t.kind, t.name, *t.revision),
		"See its revisions: iotops history list --kind %s -n %s", t.kind, t.name)
}

// entry is one line of a history.
type entry struct {
	Revision  model.Revision `json:"revision"`
	At        time.Time      `json:"at"`
	Who       string         `json:"who"`
	Operation string         `json:"operation"`
	Version   int64          `json:"version"`
	Changes   []change       `json:"changes"`
}

// change is one member that became something else.
type change struct {
	Path   string `json:"path"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

func newList(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List what changed a resource: when, who, what.", Exits: exitNotFound,
		Long:    "List what changed a resource: when, who, what. Deleted resources have a history, too. The newest comes last.",
		Example: "iotops history list -n oven\niotops history list --kind device -n line1 -o table",
		Options: func(s *cli.Set) { t.declare(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			versions, err := t.load(ctx, store)
			if err != nil {
				return err
			}
			list, before := make([]entry, 0, len(versions)), map[string]any{}
			for _, v := range versions {
				e := entry{Revision: v.Revision, At: v.At, Who: v.Who, Operation: v.Operation, Version: v.Object.Head().Generation, Changes: []change{}}
				after := map[string]any{}
				if v.Operation != "delete" {
					if after, err = flat(v.Object); err != nil {
						return err
					}
				}
				if v.Operation == "update" {
					e.Changes = difference(before, after)
				}
				list, before = append(list, e), after
			}
			return io.Print(list)
		},
	})
}

// flat returns the members of a resource by path.
func flat(o model.Object) (map[string]any, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	doc, err := output.Document(json.RawMessage(text))
	if err != nil {
		return nil, err
	}
	members := map[string]any{}
	if top, ok := doc.(map[string]any); ok {
		for _, own := range []string{"name", "parent", "generation", "revision", "created", "updated"} {
			delete(top, own)
		}
		flatten("", top, members)
	}
	return members, nil
}

// flatten puts the leaves of a document into members. Items of lists go by
// their names, where they have one: what moved did not change.
func flatten(path string, v any, members map[string]any) {
	switch x := v.(type) {
	case map[string]any:
		for key, inner := range x {
			at := key
			if path != "" {
				at = path + "." + key
			}
			flatten(at, inner, members)
		}
	case []any:
		for i, inner := range x {
			at := strconv.Itoa(i)
			if o, ok := inner.(map[string]any); ok && o["name"] != nil {
				at = fmt.Sprint(o["name"])
			}
			flatten(path+"["+at+"]", inner, members)
		}
	default:
		members[path] = v
	}
}

func difference(before, after map[string]any) []change {
	list := []change{}
	paths := map[string]bool{}
	for _, m := range []map[string]any{before, after} {
		for p := range m {
			paths[p] = true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if before[p] != after[p] {
			list = append(list, change{p, before[p], after[p]})
		}
	}
	return list
}

func newShow(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a resource as it was at a revision.", Example: "iotops history show -n oven --revision 17", Exits: exitNotFound,
		Options: func(s *cli.Set) { t.declare(f, s); t.declareRevision(s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			v, err := t.find(ctx, store)
			if err != nil {
				return err
			}
			doc, err := model.Render(v.Object, nil)
			if err != nil {
				return err
			}
			return io.Print(doc)
		},
	})
}

func newRevert(f *app.Factory) *cli.Command {
	var t target
	return cli.NewVerb(cli.Verb{
		Use: "revert", Short: "Make a resource again what it was at a revision.", Exits: exitNotFound,
		Long: `Make a resource again what it was at a revision.

It is a change like any other: it has a revision of its own, and can be taken back. A resource that was deleted comes back as
it was.`,
		Example: "iotops history revert -n oven --revision 17",
		Options: func(s *cli.Set) { t.declare(f, s); t.declareRevision(s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			var o model.Object
			err = store.Update(ctx, func(tx *registry.Tx) error {
				v, err := t.find(ctx, tx)
				if err != nil {
					return err
				}
				o = v.Object
				return tx.Put(ctx, o, registry.None)
			})
			if err != nil {
				return err
			}
			doc, err := app.Show(ctx, store, o)
			if err != nil {
				return err
			}
			return io.Print(doc)
		},
	})
}
