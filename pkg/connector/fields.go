package connector

import (
	"reflect"
	"strconv"
	"strings"
)

// Fields returns what the members of a configuration struct T say about
// themselves: its json, default, min, enum and doc tags, nested structs with
// dotted paths. The struct is the only source of options, checks and docs.
func Fields[T any]() []Field {
	return fieldsOf(reflect.TypeFor[T](), "")
}

func fieldsOf(t reflect.Type, prefix string) []Field {
	var list []Field
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct {
			list = append(list, fieldsOf(typ, prefix+name+".")...)
			continue
		}
		field := Field{
			Path: prefix + name, Type: typeWord(typ.Kind()), Default: f.Tag.Get("default"),
			Doc: f.Tag.Get("doc"), Secret: f.Tag.Get("secret") == "true",
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			field.Enum = strings.Split(enum, ",")
		}
		if lowest, err := strconv.ParseFloat(f.Tag.Get("min"), 64); err == nil {
			field.Min = &lowest
		}
		list = append(list, field)
	}
	return list
}

func typeWord(k reflect.Kind) string {
	switch k { // configuration documents hold nothing else
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint32:
		return "int"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	default:
		return "string"
	}
}
