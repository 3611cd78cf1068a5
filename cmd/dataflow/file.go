package dataflow

import (
	"bytes"
	"encoding/json"
	"os"

	"github.com/iotops/iotops/pkg/fault"
)

// readProperties returns the properties that a file holds: they alone, or as the
// member of an object. What a resource only reports is left out, so that what
// `show` printed can be applied again; and so is what is null.
func readProperties(file string) (json.RawMessage, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "configuration file")
	}
	if info.IsDir() {
		return nil, fault.New(fault.Invalid, "%s is a directory, not a file", file)
	}
	text, err := os.ReadFile(file) //nolint:gosec // the user named the file
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "configuration file")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, fault.New(fault.Invalid, "%s is empty", file)
	}
	doc, err := decode(text)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "%s is not a valid JSON object", file)
	}
	if inner, ok := doc["properties"]; ok {
		if doc, ok = inner.(map[string]any); !ok {
			return nil, fault.New(fault.Invalid, "%s: properties is not a JSON object", file)
		}
	}
	delete(doc, "provisioningState")
	delete(doc, "status")
	prune(doc)
	return json.Marshal(doc)
}

// decode reads a JSON object, numbers to the digit.
func decode(text []byte) (map[string]any, error) {
	if err := json.Unmarshal(text, &map[string]json.RawMessage{}); err != nil { // also what comes after the object
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	doc := map[string]any{}
	err := dec.Decode(&doc)
	if doc == nil { // the text is null
		doc = map[string]any{}
	}
	return doc, err
}

// prune removes what is null from a document.
func prune(v any) {
	switch x := v.(type) {
	case map[string]any:
		for key, inner := range x {
			if inner == nil {
				delete(x, key)
				continue
			}
			prune(inner)
		}
	case []any:
		for _, inner := range x {
			prune(inner)
		}
	}
}
