package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
)

// controlPatience is for the slowest question, a process list out of an emulated
// VM.
const controlPatience = 30 * time.Second

// control is the supervisor's side of the control socket.
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
func (s *control) serve(ctx context.Context, l *life) {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		go l.meet(ctx, conn)
	}
}

// meet serves one client.
func (l *life) meet(ctx context.Context, socket net.Conn) {
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(controlPatience)); err != nil {
		return
	}
	conn := wire.NewConn(socket)
	var req request
	if err := receive(conn, kindRequest, &req); err != nil {
		return
	}
	if req.Op == opAttach || req.Op == opExec {
		if err := socket.SetDeadline(time.Time{}); err != nil {
			return
		}
	}
	// A client that has gone needs no answer.
	switch req.Op {
	case opAttach:
		if conn.SendJSON(kindReply, reply{}) == nil {
			l.resize(req.Size)
			l.hub.attend(newClient(conn, req.Output), req.Stdin, l)
		}
	case opExec:
		l.exec(ctx, conn, req)
	default:
		ctx, cancel := context.WithTimeout(ctx, controlPatience)
		defer cancel()
		rep, err := l.answer(ctx, req)
		if err != nil {
			rep.Error = err.Error()
		}
		_ = conn.SendJSON(kindReply, rep)
	}
}

// exec runs one more program for a client.
func (l *life) exec(ctx context.Context, conn *wire.Conn, req request) {
	x := &executed{l: l}
	client := newClient(conn, req.Output)
	err := x.start(ctx, client, req)
	if err != nil {
		_ = conn.SendJSON(kindReply, reply{Error: err.Error(), Code: runtime.ExitCode(err)})
		return
	}
	if conn.SendJSON(kindReply, reply{}) != nil {
		x.signal(Kill)
	}
	close(x.told)
	go func() {
		_ = client.serve(x)
		_ = x.input.Close() // what went away types nothing more
	}()
	go func() {
		if req.Stdin {
			client.feed(x.input)
		}
		_ = x.input.Close()
	}()
	exit, err := x.program.Wait(context.WithoutCancel(ctx))
	_ = x.input.Close()
	end := endingOf(&exit, err)
	if err != nil {
		end.Exit = nil
	}
	_ = conn.SendJSON(kindEnd, end)
}

// executed is one more program and what its client can do with it.
type executed struct {
	l       *life
	program runtime.Program
	input   *io.PipeWriter
	told    chan struct{} // closed when the client knows that it runs
}

func (x *executed) start(ctx context.Context, client *client, req request) error {
	e, ok := x.l.process().(runtime.Executor)
	if !ok {
		return runtime.Unsupported(x.l.isolation(), "run another program in a container")
	}
	if req.Exec == nil {
		return errors.New("a request to run a program names none")
	}
	input, w := io.Pipe()
	x.input, x.told = w, make(chan struct{})
	spec := &runtime.Exec{
		CommandLine: req.Exec.CommandLine, Env: req.Exec.Env, Cwd: req.Exec.Cwd, User: req.Exec.User, TTY: req.Exec.TTY, Size: req.Size,
	}
	if req.Stdin {
		spec.Stdin = input
	}
	if client.output {
		spec.Stdout, spec.Stderr = afterwards{x.told, client.writer(kindStdout)}, afterwards{x.told, client.writer(kindStderr)}
	}
	var err error
	x.program, err = e.Exec(ctx, spec)
	return err
}

// afterwards holds output back until the client knows of the program.
type afterwards struct {
	told <-chan struct{}
	w    io.Writer
}

func (a afterwards) Write(p []byte) (int, error) {
	<-a.told
	// A client that has gone does not stop the program.
	_, _ = a.w.Write(p)
	return len(p), nil
}

func (x *executed) resize(size runtime.Size) {
	if r, ok := x.program.(runtime.Resizer); ok {
		_ = r.Resize(size)
	}
}

// signal ends the program: of a console event all in the container would hear.
func (x *executed) signal(Signal) { _ = x.program.Kill() }

// isolation is what the running program is under.
func (l *life) isolation() runtime.Isolation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.st == nil {
		return runtime.AutoIsolation
	}
	return l.st.Isolation
}

// dial connects to the container's supervisor and sends a request.
func (c *Container) dial(ctx context.Context, req request) (net.Conn, *wire.Conn, error) {
	st, err := c.State()
	if err != nil {
		return nil, nil, err
	}
	if !st.Status.Alive() {
		return nil, nil, fmt.Errorf("container %s is not running", Short(c.id))
	}
	path, release, err := socketPath(c.Dir())
	if err != nil {
		return nil, nil, err
	}
	var d net.Dialer
	socket, err := d.DialContext(ctx, "unix", path)
	if err := errors.Join(err, release()); err != nil {
		return nil, nil, fmt.Errorf("reach the supervisor of container %s: %w", Short(c.id), err)
	}
	conn := wire.NewConn(socket)
	if err := conn.SendJSON(kindRequest, req); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ask supervisor of container %s: %w", Short(c.id), err), socket.Close())
	}
	return socket, conn, nil
}

// ask puts one question to the container's supervisor.
func (c *Container) ask(ctx context.Context, req request) (rep reply, err error) {
	socket, conn, err := c.dial(ctx, req)
	if err != nil {
		return reply{}, err
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Now()) })
	defer stop()
	if err := socket.SetDeadline(time.Now().Add(2 * controlPatience)); err != nil {
		return reply{}, err
	}
	if err := receive(conn, kindReply, &rep); err != nil {
		return reply{}, fmt.Errorf("ask supervisor of container %s: %w", Short(c.id), err)
	}
	if rep.Error != "" {
		return reply{}, errors.New(rep.Error)
	}
	return rep, nil
}

// Attach takes part in the streams of the container's program until it has ended
// or t's detach keys leave it.
func (c *Container) Attach(ctx context.Context, t *Terminal) (Ending, error) {
	return c.join(ctx, t, t.request(opAttach))
}

// Exec runs one more program in the container, with t's streams.
func (c *Container) Exec(ctx context.Context, e ExecConfig, t *Terminal) (Ending, error) {
	req := t.request(opExec)
	req.Exec = &e
	return c.join(ctx, t, req)
}

func (c *Container) join(ctx context.Context, t *Terminal, req request) (Ending, error) {
	socket, conn, err := c.dial(ctx, req)
	if err != nil {
		return Ending{}, err
	}
	defer socket.Close()
	if err := started(conn); err != nil {
		return Ending{}, err
	}
	if req.Op == opExec && t.Stdout == nil {
		return Ending{Detached: true}, nil
	}
	end, err := t.converse(ctx, conn, true)
	if err == nil && !end.Detached && req.Op == opAttach {
		_, err = c.Wait(ctx) // until all is put away
		var gone *NotFoundError
		if errors.As(err, &gone) {
			err = nil
		}
	}
	return end, err
}

// Kill ends the container's program; it does not wait for the end.
func (c *Container) Kill(ctx context.Context) error {
	_, err := c.ask(ctx, request{Op: opSignal, Signal: Kill})
	return err
}

// Interrupt tells the container's programs of Ctrl+C.
func (c *Container) Interrupt(ctx context.Context) error {
	_, err := c.ask(ctx, request{Op: opSignal, Signal: Interrupt})
	return err
}

// Top lists the container's own processes.
func (c *Container) Top(ctx context.Context) ([]runtime.ProcessInfo, error) {
	rep, err := c.ask(ctx, request{Op: opTop})
	return rep.Processes, err
}

// Stats tells what the running container uses.
func (c *Container) Stats(ctx context.Context) (runtime.Stats, error) {
	rep, err := c.ask(ctx, request{Op: opStats})
	return rep.Stats, err
}

// Stop tells the container's program to end, kills it if it has not after the
// given time, and waits until all is put away. Stopping a container that does not
// run is no error.
func (c *Container) Stop(ctx context.Context, after time.Duration) (State, error) {
	st, err := c.State()
	if err != nil || !st.Status.Alive() {
		return st, err
	}
	if _, err := c.ask(ctx, request{Op: opSignal, Signal: Stop, Seconds: int(after / time.Second)}); err != nil {
		// It may have ended by itself in the meantime.
		if st, again := c.State(); again != nil || !st.Status.Alive() {
			return st, again
		}
		return st, err
	}
	return c.Wait(ctx)
}

// SetLimits changes the limits of a container, at once if it runs. Limits that are
// 0 stay as they are.
func (c *Container) SetLimits(ctx context.Context, limits runtime.Limits) error {
	change := func(cfg *Config) {
		for _, l := range []struct{ to, from *int64 }{
			{&cfg.Memory, &limits.Memory}, {&cfg.NanoCPUs, &limits.NanoCPUs}, {&cfg.Pids, &limits.Pids},
		} {
			if *l.from != 0 {
				*l.to = *l.from
			}
		}
	}
	err := c.Update(ctx, change)
	if !errors.Is(err, ErrRunning) {
		return err
	}
	if _, err := c.ask(ctx, request{Op: opUpdate, Limits: limits}); err != nil {
		return err
	}
	return c.rewrite(change)
}

// rewrite changes the configuration of a container whatever it does. What a
// running program was started with does not follow.
func (c *Container) rewrite(change func(*Config)) error {
	cfg, err := c.Config()
	if err != nil {
		return err
	}
	change(&cfg)
	return writeJSON(c.file("config.json"), cfg)
}
