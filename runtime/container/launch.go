package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/mullion/mullion/runtime"
)

// SupervisorName is the first argument of a supervisor's process; the ID is the
// second and last. The host's process list shows no more of a container than
// that.
const SupervisorName = "mullion-supervisor"

// attachedVariable tells a supervisor that its streams are the program's.
const attachedVariable = "MULLION_ATTACHED"

// SupervisorID tells whether a process with the arguments args was launched as a
// supervisor, and of which container.
func SupervisorID(args []string) (id string, ok bool) {
	if len(args) != 2 || filepath.Base(args[0]) != SupervisorName || !idPattern.MatchString(args[1]) {
		return "", false
	}
	return args[1], true
}

// IsAttached tells from a supervisor's environment whether it is attached.
func IsAttached(getenv func(string) string) bool { return getenv(attachedVariable) == "1" }

// Launcher starts supervisors.
type Launcher struct {
	// Exe is a program that becomes a supervisor when SupervisorID says so.
	Exe string
	// Environ is its environment; it must lead to the same store.
	Environ []string
}

// StartError is why a detached container did not start, with the exit code of the
// run command.
type StartError struct {
	Text string
	Code int
}

func (e *StartError) Error() string { return e.Text }

// Attached starts the container with the given streams and returns the exit code
// for the run command when the program has ended. The supervisor has told on
// stderr what there is to tell. A canceled ctx asks it to stop the program.
func (l Launcher) Attached(ctx context.Context, c *Container, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	cmd, err := l.start(ctx, c, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, attachedVariable+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	})
	if err != nil {
		return runtime.ExitOurs, err
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return runtime.ExitOurs, fmt.Errorf("supervisor of container %s was killed: %w", Short(c.id), err)
}

// Detached starts the container and returns when its program runs. What the
// program prints goes to the container's log only.
func (l Launcher) Detached(ctx context.Context, c *Container) (err error) {
	logPath := c.file("supervisor.log")
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	defer r.Close()
	// Not bound to ctx beyond the start: it outlives this command.
	cmd, err := l.start(context.WithoutCancel(ctx), c, func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr = w, log
		setDetached(cmd)
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = terminate(cmd.Process) })
	defer stop()
	var report launchReport
	if err := json.NewDecoder(r).Decode(&report); err != nil {
		return fmt.Errorf("supervisor of container %s ended before it had started the program: see %s", Short(c.id), logPath)
	}
	if report.Error != "" {
		// It is about to end; nobody should find the container locked after us.
		_ = cmd.Wait()
		return &StartError{Text: report.Error, Code: report.Code}
	}
	return cmd.Process.Release()
}

// start starts the supervisor in a mount namespace of its own where that can be
// done, so that what is mounted for the container goes with it, however it ends.
func (l Launcher) start(ctx context.Context, c *Container, set func(*exec.Cmd)) (*exec.Cmd, error) {
	cmd := l.command(ctx, c, set)
	private := setPrivateMounts(cmd)
	err := cmd.Start()
	if private && errors.Is(err, os.ErrPermission) {
		// Root, but in a sandbox that lets nobody make namespaces.
		cmd = l.command(ctx, c, set)
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	return cmd, nil
}

func (l Launcher) command(ctx context.Context, c *Container, set func(*exec.Cmd)) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.Exe)
	cmd.Args = []string{SupervisorName, c.id}
	cmd.Env = slices.Clip(l.Environ)
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	set(cmd)
	return cmd
}
