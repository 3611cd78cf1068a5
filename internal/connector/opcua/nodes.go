package opcua

import (
	"context"
	"strconv"
	"strings"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/fault"
)

// maxNodeID bounds the text of a node id (OPC 10000-3, 8.2.4).
const maxNodeID = 4096

// parseNodeID reads a node id. namespaces resolve "nsu=…"; nil leaves those
// unresolved (and namespace 0).
func parseNodeID(text string, namespaces []string) (*ua.NodeID, error) {
	if len(text) > maxNodeID {
		return nil, fault.New(fault.Invalid, "a node id has at most %d characters, this one %d", maxNodeID, len(text))
	}
	id := strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(id, "nsu="); ok {
		uri, local, found := strings.Cut(rest, ";")
		if !found {
			return nil, badNodeID(text)
		}
		index := 0
		if namespaces != nil {
			if index = namespaceIndex(namespaces, uri); index < 0 {
				return nil, fault.WithCode(fault.New(fault.Invalid, "node id %q: the server has no namespace %q", text, uri), "BadNodeIdUnknown")
			}
		}
		id = "ns=" + strconv.Itoa(index) + ";" + local
	}
	if !strings.HasPrefix(id, "ns=") && !hasIdentifier(id) {
		return nil, badNodeID(text)
	}
	node, err := ua.ParseNodeID(id)
	if err != nil || node == nil {
		return nil, badNodeID(text)
	}
	return node, nil
}

func hasIdentifier(id string) bool {
	return len(id) > 2 && id[1] == '=' && strings.ContainsRune("isgb", rune(id[0]))
}

func badNodeID(text string) error {
	return fault.WithCode(fault.New(fault.Invalid, "%q is not a node id, such as ns=2;s=Temperature or nsu=urn:plant;i=1001", text), "BadNodeIdInvalid")
}

func namespaceIndex(namespaces []string, uri string) int {
	for i, n := range namespaces {
		if n == uri {
			return i
		}
	}
	return -1
}

// isPath reports whether a data source is a relative browse path and not a node id.
func isPath(source string) bool {
	return strings.HasPrefix(source, "/") || strings.HasPrefix(source, ".") || strings.HasPrefix(source, "<")
}

// parsePath reads a relative path of OPC 10000-4, A.2: /name, .name and
// <reference>name, each name with an optional "index:"; & escapes.
func parsePath(text string) (*ua.RelativePath, error) {
	if len(text) > maxNodeID {
		return nil, fault.New(fault.Invalid, "a browse path has at most %d characters", maxNodeID)
	}
	p := &ua.RelativePath{}
	for rest := text; rest != ""; {
		element := &ua.RelativePathElement{IncludeSubtypes: true}
		switch rest[0] {
		case '/':
			element.ReferenceTypeID, rest = ua.NewNumericNodeID(0, 33), rest[1:] // HierarchicalReferences
		case '.':
			element.ReferenceTypeID, rest = ua.NewNumericNodeID(0, 44), rest[1:] // Aggregates
		case '<':
			name, after, ok := strings.Cut(rest[1:], ">")
			if !ok {
				return nil, badPath(text)
			}
			if strings.HasPrefix(name, "!") {
				element.IsInverse, name = true, name[1:]
			}
			if strings.HasPrefix(name, "#") {
				element.IncludeSubtypes, name = false, name[1:]
			}
			id, ok := referenceTypes()[name]
			if !ok {
				return nil, fault.New(fault.Invalid, "browse path %q: reference type %q is not known", text, name)
			}
			element.ReferenceTypeID, rest = ua.NewNumericNodeID(0, id), after
		default:
			return nil, badPath(text)
		}
		name, after := pathName(rest)
		if name == "" {
			return nil, badPath(text)
		}
		rest = after
		element.TargetName = qualified(name)
		p.Elements = append(p.Elements, element)
	}
	if len(p.Elements) == 0 {
		return nil, badPath(text)
	}
	return p, nil
}

func badPath(text string) error {
	return fault.WithCode(fault.New(fault.Invalid, "%q is not a relative browse path, such as /2:Line/2:Temp", text), "BadBrowseNameInvalid")
}

// pathName cuts the name at the beginning of a path off.
func pathName(s string) (name, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '&' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '/' || c == '.' || c == '<' || c == '>':
			return b.String(), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func qualified(name string) *ua.QualifiedName {
	if prefix, local, ok := strings.Cut(name, ":"); ok {
		if n, err := strconv.ParseUint(prefix, 10, 16); err == nil {
			return &ua.QualifiedName{NamespaceIndex: uint16(n), Name: local}
		}
	}
	return &ua.QualifiedName{Name: name}
}

// referenceTypes are the names that a path may use (OPC 10000-3, 7).
func referenceTypes() map[string]uint32 {
	return map[string]uint32{
		"References": 31, "HierarchicalReferences": 33, "HasChild": 34, "Organizes": 35, "HasEventSource": 36,
		"Aggregates": 44, "HasSubtype": 45, "HasProperty": 46, "HasComponent": 47, "HasNotifier": 48,
		"HasOrderedComponent": 49, "HasTypeDefinition": 40,
	}
}

// translatePaths resolves relative paths. Each has a node or an error.
func (s *session) translatePaths(ctx context.Context, paths []*ua.BrowsePath) ([]*ua.NodeID, []error, error) {
	nodes, errs := make([]*ua.NodeID, 0, len(paths)), make([]error, 0, len(paths))
	for _, part := range chunks(paths, s.limits.translate) {
		res, err := call[*ua.TranslateBrowsePathsToNodeIDsResponse](ctx, s, &ua.TranslateBrowsePathsToNodeIDsRequest{BrowsePaths: part})
		if err != nil {
			return nil, nil, s.translate(err, "resolve browse paths")
		}
		if len(res.Results) != len(part) {
			return nil, nil, fault.New(fault.Unavailable, "resolve browse paths: %d answers to %d questions", len(res.Results), len(part))
		}
		for _, r := range res.Results {
			var node *ua.NodeID
			err := statusError(r.StatusCode, "browse path")
			switch {
			case err != nil:
			case len(r.Targets) == 0 || r.Targets[0].TargetID == nil:
				err = statusError(ua.StatusBadNoMatch, "browse path")
			default:
				node = r.Targets[0].TargetID.NodeID
			}
			nodes, errs = append(nodes, node), append(errs, err)
		}
	}
	return nodes, errs, nil
}
