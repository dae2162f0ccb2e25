package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/mullion/mullion/runtime/wire"
)

// SupervisorName is the first argument of a supervisor's process; the ID is the
// second and last. The host's process list shows no more of a container than
// that.
const SupervisorName = "mullion-supervisor"

// SupervisorID tells whether a process with the arguments args was launched as a
// supervisor, and of which container.
func SupervisorID(args []string) (id string, ok bool) {
	if len(args) != 2 || filepath.Base(args[0]) != SupervisorName || !idPattern.MatchString(args[1]) {
		return "", false
	}
	return args[1], true
}

// Launcher starts supervisors.
type Launcher struct {
	// Exe is a program that becomes a supervisor when SupervisorID says so.
	Exe string
	// Environ is its environment; it must lead to the same store.
	Environ []string
}

// StartError is why a program did not start, with the exit code of the run command.
type StartError struct {
	Text string
	Code int
}

func (e *StartError) Error() string { return e.Text }

// Attached starts the container and stays with its program until it has ended, or
// t's detach keys leave it. A canceled ctx ends that too; the program lives on.
func (l Launcher) Attached(ctx context.Context, c *Container, t *Terminal) (Ending, error) {
	s, err := l.launch(c, t.request(opAttach))
	if err != nil {
		return Ending{}, err
	}
	end, err := t.converse(ctx, s.conn, false)
	if end.Detached || ctx.Err() != nil {
		return end, errors.Join(err, s.release())
	}
	return end, s.await(err)
}

// Detached starts the container and returns when its program runs. What the
// program prints goes to the container's log. A canceled ctx calls the start off.
func (l Launcher) Detached(ctx context.Context, c *Container) error {
	s, err := l.launch(c, request{Op: opAttach})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = terminate(s.cmd.Process) })
	defer stop()
	if err := started(s.conn); err != nil {
		return s.await(err)
	}
	return s.release()
}

// launched is a supervisor as who launched it sees it.
type launched struct {
	c    *Container
	cmd  *exec.Cmd
	in   io.Closer
	out  io.Closer
	conn *wire.Conn
}

// launch starts a supervisor and tells it what its first client wants.
func (l Launcher) launch(c *Container, first request) (*launched, error) {
	log, err := os.OpenFile(c.file(supervisorLog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start supervisor: %w", c.gone(err))
	}
	defer log.Close()
	s, err := l.start(c, log)
	if err != nil {
		return nil, err
	}
	// One that is gone already says so when it is read from.
	_ = s.conn.SendJSON(kindRequest, first)
	return s, nil
}

// supervisorLog is where a supervisor's own complaints go.
const supervisorLog = "supervisor.log"

// await waits for the supervisor's end, so that nobody finds the container locked
// afterwards, and words err.
func (s *launched) await(err error) error {
	_ = s.in.Close()
	_ = s.cmd.Wait()
	if !errors.Is(err, errGone) {
		return err
	}
	return fmt.Errorf("supervisor of container %s was killed or could not start; %s may say why", Short(s.c.id), s.c.file(supervisorLog))
}

// release leaves the supervisor to itself.
func (s *launched) release() error {
	return errors.Join(s.in.Close(), s.out.Close(), s.cmd.Process.Release())
}

// start starts the supervisor in a mount namespace of its own where that can be
// done, so that what is mounted for the container goes with it, however it ends.
func (l Launcher) start(c *Container, log *os.File) (*launched, error) {
	s, err := l.try(c, log, true)
	if errors.Is(err, os.ErrPermission) {
		// Root, but in a sandbox that lets nobody make namespaces.
		s, err = l.try(c, log, false)
	}
	if err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	return s, nil
}

func (l Launcher) try(c *Container, log *os.File, private bool) (*launched, error) {
	cmd := exec.Command(l.Exe)
	cmd.Args = []string{SupervisorName, c.id}
	cmd.Env = slices.Clip(l.Environ)
	cmd.Stderr = log
	setDetached(cmd)
	if private {
		setPrivateMounts(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &launched{c: c, cmd: cmd, in: in, out: out, conn: wire.NewConn(duplex{out, in})}, nil
}
