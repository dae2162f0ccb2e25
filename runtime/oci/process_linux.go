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
)

const (
	// drain is how long the program's streams may stay open after its end, should
	// something outside the container hold them.
	drain = 5 * time.Second
	// patience is how long Close lets the guest end processes and save the registry.
	patience = 90 * time.Second
)

// process is a running container.
type process struct {
	tool   *tool
	id     string
	bundle string
	stderr io.Writer

	cmd   *exec.Cmd
	conn  *guest.Conn
	pid   int
	close sync.Once

	done chan struct{} // closed when the fields below are set
	exit uint32
	err  error
}

// start starts the OCI runtime. It is called on the thread that has the mounts.
func (p *process) start(spec *runtime.Spec, config *guest.Config) error {
	p.cmd = p.tool.run(p.id, p.bundle)
	p.cmd.Stdout, p.cmd.Stderr = spec.Stdout, spec.Stderr
	p.cmd.WaitDelay = drain
	stdin, err := p.stdin(spec.Stdin)
	if err != nil {
		return err
	}
	if p.conn, err = guest.Start(p.cmd, config); err != nil {
		return fmt.Errorf("start %s: %w", p.tool.name, err)
	}
	go stdin()
	go p.wait()
	return nil
}

// stdin gives the program its input. What is no file is copied by the returned
// function, and not by exec.Cmd, whose Wait would wait for the input's end.
func (p *process) stdin(in io.Reader) (copier func(), err error) {
	if f, ok := in.(*os.File); ok || in == nil {
		if f != nil {
			p.cmd.Stdin = f
		}
		return func() {}, nil
	}
	pipe, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() {
		_, _ = io.Copy(pipe, in) // the program need not read all
		_ = pipe.Close()
	}, nil
}

// wait waits for the container's end.
func (p *process) wait() {
	defer close(p.done)
	status := p.cmd.Wait()
	exit, err := p.conn.Wait(context.Background())
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
	})
	return nil
}
