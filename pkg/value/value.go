// Package value holds one sample of one data point without boxing.
//
// A Value is a tagged struct: scalars live in it, text and bytes are shared
// with whoever decoded them, and only arrays and structures are behind an
// interface. Passing samples on therefore allocates nothing.
package value

import (
	"math"
	"time"
	"unsafe"
)

// Type tells which of a Value's fields counts. The numbers of the scalar types
// are those of OPC UA's built-in types (OPC 10000-6, table 1).
type Type uint8

// The types. Null is the zero Value.
const (
	Null    Type = 0
	Bool    Type = 1
	Int8    Type = 2
	Uint8   Type = 3
	Int16   Type = 4
	Uint16  Type = 5
	Int32   Type = 6
	Uint32  Type = 7
	Int64   Type = 8
	Uint64  Type = 9
	Float32 Type = 10
	Float64 Type = 11
	String  Type = 12
	Time    Type = 13
	GUID    Type = 14 // text form
	Bytes   Type = 15
	XML     Type = 16
	NodeID  Type = 17 // text form
	Status  Type = 19
	Name    Type = 20 // qualified name, text form
	Text    Type = 21 // localized text, its text
	Array   Type = 64 // a Go slice of a scalar Go type, or []Value
	Struct  Type = 65 // something that implements Appender
	JSON    Type = 66 // text that is JSON already
)

// Value is one value of any type. The zero Value is null. It is immutable.
type Value struct {
	typ  Type
	bits uint64
	text string
	ref  any
}

// Appender is a structured value that writes itself as JSON.
type Appender interface {
	AppendJSON(dst []byte) []byte
}

// Sample is a value with its quality and times.
type Sample struct {
	Value  Value
	Status uint32 // OPC UA status code; 0 = Good
	Source int64  // source timestamp, nanoseconds since the Unix epoch; 0 = none
	Server int64  // server timestamp, likewise
}

// Field is one named value of an event.
type Field struct {
	Name  string
	Value Value
}

// Type returns the type of v.
func (v Value) Type() Type { return v.typ }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.typ == Null }

// OfBool returns a Bool.
func OfBool(b bool) Value {
	if b {
		return Value{typ: Bool, bits: 1}
	}
	return Value{typ: Bool}
}

// OfInt returns a signed integer of type t (Int8 to Int64).
func OfInt(t Type, n int64) Value { return Value{typ: t, bits: uint64(n)} }

// OfUint returns an unsigned integer of type t (Uint8 to Uint64).
func OfUint(t Type, n uint64) Value { return Value{typ: t, bits: n} }

// OfFloat32 returns a Float32.
func OfFloat32(f float32) Value { return Value{typ: Float32, bits: uint64(math.Float32bits(f))} }

// OfFloat64 returns a Float64.
func OfFloat64(f float64) Value { return Value{typ: Float64, bits: math.Float64bits(f)} }

// OfText returns a value of type t (String, GUID, XML, NodeID, Name, Text or JSON) that shares s.
func OfText(t Type, s string) Value { return Value{typ: t, text: s} }

// OfString returns a String.
func OfString(s string) Value { return Value{typ: String, text: s} }

// OfTime returns a Time of t, with a precision of a nanosecond and a range from
// 1678 to 2262; what lies outside is null.
func OfTime(t time.Time) Value {
	if t.IsZero() || t.Year() < 1678 || t.Year() > 2261 {
		return Value{}
	}
	return Value{typ: Time, bits: uint64(t.UnixNano())}
}

// OfStatus returns a Status code.
func OfStatus(code uint32) Value { return Value{typ: Status, bits: uint64(code)} }

// OfBytes returns Bytes that share b, which must not change from then on.
func OfBytes(b []byte) Value {
	return Value{typ: Bytes, text: unsafe.String(unsafe.SliceData(b), len(b))}
}

// OfArray returns an Array of slice, which must be a slice of a Go scalar,
// string, time.Time, []byte or Value, and is shared.
func OfArray(slice any) Value { return Value{typ: Array, ref: slice} }

// OfStruct returns a Struct.
func OfStruct(a Appender) Value { return Value{typ: Struct, ref: a} }

// Int returns the value of a signed integer.
func (v Value) Int() int64 { return int64(v.bits) }

// Uint returns the value of an unsigned integer, a Bool (0, 1) or a Status.
func (v Value) Uint() uint64 { return v.bits }

// Float returns the value of any numeric type as a float64, and whether v is numeric.
func (v Value) Float() (float64, bool) {
	switch v.typ {
	case Int8, Int16, Int32, Int64:
		return float64(int64(v.bits)), true
	case Uint8, Uint16, Uint32, Uint64:
		return float64(v.bits), true
	case Float32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case Float64:
		return math.Float64frombits(v.bits), true
	default:
		return 0, false
	}
}

// Text returns the text of a textual value, or the bytes of Bytes.
func (v Value) Text() string { return v.text }

// Ref returns what an Array or a Struct shares.
func (v Value) Ref() any { return v.ref }
