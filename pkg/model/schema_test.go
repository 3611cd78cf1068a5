package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func schema(name, format string) *model.Schema {
	s := &model.Schema{Meta: model.Meta{Name: name, Parent: parent}}
	s.Properties.Format, s.Properties.SchemaType = format, model.SchemaTypeMessage
	return s
}

func version(name, content string) *model.SchemaVersion {
	v := &model.SchemaVersion{Meta: model.Meta{Name: name, Parent: parent + "/oven"}}
	v.Properties.SchemaContent, v.Properties.Hash = content, model.SchemaHash(content)
	return v
}

func TestSchemaNames(t *testing.T) {
	hash := strings.ToUpper(model.SchemaHash("x"))
	for name, ok := range map[string]bool{
		"oven": true, "ov": false, "Oven": false, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
		hash: true, hash[1:]: false, hash[1:] + "G": false,
	} {
		require.Equal(t, ok, schema(name, model.FormatDelta).Validate() == nil, name)
	}
	for name, ok := range map[string]bool{"0": true, "1": true, "0123456789": true, "12345678901": false, "": false, "-1": false, "1.0": false} {
		require.Equal(t, ok, version(name, "{}").Validate() == nil, name)
	}
	for namespace, ok := range map[string]bool{"a": false, "ab": true, "Ab": false, "": false, strings.Repeat("x", 32): true, strings.Repeat("x", 33): false} {
		r := &model.SchemaRegistry{Meta: model.Meta{Name: "plant", Parent: "default"}}
		r.Properties.Namespace = namespace
		require.Equal(t, ok, r.Validate() == nil, namespace)
	}
	bad := schema("oven", "Avro")
	bad.Properties.SchemaType = "Letter"
	require.ErrorContains(t, bad.Validate(), "properties.format")
	require.ErrorContains(t, bad.Validate(), "properties.schemaType")
}

func TestKeysOfSchemas(t *testing.T) {
	k := version("1", "{}").Key()
	s, ok := k.Within(model.KindSchema)
	require.True(t, ok)
	require.Equal(t, model.Key{Kind: model.KindSchema, Parent: parent, Name: "oven"}, s)
	require.Equal(t, k.Parent, s.Below())
	_, ok = model.Key{Kind: model.KindNamespace, Parent: "default", Name: "n"}.Within(model.KindNamespace)
	require.False(t, ok)
	require.Equal(t, "aio-sr://oven:1", model.SchemaReference("oven", "1"))
}

func TestTheHashIsOfTheBytesAsGiven(t *testing.T) {
	require.Equal(t, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", model.SchemaHash("{}"))
	v := version("1", "{}")
	v.Properties.SchemaContent = "{ }"
	require.ErrorContains(t, v.Validate(), "properties.hash")
}

func TestWhatIsFixedStays(t *testing.T) {
	conflict := func(next model.Successor, old model.Object) {
		t.Helper()
		require.NoError(t, next.Replaces(next))
		require.True(t, fault.Is(next.Replaces(old), fault.Conflict))
	}
	conflict(version("1", "{}"), version("1", "{ }"))
	conflict(schema("oven", model.FormatDelta), schema("oven", model.FormatJSONSchema))
	a, b := &model.SchemaRegistry{}, &model.SchemaRegistry{}
	a.Properties.Namespace, b.Properties.Namespace = "one", "two"
	conflict(a, b)
	other := schema("oven", model.FormatDelta)
	other.Properties.Description = "new"
	require.NoError(t, other.Replaces(schema("oven", model.FormatDelta)))
}

func TestContentMustBeOfTheSchemasFormat(t *testing.T) {
	const delta = `{"$schema":"Delta/1.0","type":"object","properties":{"type":"struct","fields":[{"name":"a","type":"long"}]}}`
	require.NoError(t, schema("oven", model.FormatDelta).Accepts(version("1", delta)))
	require.NoError(t, version("1", delta).Validate())
	require.NoError(t, schema("oven", model.FormatJSONSchema).Accepts(version("1", `{"type":"object"}`)))
	err := schema("oven", model.FormatJSONSchema).Accepts(version("1", delta))
	require.ErrorContains(t, err, "Invalid JsonSchema/draft-07 schema: ")
	require.ErrorContains(t, err, "#/$schema")
	require.True(t, fault.Is(err, fault.Invalid))
	require.ErrorContains(t, schema("oven", model.FormatDelta).Accepts(version("1", `{"type":"object"}`)), "#/$schema")
}

func TestBrokenContent(t *testing.T) {
	for content, want := range map[string]string{
		"":                "is empty",
		" \n":             "is empty",
		"{\"a\":\xff}":    "is not UTF-8",
		"{\n\"a\":\n}":    "is not JSON: line 3",
		"{} {}":           "is not JSON: line 1",
		`{"a":1`:          "is not JSON",
		`[]`:              "schemaContent #: [] is not an object",
		`true`:            "is not an object",
		`{"$schema":"x"}`: "is not draft-07",
	} {
		require.ErrorContains(t, version("1", content).Validate(), want, "%q", content)
	}
}

func TestDeltaSchemas(t *testing.T) {
	wrap := func(fields string) string {
		return `{"$schema":"Delta/1.0","type":"object","properties":{"type":"struct","fields":` + fields + `}}`
	}
	for _, good := range []string{
		`[]`,
		`[{"name":"ts","type":"string","nullable":false,"metadata":{}},{"name":"A1","type":"double","nullable":true,"metadata":{}}]`,
		`[{"name":"m","type":"decimal(10, 2)"},{"name":"n","type":"decimal(38,38)"},{"name":"o","type":"timestamp_ntz"}]`,
		`[{"name":"s","type":{"type":"struct","fields":[{"name":"v","type":{"type":"array","elementType":"long","containsNull":true}}]}}]`,
		`[{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"struct","fields":[]},"valueContainsNull":false}}]`,
	} {
		require.NoError(t, version("1", wrap(good)).Validate(), good)
	}
	for _, c := range [][2]string{
		{`{}`, `#/properties/fields: {} is not a list`},
		{`[1]`, `#/properties/fields/0: 1 is not an object`},
		{`[{"type":"long"}]`, `#/properties/fields/0/name: null`},
		{`[{"name":"a","type":"text"}]`, `#/properties/fields/0/type: "text" is not a type of Delta`},
		{`[{"name":"a","type":"decimal(39,1)"}]`, `decimal(39,1)`},
		{`[{"name":"a","type":"decimal(3,4)"}]`, `decimal(3,4)`},
		{`[{"name":"a","type":"decimal(3,2))"}]`, `decimal(3,2))`},
		{`[{"name":"a"}]`, `#/properties/fields/0/type: null is neither`},
		{`[{"name":"a","type":{"type":"list"}}]`, `is neither the name of a type`},
		{`[{"name":"a","type":"long","nullable":1}]`, `#/properties/fields/0/nullable: 1`},
		{`[{"name":"a","type":"long","metadata":[]}]`, `#/properties/fields/0/metadata: []`},
		{`[{"name":"a","type":"long"},{"name":"A","type":"long"}]`, `#/properties/fields/1/name: "A" is the name of another field`},
		{`[{"name":"a","type":{"type":"array"}}]`, `#/properties/fields/0/type/elementType`},
		{`[{"name":"a","type":{"type":"map","keyType":"long"}}]`, `#/properties/fields/0/type/valueType`},
		{`[{"name":"a","type":{"type":"struct","fields":[{"name":"","type":"long"}]}}]`, `#/properties/fields/0/type/fields/0/name`},
	} {
		require.ErrorContains(t, version("1", wrap(c[0])).Validate(), c[1], c[0])
	}
	require.ErrorContains(t, version("1", `{"$schema":"Delta/1.0","type":"struct","fields":[]}`).Validate(), "#/properties")
}

// draft07 lists contents with what is wrong in them; "" = nothing.
func draft07() map[string]string {
	return map[string]string{
		`{}`: "",
		`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"A1":{"type":"number"},"any":true}}`: "",
		`{"$schema":"https://json-schema.org/draft-07/schema"}`:                                                                  "",
		`{"$schema":"http://json-schema.org/draft-04/schema#"}`:                                                                  "#/$schema",
		`{"type":"objekt"}`:                                 `#/type: "objekt" is not one of array`,
		`{"type":["string","null"]}`:                        "",
		`{"type":["string","string"]}`:                      "#/type/1",
		`{"type":["string","text"]}`:                        "#/type/1",
		`{"type":[]}`:                                       "#/type: is an empty list",
		`{"type":5}`:                                        "#/type: 5",
		`{"properties":{"a/b~c":{"minLength":-1}}}`:         "#/properties/a~1b~0c/minLength: -1",
		`{"minLength":2.0,"maxItems":1e2}`:                  "",
		`{"minLength":2.5}`:                                 "#/minLength",
		`{"maxLength":"2"}`:                                 "#/maxLength",
		`{"maxLength":1e999}`:                               "",
		`{"minimum":"low"}`:                                 "#/minimum",
		`{"multipleOf":0}`:                                  "#/multipleOf",
		`{"multipleOf":0.01,"exclusiveMinimum":-4}`:         "",
		`{"exclusiveMinimum":true}`:                         "#/exclusiveMinimum",
		`{"required":["a","b"]}`:                            "",
		`{"required":["a","a"]}`:                            "#/required/1",
		`{"required":true}`:                                 "#/required",
		`{"required":[1]}`:                                  "#/required/0",
		`{"uniqueItems":"yes"}`:                             "#/uniqueItems",
		`{"title":1}`:                                       "#/title",
		`{"enum":"a"}`:                                      "#/enum",
		`{"enum":["a",null,1],"const":null}`:                "",
		`{"items":[{"type":"string"},true]}`:                "",
		`{"items":{"type":"array","items":1}}`:              "#/items/items",
		`{"items":[]}`:                                      "#/items",
		`{"allOf":[]}`:                                      "#/allOf",
		`{"anyOf":[{"type":"x"}]}`:                          "#/anyOf/0/type",
		`{"oneOf":{}}`:                                      "#/oneOf",
		`{"not":1}`:                                         "#/not: 1 is not a schema",
		`{"if":{"const":1},"then":{},"else":false}`:         "",
		`{"pattern":"^[a-z]+$"}`:                            "",
		`{"pattern":"(a"}`:                                  "#/pattern",
		`{"pattern":1}`:                                     "#/pattern",
		`{"patternProperties":{"^x-":{}}}`:                  "",
		`{"patternProperties":{"*":{}}}`:                    "#/patternProperties/*",
		`{"dependencies":{"a":["b"],"c":{"not":{}}}}`:       "",
		`{"dependencies":{"a":"b"}}`:                        "#/dependencies/a",
		`{"properties":[]}`:                                 "#/properties",
		`{"definitions":{"x":{}},"$ref":"#/definitions/x"}`: "",
		`{"properties":{"a":{"$ref":"#/definitions/y"}},"definitions":{"x":{}}}`:                                     "#/properties/a/$ref",
		`{"items":[{},{"$ref":"#/items/0"},{"$ref":"#"}]}`:                                                           "",
		`{"items":[{"$ref":"#/items/7"}]}`:                                                                           "#/items/0/$ref",
		`{"definitions":{"a b":{},"c/d":{}},"allOf":[{"$ref":"#/definitions/a%20b"},{"$ref":"#/definitions/c~1d"}]}`: "",
		`{"x-unit":"°C","format":"date-time","default":{"type":"objekt"},"examples":[1]}`:                            "",
		`{"$id":"http://example.com/oven.json","readOnly":true,"$comment":"c","contentEncoding":"base64"}`:           "",
	}
}

func TestJSONSchemas(t *testing.T) {
	for content, want := range draft07() {
		err := version("1", content).Validate()
		if want == "" {
			require.NoError(t, err, content)
			continue
		}
		require.ErrorContains(t, err, want, content)
	}
	// What the library below cannot know, or takes for wrong.
	for _, good := range []string{
		`{"pattern":"(?=a)b"}`, `{"pattern":"[^]"}`, // JavaScript has these
		`{"$ref":"http://example.com/elsewhere.json#/x"}`,
		`{"definitions":{"x":{"$id":"http://example.com/x","allOf":[{"$ref":"#/definitions/y"}],"definitions":{"y":{}}}}}`,
		`{"enum":[]}`,
	} {
		require.NoError(t, version("1", good).Validate(), good)
	}
	many := `{"required":[` + strings.Repeat("1,", 1000) + `1]}`
	require.ErrorContains(t, version("1", many).Validate(), "10 problems")
}

// TestALibraryAgrees holds the table of keywords against the meta-schema.
func TestALibraryAgrees(t *testing.T) {
	for content, want := range draft07() {
		require.Equal(t, want == "", compiles(t, content), content)
	}
}

func FuzzJSONSchema(f *testing.F) {
	for content := range draft07() {
		f.Add(content)
	}
	f.Fuzz(func(_ *testing.T, content string) {
		_ = version("1", content).Validate() // whatever it says, it ends
	})
}

func compiles(t *testing.T, content string) bool {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(content))
	require.NoError(t, err)
	if o, ok := doc.(map[string]any); ok && o["$schema"] != nil && o["$schema"] != "http://json-schema.org/draft-04/schema#" {
		o["$schema"] = "http://json-schema.org/draft-07/schema#" // https is met, the library does not have it
	}
	if o, ok := doc.(map[string]any); ok && o["$schema"] == "http://json-schema.org/draft-04/schema#" {
		return false
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	require.NoError(t, c.AddResource("mem:schema", doc))
	_, err = c.Compile("mem:schema")
	return err == nil
}

func TestASchemaIsRendered(t *testing.T) {
	v := version("1", `{ "type" : "object" }`)
	doc, err := model.Render(v, nil)
	require.NoError(t, err)
	text, err := json.Marshal(doc["properties"])
	require.NoError(t, err)
	require.JSONEq(t, `{"hash":"`+v.Properties.Hash+`","provisioningState":"Succeeded","schemaContent":"{ \"type\" : \"object\" }"}`, string(text))
	require.NotContains(t, doc, "location")
	require.Equal(t, "microsoft.deviceregistry/schemaregistries/schemas/schemaversions", doc["type"])
}
