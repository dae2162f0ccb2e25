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

// Conn is the supervisor's end of a guest.
type Conn struct {
	sock net.Conn

	started   chan struct{} // closed when pid is set or the guest is gone
	ended     chan struct{} // closed when exit is set or the guest is gone
	processes chan []Process
	asking    sync.Mutex // held by the one Top under way
	writing   sync.Mutex

	pid  int
	exit *Exit
	err  error // why the guest is gone without an exit
}

// Start starts cmd, which is the guest ([Name] as its argv[0]) or a program that
// hands file descriptor 3 on to it, and sends it config. The standard streams are
// cmd's own; cmd.ExtraFiles must be empty. The caller waits for cmd.
//
// When the caller's process ends, the guest ends its program.
func Start(cmd *exec.Cmd, config *Config) (*Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the guest's socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "guest"), os.NewFile(uintptr(fds[1]), "guest")
	defer theirs.Close()
	sock, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("make the guest's socket: %w", err)
	}
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		sock.Close()
		return nil, fmt.Errorf("start the guest: %w", err)
	}
	c := &Conn{
		sock:      sock,
		started:   make(chan struct{}),
		ended:     make(chan struct{}),
		processes: make(chan []Process, 1),
	}
	go c.read()
	// A guest that is gone already says why through read, better than a failed
	// write does.
	_ = c.send(config)
	return c, nil
}

func (c *Conn) send(v any) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return send(c.sock, v)
}

// read takes in the guest's reports until it has no more.
func (c *Conn) read() {
	started := sync.OnceFunc(func() { close(c.started) })
	defer close(c.ended)
	defer started()
	in := newLines(c.sock)
	for {
		var r report
		if err := in.next(&r); err != nil {
			if c.exit == nil && c.err == nil {
				c.err = fmt.Errorf("the guest is gone: %w", err)
			}
			return
		}
		switch {
		case r.Error != "":
			c.err = errors.New(r.Error)
		case r.Exit != nil:
			c.exit = r.Exit
			return
		case r.Started > 0:
			c.pid = r.Started
			started()
		case r.Processes != nil:
			select {
			case <-c.processes: // an answer that nobody waited for
			default:
			}
			c.processes <- r.Processes
		}
	}
}

// Started waits until the program runs and returns its process id inside.
func (c *Conn) Started(ctx context.Context) (pid int, err error) {
	select {
	case <-c.started:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if c.pid == 0 {
		<-c.ended
		return 0, c.failure()
	}
	return c.pid, nil
}

func (c *Conn) failure() error {
	if c.err != nil {
		return c.err
	}
	return fmt.Errorf("the program did not start: %s", c.exit.Note)
}

// Wait waits until the program has ended and its registry is saved. It may be
// called any number of times.
func (c *Conn) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-c.ended:
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
	if c.exit == nil {
		return Exit{}, c.failure()
	}
	return *c.exit, nil
}

// Kill ends the program and all it started; Wait then gives 137. The registry is
// still saved. Killing what has ended is no error.
func (c *Conn) Kill() error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	if err := c.send(request{Kill: true}); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("ask the guest to end: %w", err)
	}
	return nil
}

// Top lists the Windows processes that run, without the guest's own and Wine's
// server.
func (c *Conn) Top(ctx context.Context) ([]Process, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	select {
	case <-c.processes: // of a Top that was given up
	default:
	}
	if err := c.send(request{Top: true}); err != nil {
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

// Close lets go of the guest, which then ends its program if that still runs. A
// second Close returns nil.
func (c *Conn) Close() error {
	if err := c.sock.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
