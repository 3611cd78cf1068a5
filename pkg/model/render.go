package model

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Render returns a resource in the form in which Azure's commands print it:
// the envelope of the resource model with properties, version and status.
// Members that are absent are left out. The result belongs to the caller.
func Render(o Object, st *Status) (map[string]any, error) {
	doc, err := toMap(o)
	if err != nil {
		return nil, err
	}
	head, key := o.Head(), o.Key()
	for _, internal := range []string{"parent", "generation", "revision", "created", "updated"} {
		delete(doc, internal)
	}
	doc["id"] = ID(key)
	doc["type"] = TypeName(key.Kind)
	doc["resourceGroup"] = key.Group()
	doc["systemData"] = map[string]any{
		"createdAt": head.Created.Format(time.RFC3339Nano), "lastModifiedAt": head.Updated.Format(time.RFC3339Nano),
		"createdBy": "iotops", "createdByType": "Application", "lastModifiedBy": "iotops", "lastModifiedByType": "Application",
	}
	props, ok := doc["properties"].(map[string]any)
	if !ok {
		props = map[string]any{}
		doc["properties"] = props
	}
	props["provisioningState"] = "Succeeded"
	if versioned(key.Kind) {
		props["version"] = json.Number(strconv.FormatInt(head.Generation, 10))
		props["lastTransitionTime"] = head.Updated.Format(time.RFC3339Nano)
		if _, ok := props["enabled"]; !ok {
			props["enabled"] = true
		}
	}
	if st != nil {
		status, err := toMap(st)
		if err != nil {
			return nil, err
		}
		props["status"] = renderStatus(key.Kind, status)
	}
	return doc, nil
}

func versioned(k Kind) bool {
	return k == KindDevice || k == KindAsset || k == KindClassicAsset
}

// renderStatus gives classic kinds the shape that their API has: a version, and
// a list of all errors.
func renderStatus(k Kind, status map[string]any) map[string]any {
	if k != KindClassicAsset && k != KindEndpointProfile {
		return status
	}
	classic := map[string]any{}
	for _, same := range []string{"datasets", "healthState"} {
		if v, ok := status[same]; ok {
			classic[same] = v
		}
	}
	holders := objects(status["datasets"])
	if config, ok := status["config"].(map[string]any); ok {
		classic["version"] = config["version"]
		holders = append([]map[string]any{config}, holders...)
	}
	if ends, ok := status["endpoints"].(map[string]any); ok {
		for _, e := range objects(ends["inbound"]) {
			holders = append(holders, e)
			if health, ok := e["healthState"]; ok {
				classic["healthState"] = health
			}
		}
	}
	var failures []any
	for _, h := range holders {
		if e, ok := h["error"]; ok {
			failures = append(failures, e)
		}
	}
	if failures != nil {
		classic["errors"] = failures
	}
	return classic
}

// objects returns the JSON objects in a list, or in a map by key.
func objects(v any) []map[string]any {
	var list []map[string]any
	add := func(x any) {
		if o, ok := x.(map[string]any); ok {
			list = append(list, o)
		}
	}
	switch x := v.(type) {
	case []any:
		for _, item := range x {
			add(item)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			add(x[key])
		}
	}
	return list
}

// RenderRow returns the row that the query commands of Azure's asset family
// print for a resource.
func RenderRow(o Object) map[string]any {
	head, key := o.Head(), o.Key()
	row := map[string]any{
		"id": ID(key), "customLocation": nil, "location": head.Location, "name": head.Name, "resourceGroup": key.Group(),
		"provisioningState": "Succeeded", "tags": nil, "type": TypeName(key.Kind), "subscriptionId": Subscription,
	}
	if head.ExtendedLocation != nil {
		row["customLocation"] = head.ExtendedLocation.Name
	}
	if len(head.Tags) > 0 {
		tags := make(map[string]any, len(head.Tags))
		for k, v := range head.Tags {
			tags[k] = v
		}
		row["tags"] = tags
	}
	return row
}

// toMap returns v as JSON has it, numbers kept to the digit.
func toMap(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	doc := map[string]any{}
	return doc, dec.Decode(&doc)
}
