package app

import (
	"context"
	"sync"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/message"
)

// printer prints messages, one a line: the topic and the payload.
type printer struct {
	mu  sync.Mutex
	io  *cli.IO
	buf []byte
}

func newPrinter(io *cli.IO) *printer { return &printer{io: io} }

// Publish implements message.Publisher. What cannot be printed is not accepted.
func (p *printer) Publish(_ context.Context, m *message.Message) error {
	p.mu.Lock()
	p.buf = append(append(append(p.buf[:0], m.Topic...), ' '), m.Payload...)
	if p.io.OutTTY { // what a source sends may hold what moves the cursor
		p.buf = append(p.buf[:0], cli.Printable(string(p.buf))...)
	}
	p.buf = append(p.buf, '\n')
	_, err := p.io.Out.Write(p.buf)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	m.Complete(message.Safe)
	return nil
}
