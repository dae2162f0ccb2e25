package oci

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/wine"
)

// patience is how long Close lets the guest end processes and save the registry.
const patience = 90 * time.Second

// process is a running container.
type process struct {
	tool     *tool
	id       string
	bundle   string
	stderr   io.Writer
	prepared *wine.Prepared
	network  *network

	cmd     *exec.Cmd
	conn    *guest.Conn
	streams *guest.Streams
	pid     int
	close   sync.Once

	done      chan struct{} // closed when the fields below are set
	exit      uint32
	oomKilled bool
	err       error
}

// newStreams makes the standard streams of a program.
func newStreams(tty bool, size runtime.Size, in io.Reader, out, errs io.Writer) (*guest.Streams, error) {
	if tty {
		return guest.NewTerminal(size.Rows, size.Columns, in, out)
	}
	return guest.NewStreams(in, out, errs)
}

// start starts the OCI runtime. It is called on the thread that has the mounts.
func (p *process) start(spec *runtime.Spec, config *guest.Config) (err error) {
	if p.streams, err = newStreams(spec.TTY, spec.Size, spec.Stdin, spec.Stdout, spec.Stderr); err != nil {
		return err
	}
	p.cmd = p.tool.run(p.id, p.bundle)
	// Not as the tool's own streams, which it would copy.
	p.conn, err = guest.Start(p.cmd, config, p.streams.Child[:]...)
	p.streams.Carry()
	if err != nil {
		p.streams.Finish()
		return fmt.Errorf("start %s: %w", p.tool.name, err)
	}
	go p.wait()
	return nil
}

// wait waits for the container's end.
func (p *process) wait() {
	defer close(p.done)
	exit, err := p.conn.Wait(context.Background())
	// The guest waits for the end of the connection, and its group goes with it.
	p.oomKilled = group(p.id).outOfMemory()
	_ = p.conn.Close()
	status := p.cmd.Wait()
	p.streams.Finish()
	var died *exec.ExitError
	switch {
	case err == nil:
		p.exit = exit.Code
		if exit.Note != "" && p.stderr != nil {
			fmt.Fprintln(p.stderr, "mullion:", exit.Note)
		}
	case errors.As(status, &died) && (died.ExitCode() == killed || died.ExitCode() == -1):
		p.exit = killed // the guest, from outside: by the kernel for want of memory, or by root
	default:
		p.err = errors.Join(err, p.said())
	}
}

// killed is the exit code of what a signal ended, 128 + SIGKILL.
const killed = 137

// said is the last error that the OCI runtime logged.
func (p *process) said() error {
	b, err := os.ReadFile(filepath.Join(p.bundle, logFile))
	if err != nil {
		return nil
	}
	var said error
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var line struct{ Level, Msg string }
		if json.Unmarshal(s.Bytes(), &line) == nil && line.Level == "error" {
			said = fmt.Errorf("%s: %s", p.tool.name, line.Msg)
		}
	}
	return said
}

// awaitStart waits until the program runs, and finds it in the host's process list.
func (p *process) awaitStart(ctx context.Context) error {
	inside, err := p.conn.Started(ctx)
	if err != nil {
		if ctx.Err() == nil {
			<-p.done // for what the OCI runtime has to say
			err = errors.Join(err, p.said())
		}
		return fmt.Errorf("start the container: %w", err)
	}
	p.pid = hostPID(p.cmd.Process.Pid, inside)
	return nil
}

// Pid is the program's id on the host; that of the OCI runtime's process when the
// program ended too soon to be found.
func (p *process) Pid() int { return p.pid }

// Wait implements [runtime.Process].
func (p *process) Wait(ctx context.Context) (uint32, error) {
	select {
	case <-p.done:
		return p.exit, p.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Kill implements [runtime.Process].
func (p *process) Kill() error { return p.conn.Kill() }

// Top implements [runtime.Process].
func (p *process) Top(ctx context.Context) ([]runtime.ProcessInfo, error) {
	list, err := p.conn.Top(ctx)
	if err != nil {
		return nil, err
	}
	infos := make([]runtime.ProcessInfo, len(list))
	for i, q := range list {
		infos[i] = runtime.ProcessInfo{PID: q.PID, Command: q.Command}
	}
	return infos, nil
}

// Interrupt implements [runtime.Interrupter].
func (p *process) Interrupt(context.Context) error { return p.conn.Interrupt() }

// Resize implements [runtime.Resizer].
func (p *process) Resize(s runtime.Size) error { return p.streams.Resize(s.Rows, s.Columns) }

// Update implements [runtime.Updater].
func (p *process) Update(_ context.Context, l runtime.Limits) error { return p.tool.update(p.id, l) }

// Stats implements [runtime.Meter].
func (p *process) Stats(context.Context) (runtime.Stats, error) { return group(p.id).stats(), nil }

// OutOfMemory implements [runtime.MemoryReporter].
func (p *process) OutOfMemory() bool {
	<-p.done
	return p.oomKilled
}

// Ports implements [runtime.Publisher].
func (p *process) Ports() []runtime.Port {
	if p.network.forward == nil {
		return nil
	}
	return p.network.forward.ports
}

// Close implements [runtime.Process].
func (p *process) Close() error {
	p.close.Do(func() {
		_ = p.conn.Kill()
		select {
		case <-p.done:
		case <-time.After(patience):
		}
		_ = p.conn.Close()
		p.tool.sweep(p.id)
		<-p.done
		p.network.Close()
	})
	return nil
}
