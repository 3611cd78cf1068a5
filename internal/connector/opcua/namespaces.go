package opcua

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// stateNamespaces is the key of the state that holds what namespace indexes mean.
const stateNamespaces = "namespaces"

// maxNamespaces bounds a table that is kept.
const maxNamespaces = 1000

// namespaces says what an index in a data source means.
//
// A server may come back with its namespaces in another order (OPC 10000-3,
// 8.2.2: an index holds for one session only). A data source that was there
// before goes on meaning the namespace that its index had then: taken literally,
// it could read another node with the same identifier, and nobody would notice.
// One that is new means the server as it is now, as a browser shows it.
type namespaces struct {
	Table []string       `json:"table"` // of the server, today
	Older [][]string     `json:"older,omitempty"`
	Since map[string]int `json:"since,omitempty"` // data source -> index in Older of the table that it was made for
}

// sourceKey identifies a data source: where it is, and what it says.
func sourceKey(ref model.ItemRef, source string) string {
	return ref.Asset + "\x00" + ref.Group + "\x00" + ref.Item + "\x00" + source
}

// namesIndex reports whether a text depends on the order of the namespaces.
func namesIndex(source string) bool {
	source = strings.TrimSpace(source)
	return strings.HasPrefix(source, "ns=") || isPath(source)
}

// recall finds out what indexes mean to an assignment, and remembers it for the
// next Run.
func recall(ctx context.Context, s connector.Session, today []string) (*namespaces, error) {
	data, err := s.State.Load(ctx, stateNamespaces)
	if err != nil {
		return nil, fault.Wrap(err, "namespaces")
	}
	n := &namespaces{}
	if len(data) > 0 && json.Unmarshal(data, n) != nil {
		n = &namespaces{} // what cannot be read is learnt anew
	}
	// A server that does not say what it has, as one that is starting, changes nothing.
	if len(today) < 2 || len(today) > maxNamespaces || !n.changed(today) {
		return n, nil
	}
	if n.moved(today) {
		s.Log.Warn("the server's namespaces have changed: data sources that were there before keep their meaning",
			"before", strings.Join(n.Table, " "), "now", strings.Join(today, " "))
		n.pin(s.Assignment)
	}
	n.Table = today
	if data, err = json.Marshal(n); err != nil {
		return nil, err
	}
	return n, fault.Wrap(s.State.Save(ctx, stateNamespaces, data), "namespaces")
}

func (n *namespaces) changed(today []string) bool { return !slices.Equal(n.Table, today) }

// moved reports whether an index has another meaning than before. Namespace 0
// is OPC UA itself; 1 is the server's own, which may have its host name in it.
func (n *namespaces) moved(today []string) bool {
	for i := 2; i < len(n.Table); i++ {
		if i >= len(today) || today[i] != n.Table[i] {
			return true
		}
	}
	return false
}

// pin keeps what the data sources of an assignment meant until now.
func (n *namespaces) pin(a *model.Assignment) {
	since := map[string]int{}
	at := slices.IndexFunc(n.Older, func(t []string) bool { return slices.Equal(t, n.Table) })
	if at < 0 {
		n.Older = append(n.Older, n.Table)
		at = len(n.Older) - 1
	}
	for _, asset := range a.Assets {
		for i := range asset.Properties.Datasets {
			d := &asset.Properties.Datasets[i]
			for _, p := range d.DataPoints {
				if !namesIndex(p.DataSource) {
					continue
				}
				key := sourceKey(model.ItemRef{Asset: asset.Name, Group: d.Name, Item: p.Name}, p.DataSource)
				since[key] = at
				if older, ok := n.Since[key]; ok {
					since[key] = older
				}
			}
		}
	}
	n.Since = since
}

// index returns what an index of a data source is today.
func (n *namespaces) index(key string, index int) (int, error) {
	at, pinned := n.Since[key]
	if !pinned || index < 2 || at >= len(n.Older) || index >= len(n.Older[at]) {
		return index, nil
	}
	uri := n.Older[at][index]
	if today := slices.Index(n.Table, uri); today >= 0 {
		return today, nil
	}
	return 0, fault.WithHint(
		fault.WithCode(fault.New(fault.Invalid, "the server has no namespace %q any more, which was index %d", uri, index), "BadNodeIdUnknown"),
		"Name the node by the URI of its namespace: nsu=URI;…")
}

// nodeID reads the node id of a data source.
func (n *namespaces) nodeID(key, text string) (*ua.NodeID, error) {
	id := strings.TrimSpace(text)
	rest, named := strings.CutPrefix(id, "ns=")
	number, local, _ := strings.Cut(rest, ";")
	first, err := strconv.Atoi(number)
	if !named || err != nil {
		return parseNodeID(id, n.Table)
	}
	today, err := n.index(key, first)
	if err != nil {
		return nil, fault.Wrap(err, "node id %q", text)
	}
	return parseNodeID("ns="+strconv.Itoa(today)+";"+local, n.Table)
}

// path reads a relative browse path of a data source.
func (n *namespaces) path(key, text string) (*ua.RelativePath, error) {
	p, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	for _, e := range p.Elements {
		i, err := n.index(key, int(e.TargetName.NamespaceIndex))
		if err != nil {
			return nil, fault.Wrap(err, "browse path %q", text)
		}
		e.TargetName.NamespaceIndex = uint16(i) //nolint:gosec // an index of the server's table
	}
	return p, nil
}
