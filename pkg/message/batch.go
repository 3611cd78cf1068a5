package message

import "sync/atomic"

// Batch completes its parent once all of its messages are complete, with the
// worst of their outcomes. It is how one notification that becomes several
// messages learns that it may be acknowledged.
//
// Use: Open, then Add before each message whose Done is the batch, then Close.
// A closed batch whose messages are all complete may be opened again, so that
// batches can be pooled; Done of the parent runs before it becomes free.
// Add and Close belong to one goroutine; Complete may come from any.
type Batch struct {
	parent  Completion
	pending atomic.Int64
	worst   atomic.Uint32
}

// Open readies b. The parent (may be nil) is completed exactly once after Close.
func (b *Batch) Open(parent Completion) {
	b.parent = parent
	b.worst.Store(uint32(Safe))
	b.pending.Store(1)
}

// Add announces one more message.
func (b *Batch) Add() { b.pending.Add(1) }

// Complete reports the outcome of one message. It implements Completion.
func (b *Batch) Complete(o Outcome) {
	for {
		worst := b.worst.Load()
		if uint32(o) <= worst || b.worst.CompareAndSwap(worst, uint32(o)) {
			break
		}
	}
	b.release()
}

// Close says that no further message will be added.
func (b *Batch) Close() { b.release() }

func (b *Batch) release() {
	if b.pending.Add(-1) == 0 && b.parent != nil {
		b.parent.Complete(Outcome(b.worst.Load()))
	}
}
