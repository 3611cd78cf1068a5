package spool

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// A record is its length and checksum (Castagnoli), 4 bytes each in little
// endian, and the message.
const header = 8

// maxRecord bounds one record: what claims to be longer is damaged.
const maxRecord = 64 << 20

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendRecord appends a message as a record.
func appendRecord(dst []byte, m *message.Message, at time.Time) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, header)...)
	dst = binary.AppendVarint(dst, at.UnixMilli())
	flags := m.QoS & 3
	if m.Retain {
		flags |= 4
	}
	if m.Text {
		flags |= 8
	}
	dst = append(dst, flags)
	dst = binary.AppendVarint(dst, int64(m.Expiry))
	dst = appendText(dst, m.Topic)
	dst = appendText(dst, m.ContentType)
	dst = binary.AppendUvarint(dst, uint64(len(m.Static)+len(m.Props)))
	for _, list := range [][]message.Prop{m.Static, m.Props} {
		for _, p := range list {
			dst = appendText(appendText(dst, p.Key), p.Value)
		}
	}
	dst = append(dst, m.Payload...)
	body := dst[start+header:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body))) //nolint:gosec // messages are far below 4 GiB
	binary.LittleEndian.PutUint32(dst[start+4:], checksum(body))
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// decoder reads the body of a record. After an error it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

// decodeRecord reads the body of a record and when it was written.
func decodeRecord(body []byte) (*message.Message, time.Time, error) {
	d := &decoder{b: body}
	at := time.UnixMilli(d.varint())
	flags := d.byte()
	m := &message.Message{QoS: flags & 3, Retain: flags&4 != 0, Text: flags&8 != 0}
	m.Expiry = time.Duration(d.varint())
	m.Topic, m.ContentType = d.text(), d.text()
	n := d.uvarint()
	if n > uint64(len(d.b)) { // a property has two bytes at least
		d.bad = true
	}
	for range n {
		if d.bad {
			break
		}
		m.Props = append(m.Props, message.Prop{Key: d.text(), Value: d.text()})
	}
	if d.bad {
		return nil, time.Time{}, fault.New(fault.Internal, "damaged record")
	}
	m.Payload = append([]byte(nil), d.b...)
	return m, at, nil
}
