// Package model holds the domain: every resource kind with its rules and its
// edits, as pure data. It knows no clock, no network, no database and no
// logger, so that the command line, the API, the user interface and Kubernetes
// all keep to the same rules.
//
// JSON names are those of Azure Device Registry (API 2026-04-01, classic kinds
// 2024-11-01), so that documents can be exchanged as they are.
package model

import (
	"encoding/json"
	"strings"
	"time"
)

// Revision numbers the writes of a registry, without gaps.
type Revision int64

// Kind names a sort of resource. Its value is stable: it is stored.
type Kind string

// The resource kinds.
const (
	KindInstance         Kind = "instance"
	KindNamespace        Kind = "namespace"
	KindDevice           Kind = "device"
	KindAsset            Kind = "asset"
	KindDiscoveredDevice Kind = "discoveredDevice"
	KindDiscoveredAsset  Kind = "discoveredAsset"
	KindClassicAsset     Kind = "classicAsset"
	KindEndpointProfile  Kind = "endpointProfile"
	KindSchemaRegistry   Kind = "schemaRegistry"
	KindSchema           Kind = "schema"
	KindSchemaVersion    Kind = "schemaVersion"
	KindDataflowProfile  Kind = "dataflowProfile"
	KindDataflow         Kind = "dataflow"
	KindDataflowEndpoint Kind = "dataflowEndpoint"
	KindSecret           Kind = "secret" // only in a Change: secrets are not documents
)

// Key identifies a resource. Parent is the path of what the resource lives in,
// names joined by "/": a group for instances, namespaces, schema registries and
// classic kinds; "group/namespace" for devices, assets and discovered ones;
// "group/instance" for what belongs to an instance; "group/instance/profile" for
// dataflows; "group/registry[/schema]" for schemas and their versions. Keys are compared without regard to case;
// the case in which they were given is kept.
type Key struct {
	Kind   Kind
	Parent string
	Name   string
}

// Fold returns k in the form in which keys are compared.
func (k Key) Fold() Key {
	return Key{Kind: k.Kind, Parent: strings.ToLower(k.Parent), Name: strings.ToLower(k.Name)}
}

// Equal reports whether k and o name the same resource.
func (k Key) Equal(o Key) bool {
	return k.Kind == o.Kind && strings.EqualFold(k.Parent, o.Parent) && strings.EqualFold(k.Name, o.Name)
}

// Group returns the resource group that k lies in.
func (k Key) Group() string {
	group, _, _ := strings.Cut(k.Parent, "/")
	return group
}

// String returns k as "kind parent/name".
func (k Key) String() string { return string(k.Kind) + " " + k.Parent + "/" + k.Name }

// Meta is what every resource has beside its properties. The registry sets
// Generation, Revision, Created and Updated; everything else belongs to whoever
// writes the resource.
type Meta struct {
	Name             string            `json:"name"`
	Parent           string            `json:"parent"`
	Location         string            `json:"location,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	ExtendedLocation *ExtendedLocation `json:"extendedLocation,omitempty"`

	Generation int64     `json:"generation,omitzero"` // +1 with each change of the spec, from 1; shown as properties.version
	Revision   Revision  `json:"revision,omitzero"`   // of the last write
	Created    time.Time `json:"created,omitzero"`
	Updated    time.Time `json:"updated,omitzero"`
}

// ExtendedLocation is where Azure would place a resource: a custom location.
type ExtendedLocation struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// Object is a resource of any kind. Implementations are pointers to structs
// that embed Resource.
type Object interface {
	Kind() Kind
	Key() Key
	Head() *Meta     // the live Meta, not a copy
	Validate() error // every problem at once, each with its path
}

// Successor is an Object that some of its predecessors forbid: part of it is
// fixed when it is created.
type Successor interface {
	Object
	Replaces(old Object) error // what speaks against taking old's place
}

// Change says that something about a resource changed at a revision; it does
// not say what: whoever cares reads it again.
type Change struct {
	Key      Key
	Revision Revision
	Deleted  bool
}

// Instance is an IoT Operations instance: the scope that one `serve` runs.
type Instance struct {
	Meta
	Properties InstanceProperties `json:"properties"`
}

// InstanceProperties are the properties of an Instance.
type InstanceProperties struct {
	Description       string                     `json:"description,omitempty"`
	ADRNamespaceRef   *ResourceRef               `json:"adrNamespaceRef,omitempty"`
	SchemaRegistryRef *ResourceRef               `json:"schemaRegistryRef,omitempty"`
	Features          map[string]json.RawMessage `json:"features,omitempty"`
	Version           string                     `json:"version,omitempty"`
}

// ResourceRef points to another resource by its id.
type ResourceRef struct {
	ResourceID string `json:"resourceId"`
}

// Namespace groups devices and assets.
type Namespace struct {
	Meta
	Properties NamespaceProperties `json:"properties"`
}

// NamespaceProperties are the properties of a Namespace.
type NamespaceProperties struct {
	UUID       string          `json:"uuid,omitempty"`
	Messaging  json.RawMessage `json:"messaging,omitempty"`
	Management json.RawMessage `json:"management,omitempty"`
}

// Kind implements Object.
func (*Instance) Kind() Kind { return KindInstance }

// Key implements Object.
func (o *Instance) Key() Key { return Key{KindInstance, o.Parent, o.Name} }

// Head implements Object.
func (o *Instance) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*Namespace) Kind() Kind { return KindNamespace }

// Key implements Object.
func (o *Namespace) Key() Key { return Key{KindNamespace, o.Parent, o.Name} }

// Head implements Object.
func (o *Namespace) Head() *Meta { return &o.Meta }
