package registry

import (
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Action says what is happening to a blob or manifest of a transfer.
type Action string

// The actions a Progress function hears of.
const (
	Exists  Action = "exists"  // it is there already, nothing is moved
	Mounted Action = "mounted" // the registry took it from another of its repositories
	Moving  Action = "moving"  // Done of Desc.Size bytes have moved so far
	Moved   Action = "moved"   // it has arrived and was verified
	Left    Action = "left"    // a foreign layer that a push leaves where its URLs say
)

// Event is one step of a transfer.
type Event struct {
	Desc   ocispec.Descriptor
	Action Action
	Done   int64 // bytes moved of Desc.Size; a download begun anew counts from 0 again
}

// reporter hands events to one function, one at a time.
type reporter struct {
	mu sync.Mutex
	f  func(Event)
}

func (r *reporter) tell(d ocispec.Descriptor, a Action, done int64) {
	if r.f == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.f(Event{Desc: d, Action: a, Done: done})
}

// eventStep is how many bytes move between two Moving events of a blob.
const eventStep = 1 << 20

// meter counts the bytes that are read through it and reports them.
type meter struct {
	r    io.Reader
	desc ocispec.Descriptor
	rep  *reporter
	done int64
	told int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.done += int64(n)
	if m.done-m.told >= eventStep {
		m.told = m.done
		m.rep.tell(m.desc, Moving, m.done)
	}
	return n, err
}
