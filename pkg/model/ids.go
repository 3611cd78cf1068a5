package model

import (
	"slices"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
)

// Subscription is the subscription that all ids name: there is only one here.
const Subscription = "00000000-0000-0000-0000-000000000000"

// provider returns the provider and the path segments of a kind, outermost
// first; each segment is followed by a name of the key.
func provider(k Kind) (string, []string) {
	const registry, operations = "Microsoft.DeviceRegistry", "Microsoft.IoTOperations"
	switch k {
	case KindInstance:
		return operations, []string{"instances"}
	case KindDataflowProfile:
		return operations, []string{"instances", "dataflowProfiles"}
	case KindDataflow:
		return operations, []string{"instances", "dataflowProfiles", "dataflows"}
	case KindDataflowEndpoint:
		return operations, []string{"instances", "dataflowEndpoints"}
	case KindNamespace:
		return registry, []string{"namespaces"}
	case KindDevice:
		return registry, []string{"namespaces", "devices"}
	case KindAsset:
		return registry, []string{"namespaces", "assets"}
	case KindDiscoveredDevice:
		return registry, []string{"namespaces", "discoveredDevices"}
	case KindDiscoveredAsset:
		return registry, []string{"namespaces", "discoveredAssets"}
	case KindClassicAsset:
		return registry, []string{"assets"}
	case KindEndpointProfile:
		return registry, []string{"assetEndpointProfiles"}
	case KindSchemaRegistry:
		return registry, []string{"schemaRegistries"}
	case KindSchema:
		return registry, []string{"schemaRegistries", "schemas"}
	case KindSchemaVersion:
		return registry, []string{"schemaRegistries", "schemas", "schemaVersions"}
	case KindSecret:
		return registry, []string{"secrets"}
	default:
		return registry, []string{string(k)}
	}
}

// TypePath returns a key as provider, segments and names, such as
// "Microsoft.DeviceRegistry/namespaces/default/devices/line1".
func TypePath(k Key) string {
	name, segments := provider(k.Kind)
	_, below, _ := strings.Cut(k.Parent, "/")
	names := append(splitPath(below), k.Name)
	var path strings.Builder
	path.WriteString(name)
	for i, segment := range segments {
		path.WriteString("/" + segment)
		if i < len(names) {
			path.WriteString("/" + names[i])
		}
	}
	return path.String()
}

func splitPath(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// ID returns the resource id of a key.
func ID(k Key) string {
	return "/subscriptions/" + Subscription + "/resourceGroups/" + k.Group() + "/providers/" + TypePath(k)
}

// TypeName returns a kind's resource type in lower case, such as
// "microsoft.deviceregistry/namespaces/devices".
func TypeName(k Kind) string {
	name, segments := provider(k)
	return strings.ToLower(name + "/" + strings.Join(segments, "/"))
}

// ParseID returns the key that a resource id of kind k names.
func ParseID(k Kind, id string) (Key, error) {
	name, segments := provider(k)
	parts := strings.Split(strings.Trim(id, "/"), "/")
	bad := fault.New(fault.Invalid, "%q is not the id of a %s", id, k)
	if len(parts) != 6+2*len(segments) || !strings.EqualFold(parts[0], "subscriptions") ||
		!strings.EqualFold(parts[2], "resourceGroups") || !strings.EqualFold(parts[4], "providers") || !strings.EqualFold(parts[5], name) ||
		slices.Contains(parts, "") {
		return Key{}, bad
	}
	path := []string{parts[3]}
	for i, segment := range segments {
		if !strings.EqualFold(parts[6+2*i], segment) {
			return Key{}, bad
		}
		path = append(path, parts[7+2*i])
	}
	last := len(path) - 1
	return Key{Kind: k, Parent: strings.Join(path[:last], "/"), Name: path[last]}, nil
}
