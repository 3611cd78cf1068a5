package app

import (
	"slices"
	"strconv"
	"strings"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// ParseDestination returns the destination that key=value tokens describe, and
// whether its target is among the allowed ones. No tokens are no destination.
func ParseDestination(tokens, allowed []string) ([]model.Destination, error) {
	if tokens == nil {
		return nil, nil
	}
	keys := map[string]string{}
	for _, t := range tokens {
		k, v, ok := strings.Cut(t, "=")
		if !ok {
			return nil, fault.New(fault.Invalid, "destination %q is not key=value", t)
		}
		keys[k] = v
	}
	d, used, err := destinationOf(keys)
	if err != nil {
		return nil, err
	}
	if d.Target != "" && !slices.Contains(allowed, d.Target) {
		return nil, fault.New(fault.Invalid, "target %s is not allowed here; allowed: %s", d.Target, strings.Join(allowed, ", "))
	}
	if d.Target == "" || len(used) != len(keys) {
		return nil, fault.New(fault.Invalid, "Conflicting arguments for destination: %s. Use key= for BrokerStateStore, path= for Storage, or topic= retain= qos= ttl= for Mqtt",
			strings.Join(tokens, " "))
	}
	return []model.Destination{d}, nil
}

// destinationOf returns the destination that the keys are enough for, and the
// keys that it took.
func destinationOf(keys map[string]string) (model.Destination, []string, error) {
	mqtt := []string{"topic", "retain", "qos", "ttl"}
	var have []string
	for _, k := range mqtt {
		if _, ok := keys[k]; ok {
			have = append(have, k)
		}
	}
	var d model.Destination
	switch {
	case len(have) == len(mqtt):
		ttl, err := strconv.ParseInt(keys["ttl"], 10, 64)
		if err != nil {
			return d, nil, fault.New(fault.Invalid, "ttl %q is not a whole number of seconds", keys["ttl"])
		}
		if q := keys["qos"]; q != "Qos0" && q != "Qos1" {
			return d, nil, fault.New(fault.Invalid, "qos %q is not one of Qos0, Qos1", q)
		}
		if r := keys["retain"]; r != "Keep" && r != "Never" {
			return d, nil, fault.New(fault.Invalid, "retain %q is not one of Keep, Never", r)
		}
		d.Target = model.TargetMqtt
		d.Configuration = model.DestinationConfiguration{Topic: keys["topic"], Retain: keys["retain"], QoS: keys["qos"], TTL: &ttl}
		return d, mqtt, nil
	case len(have) > 0:
		return d, nil, fault.New(fault.Invalid, "an MQTT destination needs all of topic, retain, qos and ttl; given: %s", strings.Join(have, ", "))
	case keys["key"] != "":
		d.Target, d.Configuration.Key = model.TargetStateStore, keys["key"]
		return d, []string{"key"}, nil
	case keys["path"] != "":
		d.Target, d.Configuration.Path = model.TargetStorage, keys["path"]
		return d, []string{"path"}, nil
	default:
		return d, nil, nil
	}
}
