package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"
)

// Conn is the supervisor's end of a guest. Its methods are those of the first
// program, and what concerns all of them.
type Conn struct {
	*Program
	link *link

	processes chan []Process
	asking    sync.Mutex // held by the one Top under way

	mu       sync.Mutex
	programs map[int]*Program // those that have not ended
	last     int
	gone     bool
}

// Program is one program of a guest.
type Program struct {
	conn    *Conn
	number  int
	started chan struct{} // closed when pid is set or it never will be
	ended   chan struct{} // closed when exit or err is set
	start   func()

	pid  int
	exit *Exit
	err  error // why there is no exit
}

// Start starts cmd, which is the guest ([Name] as its argv[0]) or a program that
// hands file descriptor 3 on to it, and sends it config. The program's standard
// streams are files, which stay the caller's, or with none of them cmd's own;
// cmd.ExtraFiles must be empty. The caller waits for cmd, after Close.
//
// When the caller's process ends, the guest ends its programs.
func Start(cmd *exec.Cmd, config *Config, files ...*os.File) (*Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the guest's socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "guest")
	defer theirs.Close()
	l, err := openLink(os.NewFile(uintptr(fds[0]), "guest"))
	if err != nil {
		return nil, fmt.Errorf("make the guest's socket: %w", err)
	}
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		l.conn.Close()
		return nil, fmt.Errorf("start the guest: %w", err)
	}
	c := &Conn{link: l, processes: make(chan []Process, 1), programs: map[int]*Program{}}
	c.Program = c.add(first)
	go c.read()
	// A guest that is gone already says why through read, better than a failed
	// write does.
	_ = l.send(config, descriptors(files)...)
	return c, nil
}

// add makes the program of a number; the caller holds the lock or is alone.
func (c *Conn) add(number int) *Program {
	p := &Program{conn: c, number: number, started: make(chan struct{}), ended: make(chan struct{})}
	p.start = sync.OnceFunc(func() { close(p.started) })
	c.programs[number] = p
	return p
}

// read takes in the guest's reports until it has no more.
func (c *Conn) read() {
	for {
		var r report
		// Descriptors that a report brings, which none should, are not taken.
		if err := decode(c.link.conn, &r); err != nil {
			c.end(fmt.Errorf("the guest is gone: %w", err))
			return
		}
		if r.Processes != nil {
			select {
			case <-c.processes: // an answer that nobody waited for
			default:
			}
			c.processes <- r.Processes
			continue
		}
		c.mu.Lock()
		p := c.programs[r.Program]
		c.mu.Unlock()
		if p == nil {
			continue // it was told before
		}
		switch {
		case r.Started > 0:
			p.pid = r.Started
			p.start()
		case r.Exit != nil || r.Error != "":
			c.finish(p, r.Exit, r.Error)
			if r.Program == first {
				c.end(errors.New("the container has ended"))
				return
			}
		}
	}
}

// finish says that p has ended.
func (c *Conn) finish(p *Program, exit *Exit, failure string) {
	c.mu.Lock()
	delete(c.programs, p.number)
	c.mu.Unlock()
	if p.exit = exit; exit == nil {
		p.err = errors.New(failure)
	}
	close(p.ended)
	p.start()
}

// end says of all programs that nothing more will be heard.
func (c *Conn) end(why error) {
	c.mu.Lock()
	c.gone = true
	left := c.programs
	c.programs = nil
	c.mu.Unlock()
	for _, p := range left {
		p.err = why
		close(p.ended)
		p.start()
	}
}

// Exec starts a program beside the first, with the given standard streams, which
// stay the caller's. Its Env goes beside the variables that all programs have.
func (c *Conn) Exec(ctx context.Context, config *Config, files [3]*os.File) (*Program, error) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return nil, errors.New("start a program in the container: it has ended")
	}
	c.last++
	p := c.add(c.last)
	c.mu.Unlock()
	if err := c.link.send(request{Exec: config, Program: p.number}, descriptors(files[:])...); err != nil {
		return nil, fmt.Errorf("start a program in the container: %w", err)
	}
	if _, err := p.Started(ctx); err != nil {
		return nil, fmt.Errorf("start a program in the container: %w", err)
	}
	return p, nil
}

func descriptors(files []*os.File) []int {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	return fds
}

// Started waits until the program runs and returns its process id inside.
func (p *Program) Started(ctx context.Context) (pid int, err error) {
	select {
	case <-p.started:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if p.pid == 0 {
		<-p.ended
		return 0, p.err
	}
	return p.pid, nil
}

// Wait waits until the program has ended and, if it is the first, the registry is
// saved. It may be called any number of times.
func (p *Program) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
	if p.exit == nil {
		return Exit{}, p.err
	}
	return *p.exit, nil
}

// Kill ends the program; Wait then gives 137. With the first all end, and the
// registry is still saved. Killing what has ended is no error.
func (p *Program) Kill() error {
	return p.ask(request{Kill: true, Program: p.number}, "end")
}

// Interrupt tells all Windows programs of Ctrl+C.
func (c *Conn) Interrupt() error {
	return c.ask(request{Interrupt: true}, "interrupt its programs")
}

// ask sends a request that needs no answer, and is no error after the end.
func (p *Program) ask(r request, what string) error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := p.conn.link.send(r); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("ask the guest to %s: %w", what, err)
	}
	return nil
}

// Top lists the Windows processes that run, without the guest's own and Wine's
// machinery.
func (c *Conn) Top(ctx context.Context) ([]Process, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	select {
	case <-c.processes: // of a Top that was given up
	default:
	}
	if err := c.link.send(request{Top: true}); err != nil {
		return nil, fmt.Errorf("ask the guest for its processes: %w", err)
	}
	select {
	case list := <-c.processes:
		return list, nil
	case <-c.ended:
		return nil, errors.New("ask the guest for its processes: it has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close lets go of the guest, which then ends its programs if they still run. A
// second Close returns nil.
func (c *Conn) Close() error {
	if err := c.link.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
