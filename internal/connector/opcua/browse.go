package opcua

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
)

// maxReferences is how many references of one node a server is asked for at
// once. What is more comes with continuation points.
const maxReferences = 1000

// objectsFolder is where data begins (OPC 10000-5).
const objectsFolder = 85

// hierarchicalReferences is the type of the references that make the tree.
const hierarchicalReferences = 33

// visit is a node that was found, and what is known of it.
type visit struct {
	node    connector.Node
	id      *ua.NodeID
	key     string
	class   ua.NodeClass
	foreign bool   // on another server
	read    bool   // its attributes were read
	browsed bool   // its children were asked for
	err     error  // why its children cannot be had
	more    []byte // continuation point: the rest of its children
	kids    []*visit
}

// frame is a node on the way from the root to where the walk is.
type frame struct {
	of    *visit
	shown bool
}

// walker walks depth first, and asks for what it will soon need in requests as
// large as the server takes.
type walker struct {
	session *session
	query   connector.BrowseQuery
	search  string
	seen    map[string]*visit // by node id: where its children are shown
	types   map[string]string // names of data types by node id
	path    []*frame
}

// Browse implements connector.Browser. IDs are node ids with namespace indexes
// of this server; a node that is found twice is walked once.
func (c *Connector) Browse(ctx context.Context, t connector.Target, q connector.BrowseQuery) iter.Seq2[connector.Node, error] {
	return func(yield func(connector.Node, error) bool) {
		if err := c.browse(ctx, t, q, yield); err != nil {
			yield(connector.Node{}, err)
		}
	}
}

func (c *Connector) browse(ctx context.Context, t connector.Target, q connector.BrowseQuery, yield func(connector.Node, error) bool) error {
	parsed, err := parseEndpoint(&t.Endpoint)
	if err != nil {
		return err
	}
	s, err := connect(ctx, target{endpoint: t.Endpoint, settings: parsed, secrets: t.Secrets, pki: c.pki, log: t.Log})
	if err != nil {
		return err
	}
	defer s.close(ctx) // it releases continuation points too
	root, err := s.browseRoot(ctx, q.Root)
	if err != nil {
		return err
	}
	w := &walker{
		session: s, query: q, search: strings.ToLower(q.Search), seen: map[string]*visit{}, types: map[string]string{},
		path: []*frame{{of: &visit{id: root, key: root.String(), node: connector.Node{Level: -1}}, shown: true}},
	}
	return w.walk(ctx, yield)
}

// browseRoot returns the node that a walk starts at.
func (s *session) browseRoot(ctx context.Context, text string) (*ua.NodeID, error) {
	objects := ua.NewNumericNodeID(0, objectsFolder)
	if text == "" {
		return objects, nil
	}
	if !isPath(text) {
		return parseNodeID(text, s.namespaces)
	}
	path, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	nodes, errs, err := s.translatePaths(ctx, []*ua.BrowsePath{{StartingNode: objects, RelativePath: path}})
	if err != nil {
		return nil, err
	}
	return nodes[0], fault.Wrap(errs[0], "%s", text)
}

// walk yields nodes, parents before children, until there are no more or the
// caller has enough.
func (w *walker) walk(ctx context.Context, yield func(connector.Node, error) bool) error {
	for len(w.path) > 0 {
		if err := ctx.Err(); err != nil {
			return fault.As(fault.Canceled, err, "browse")
		}
		top := w.path[len(w.path)-1]
		ready, err := w.advance(ctx, top.of)
		if err != nil {
			return err
		}
		if !ready {
			continue
		}
		v := top.of.kids[0]
		if err := w.prepare(ctx, v); err != nil {
			return err
		}
		top.of.kids[0] = nil // what was shown need not be kept
		top.of.kids = top.of.kids[1:]
		w.path = append(w.path, &frame{of: v})
		if w.matches(v) && !w.show(yield) {
			return nil
		}
		if !w.descends(v) {
			w.path = w.path[:len(w.path)-1]
		}
	}
	return nil
}

// advance makes sure that a node has a child to go to. It returns false where
// the walk has to look again: more was read, or the node is done.
func (w *walker) advance(ctx context.Context, v *visit) (bool, error) {
	if err := w.expand(ctx, v); err != nil {
		return false, err
	}
	switch {
	case len(w.path) == 1 && v.err != nil:
		return false, v.err // without its root there is nothing to walk
	case len(v.kids) > 0:
		return true, nil
	case v.more != nil:
		return false, w.next(ctx, v)
	default:
		w.path = w.path[:len(w.path)-1]
		return false, nil
	}
}

// show yields the last node of the path, and before it what leads to it.
func (w *walker) show(yield func(connector.Node, error) bool) bool {
	for i, f := range w.path {
		if f.shown {
			continue
		}
		f.shown = true
		f.of.node.Match = i == len(w.path)-1
		if !yield(f.of.node, nil) {
			return false
		}
	}
	return true
}

func (w *walker) matches(v *visit) bool {
	return w.search == "" || strings.Contains(strings.ToLower(v.node.Name), w.search)
}

// descends reports whether the children of v are to be walked.
func (w *walker) descends(v *visit) bool {
	if at := w.seen[v.key]; at != nil && at != v {
		return false
	}
	return !v.foreign && (w.query.Depth <= 0 || v.node.Level+1 < w.query.Depth)
}

// prepare finds out what is to be known of v before it is shown: its children
// (are there any?) and, for variables, their attributes.
func (w *walker) prepare(ctx context.Context, v *visit) error {
	if w.descends(v) {
		if err := w.expand(ctx, v); err != nil {
			return err
		}
		v.node.Children = len(v.kids) > 0 || v.more != nil
	}
	if !w.wantsAttributes(v) {
		return nil
	}
	most := w.session.limits.read / 4
	return w.readAttributes(ctx, w.upcoming(max(most, 1), w.wantsAttributes))
}

func (w *walker) wantsAttributes(v *visit) bool {
	return !v.read && !v.foreign && (v.class == ua.NodeClassVariable || v.class == ua.NodeClassVariableType) && w.matches(v)
}

// upcoming returns the next nodes of the walk, as far as they are known, that
// fulfil a condition.
func (w *walker) upcoming(most int, want func(*visit) bool) []*visit {
	var list []*visit
	var gather func(kids []*visit)
	gather = func(kids []*visit) {
		for _, v := range kids {
			if len(list) >= most {
				return
			}
			if want(v) {
				list = append(list, v)
			}
			gather(v.kids)
		}
	}
	for _, f := range slices.Backward(w.path) {
		gather(f.of.kids)
	}
	return list
}

// expand asks for the children of v, and in the same request for those of the
// nodes that come next.
func (w *walker) expand(ctx context.Context, v *visit) error {
	if v.browsed {
		return nil
	}
	batch := []*visit{v}
	wants := func(x *visit) bool { return x != v && !x.browsed && w.descends(x) }
	batch = append(batch, w.upcoming(w.session.limits.browse-1, wants)...)
	for {
		batch = batch[:min(len(batch), w.session.limits.browse)]
		res, err := call[*ua.BrowseResponse](ctx, w.session, browseRequest(batch, maxReferences))
		if tooMany(err) && len(batch) > 1 {
			w.session.limits.browse = len(batch) / 2
			continue
		}
		if err != nil {
			return w.session.translate(err, "browse")
		}
		if len(res.Results) != len(batch) {
			return fault.New(fault.Unavailable, "browse: %d answers to %d questions", len(res.Results), len(batch))
		}
		return w.takeBatch(ctx, batch, res.Results)
	}
}

func browseRequest(batch []*visit, most uint32) *ua.BrowseRequest {
	req := &ua.BrowseRequest{
		View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: most,
	}
	for _, v := range batch {
		req.NodesToBrowse = append(req.NodesToBrowse, &ua.BrowseDescription{
			NodeID: v.id, BrowseDirection: ua.BrowseDirectionForward, ReferenceTypeID: ua.NewNumericNodeID(0, hierarchicalReferences),
			IncludeSubtypes: true, ResultMask: uint32(ua.BrowseResultMaskAll),
		})
	}
	return req
}

// takeBatch records what a request found. Only the node that is needed now may
// hold on to a continuation point: servers have few. The others are asked
// again when it is their turn.
func (w *walker) takeBatch(ctx context.Context, batch []*visit, results []*ua.BrowseResult) error {
	var release [][]byte
	for i, v := range batch {
		r := results[i]
		if i > 0 && (len(r.ContinuationPoint) > 0 || r.StatusCode == ua.StatusBadNoContinuationPoints) {
			if len(r.ContinuationPoint) > 0 {
				release = append(release, r.ContinuationPoint)
			}
			continue
		}
		w.take(v, r)
	}
	for _, part := range chunks(release, w.session.limits.browse) {
		_, err := call[*ua.BrowseNextResponse](ctx, w.session, &ua.BrowseNextRequest{ReleaseContinuationPoints: true, ContinuationPoints: part})
		if err != nil {
			return w.session.translate(err, "release continuation points")
		}
	}
	if results[0].StatusCode == ua.StatusBadNoContinuationPoints {
		return w.all(ctx, batch[0])
	}
	return nil
}

// all asks for the children of one node without a bound, where the server has
// no continuation point left.
func (w *walker) all(ctx context.Context, v *visit) error {
	v.err, v.node.Warnings = nil, nil
	res, err := call[*ua.BrowseResponse](ctx, w.session, browseRequest([]*visit{v}, 0))
	if err != nil {
		return w.session.translate(err, "browse")
	}
	if len(res.Results) == 1 {
		w.take(v, res.Results[0])
	}
	return nil
}

// next fetches more children of a node.
func (w *walker) next(ctx context.Context, v *visit) error {
	res, err := call[*ua.BrowseNextResponse](ctx, w.session, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{v.more}})
	if err != nil {
		return w.session.translate(err, "browse next")
	}
	v.more = nil
	if len(res.Results) == 1 {
		w.take(v, res.Results[0])
	}
	return nil
}

// take records children of v.
func (w *walker) take(v *visit, r *ua.BrowseResult) {
	v.browsed = true
	w.seen[v.key] = v
	if err := statusError(r.StatusCode, "children of "+v.key); err != nil {
		v.err = err
		v.node.Warnings = append(v.node.Warnings, err.Error())
		return
	}
	if len(r.ContinuationPoint) > 0 {
		v.more = r.ContinuationPoint
	}
	known := make(map[string]bool, len(r.References))
	for _, ref := range r.References {
		kid := w.visitOf(v, ref)
		if kid == nil || known[kid.key] {
			continue // two references to one node, such as Organizes and HasComponent
		}
		known[kid.key] = true
		v.kids = append(v.kids, kid)
	}
}

// visitOf returns what a reference leads to, nil for nonsense.
func (w *walker) visitOf(parent *visit, ref *ua.ReferenceDescription) *visit {
	if ref == nil || ref.NodeID == nil || ref.NodeID.NodeID == nil {
		return nil
	}
	kid := &visit{id: ref.NodeID.NodeID, class: ref.NodeClass, foreign: ref.NodeID.ServerIndex != 0}
	if uri := ref.NodeID.NamespaceURI; uri != "" {
		local, err := parseNodeID("nsu="+uri+";"+ref.NodeID.NodeID.StringID(), w.session.namespaces)
		if err != nil {
			kid.foreign = true
		} else {
			kid.id = local
		}
	}
	kid.key = kid.id.String()
	name, browseName := "", ""
	if ref.BrowseName != nil {
		browseName = ref.BrowseName.Name
	}
	if ref.DisplayName != nil {
		name = ref.DisplayName.Text
	}
	kid.node = connector.Node{
		Level: parent.node.Level + 1, ID: kid.key, Name: cmp.Or(name, browseName, kid.key), Class: className(ref.NodeClass),
		Reference: w.referenceName(ref.ReferenceTypeID),
	}
	kid.node.Path = kid.node.Name
	if parent.node.Path != "" {
		kid.node.Path = parent.node.Path + "/" + kid.node.Name
	}
	if ref.TypeDefinition != nil && ref.TypeDefinition.NodeID != nil && ref.TypeDefinition.NodeID.String() != "i=0" {
		kid.node.TypeID = expandedText(ref.TypeDefinition)
	}
	return kid
}

func (w *walker) referenceName(id *ua.NodeID) string {
	if id == nil {
		return ""
	}
	if id.Namespace() == 0 {
		for name, n := range referenceTypes() {
			if id.IntID() == n {
				return name
			}
		}
	}
	return id.String()
}

func className(c ua.NodeClass) string {
	return strings.TrimPrefix(c.String(), "NodeClass")
}
