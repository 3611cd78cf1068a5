package model

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/iotops/iotops/pkg/fault"
)

// The formats of schemas.
const (
	FormatJSONSchema = "JsonSchema/draft-07"
	FormatDelta      = "Delta/1.0"
)

// SchemaTypeMessage is the one type of schema that there is.
const SchemaTypeMessage = "MessageSchema"

// SchemaRegistry groups schemas.
type SchemaRegistry struct {
	Meta
	Properties SchemaRegistryProperties `json:"properties"`
}

// SchemaRegistryProperties are the properties of a SchemaRegistry.
type SchemaRegistryProperties struct {
	UUID        string `json:"uuid,omitempty"`
	Namespace   string `json:"namespace"` // what references to schemas begin with; fixed at creation
	DisplayName string `json:"displayName,omitempty"`
	Description string `json:"description,omitempty"`
}

// Schema describes messages. What it says is in its versions.
type Schema struct {
	Meta
	Properties SchemaProperties `json:"properties"`
}

// SchemaProperties are the properties of a Schema. Format and type are fixed at
// creation.
type SchemaProperties struct {
	UUID        string            `json:"uuid,omitempty"`
	DisplayName string            `json:"displayName,omitempty"`
	Description string            `json:"description,omitempty"`
	Format      string            `json:"format"`
	SchemaType  string            `json:"schemaType"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// SchemaVersion is one text of a schema. It never changes.
type SchemaVersion struct {
	Meta
	Properties SchemaVersionProperties `json:"properties"`
}

// SchemaVersionProperties are the properties of a SchemaVersion.
type SchemaVersionProperties struct {
	UUID          string `json:"uuid,omitempty"`
	Description   string `json:"description,omitempty"`
	SchemaContent string `json:"schemaContent"`
	Hash          string `json:"hash"` // SchemaHash of the content
}

// Kind implements Object.
func (*SchemaRegistry) Kind() Kind { return KindSchemaRegistry }

// Key implements Object.
func (o *SchemaRegistry) Key() Key { return Key{KindSchemaRegistry, o.Parent, o.Name} }

// Head implements Object.
func (o *SchemaRegistry) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*Schema) Kind() Kind { return KindSchema }

// Key implements Object.
func (o *Schema) Key() Key { return Key{KindSchema, o.Parent, o.Name} }

// Head implements Object.
func (o *Schema) Head() *Meta { return &o.Meta }

// Kind implements Object.
func (*SchemaVersion) Kind() Kind { return KindSchemaVersion }

// Key implements Object.
func (o *SchemaVersion) Key() Key { return Key{KindSchemaVersion, o.Parent, o.Name} }

// Head implements Object.
func (o *SchemaVersion) Head() *Meta { return &o.Meta }

// Within returns the key of what k is in, and false where that is a group.
func (k Key) Within(kind Kind) (Key, bool) {
	i := strings.LastIndexByte(k.Parent, '/')
	if i < 0 {
		return Key{}, false
	}
	return Key{Kind: kind, Parent: k.Parent[:i], Name: k.Parent[i+1:]}, true
}

// Below returns the parent of what is in k.
func (k Key) Below() string { return k.Parent + "/" + k.Name }

// SchemaHash returns what tells contents of schemas apart: the SHA-256 of the
// bytes as given, in hexadecimal.
func SchemaHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// SchemaReference returns the text by which data flows refer to a version.
func SchemaReference(schema, version string) string { return "aio-sr://" + schema + ":" + version }

// Validate implements Object.
func (o *SchemaRegistry) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.checkPattern("properties.namespace", o.Properties.Namespace, nameRule{min: 2, max: 32})
	return p.err()
}

// Validate implements Object.
func (o *Schema) Validate() error {
	p := &problems{}
	if !madeByService(o.Name) {
		p.checkName(o.Name, nameRule{min: 3, max: 64})
	}
	if f := o.Properties.Format; f != FormatJSONSchema && f != FormatDelta {
		p.add("properties.format", "%q is not %s or %s", f, FormatJSONSchema, FormatDelta)
	}
	if t := o.Properties.SchemaType; t != SchemaTypeMessage {
		p.add("properties.schemaType", "%q is not %s", t, SchemaTypeMessage)
	}
	return p.err()
}

// madeByService reports whether a name is one that the schema service makes: an
// upper-case SHA-256.
func madeByService(name string) bool {
	return len(name) == 2*sha256.Size && strings.Trim(name, "0123456789ABCDEF") == ""
}

// maxVersion is how many digits a version's name may have.
const maxVersion = 10

// Validate implements Object. Which format the content must have is its
// schema's to say: Schema.Accepts asks for it.
func (o *SchemaVersion) Validate() error {
	p := &problems{}
	if o.Name == "" || len(o.Name) > maxVersion || strings.Trim(o.Name, "0123456789") != "" {
		p.add("name", "%q must be 1 to %d digits", o.Name, maxVersion)
	}
	if o.Properties.Hash != SchemaHash(o.Properties.SchemaContent) {
		p.add("properties.hash", "is not that of the content")
	}
	p.schemaContent(formatOf(o.Properties.SchemaContent), o.Properties.SchemaContent)
	return p.err()
}

// Accepts reports what speaks against v as a version of o.
func (o *Schema) Accepts(v *SchemaVersion) error {
	p := &problems{}
	p.schemaContent(o.Properties.Format, v.Properties.SchemaContent)
	return fault.Wrap(p.err(), "Invalid %s schema", o.Properties.Format)
}

// schemaContent checks the content of a version.
func (p *problems) schemaContent(format, content string) {
	const path = "schemaContent"
	switch {
	case !utf8.ValidString(content):
		p.add(path, "is not UTF-8 text")
		return
	case strings.TrimSpace(content) == "":
		p.add(path, "is empty")
		return
	}
	doc, err := decodeContent(content)
	if err != nil {
		p.add(path, "%v", err)
		return
	}
	if format == FormatDelta {
		p.delta(doc)
		return
	}
	p.draft07(doc)
}

// Replaces implements Successor: a namespace is fixed at creation.
func (o *SchemaRegistry) Replaces(old Object) error {
	was, ok := old.(*SchemaRegistry)
	if !ok || strings.EqualFold(was.Properties.Namespace, o.Properties.Namespace) {
		return nil
	}
	return fault.New(fault.Conflict, "schema registry %s has the namespace %s, which cannot be changed to %s",
		was.Name, was.Properties.Namespace, o.Properties.Namespace)
}

// Replaces implements Successor: format and type are fixed at creation.
func (o *Schema) Replaces(old Object) error {
	was, ok := old.(*Schema)
	if !ok || was.Properties.Format == o.Properties.Format && was.Properties.SchemaType == o.Properties.SchemaType {
		return nil
	}
	return fault.WithHint(fault.New(fault.Conflict, "schema %s has the format %s, which cannot be changed to %s",
		was.Name, was.Properties.Format, o.Properties.Format), "Choose another name, or delete the schema with its versions first.")
}

// Replaces implements Successor: a version never changes.
func (o *SchemaVersion) Replaces(old Object) error {
	was, ok := old.(*SchemaVersion)
	if !ok || was.Properties == o.Properties {
		return nil
	}
	return fault.WithHint(fault.New(fault.Conflict, "version %s exists already and cannot be changed (its content has the hash %s)", was.Name, was.Properties.Hash),
		"Add the content under a version that does not exist yet.")
}
