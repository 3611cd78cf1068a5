package opcua

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
)

// session is a client's session. It outlives its connection.
type session struct {
	token   *ua.NodeID
	id      uint32
	active  bool
	timeout time.Duration
	seen    time.Time
	conn    *conn
	publish []waiting // publish requests, oldest first
	browses map[string]*cursor
}

// waiting is a publish request that waits for something to say.
type waiting struct {
	c       *conn
	id      uint32
	req     *ua.PublishRequest
	results []ua.StatusCode
}

// cursor is where a browse goes on.
type cursor struct{ rest []*ua.ReferenceDescription }

// dispatch answers a request; later means that the answer comes by itself. The
// lock is held.
func (s *Server) dispatch(c *conn, id uint32, req ua.Request) (res ua.Response, later bool) {
	switch r := req.(type) {
	case *ua.GetEndpointsRequest:
		return &ua.GetEndpointsResponse{Endpoints: s.endpoints(r.EndpointURL)}, false
	case *ua.FindServersRequest:
		return &ua.FindServersResponse{Servers: []*ua.ApplicationDescription{s.application(r.EndpointURL)}}, false
	case *ua.CreateSessionRequest:
		return s.createSession(r), false
	case *ua.ActivateSessionRequest:
		return s.activateSession(c, r), false
	}
	sess := s.sessionOf(req)
	if sess == nil {
		return failure(ua.StatusBadSessionIDInvalid), false
	}
	if !sess.active {
		return failure(ua.StatusBadSessionNotActivated), false
	}
	sess.seen = time.Now()
	switch r := req.(type) {
	case *ua.CloseSessionRequest:
		return s.closeSession(sess, r), false
	case *ua.ReadRequest:
		return s.read(r), false
	case *ua.WriteRequest:
		return s.write(r), false
	case *ua.BrowseRequest:
		return s.browse(sess, r), false
	case *ua.BrowseNextRequest:
		return s.browseNext(sess, r), false
	case *ua.TranslateBrowsePathsToNodeIDsRequest:
		return s.translate(r), false
	case *ua.PublishRequest:
		return s.publish(sess, c, id, r)
	default:
		return s.dispatchSubscription(sess, req), false
	}
}

func (s *Server) dispatchSubscription(sess *session, req ua.Request) ua.Response {
	switch r := req.(type) {
	case *ua.CreateSubscriptionRequest:
		return s.createSubscription(sess, r)
	case *ua.ModifySubscriptionRequest:
		return s.modifySubscription(sess, r)
	case *ua.DeleteSubscriptionsRequest:
		return s.deleteSubscriptions(sess, r)
	case *ua.SetPublishingModeRequest:
		return s.setPublishingMode(sess, r)
	case *ua.TransferSubscriptionsRequest:
		return s.transfer(sess, r)
	case *ua.RepublishRequest:
		return s.republish(sess, r)
	case *ua.CreateMonitoredItemsRequest:
		return s.createItems(sess, r)
	case *ua.DeleteMonitoredItemsRequest:
		return s.deleteItems(sess, r)
	default:
		return failure(ua.StatusBadServiceUnsupported)
	}
}

func (s *Server) sessionOf(req ua.Request) *session {
	h := req.Header()
	if h == nil || h.AuthenticationToken == nil {
		return nil
	}
	return s.sessions[h.AuthenticationToken.String()]
}

func (s *Server) application(url string) *ua.ApplicationDescription {
	return &ua.ApplicationDescription{
		ApplicationURI: s.o.ApplicationURI, ProductURI: "urn:iotops", ApplicationName: ua.NewLocalizedText("iotops simulator"),
		ApplicationType: ua.ApplicationTypeServer, DiscoveryURLs: []string{url},
	}
}

func (s *Server) endpoints(url string) []*ua.EndpointDescription {
	if url == "" {
		url = s.URL()
	}
	tokens := []*ua.UserTokenPolicy{}
	if len(s.o.Users) == 0 {
		tokens = append(tokens, &ua.UserTokenPolicy{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous})
	} else {
		tokens = append(tokens, &ua.UserTokenPolicy{PolicyID: "user", TokenType: ua.UserTokenTypeUserName, SecurityPolicyURI: ua.SecurityPolicyURINone})
	}
	return []*ua.EndpointDescription{{
		EndpointURL: url, Server: s.application(url), SecurityMode: ua.MessageSecurityModeNone, SecurityPolicyURI: ua.SecurityPolicyURINone,
		UserIdentityTokens: tokens, TransportProfileURI: "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary",
	}}
}

func (s *Server) createSession(r *ua.CreateSessionRequest) ua.Response {
	s.expireSessions()
	if len(s.sessions) >= maxSessions {
		return failure(ua.StatusBadTooManySessions)
	}
	timeout := time.Duration(r.RequestedSessionTimeout) * time.Millisecond
	timeout = min(max(timeout, time.Second), time.Hour)
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	sess := &session{id: s.id(), token: ua.NewByteStringNodeID(0, token), timeout: timeout, seen: time.Now(), browses: map[string]*cursor{}}
	s.sessions[sess.token.String()] = sess
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce)
	return &ua.CreateSessionResponse{
		SessionID: ua.NewNumericNodeID(1, sess.id), AuthenticationToken: sess.token, RevisedSessionTimeout: float64(timeout.Milliseconds()),
		ServerNonce: nonce, ServerEndpoints: s.endpoints(r.EndpointURL), ServerSignature: &ua.SignatureData{},
	}
}

// expireSessions ends sessions that nobody used for their timeout.
func (s *Server) expireSessions() {
	for key, sess := range s.sessions {
		if time.Since(sess.seen) > sess.timeout {
			delete(s.sessions, key)
		}
	}
}

func (s *Server) activateSession(c *conn, r *ua.ActivateSessionRequest) ua.Response {
	sess := s.sessionOf(r)
	if sess == nil {
		return failure(ua.StatusBadSessionIDInvalid)
	}
	if r.UserIdentityToken == nil {
		return failure(ua.StatusBadIdentityTokenInvalid)
	}
	switch t := r.UserIdentityToken.Value.(type) {
	case *ua.UserNameIdentityToken:
		password := t.Password
		// In the clear, or after its length where a nonce follows (OPC 10000-4, 7.40.2.2).
		if len(password) >= 4 && int(binary.LittleEndian.Uint32(password)) == len(password)-4 {
			password = password[4:]
		}
		if want, ok := s.o.Users[t.UserName]; !ok || want != string(password) {
			return failure(ua.StatusBadUserAccessDenied)
		}
	default:
		if len(s.o.Users) > 0 {
			return failure(ua.StatusBadIdentityTokenRejected)
		}
	}
	if sess.conn != c {
		sess.publish = nil // the old connection's requests have nobody to answer to
	}
	sess.conn, sess.active, sess.seen = c, true, time.Now()
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce)
	return &ua.ActivateSessionResponse{ServerNonce: nonce}
}

func (s *Server) closeSession(sess *session, r *ua.CloseSessionRequest) ua.Response {
	for _, sub := range s.subs {
		if sub.session == sess {
			if r.DeleteSubscriptions {
				sub.delete(s)
			} else {
				sub.session = nil
			}
		}
	}
	delete(s.sessions, sess.token.String())
	return &ua.CloseSessionResponse{}
}

func (s *Server) read(r *ua.ReadRequest) ua.Response {
	s.stats.Reads.Add(1)
	if len(r.NodesToRead) == 0 {
		return failure(ua.StatusBadNothingToDo)
	}
	if len(r.NodesToRead) > s.o.Limits.Read {
		return failure(ua.StatusBadTooManyOperations)
	}
	results := make([]*ua.DataValue, len(r.NodesToRead))
	for i, rv := range r.NodesToRead {
		results[i] = s.attribute(rv)
	}
	return &ua.ReadResponse{Results: results}
}

func bad(code ua.StatusCode) *ua.DataValue {
	return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: code}
}

func (s *Server) attribute(rv *ua.ReadValueID) *ua.DataValue {
	n := s.space.nodes[rv.NodeID.String()]
	if n == nil {
		return bad(ua.StatusBadNodeIDUnknown)
	}
	var v any
	switch rv.AttributeID { // the others are not there
	case ua.AttributeIDValue:
		if n.class != ua.NodeClassVariable {
			return bad(ua.StatusBadAttributeIDInvalid)
		}
		return n.value
	case ua.AttributeIDNodeID:
		v = n.id
	case ua.AttributeIDNodeClass:
		v = int32(n.class)
	case ua.AttributeIDBrowseName:
		v = n.name
	case ua.AttributeIDDisplayName:
		v = ua.NewLocalizedText(n.name.Name)
	case ua.AttributeIDDataType:
		v = ua.NewNumericNodeID(0, n.dataType)
	case ua.AttributeIDValueRank:
		v = n.rank
	case ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel:
		v = uint8(1)
		if n.writable {
			v = uint8(3)
		}
	default:
		return bad(ua.StatusBadAttributeIDInvalid)
	}
	if n.class != ua.NodeClassVariable && (rv.AttributeID == ua.AttributeIDDataType || rv.AttributeID == ua.AttributeIDValueRank ||
		rv.AttributeID == ua.AttributeIDAccessLevel || rv.AttributeID == ua.AttributeIDUserAccessLevel) {
		return bad(ua.StatusBadAttributeIDInvalid)
	}
	return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(v)}
}

func (s *Server) write(r *ua.WriteRequest) ua.Response {
	if len(r.NodesToWrite) > s.o.Limits.Read {
		return failure(ua.StatusBadTooManyOperations)
	}
	results := make([]ua.StatusCode, len(r.NodesToWrite))
	for i, w := range r.NodesToWrite {
		n := s.space.nodes[w.NodeID.String()]
		switch {
		case n == nil:
			results[i] = ua.StatusBadNodeIDUnknown
		case w.AttributeID != ua.AttributeIDValue || !n.writable:
			results[i] = ua.StatusBadNotWritable
		case w.Value == nil || w.Value.Value == nil || uint32(w.Value.Value.Type()) != n.dataType:
			results[i] = ua.StatusBadTypeMismatch
		default:
			n.setValue(w.Value.Value.Value(), time.Now())
			n.changed()
		}
	}
	return &ua.WriteResponse{Results: results}
}

func (s *Server) browse(sess *session, r *ua.BrowseRequest) ua.Response {
	if len(r.NodesToBrowse) > s.o.Limits.Browse {
		return failure(ua.StatusBadTooManyOperations)
	}
	results := make([]*ua.BrowseResult, len(r.NodesToBrowse))
	for i, d := range r.NodesToBrowse {
		n := s.space.nodes[d.NodeID.String()]
		if n == nil {
			results[i] = &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown}
			continue
		}
		results[i] = s.page(sess, references(n, d), int(r.RequestedMaxReferencesPerNode))
	}
	return &ua.BrowseResponse{Results: results}
}

// references returns what a browse of a node finds.
func references(n *node, d *ua.BrowseDescription) []*ua.ReferenceDescription {
	var refs []*ua.ReferenceDescription
	add := func(to *node, ref uint32, forward bool) {
		if d.NodeClassMask != 0 && d.NodeClassMask&uint32(to.class) == 0 || !wanted(d, ref) {
			return
		}
		refs = append(refs, &ua.ReferenceDescription{
			ReferenceTypeID: ua.NewNumericNodeID(0, ref), IsForward: forward, NodeID: expanded(to.id), BrowseName: to.name,
			DisplayName: ua.NewLocalizedText(to.name.Name), NodeClass: to.class, TypeDefinition: expanded(ua.NewNumericNodeID(0, to.typ)),
		})
	}
	if d.BrowseDirection != ua.BrowseDirectionInverse {
		for _, child := range n.children {
			add(child, child.byRef, true)
		}
	}
	if d.BrowseDirection != ua.BrowseDirectionForward && n.parent != nil {
		add(n.parent, n.byRef, false)
	}
	return refs
}

func expanded(id *ua.NodeID) *ua.ExpandedNodeID { return &ua.ExpandedNodeID{NodeID: id} }

// wanted reports whether a reference type is the one asked for, or below it.
func wanted(d *ua.BrowseDescription, ref uint32) bool {
	if d.ReferenceTypeID == nil || d.ReferenceTypeID.IntID() == 0 {
		return true
	}
	parents := map[uint32][]uint32{refOrganizes: {33, 31}, refComponent: {44, 34, 33, 31}, refProperty: {44, 34, 33, 31}}
	ask := d.ReferenceTypeID.IntID()
	if ask == ref {
		return true
	}
	for _, p := range parents[ref] {
		if d.IncludeSubtypes && p == ask {
			return true
		}
	}
	return false
}

// page returns the first references of a list, and keeps the rest for browseNext.
func (s *Server) page(sess *session, refs []*ua.ReferenceDescription, most int) *ua.BrowseResult {
	if most <= 0 || most > 1000 {
		most = 1000
	}
	if len(refs) <= most {
		return &ua.BrowseResult{References: refs}
	}
	if len(sess.browses) >= 100 {
		return &ua.BrowseResult{StatusCode: ua.StatusBadNoContinuationPoints}
	}
	point := binary.LittleEndian.AppendUint32(nil, s.id())
	sess.browses[string(point)] = &cursor{refs[most:]}
	return &ua.BrowseResult{References: refs[:most], ContinuationPoint: point}
}

func (s *Server) browseNext(sess *session, r *ua.BrowseNextRequest) ua.Response {
	results := make([]*ua.BrowseResult, len(r.ContinuationPoints))
	for i, point := range r.ContinuationPoints {
		cur := sess.browses[string(point)]
		delete(sess.browses, string(point))
		switch {
		case cur == nil:
			results[i] = &ua.BrowseResult{StatusCode: ua.StatusBadContinuationPointInvalid}
		case r.ReleaseContinuationPoints:
			results[i] = &ua.BrowseResult{}
		default:
			results[i] = s.page(sess, cur.rest, 0)
		}
	}
	return &ua.BrowseNextResponse{Results: results}
}

func (s *Server) translate(r *ua.TranslateBrowsePathsToNodeIDsRequest) ua.Response {
	results := make([]*ua.BrowsePathResult, len(r.BrowsePaths))
	for i, p := range r.BrowsePaths {
		n := s.space.nodes[p.StartingNode.String()]
		if n == nil || p.RelativePath == nil {
			results[i] = &ua.BrowsePathResult{StatusCode: ua.StatusBadNodeIDUnknown}
			continue
		}
		for _, e := range p.RelativePath.Elements {
			n = n.child(e.TargetName)
			if n == nil {
				break
			}
		}
		if n == nil {
			results[i] = &ua.BrowsePathResult{StatusCode: ua.StatusBadNoMatch}
			continue
		}
		results[i] = &ua.BrowsePathResult{Targets: []*ua.BrowsePathTarget{{TargetID: expanded(n.id), RemainingPathIndex: 0xffffffff}}}
	}
	return &ua.TranslateBrowsePathsToNodeIDsResponse{Results: results}
}

func (n *node) child(name *ua.QualifiedName) *node {
	for _, c := range n.children {
		if name != nil && *c.name == *name {
			return c
		}
	}
	return nil
}
