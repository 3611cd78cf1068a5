package dataflow

import (
	"encoding/json"
	"fmt"
	"strings"
)

// inside returns the object that is a member of doc, and makes it where it is missing.
func inside(doc map[string]any, member string) map[string]any {
	inner, ok := doc[member].(map[string]any)
	if !ok {
		inner = map[string]any{}
		doc[member] = inner
	}
	return inner
}

// settle gives the member at a path the form in which it is stored: a flag that
// turns something off becomes a mode, and what is null or empty stays as old has
// it, which may be absent.
func settle(doc, old map[string]any, path []string) {
	key := path[0]
	if len(path) > 1 {
		inner, ok := doc[key].(map[string]any)
		if !ok {
			return
		}
		before, _ := old[key].(map[string]any)
		settle(inner, before, path[1:])
		if len(inner) == 0 {
			delete(doc, key)
		}
		return
	}
	switch v := doc[key].(type) {
	case bool:
		doc[key] = map[bool]string{false: "Enabled", true: "Disabled"}[v]
	case nil:
		delete(doc, key)
	case string:
		if v != "" {
			return
		}
		delete(doc, key)
		if before, ok := old[key]; ok {
			doc[key] = before
		}
	}
}

// address makes the host of its parts. Those that are not given are those of the
// host as it is.
func (c *change) address(doc, old map[string]any) error {
	parts, given := doc[hostParts].(map[string]any)
	delete(doc, hostParts)
	if c.kind.host == "" || c.update && !given {
		return nil
	}
	if host, ok := old["host"].(string); ok {
		if i := strings.LastIndex(host, ":"); i >= 0 && strings.HasSuffix(c.kind.host, ":{port}") {
			parts = withDefaults(parts, map[string]any{"hostname": host[:i], "port": host[i+1:]})
		}
	}
	if port, ok := parts["port"].(json.Number); ok {
		if n, err := port.Int64(); err != nil || n < 1 || n > 65535 {
			return invalid("--port: %s is not between 1 and 65535", port)
		}
	}
	host := c.kind.host
	for name, v := range parts {
		host = strings.ReplaceAll(host, "{"+name+"}", strings.TrimSpace(fmt.Sprint(v)))
	}
	if strings.Contains(host, "{") {
		return invalid("the host cannot be made of an empty name")
	}
	doc["host"] = host
	return nil
}

func withDefaults(parts, more map[string]any) map[string]any {
	for name, v := range more {
		if _, ok := parts[name]; !ok {
			parts[name] = v
		}
	}
	return parts
}
