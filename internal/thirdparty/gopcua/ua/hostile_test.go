package ua

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// What these bytes describe must be an error, quickly, and no panic.
func TestHostileValues(t *testing.T) {
	le := binary.LittleEndian
	array := func(mask byte, lengths ...uint32) []byte {
		b := []byte{mask}
		for _, n := range lengths {
			b = le.AppendUint32(b, n)
		}
		return b
	}
	const doubles, matrix = byte(TypeIDDouble) | VariantArrayValues, byte(TypeIDByte) | VariantArrayValues | VariantArrayDimensions
	for name, b := range map[string][]byte{
		"negative length":          array(doubles, 0xfffffffe),
		"a huge length":            array(doubles, 0x7fffffff),
		"more than there is":       array(doubles, 1000),
		"huge dimensions":          append(array(matrix, 0), array(0, 0x7fffffff)[1:]...),
		"negative dimensions":      append(array(matrix, 0), array(0, 0xfffffffe)[1:]...),
		"a product that overflows": append(append(array(matrix, 0), array(0, 3, 4096, 4096, 256)[1:]...)),
		"deep diagnostics":         append([]byte{byte(TypeIDDiagnosticInfo)}, bytes.Repeat([]byte{DiagnosticInfoInnerDiagnosticInfo}, 8<<20)...),
		"deep variants":            bytes.Repeat([]byte{byte(TypeIDVariant)}, 8<<20),
		"deep data values":         bytes.Repeat([]byte{byte(TypeIDDataValue), DataValueValue}, 4<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := new(Variant).Decode(b); err == nil {
				t.Fatal("no error")
			}
		})
	}
}

func TestEmptyMatrix(t *testing.T) {
	b := []byte{byte(TypeIDDouble) | VariantArrayValues | VariantArrayDimensions}
	for _, n := range []uint32{0, 2, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	v := new(Variant)
	if n, err := v.Decode(b); err != nil || n != len(b) {
		t.Fatal(n, err)
	}
}

func FuzzVariant(f *testing.F) {
	for _, v := range []any{int32(1), "x", []float64{1, 2}, [][]int32{{1, 2}, {3, 4}}, NewLocalizedText("x"), []string{"a"}} {
		b, err := MustVariant(v).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{byte(TypeIDVariant), byte(TypeIDDataValue), 1, byte(TypeIDExtensionObject), 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = new(Variant).Decode(b) })
}

func FuzzService(f *testing.F) {
	f.Add([]byte{1, 0, 0x3a, 3})
	f.Add([]byte{1, 0, 0xac, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = DecodeService(b) })
}
