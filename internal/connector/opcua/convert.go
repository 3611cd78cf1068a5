package opcua

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"time"

	"github.com/iotops/iotops/internal/thirdparty/gopcua/ua"
	"github.com/iotops/iotops/pkg/value"
)

// sampleOf fills s from a data value.
func sampleOf(v *ua.DataValue, s *value.Sample) {
	s.Status = uint32(v.Status)
	s.Source, s.Server = nanos(v.SourceTimestamp), nanos(v.ServerTimestamp)
	s.Value = valueOf(v.Value)
}

// nanos returns t in nanoseconds since the Unix epoch; 0 where there is none,
// or where it cannot be said that way.
func nanos(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1700 || t.Year() > 2250 {
		return 0
	}
	return t.UnixNano()
}

// valueOf returns a variant's value. Scalars are copied, everything else is shared.
func valueOf(v *ua.Variant) value.Value {
	if v == nil {
		return value.Value{}
	}
	return goValue(v.Value())
}

// goValue returns a decoded Go value as a Value.
func goValue(x any) value.Value {
	switch x := x.(type) {
	case nil:
		return value.Value{}
	case bool:
		return value.OfBool(x)
	case int8:
		return value.OfInt(value.Int8, int64(x))
	case uint8:
		return value.OfUint(value.Uint8, uint64(x))
	case int16:
		return value.OfInt(value.Int16, int64(x))
	case uint16:
		return value.OfUint(value.Uint16, uint64(x))
	case int32:
		return value.OfInt(value.Int32, int64(x))
	case uint32:
		return value.OfUint(value.Uint32, uint64(x))
	case int64:
		return value.OfInt(value.Int64, x)
	case uint64:
		return value.OfUint(value.Uint64, x)
	case float32:
		return value.OfFloat32(x)
	case float64:
		return value.OfFloat64(x)
	case string:
		return value.OfString(x)
	case time.Time:
		return value.OfTime(x)
	case []byte:
		return value.OfBytes(x)
	case ua.StatusCode:
		return value.OfStatus(uint32(x))
	default:
		return richValue(x)
	}
}

// richValue handles what is not a plain Go scalar.
func richValue(x any) value.Value {
	switch x := x.(type) {
	case ua.XMLElement:
		return value.OfText(value.XML, string(x))
	case *ua.GUID:
		return value.OfText(value.GUID, x.String())
	case *ua.NodeID:
		return value.OfText(value.NodeID, x.String())
	case *ua.ExpandedNodeID:
		return value.OfText(value.NodeID, expandedText(x))
	case *ua.QualifiedName:
		if x == nil {
			return value.Value{}
		}
		return value.OfText(value.Name, x.Name)
	case *ua.LocalizedText:
		if x == nil {
			return value.Value{}
		}
		return value.OfText(value.Text, x.Text)
	case *ua.ExtensionObject:
		return value.OfStruct(structure{x})
	case *ua.DataValue:
		return valueOf(x.Value)
	case *ua.Variant:
		return valueOf(x)
	case ua.ByteArray:
		return value.OfArray([]uint8(x))
	case []bool, []int8, []int16, []int32, []int64, []uint16, []uint32, []uint64, []float32, []float64, []string, []time.Time, [][]byte:
		return value.OfArray(x)
	}
	return slice(x)
}

// slice handles arrays of rich types and matrices, which are slices of slices.
func slice(x any) value.Value {
	v := reflect.ValueOf(x)
	if v.Kind() != reflect.Slice {
		return value.Value{}
	}
	list := make([]value.Value, v.Len())
	for i := range list {
		list[i] = goValue(v.Index(i).Interface())
	}
	return value.OfArray(list)
}

func expandedText(x *ua.ExpandedNodeID) string {
	if x == nil || x.NodeID == nil {
		return ""
	}
	if x.NamespaceURI != "" {
		return "nsu=" + x.NamespaceURI + ";" + x.NodeID.StringID()
	}
	return x.NodeID.String()
}

// structure is a structured value. Types of the standard that the library knows
// are written as they are; of others only the type is known: the library drops
// their bytes.
type structure struct{ x *ua.ExtensionObject }

// AppendJSON implements value.Appender.
func (s structure) AppendJSON(dst []byte) []byte {
	if s.x == nil || s.x.TypeID == nil {
		return append(dst, "null"...)
	}
	if raw, ok := s.x.Value.([]byte); ok {
		dst = append(dst, `{"TypeId":`...)
		dst = value.AppendString(dst, expandedText(s.x.TypeID))
		dst = append(dst, `,"Body":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		return append(dst, `"}`...)
	}
	if s.x.Value != nil {
		if text, err := json.Marshal(s.x.Value); err == nil {
			return append(dst, text...)
		}
	}
	dst = append(dst, `{"TypeId":`...)
	dst = value.AppendString(dst, expandedText(s.x.TypeID))
	return append(dst, '}')
}
