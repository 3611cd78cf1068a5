package opcua

import (
	"sync"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
)

// Namespace is the index of the namespace that nodes are added to, unless In
// says another one.
const Namespace = 2

// node is one node of the address space.
type node struct {
	id       *ua.NodeID
	class    ua.NodeClass
	name     *ua.QualifiedName
	parent   *node
	byRef    uint32 // reference type that leads here from the parent
	typ      uint32 // type definition, in namespace 0
	dataType uint32
	rank     int32
	writable bool
	children []*node

	value *ua.DataValue // of a variable
	items map[*item]bool
}

// space is the address space. The Server's lock guards it.
type space struct {
	nodes map[string]*node
}

// Node ids of OPC 10000-6, annex A.
const (
	idRoot, idObjects, idTypes, idViews                = 84, 85, 86, 87
	idServer, idServerStatus, idCurrentTime, idState   = 2253, 2256, 2258, 2259
	idNamespaceArray, idServerArray, idServiceLevel    = 2255, 2254, 2267
	idCapabilities, idLimits                           = 2268, 11704
	idFolderType, idServerType, idBaseVariable         = 61, 2004, 63
	idProperty, idBaseObjectType, idServerCapabilities = 68, 58, 2013
	refOrganizes, refComponent, refProperty, refType   = 35, 47, 46, 40
)

func newSpace(s *Server) *space {
	sp := &space{nodes: map[string]*node{}}
	root := sp.add(nil, 0, ua.NewNumericNodeID(0, idRoot), 0, "Root", ua.NodeClassObject, idFolderType)
	objects := sp.add(root, refOrganizes, ua.NewNumericNodeID(0, idObjects), 0, "Objects", ua.NodeClassObject, idFolderType)
	sp.add(root, refOrganizes, ua.NewNumericNodeID(0, idTypes), 0, "Types", ua.NodeClassObject, idFolderType)
	sp.add(root, refOrganizes, ua.NewNumericNodeID(0, idViews), 0, "Views", ua.NodeClassObject, idFolderType)
	server := sp.add(objects, refOrganizes, ua.NewNumericNodeID(0, idServer), 0, "Server", ua.NodeClassObject, idServerType)
	status := sp.variable(server, refComponent, idServerStatus, "ServerStatus", nil)
	sp.variable(status, refComponent, idCurrentTime, "CurrentTime", time.Now())
	sp.variable(status, refComponent, idState, "State", int32(0))
	sp.variable(server, refProperty, idNamespaceArray, "NamespaceArray", s.namespaces)
	sp.variable(server, refProperty, idServerArray, "ServerArray", []string{s.o.ApplicationURI})
	sp.variable(server, refProperty, idServiceLevel, "ServiceLevel", uint8(255))
	caps := sp.add(server, refComponent, ua.NewNumericNodeID(0, idCapabilities), 0, "ServerCapabilities", ua.NodeClassObject, idServerCapabilities)
	sp.variable(caps, refProperty, 2735, "MaxBrowseContinuationPoints", uint16(100))
	limits := sp.add(caps, refComponent, ua.NewNumericNodeID(0, idLimits), 0, "OperationLimits", ua.NodeClassObject, 11564)
	l := s.o.Limits
	for id, x := range map[uint32]struct {
		name string
		n    int
	}{
		11705: {"MaxNodesPerRead", l.Read}, 11707: {"MaxNodesPerWrite", l.Read}, 11710: {"MaxNodesPerBrowse", l.Browse},
		11712: {"MaxNodesPerTranslateBrowsePathsToNodeIds", l.Browse}, 11714: {"MaxMonitoredItemsPerCall", l.Monitor},
	} {
		sp.variable(limits, refProperty, id, x.name, uint32(x.n)) //nolint:gosec // small
	}
	return sp
}

func (sp *space) add(parent *node, ref uint32, id *ua.NodeID, ns uint16, name string, class ua.NodeClass, typ uint32) *node {
	n := &node{
		id: id, class: class, name: &ua.QualifiedName{NamespaceIndex: ns, Name: name}, parent: parent, byRef: ref, typ: typ, rank: -1,
		items: map[*item]bool{},
	}
	sp.nodes[id.String()] = n
	if parent != nil {
		parent.children = append(parent.children, n)
	}
	return n
}

// variable adds a variable of namespace 0.
func (sp *space) variable(parent *node, ref, id uint32, name string, value any) *node {
	typ := uint32(idBaseVariable)
	if ref == refProperty {
		typ = idProperty
	}
	n := sp.add(parent, ref, ua.NewNumericNodeID(0, id), 0, name, ua.NodeClassVariable, typ)
	n.setValue(value, time.Now())
	return n
}

func (n *node) setValue(value any, at time.Time) {
	d := &ua.DataValue{EncodingMask: ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp, SourceTimestamp: at, ServerTimestamp: at}
	if value != nil {
		v, err := ua.NewVariant(value)
		if err != nil {
			d.EncodingMask |= ua.DataValueStatusCode
			d.Status = ua.StatusBadTypeMismatch
		} else {
			d.EncodingMask |= ua.DataValueValue
			d.Value = v
			n.dataType = uint32(v.Type())
			if v.Has(ua.VariantArrayValues) {
				n.rank = 1
			}
		}
	}
	n.value = d
}

// Folder is an object that holds others.
type Folder struct {
	s         *Server
	n         *node
	namespace uint16
}

// Objects returns the folder in which everything begins.
func (s *Server) Objects() *Folder {
	return &Folder{s, s.space.nodes[ua.NewNumericNodeID(0, idObjects).String()], Namespace}
}

// In returns the same folder; what is added to it belongs to another namespace.
func (f *Folder) In(namespace uint16) *Folder { return &Folder{f.s, f.n, namespace} }

// Folder adds a folder. Its node id is ns=2;s=ID.
func (f *Folder) Folder(id, name string) *Folder {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	ref := uint32(refComponent)
	if f.n.parent == nil || f.n.id.Namespace() == 0 {
		ref = refOrganizes
	}
	n := f.s.space.add(f.n, ref, ua.NewStringNodeID(f.namespace, id), f.namespace, name, ua.NodeClassObject, idFolderType)
	return &Folder{f.s, n, f.namespace}
}

// Variable is a value that can be set.
type Variable struct {
	s *Server
	n *node
}

// Variable adds a variable with a first value of a Go scalar type, a slice of
// one, or a time. Its node id is ns=2;s=ID.
func (f *Folder) Variable(id, name string, value any) *Variable {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	n := f.s.space.add(f.n, refComponent, ua.NewStringNodeID(f.namespace, id), f.namespace, name, ua.NodeClassVariable, idBaseVariable)
	n.writable = true
	n.setValue(value, time.Now())
	return &Variable{f.s, n}
}

// Set gives the variable a value. Every monitored item of it queues the value.
func (v *Variable) Set(value any) { v.SetAt(value, time.Now()) }

// SetAt is Set with a source time.
func (v *Variable) SetAt(value any, at time.Time) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.n.setValue(value, at)
	v.n.changed()
}

// Remove takes the variable out of the address space.
func (v *Variable) Remove() {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	delete(v.s.space.nodes, v.n.id.String())
	for i, c := range v.n.parent.children {
		if c == v.n {
			v.n.parent.children = append(v.n.parent.children[:i], v.n.parent.children[i+1:]...)
			break
		}
	}
}

func (n *node) changed() {
	for it := range n.items {
		it.queue(n.value)
	}
}

// keeper runs what changes values by itself.
type keeper struct {
	mu   sync.Mutex
	list []func(n int)
}

// Every calls fn with 0, 1, 2 … in the server's beat, until it is closed.
func (s *Server) Every(fn func(n int)) {
	s.beats.mu.Lock()
	defer s.beats.mu.Unlock()
	s.beats.list = append(s.beats.list, fn)
}
