package value_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/value"
)

func TestAppendJSON(t *testing.T) {
	at := time.Date(2026, 9, 14, 7, 31, 5, 118421300, time.UTC)
	for _, c := range []struct {
		name string
		v    value.Value
		want string
	}{
		{"null", value.Value{}, "null"},
		{"true", value.OfBool(true), "true"},
		{"false", value.OfBool(false), "false"},
		{"int", value.OfInt(value.Int64, math.MinInt64), "-9223372036854775808"},
		{"uint", value.OfUint(value.Uint64, math.MaxUint64), "18446744073709551615"},
		{"float32 keeps its own digits", value.OfFloat32(0.1), "0.1"},
		{"float64", value.OfFloat64(21.75), "21.75"},
		{"whole float", value.OfFloat64(3), "3"},
		{"tiny", value.OfFloat64(1e-9), "1e-09"},
		{"huge", value.OfFloat64(1e300), "1e+300"},
		{"NaN", value.OfFloat64(math.NaN()), `"NaN"`},
		{"infinity", value.OfFloat64(math.Inf(1)), `"Infinity"`},
		{"minus infinity", value.OfFloat32(float32(math.Inf(-1))), `"-Infinity"`},
		{"string", value.OfString("a\"b\\\n<ü>\x01"), `"a\"b\\\n<ü>\u0001"`},
		{"not UTF-8", value.OfString("a\xffb"), "\"a\ufffdb\""},
		{"time", value.OfTime(at), `"2026-09-14T07:31:05.1184213Z"`},
		{"whole second", value.OfTime(at.Truncate(time.Second)), `"2026-09-14T07:31:05Z"`},
		{"time out of range", value.OfTime(time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)), "null"},
		{"bytes", value.OfBytes([]byte("hello")), `"aGVsbG8="`},
		{"no bytes", value.OfBytes(nil), `""`},
		{"status", value.OfStatus(0x808c0000), `{"Code":2156658688,"Symbol":"BadSensorFailure"}`},
		{"unknown status", value.OfStatus(0x8fff0000), `{"Code":2415853568}`},
		{"raw JSON", value.OfText(value.JSON, `{"a":1}`), `{"a":1}`},
		{"ints", value.OfArray([]int32{1, -2}), `[1,-2]`},
		{"bytes as numbers", value.OfArray([]uint8{1, 2}), `[1,2]`},
		{"empty", value.OfArray([]float64{}), `[]`},
		{"strings", value.OfArray([]string{"a", "b"}), `["a","b"]`},
		{"matrix", value.OfArray([]value.Value{value.OfArray([]bool{true}), value.OfArray([]bool{false})}), `[[true],[false]]`},
		{"another slice", value.OfArray([]map[string]int{{"a": 1}}), `[{"a":1}]`},
		{"what JSON cannot say", value.OfArray([]chan int{nil}), `null`},
		{"struct", value.OfStruct(point{}), `{"x":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, string(c.v.AppendJSON(nil)))
		})
	}
}

type point struct{}

func (point) AppendJSON(dst []byte) []byte { return append(dst, `{"x":1}`...) }

func TestAppendJSONAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	text := []byte("some bytes")
	values := []value.Value{
		value.OfFloat64(21.75), value.OfInt(value.Int32, 7), value.OfString("text"), value.OfBool(true),
		value.OfTime(time.Unix(1, 5)), value.OfStatus(0x80340000), value.OfArray([]float64{1, 2, 3}),
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		buf := dst
		for _, v := range values {
			buf = v.AppendJSON(buf)
		}
		_ = value.OfBytes(text).AppendJSON(buf)
	}))
}

func TestStatusNameIgnoresInfoBits(t *testing.T) {
	require.Equal(t, "Good", value.StatusName(0x00000480)) // Good with the overflow bit
	require.Equal(t, "BadNodeIdUnknown", value.StatusName(0x80340000))
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("text", []byte{0xff}, 1.5, int64(3))
	f.Fuzz(func(t *testing.T, s string, b []byte, x float64, n int64) {
		list := []value.Value{
			value.OfString(s), value.OfBytes(b), value.OfFloat64(x), value.OfFloat32(float32(x)),
			value.OfInt(value.Int64, n), value.OfTime(time.Unix(0, n)), value.OfStatus(uint32(n)), value.OfArray([]string{s}),
		}
		out := value.OfArray(list).AppendJSON(nil)
		require.True(t, json.Valid(out), "%q", out)
	})
}
