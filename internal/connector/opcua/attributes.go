package opcua

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/fault"
)

// readAttributes reads data type, access and, where it is asked for, the value
// of variables.
func (w *walker) readAttributes(ctx context.Context, list []*visit) error {
	ids := []ua.AttributeID{ua.AttributeIDDataType, ua.AttributeIDUserAccessLevel}
	if w.query.Values {
		ids = append(ids, ua.AttributeIDValue)
	}
	nodes := make([]*ua.ReadValueID, 0, len(list)*len(ids))
	for _, v := range list {
		for _, id := range ids {
			nodes = append(nodes, readOf(v.id, id))
		}
	}
	results, err := w.session.read(ctx, nodes)
	if err != nil {
		return err
	}
	types := make([]*ua.NodeID, len(list))
	for i, v := range list {
		v.read = true
		r := results[i*len(ids):]
		types[i], _ = variantOf(r[0]).(*ua.NodeID)
		if level, ok := variantOf(r[1]).(uint8); ok {
			v.node.Access = access(level)
		}
		if w.query.Values {
			if r[2].Status&0x80000000 != 0 {
				v.node.Warnings = append(v.node.Warnings, "value: "+statusName(r[2].Status))
			} else {
				v.node.Value = string(valueOf(r[2].Value).AppendJSON(nil))
			}
		}
	}
	return w.nameTypes(ctx, list, types)
}

// access says what may be done with a value (OPC 10000-3, 8.57).
func access(level uint8) string {
	text := ""
	if level&1 != 0 {
		text = "r"
	}
	if level&2 != 0 {
		text += "w"
	}
	return text
}

// nameTypes says what the data types are called. Each is asked for once.
func (w *walker) nameTypes(ctx context.Context, list []*visit, types []*ua.NodeID) error {
	var unknown []*ua.ReadValueID
	for _, t := range types {
		if t == nil {
			continue
		}
		if _, known := w.types[t.String()]; !known {
			w.types[t.String()] = typeName(t)
			unknown = append(unknown, readOf(t, ua.AttributeIDBrowseName))
		}
	}
	results, err := w.session.read(ctx, unknown)
	if err != nil {
		return err
	}
	for i, r := range results {
		if name, ok := variantOf(r).(*ua.QualifiedName); ok && name != nil && name.Name != "" {
			w.types[unknown[i].NodeID.String()] = name.Name
		}
	}
	for i, t := range types {
		if t != nil {
			list[i].node.DataType = w.types[t.String()]
		}
	}
	return nil
}

// typeName is what a data type is called where the server has no node for it,
// as small servers do not.
func typeName(t *ua.NodeID) string {
	if t.Namespace() == 0 && t.IntID() > 0 && t.IntID() <= uint32(ua.TypeIDDiagnosticInfo) {
		return strings.TrimPrefix(ua.TypeID(t.IntID()).String(), "TypeID") //nolint:gosec // at most 25
	}
	return t.String()
}

func readOf(node *ua.NodeID, attribute ua.AttributeID) *ua.ReadValueID {
	return &ua.ReadValueID{NodeID: node, AttributeID: attribute, DataEncoding: &ua.QualifiedName{}}
}

func variantOf(v *ua.DataValue) any {
	if v == nil || v.Value == nil {
		return nil
	}
	return v.Value.Value()
}

// read reads attributes, in requests that the server takes. Each has a result;
// none is nil.
func (s *session) read(ctx context.Context, nodes []*ua.ReadValueID) ([]*ua.DataValue, error) {
	results := make([]*ua.DataValue, 0, len(nodes))
	for len(nodes) > 0 {
		part := nodes[:min(len(nodes), s.limits.read)]
		res, err := call[*ua.ReadResponse](ctx, s, &ua.ReadRequest{NodesToRead: part, TimestampsToReturn: ua.TimestampsToReturnBoth})
		if tooMany(err) && len(part) > 1 {
			s.limits.read = len(part) / 2
			continue
		}
		if err != nil {
			return nil, s.translate(err, "read")
		}
		if len(res.Results) != len(part) {
			return nil, fault.New(fault.Unavailable, "read: %d answers to %d questions", len(res.Results), len(part))
		}
		for _, r := range res.Results {
			if r == nil {
				r = &ua.DataValue{}
			}
			results = append(results, r)
		}
		nodes = nodes[len(part):]
	}
	return results, nil
}
