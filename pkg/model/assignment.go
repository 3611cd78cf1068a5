package model

// UnitKey names one unit of work that a supervisor keeps running: an asset on
// its endpoint, or, where an endpoint's session is shared, the endpoint with
// all of its assets (Asset is then ""). Names are in the folded form of keys,
// so that UnitKeys compare with ==.
type UnitKey struct {
	Instance string // "group/instance" that serves it
	Device   string // folded Key of the device or, prefixed "profile:", of the classic profile
	Endpoint string // inbound endpoint name; "" for a profile
	Asset    string // folded parent and name of the asset; "" for a shared unit
}

// Assignment is everything a connector is told: one endpoint and the assets
// that hang on it. It is a snapshot at one revision and is never changed.
// Classic resources arrive here in their namespaced form.
type Assignment struct {
	Unit           UnitKey
	Revision       Revision
	TopicNamespace string // <ns> of default topics
	Device         AssignedDevice
	EndpointName   string
	Endpoint       Endpoint
	Assets         []*Asset // enabled ones, sorted by name
}

// AssignedDevice is what a connector and its messages need to know of the
// device that an endpoint belongs to.
type AssignedDevice struct {
	Key        Key // of a Device or an EndpointProfile
	UUID       string
	ExternalID string
	Version    int64
}

// ItemKind says what an ItemRef points to inside an asset.
type ItemKind uint8

// The kinds of items.
const (
	ItemAsset ItemKind = iota // the asset itself
	ItemDataset
	ItemDataPoint
	ItemEventGroup
	ItemEvent
	ItemStream
	ItemManagementGroup
	ItemAction
)

// ItemRef points to an item inside an asset, for status and ledgers.
type ItemRef struct {
	Kind  ItemKind
	Asset string // asset name
	Group string // dataset, event group, stream or management group
	Item  string // data point, event or action; "" for the group itself
}
