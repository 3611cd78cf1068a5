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
)

// stateNamespaces is the key of the state that holds what the indexes of the
// server's namespaces meant when they were first seen.
const stateNamespaces = "namespaces"

// maxNamespaces bounds the table that is kept.
const maxNamespaces = 1000

// namespaces says what an index in a data source means today.
//
// A server may come back with its namespaces in another order (OPC 10000-3,
// 8.2.2: an index holds for one session only). A data source that names an
// index goes on meaning the namespace that had it at first: taken literally, it
// could read another node with the same identifier, and nobody would notice.
type namespaces struct {
	uris  []string       // of the server, today
	moved map[int]int    // first index -> index today, where they differ
	gone  map[int]string // first index -> URI, where the server has it no more and the index means another known one
}

// meaning compares what the server says with what is remembered, and returns
// what is to be remembered from now on.
func meaning(remembered, today []string) (namespaces, []string) {
	n := namespaces{uris: today, moved: map[int]int{}, gone: map[int]string{}}
	keep := slices.Clone(remembered)
	for i, uri := range remembered {
		if i < len(today) && today[i] == uri {
			continue
		}
		at := slices.Index(today, uri)
		switch {
		case i == 0:
			// Namespace 0 is OPC UA itself, whatever the server says.
		case at >= 0:
			n.moved[i] = at
		case i < len(today) && !slices.Contains(remembered, today[i]):
			keep[i] = today[i] // the namespace has another name, as after an update of the server
		case i < len(today):
			n.gone[i] = uri
		}
	}
	for i := len(remembered); i < min(len(today), maxNamespaces); i++ {
		keep = append(keep, today[i])
	}
	return n, keep
}

// recall finds out what indexes mean, and remembers it for the next Run.
func recall(ctx context.Context, s connector.Session, today []string) (namespaces, error) {
	var remembered []string
	data, err := s.State.Load(ctx, stateNamespaces)
	if err != nil {
		return namespaces{}, fault.Wrap(err, "namespaces")
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &remembered); err != nil {
			remembered = nil // what cannot be read is learnt anew
		}
	}
	n, keep := meaning(remembered, today)
	for from, to := range n.moved {
		s.Log.Warn("a namespace has moved: data sources that name its index follow it", "namespace", remembered[from], "index", from, "now", to)
	}
	for index, uri := range n.gone {
		s.Log.Warn("a namespace is gone, and its index means another one now", "namespace", uri, "index", index)
	}
	if slices.Equal(keep, remembered) {
		return n, nil
	}
	if data, err = json.Marshal(keep); err != nil {
		return namespaces{}, err
	}
	return n, fault.Wrap(s.State.Save(ctx, stateNamespaces, data), "namespaces")
}

// nodeID reads the node id of a data source.
func (n *namespaces) nodeID(text string) (*ua.NodeID, error) {
	id := strings.TrimSpace(text)
	rest, named := strings.CutPrefix(id, "ns=")
	number, local, _ := strings.Cut(rest, ";")
	first, err := strconv.Atoi(number)
	if !named || err != nil {
		return parseNodeID(id, n.uris)
	}
	today, err := n.index(first)
	if err != nil {
		return nil, fault.Wrap(err, "node id %q", text)
	}
	return parseNodeID("ns="+strconv.Itoa(today)+";"+local, n.uris)
}

// path reads a relative browse path of a data source.
func (n *namespaces) path(text string) (*ua.RelativePath, error) {
	p, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	for _, e := range p.Elements {
		i, err := n.index(int(e.TargetName.NamespaceIndex))
		if err != nil {
			return nil, fault.Wrap(err, "browse path %q", text)
		}
		e.TargetName.NamespaceIndex = uint16(i) //nolint:gosec // an index of the server's table
	}
	return p, nil
}

func (n *namespaces) index(first int) (int, error) {
	if uri, gone := n.gone[first]; gone {
		return 0, fault.WithCode(fault.New(fault.Invalid, "the server has no namespace %q any more; index %d means another one now", uri, first), "BadNodeIdUnknown")
	}
	if today, ok := n.moved[first]; ok {
		return today, nil
	}
	return first, nil
}
