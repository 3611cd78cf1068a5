package value

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends v as JSON to dst and returns it. It allocates only where
// dst must grow.
//
// Numbers are plain JSON numbers, 64-bit integers too: consumers of telemetry
// compute with them, and a reader that needs all digits has them in the text.
// What JSON has no number for (NaN, infinities) is a string, as in OPC
// 10000-6, 5.4.2.4.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.typ {
	case Bool:
		return strconv.AppendBool(dst, v.bits != 0)
	case Int8, Int16, Int32, Int64:
		return strconv.AppendInt(dst, int64(v.bits), 10)
	case Uint8, Uint16, Uint32, Uint64:
		return strconv.AppendUint(dst, v.bits, 10)
	case Float32:
		return appendFloat(dst, float64(math.Float32frombits(uint32(v.bits))), 32)
	case Float64:
		return appendFloat(dst, math.Float64frombits(v.bits), 64)
	case String, GUID, XML, NodeID, Name, Text:
		return AppendString(dst, v.text)
	case JSON:
		if v.text == "" {
			return append(dst, "null"...)
		}
		return append(dst, v.text...)
	case Time:
		return appendQuotedTime(dst, int64(v.bits))
	case Bytes:
		return appendBytes(dst, v.text)
	case Status:
		return AppendStatus(dst, uint32(v.bits))
	case Array:
		return appendArray(dst, v.ref)
	case Struct:
		if a, ok := v.ref.(Appender); ok {
			return a.AppendJSON(dst)
		}
		return append(dst, "null"...)
	case Null:
		return append(dst, "null"...)
	default:
		return append(dst, "null"...)
	}
}

// AppendStatus appends an OPC UA status code as {"Code":…,"Symbol":…}; a code
// without a known name has no Symbol.
func AppendStatus(dst []byte, code uint32) []byte {
	dst = append(dst, `{"Code":`...)
	dst = strconv.AppendUint(dst, uint64(code), 10)
	if name := StatusName(code); name != "" {
		dst = append(dst, `,"Symbol":"`...)
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// AppendTime appends ns, nanoseconds since the Unix epoch, as RFC 3339 text in
// UTC with as many digits as it has, at most to 100 ns: the tick of OPC UA.
func AppendTime(dst []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	dst = t.AppendFormat(dst, "2006-01-02T15:04:05")
	if ticks := t.Nanosecond() / 100; ticks != 0 {
		dst = append(dst, '.')
		for unit := 1_000_000; ticks != 0; unit /= 10 {
			dst = append(dst, byte('0'+ticks/unit))
			ticks %= unit
		}
	}
	return append(dst, 'Z')
}

func appendQuotedTime(dst []byte, ns int64) []byte {
	dst = append(dst, '"')
	dst = AppendTime(dst, ns)
	return append(dst, '"')
}

// appendFloat writes the shortest text that reads back as f.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

func appendBytes(dst []byte, b string) []byte {
	dst = append(dst, '"')
	var block [3]byte
	var out [4]byte
	for len(b) > 0 {
		n := copy(block[:], b)
		b = b[n:]
		base64.StdEncoding.Encode(out[:], block[:n])
		dst = append(dst, out[:]...)
	}
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Only what JSON demands is escaped;
// what is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// appendArray writes a Go slice. A slice of a type that is not listed goes
// through encoding/json, and is null if that refuses it.
func appendArray(dst []byte, slice any) []byte {
	switch a := slice.(type) {
	case []Value:
		return appendEach(dst, a, func(dst []byte, v Value) []byte { return v.AppendJSON(dst) })
	case []bool:
		return appendEach(dst, a, strconv.AppendBool)
	case []int8:
		return appendEach(dst, a, appendInt[int8])
	case []int16:
		return appendEach(dst, a, appendInt[int16])
	case []int32:
		return appendEach(dst, a, appendInt[int32])
	case []int64:
		return appendEach(dst, a, appendInt[int64])
	case []uint8:
		return appendEach(dst, a, appendInt[uint8])
	case []uint16:
		return appendEach(dst, a, appendInt[uint16])
	case []uint32:
		return appendEach(dst, a, appendInt[uint32])
	case []uint64:
		return appendEach(dst, a, func(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) })
	case []float32:
		return appendEach(dst, a, func(dst []byte, f float32) []byte { return appendFloat(dst, float64(f), 32) })
	case []float64:
		return appendEach(dst, a, func(dst []byte, f float64) []byte { return appendFloat(dst, f, 64) })
	case []string:
		return appendEach(dst, a, AppendString)
	case []time.Time:
		return appendEach(dst, a, func(dst []byte, t time.Time) []byte { return OfTime(t).AppendJSON(dst) })
	case [][]byte:
		return appendEach(dst, a, func(dst []byte, b []byte) []byte { return appendBytes(dst, string(b)) })
	}
	text, err := json.Marshal(slice)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

func appendInt[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](dst []byte, n T) []byte {
	return strconv.AppendInt(dst, int64(n), 10)
}

func appendEach[T any](dst []byte, list []T, one func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, item := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, item)
	}
	return append(dst, ']')
}
