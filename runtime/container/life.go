package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mullion/mullion/runtime"
)

// life is a supervised container: what its supervisor, the clients and the health
// check share.
type life struct {
	s    *Supervisor
	c    *Container
	hub  *hub
	size runtime.Size

	stopping chan struct{} // closed when somebody wants the end
	stopOnce sync.Once

	mu   sync.Mutex
	p    runtime.Process // nil between two starts
	st   *State          // of the running program
	told bool
}

func newLife(s *Supervisor, c *Container, size runtime.Size) *life {
	return &life{s: s, c: c, hub: newHub(), size: size, stopping: make(chan struct{})}
}

// begin says that p runs, with the state st.
func (l *life) begin(p runtime.Process, st *State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p, l.st = p, st
}

// finish says that it has ended; st is the supervisor's alone again.
func (l *life) finish(*State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p, l.st = nil, nil
}

// change changes and saves the state of the running program.
func (l *life) change(f func(*State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.st == nil {
		return // it has ended
	}
	f(l.st)
	if err := l.c.setState(*l.st); err != nil {
		fmt.Fprintln(l.s.Stderr, "run:", err)
	}
}

func (l *life) process() runtime.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.p
}

// tell tells the launcher, once, whether the program runs. Until then it is the
// only client.
func (l *life) tell(r reply) {
	l.mu.Lock()
	told := l.told
	l.told = true
	l.mu.Unlock()
	if told {
		return
	}
	if b, err := json.Marshal(r); err == nil {
		l.hub.each(kindReply, b, true)
	}
}

// known tells whether the program has run.
func (l *life) known() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

func (l *life) stopped() bool {
	select {
	case <-l.stopping:
		return true
	default:
		return false
	}
}

// DefaultStopTime is how long a program may take to stop when nothing else is
// said, as docker has it.
const DefaultStopTime = 10 * time.Second

// signal implements controls.
func (l *life) signal(s Signal) {
	var err error
	switch s {
	case Interrupt:
		err = l.interrupt()
	case Stop:
		l.stop(DefaultStopTime)
	case Kill:
		err = l.kill()
	}
	if err != nil {
		fmt.Fprintf(l.s.Stderr, "run: %s: %v\n", s, err)
	}
}

// resize implements controls.
func (l *life) resize(size runtime.Size) {
	if r, ok := l.process().(runtime.Resizer); ok {
		if err := r.Resize(size); err != nil {
			fmt.Fprintln(l.s.Stderr, "run: resize:", err)
		}
	}
}

// interrupt tells the programs of Ctrl+C; what cannot be told is killed, and what
// does not run yet is not to.
func (l *life) interrupt() error {
	p := l.process()
	if i, ok := p.(runtime.Interrupter); ok {
		ctx, cancel := context.WithTimeout(context.Background(), controlPatience)
		defer cancel()
		return i.Interrupt(ctx)
	}
	if p == nil {
		return l.kill()
	}
	return p.Kill()
}

// kill ends the program for good.
func (l *life) kill() error {
	l.stopOnce.Do(func() { close(l.stopping) })
	if p := l.process(); p != nil {
		return p.Kill()
	}
	return nil
}

// stop tells the program to end for good, and ends it after the time it has for
// that.
func (l *life) stop(after time.Duration) {
	l.stopOnce.Do(func() { close(l.stopping) })
	p := l.process()
	if p == nil {
		return
	}
	if after > 0 && l.interrupt() == nil {
		time.AfterFunc(after, func() { _ = p.Kill() })
		return
	}
	_ = p.Kill()
}

// answer does what a request asks for that is no conversation.
func (l *life) answer(ctx context.Context, req request) (rep reply, err error) {
	p := l.process()
	if p == nil && req.Op != opSignal {
		return rep, errors.New("the container is about to be started again, and nothing runs in it now")
	}
	iso := runtime.ProcessIsolation
	l.mu.Lock()
	if l.st != nil {
		iso = l.st.Isolation
	}
	l.mu.Unlock()
	switch req.Op {
	case opSignal:
		err = l.asked(req)
	case opTop:
		rep.Processes, err = p.Top(ctx)
	case opStats:
		m, ok := p.(runtime.Meter)
		if !ok {
			return rep, runtime.Unsupported(iso, "tell what a container uses")
		}
		rep.Stats, err = m.Stats(ctx)
	case opUpdate:
		u, ok := p.(runtime.Updater)
		if !ok {
			return rep, runtime.Unsupported(iso, "change the limits of a running container")
		}
		err = u.Update(ctx, req.Limits)
	default:
		err = fmt.Errorf("unknown request %q", req.Op)
	}
	return rep, err
}

func (l *life) asked(req request) error {
	switch req.Signal {
	case Kill:
		return l.kill()
	case Interrupt:
		return l.interrupt()
	case Stop:
		l.stop(time.Duration(req.Seconds) * time.Second)
		return nil
	}
	return fmt.Errorf("unknown signal %q", req.Signal)
}
