package microvm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mullion/mullion/runtime"
	program "github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/microvm/guest"
	"github.com/mullion/mullion/runtime/microvm/state"
	"github.com/mullion/mullion/runtime/wire"
)

// killLimit is how long a VM may take to end the program and to hand over the
// container's state before it is ended itself.
const killLimit = time.Minute

// killed is the exit code of a program that was killed, as shells give it.
const killed = 137

// process is a program in a VM, and the VM.
type process struct {
	vm   *vm
	spec *runtime.Spec

	started chan struct{} // closed when the program runs or never will
	ended   chan struct{} // closed when exit and err are final
	running bool
	exit    uint32
	err     error

	tops   chan []program.Process
	asking sync.Mutex // held by the one Top under way
	want   chan struct{}

	mu     sync.Mutex
	killed bool
	timer  *time.Timer
}

// run gives a VM that is up its work and returns when the program runs.
func run(ctx context.Context, v *vm, spec *runtime.Spec, config *guest.Config) (*process, error) {
	p := &process{
		vm: v, spec: spec,
		started: make(chan struct{}), ended: make(chan struct{}),
		tops: make(chan []program.Process), want: make(chan struct{}, 1),
	}
	stop := context.AfterFunc(ctx, func() { _ = v.cmd.Process.Kill() })
	defer stop()
	go p.serve()
	go p.feed()
	err := p.configure(config)
	<-p.started
	if p.running {
		return p, nil
	}
	<-p.ended
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, errors.Join(p.err, err)
}

// configure sends the configuration and the container's state.
func (p *process) configure(config *guest.Config) error {
	if err := p.vm.conn.SendJSON(guest.KindConfig, config); err != nil {
		return err
	}
	out := p.vm.conn.Stream(guest.KindState)
	err := state.Pack(out, p.spec.Dir, guest.StateFolders()...)
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		_ = p.vm.cmd.Process.Kill() // it waits for the rest
	}
	return err
}

// serve takes the VM's frames until its end.
func (p *process) serve() {
	start := sync.OnceFunc(func() { close(p.started) })
	defer close(p.ended)
	defer start()
	err := p.frames(start)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if err == nil {
		p.vm.kill()
		return
	}
	p.err = p.vm.failure(err)
	if p.killed && p.running {
		p.exit = killed
		p.err = fmt.Errorf("the program was killed and what it wrote in this run is lost: %w", p.err)
	}
}

// frames returns nil when the program has ended and the container's state is saved.
func (p *process) frames(start func()) error {
	for {
		k, content, err := p.vm.conn.Receive()
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended on its own")
		}
		if err != nil {
			return err
		}
		switch k {
		case guest.KindStarted:
			p.running = true
			start()
		case guest.KindStdout:
			write(p.spec.Stdout, content)
		case guest.KindStderr:
			write(p.spec.Stderr, content)
		case guest.KindWant:
			select {
			case p.want <- struct{}{}:
			default: // it asked twice
			}
		case guest.KindProcesses:
			var list []program.Process
			if err := json.Unmarshal(content, &list); err != nil {
				return fmt.Errorf("its process list: %w", err)
			}
			select {
			case p.tops <- list:
			default: // nobody waits any more
			}
		case guest.KindFailed:
			return errors.New(string(content))
		case guest.KindExit:
			return p.finish(content)
		default:
			return fmt.Errorf("it sent a frame %q", k)
		}
	}
}

// write hands on output. A reader that has gone away does not stop the program.
func write(w io.Writer, b []byte) {
	if w != nil {
		_, _ = w.Write(b)
	}
}

// finish takes the exit code and then the container's state.
func (p *process) finish(content []byte) error {
	var exit program.Exit
	if err := json.Unmarshal(content, &exit); err != nil {
		return fmt.Errorf("its exit code: %w", err)
	}
	p.exit = exit.Code
	if exit.Note != "" {
		write(p.spec.Stderr, []byte("mullion: "+exit.Note+"\n"))
	}
	if err := saveState(p.spec.Dir, &guest.Incoming{Conn: p.vm.conn}); err != nil {
		return fmt.Errorf("save what the program wrote: %w", err)
	}
	return nil
}

// The state that comes out of a VM is bounded by what fits into a large one.
func stateLimits() state.Limits { return state.Limits{Bytes: 64 << 30, Entries: 4 << 20} }

// saveState replaces the container's state in dir by the one that r holds. It is
// unpacked beside the old one first, so that a broken one changes nothing.
func saveState(dir string, r io.Reader) error {
	incoming, old := filepath.Join(dir, "incoming"), filepath.Join(dir, "old")
	for _, d := range []string{incoming, old} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := state.Unpack(r, incoming, stateLimits()); err != nil {
		return errors.Join(err, os.RemoveAll(incoming))
	}
	for _, folder := range guest.StateFolders() {
		at := filepath.Join(dir, folder)
		if err := os.Rename(at, filepath.Join(old, folder)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Rename(filepath.Join(incoming, folder), at); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(incoming), os.RemoveAll(old))
}

// feed sends standard input, a piece whenever the VM wants one. It may outlive the
// program: a read of the input cannot be called off.
func (p *process) feed() {
	buf := make([]byte, wire.Piece)
	for {
		select {
		case <-p.want:
		case <-p.ended:
			return
		}
		n := 0
		var err error
		if p.spec.Stdin == nil {
			err = io.EOF
		}
		for n == 0 && err == nil {
			n, err = p.spec.Stdin.Read(buf)
		}
		if n > 0 {
			if p.vm.conn.Send(guest.KindStdin, buf[:n]) != nil {
				return
			}
			continue // an error comes again with the next read
		}
		_ = p.vm.conn.Send(guest.KindStdin, nil)
		return
	}
}

// Pid returns the id of the VM's process.
func (p *process) Pid() int { return p.vm.cmd.Process.Pid }

// Wait implements [runtime.Process]. When it returns, the container's state is in
// Spec.Dir.
func (p *process) Wait(ctx context.Context) (uint32, error) {
	select {
	case <-p.ended:
		return p.exit, p.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Kill implements [runtime.Process]. A VM that does not react is ended after a
// while, with what the program wrote.
func (p *process) Kill() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return nil
	}
	p.killed = true
	p.timer = time.AfterFunc(killLimit, func() { _ = p.vm.cmd.Process.Kill() })
	go func() { _ = p.vm.conn.Send(guest.KindKill, nil) }()
	return nil
}

// Top implements [runtime.Process]: the list is the VM's own.
func (p *process) Top(ctx context.Context) ([]runtime.ProcessInfo, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if err := p.vm.conn.Send(guest.KindTop, nil); err != nil {
		return nil, fmt.Errorf("ask the utility VM for its processes: %w", err)
	}
	select {
	case list := <-p.tops:
		infos := make([]runtime.ProcessInfo, len(list))
		for i, e := range list {
			infos[i] = runtime.ProcessInfo{PID: e.PID, Command: e.Command}
		}
		return infos, nil
	case <-p.ended:
		return nil, errors.New("ask the utility VM for its processes: the program has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements [runtime.Process].
func (p *process) Close() error {
	err := p.Kill()
	<-p.ended
	return err
}
