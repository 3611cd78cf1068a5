package opcua

import (
	"context"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
)

// limits are what a server takes in one request. 0 = it says nothing: then
// there is a bound of ours.
type limits struct {
	read, browse, translate, monitor int
	continuations                    int
}

// ours is the bound where a server has none.
const ours = 1000

// Node ids of OPC 10000-5: what a server says of itself.
const (
	idNamespaceArray         = 2255
	idServerState            = 2259
	idMaxBrowseContinuation  = 2735
	idMaxNodesPerRead        = 11705
	idMaxNodesPerBrowse      = 11710
	idMaxNodesPerTranslate   = 11712
	idMaxMonitoredPerRequest = 11714
)

// learn reads the namespaces and the limits of the server, once a session.
func (s *session) learn(ctx context.Context) error {
	ids := []uint32{idNamespaceArray, idMaxNodesPerRead, idMaxNodesPerBrowse, idMaxNodesPerTranslate, idMaxMonitoredPerRequest, idMaxBrowseContinuation}
	nodes := make([]*ua.ReadValueID, len(ids))
	for i, id := range ids {
		nodes[i] = &ua.ReadValueID{NodeID: ua.NewNumericNodeID(0, id), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}
	}
	res, err := call[*ua.ReadResponse](ctx, s, &ua.ReadRequest{NodesToRead: nodes, TimestampsToReturn: ua.TimestampsToReturnNeither})
	if err != nil {
		return s.translate(err, "read the server's namespaces and limits")
	}
	limit := func(i int) int {
		if i >= len(res.Results) || res.Results[i].Value == nil {
			return ours
		}
		switch n := res.Results[i].Value.Value().(type) {
		case uint32:
			return bound(int64(n))
		case uint16:
			return bound(int64(n))
		default:
			return ours
		}
	}
	if len(res.Results) > 0 && res.Results[0].Status == ua.StatusOK && res.Results[0].Value != nil {
		s.namespaces, _ = res.Results[0].Value.Value().([]string)
	}
	s.limits = limits{read: limit(1), browse: limit(2), translate: limit(3), monitor: limit(4), continuations: limit(5)}
	return nil
}

func bound(n int64) int {
	if n <= 0 || n > ours {
		return ours
	}
	return int(n)
}

// chunks cuts a list into pieces of at most n.
func chunks[T any](list []T, n int) [][]T {
	var out [][]T
	for len(list) > n {
		out, list = append(out, list[:n]), list[n:]
	}
	if len(list) > 0 {
		out = append(out, list)
	}
	return out
}
