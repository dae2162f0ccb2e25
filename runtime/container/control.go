package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/mullion/mullion/runtime"
)

// A supervisor answers one question per connection on its control socket: a JSON
// object goes in, a JSON object comes out.
type request struct {
	Op string `json:"op"`
}

type reply struct {
	Error     string                `json:"error,omitempty"`
	Processes []runtime.ProcessInfo `json:"processes,omitempty"`
}

const (
	opKill = "kill"
	opTop  = "top"
	// maxReply bounds what either side reads: thousands of processes.
	maxReply = 4 << 20
	// controlPatience is for the slowest question, a process list out of an
	// emulated VM.
	controlPatience = 30 * time.Second
)

// control is the supervisor's side of the socket.
type control struct {
	l       net.Listener
	release func() error
}

// listen opens the control socket of the container in dir. The caller holds the
// container's lock, so a socket that is there is a dead supervisor's.
func listen(dir string) (*control, error) {
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open control socket: %w", err), release())
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open control socket: %w", err), release())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open control socket: %w", err), l.Close(), release())
	}
	return &control{l, release}, nil
}

// Close stops answering.
func (s *control) Close() error { return errors.Join(s.l.Close(), s.release()) }

// serve answers until Close.
func (s *control) serve(ctx context.Context, p runtime.Process) {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		go answer(ctx, conn, p)
	}
}

func answer(ctx context.Context, conn net.Conn, p runtime.Process) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(controlPatience)); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	var req request
	var rep reply
	err := json.NewDecoder(io.LimitReader(conn, maxReply)).Decode(&req)
	switch {
	case err != nil:
	case req.Op == opKill:
		err = p.Kill()
	case req.Op == opTop:
		rep.Processes, err = p.Top(ctx)
	default:
		err = fmt.Errorf("unknown request %q", req.Op)
	}
	if err != nil {
		rep.Error = err.Error()
	}
	// A client that has gone needs no answer.
	_ = json.NewEncoder(conn).Encode(rep)
}

// ask puts one question to the container's supervisor.
func (c *Container) ask(ctx context.Context, op string) (reply, error) {
	st, err := c.State()
	if err != nil {
		return reply{}, err
	}
	if st.Status != Running {
		return reply{}, fmt.Errorf("container %s is not running", Short(c.id))
	}
	rep, err := c.exchange(ctx, request{Op: op})
	if err != nil {
		return reply{}, fmt.Errorf("ask supervisor of container %s: %w", Short(c.id), err)
	}
	if rep.Error != "" {
		return reply{}, errors.New(rep.Error)
	}
	return rep, nil
}

func (c *Container) exchange(ctx context.Context, req request) (rep reply, err error) {
	path, release, err := socketPath(c.Dir())
	if err != nil {
		return reply{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * controlPatience)); err != nil {
		return reply{}, err
	}
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return reply{}, err
	}
	return rep, json.NewDecoder(io.LimitReader(conn, maxReply)).Decode(&rep)
}

// Kill ends the container's program; it does not wait for the end.
func (c *Container) Kill(ctx context.Context) error {
	_, err := c.ask(ctx, opKill)
	return err
}

// Top lists the container's own processes.
func (c *Container) Top(ctx context.Context) ([]runtime.ProcessInfo, error) {
	rep, err := c.ask(ctx, opTop)
	return rep.Processes, err
}

// Stop ends the container's program and waits until all is put away. Stopping a
// container that does not run is no error.
func (c *Container) Stop(ctx context.Context) (State, error) {
	st, err := c.State()
	if err != nil || st.Status != Running {
		return st, err
	}
	if err := c.Kill(ctx); err != nil {
		// It may have ended by itself in the meantime.
		if st, again := c.State(); again != nil || st.Status != Running {
			return st, again
		}
		return st, err
	}
	return c.Wait(ctx)
}
