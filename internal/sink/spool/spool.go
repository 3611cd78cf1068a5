// Package spool keeps messages on disk, in order, until they can be sent.
//
// It is a list of segment files. Appending writes to the last one; a message is
// safe once that is synced, and all that wait share one sync. Reading begins at
// the first. Segments that were read, and the oldest ones beyond the bound, are
// deleted. After a crash, what was read but not committed is read again.
package spool

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/message"
)

// Options bound a spool.
type Options struct {
	MaxBytes int64            // most bytes on disk; 0 = 1 GiB
	MaxAge   time.Duration    // older messages are dropped when their turn comes; 0 = 7 days
	Segment  int64            // size of one file; 0 = 8 MiB
	Now      func() time.Time // nil = time.Now
	Log      *slog.Logger     // nil = discard
}

// Spool is an open folder. Its methods are safe for concurrent use; Next and
// Commit belong to one reader.
type Spool struct {
	dir string
	o   Options

	mu       sync.Mutex
	segments []*segment // oldest first; the last is written to
	file     *os.File   // of the last segment
	waiting  []message.Completion
	stats    Stats
	more     chan struct{} // closed when there is something to read
	buf      []byte
	closed   bool
	unsynced bool      // a closed segment could not be synced
	saved    time.Time // when the offset was last saved

	sync chan struct{} // capacity 1: there is something to sync
	done chan struct{}

	reader  *bufio.Reader // of the first segment
	reading *segment
	handle  *os.File
}

// segment is one file.
type segment struct {
	number    int64
	size      int64 // bytes written
	records   int64
	read      int64 // records handed out
	offset    int64 // where the next one begins
	committed int64 // records that need not be kept

	prefix int64 // of those, the ones without a gap from the first on
	after  int64 // where the one after the prefix begins
}

// Stats are a spool's numbers.
type Stats struct {
	Messages int64 // kept and not committed
	Bytes    int64 // on disk
	Dropped  int64 // given up: beyond the bound, too old, or damaged
	Failed   int64 // could not be written
	Full     bool  // the last write failed
}

// Open opens the spool in dir and goes on where the last process stopped.
func Open(dir string, o Options) (*Spool, error) {
	def := func(n *int64, v int64) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.MaxBytes, 1<<30)
	def(&o.Segment, 8<<20)
	o.Segment = min(o.Segment, max(o.MaxBytes/8, 64<<10)) // else the bound would not bind: the last segment stays
	if o.MaxAge <= 0 {
		o.MaxAge = 7 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.As(fault.Denied, err, "spool folder")
	}
	s := &Spool{dir: dir, o: o, more: make(chan struct{}), sync: make(chan struct{}, 1), done: make(chan struct{})}
	if err := s.load(); err != nil {
		return nil, err
	}
	if s.unread() > 0 {
		close(s.more)
	}
	go s.syncLoop()
	return s, nil
}

// Close syncs and closes.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.sync)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	if s.handle != nil {
		err = errors.Join(err, s.handle.Close())
	}
	return errors.Join(err, s.saveOffset())
}

func (s *Spool) path(number int64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016d.spool", number))
}

// load finds the segments, counts their records and cuts a torn end off.
func (s *Spool) load() error {
	names, err := filepath.Glob(filepath.Join(s.dir, "*.spool"))
	if err != nil {
		return err
	}
	for _, name := range names { // Glob sorts
		g := &segment{}
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.spool", &g.number); err != nil {
			continue
		}
		if err := s.scan(name, g); err != nil {
			return err
		}
		s.segments = append(s.segments, g)
		s.stats.Bytes += g.size
	}
	s.loadOffset()
	s.stats.Messages = s.unread()
	return nil
}

// scan counts a segment's records. What is not a whole record, and all that
// follows it, is cut off: a crash while writing leaves just that.
func (s *Spool) scan(name string, g *segment) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return fault.As(fault.Denied, err, "open spool")
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReader(f)
	for {
		body, err := readRecord(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.o.Log.Warn("spool segment cut at a damaged record", "file", filepath.Base(name), "offset", g.size)
			s.stats.Dropped++
			return fault.As(fault.Denied, f.Truncate(g.size), "mend spool")
		}
		g.size += int64(header + len(body))
		g.records++
	}
}

// readRecord returns the body of the next record. io.EOF is a clean end.
func readRecord(r io.Reader) ([]byte, error) {
	var head [header]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > maxRecord { // a power cut may leave zeros
		return nil, errors.New("damaged length")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.New("torn record")
	}
	if checksum(body) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errors.New("damaged record")
	}
	return body, nil
}

func (s *Spool) unread() int64 {
	var n int64
	for _, g := range s.segments {
		n += g.records - g.read
	}
	return n
}

// Append writes a copy of m. m is completed as Safe once it is synced. An error
// means that it is not kept: the disk is full, say.
func (s *Spool) Append(m *message.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.New(fault.Unavailable, "spool is closed")
	}
	s.buf = appendRecord(s.buf[:0], m, s.o.Now())
	if len(s.buf) > maxRecord {
		s.stats.Failed++
		return fault.New(fault.Invalid, "a message of %d bytes is too large to be kept", len(s.buf))
	}
	g, err := s.writable()
	if err == nil {
		_, err = s.file.WriteAt(s.buf, g.size)
	}
	if err != nil {
		s.stats.Failed++
		s.stats.Full = true
		return fault.WithCode(fault.As(fault.Unavailable, err, "write spool"), "SpoolFull")
	}
	s.stats.Full = false
	g.size += int64(len(s.buf))
	g.records++
	s.stats.Bytes += int64(len(s.buf))
	s.stats.Messages++
	if m.Done != nil {
		s.waiting = append(s.waiting, m.Done)
	}
	s.wake()
	s.bound()
	select {
	case s.sync <- struct{}{}:
	default:
	}
	return nil
}

// writable returns the segment to write to, a new one if need be.
func (s *Spool) writable() (*segment, error) {
	if s.file != nil {
		if g := s.segments[len(s.segments)-1]; g.size < s.o.Segment {
			return g, nil
		}
	}
	next := firstNumber
	if n := len(s.segments); n > 0 {
		next = s.segments[n-1].number + 1
	}
	if len(s.segments) == 0 { // numbers begin again, and an old offset is not about the new one
		if err := s.dropOffset(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(s.path(next), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if s.file != nil {
		err = errors.Join(s.file.Sync(), s.file.Close())
		s.unsynced = s.unsynced || err != nil
	}
	syncFolder(s.dir)
	s.file = f
	g := &segment{number: next}
	s.segments = append(s.segments, g)
	return g, err
}

// firstNumber is that of the first segment. There is room below, for Prepend.
const firstNumber = int64(1) << 32

// syncFolder makes the name of a new file durable, where that is possible.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil { //nolint:gosec // our own folder
		_ = f.Sync()
		_ = f.Close()
	}
}

// Prepend keeps messages that are older than all that wait to be read: they
// come first when the spool is opened again. It is for the end of a process;
// Next does not see them before. They are completed as Safe once they are synced.
func (s *Spool) Prepend(list []*message.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	number := firstNumber
	if len(s.segments) > 0 {
		number = s.segments[0].number - 1
	}
	var buf []byte
	for _, m := range list {
		buf = append(buf, appendRecord(nil, m, s.o.Now())...)
	}
	f, err := os.OpenFile(s.path(number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.As(fault.Unavailable, err, "write spool")
	}
	_, err = f.Write(buf)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(s.path(number))
		return fault.As(fault.Unavailable, err, "write spool")
	}
	syncFolder(s.dir)
	for _, m := range list {
		m.Complete(message.Safe)
	}
	return nil
}

func (s *Spool) wake() {
	select {
	case <-s.more:
	default:
		close(s.more)
	}
}

// bound drops the oldest segments beyond the bound, but never the last.
func (s *Spool) bound() {
	for s.stats.Bytes > s.o.MaxBytes && len(s.segments) > 1 {
		g := s.segments[0]
		lost := g.records - g.committed
		s.stats.Dropped += lost
		s.o.Log.Warn("spool is full: oldest messages dropped", "messages", lost)
		s.remove(g)
	}
}

// remove deletes the first segment.
func (s *Spool) remove(g *segment) {
	if s.reading == g {
		_ = s.handle.Close()
		s.reading, s.handle, s.reader = nil, nil, nil
	}
	s.segments = s.segments[1:]
	s.stats.Bytes -= g.size
	s.stats.Messages -= g.records - g.committed
	g.committed = g.records
	if err := s.dropOffset(); err != nil { // before the segment: after a crash in between it is only read again
		s.o.Log.Warn("remove spool offset", "err", err)
		return
	}
	if err := os.Remove(s.path(g.number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Warn("remove spool segment", "err", err)
	}
}

// syncLoop syncs what was written and completes it.
func (s *Spool) syncLoop() {
	defer close(s.done)
	for range s.sync {
		s.flush()
	}
	s.flush()
}

func (s *Spool) flush() {
	s.mu.Lock()
	waiting, file, unsynced := s.waiting, s.file, s.unsynced
	s.waiting, s.unsynced = nil, false
	s.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	outcome := message.Safe
	if unsynced {
		s.o.Log.Error("spool segment could not be synced")
		outcome = message.Dropped
	}
	if file != nil { // else everything was committed already
		if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // a closed one was synced before
			s.o.Log.Error("spool cannot be synced", "err", err)
			outcome = message.Dropped
		}
	}
	for _, done := range waiting {
		done.Complete(outcome)
	}
}

// Entry is a message that was read.
type Entry struct {
	Message *message.Message
	g       *segment
	index   int64 // of its record
	end     int64 // where the next one begins
}

// Next returns the oldest message that was not handed out yet, and waits for
// one if there is none.
func (s *Spool) Next(ctx context.Context) (Entry, error) {
	for {
		s.mu.Lock()
		e, ok := s.next()
		more := s.more
		s.mu.Unlock()
		if ok {
			return e, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

// next returns the next message, if there is one.
func (s *Spool) next() (Entry, bool) {
	for _, g := range s.segments {
		for g.read < g.records {
			body, err := s.read(g)
			if err != nil {
				s.stats.Dropped += g.records - g.read
				s.stats.Messages -= g.records - g.read
				s.o.Log.Error("spool segment given up", "err", err)
				g.committed += g.records - g.read
				g.read = g.records
				break
			}
			g.read++
			g.offset += int64(header + len(body))
			m, at, err := decodeRecord(body)
			e := Entry{m, g, g.read - 1, g.offset}
			if err != nil || s.tooOld(at) {
				s.stats.Dropped++
				s.commit(e)
				continue
			}
			return e, true
		}
	}
	if s.unread() == 0 {
		select {
		case <-s.more:
			s.more = make(chan struct{})
		default:
		}
	}
	return Entry{}, false
}

// tooOld reports whether a message need not be sent any more. One that was kept
// while the clock was wrong, as it is at first on a machine without a battery,
// has no age.
func (s *Spool) tooOld(at time.Time) bool {
	plausible := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	return at.After(plausible) && s.o.Now().Sub(at) > s.o.MaxAge
}

// read returns the next record's body of a segment.
func (s *Spool) read(g *segment) ([]byte, error) {
	if s.reading != g {
		if s.handle != nil {
			_ = s.handle.Close()
		}
		f, err := os.Open(s.path(g.number))
		if err != nil {
			s.reading, s.handle = nil, nil
			return nil, err
		}
		s.reading, s.handle = g, f
		s.reader = nil
	}
	if s.reader == nil {
		s.reader = bufio.NewReaderSize(s.handle, 64<<10)
		if _, err := s.handle.Seek(g.offset, io.SeekStart); err != nil {
			return nil, err
		}
	}
	body, err := readRecord(s.reader)
	if err != nil {
		// The reader may have met the end of what was written then: look again.
		if _, seekErr := s.handle.Seek(g.offset, io.SeekStart); seekErr != nil {
			return nil, seekErr
		}
		s.reader.Reset(s.handle)
		body, err = readRecord(s.reader)
	}
	return body, err
}

// Commit says that an entry need not be kept. Entries are committed in any order.
func (s *Spool) Commit(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.g.committed < e.g.records {
		s.commit(e)
	}
	if now := time.Now(); now.Sub(s.saved) > time.Second {
		s.saved = now
		if err := s.saveOffset(); err != nil {
			s.o.Log.Debug("spool offset", "err", err)
		}
	}
}

func (s *Spool) commit(e Entry) {
	g := e.g
	g.committed++
	if e.index == g.prefix {
		g.prefix, g.after = e.index+1, e.end
	}
	s.stats.Messages--
	for len(s.segments) > 0 {
		first := s.segments[0]
		if first.committed < first.records {
			return
		}
		if len(s.segments) == 1 && s.file != nil { // the one that is written to
			_ = s.file.Close()
			s.file = nil
		}
		s.remove(first)
	}
}

// Len returns how many messages wait to be handed out.
func (s *Spool) Len() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unread()
}

// Stats returns the spool's numbers.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// saveOffset remembers how far the first segment was committed. It is a hint:
// without it, messages are sent again.
func (s *Spool) saveOffset() error {
	path := filepath.Join(s.dir, "offset")
	if len(s.segments) == 0 || s.segments[0].prefix == 0 {
		return nil
	}
	g := s.segments[0]
	if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%d %d %d\n", g.number, g.prefix, g.after), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// dropOffset forgets the offset: its segment goes.
func (s *Spool) dropOffset() error {
	err := os.Remove(filepath.Join(s.dir, "offset"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Spool) loadOffset() {
	path := filepath.Join(s.dir, "offset")
	text, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return
	}
	var number, read, offset int64
	if n, err := fmt.Sscanf(string(text), "%d %d %d", &number, &read, &offset); err != nil || n != 3 || len(s.segments) == 0 {
		return
	}
	if g := s.segments[0]; g.number == number && read >= 0 && read <= g.records && offset >= 0 && offset <= g.size {
		g.read, g.offset, g.committed = read, offset, read
		g.prefix, g.after = read, offset
	}
}
