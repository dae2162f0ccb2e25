package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// Supervisor is the process that stands over one running container.
type Supervisor struct {
	Set      *Set
	Runtimes []runtime.Runtime
	// View opens the image with the given manifest digest.
	View func(ctx context.Context, image digest.Digest) (*view.View, error)
	// Stdin, Stdout and Stderr are the process's own.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Attached passes the streams on to the program. Else Stdout carries one line
	// to the command that launched the supervisor: a launchReport.
	Attached bool
	// Now is the clock.
	Now func() time.Time
}

// launchReport tells the launcher of a detached supervisor how the start went.
type launchReport struct {
	Error string `json:"error,omitempty"`
	Code  int    `json:"code,omitempty"`
}

// Run starts the container's program, stays until it has ended, and returns the
// exit code of the supervisor's process, as the run command defines it. A canceled
// ctx kills the program.
func (s *Supervisor) Run(ctx context.Context, id string) int {
	code, err := s.supervise(ctx, &Container{id: id, root: s.Set.dir})
	if err != nil {
		s.tell(err, code)
	}
	return code
}

// tell says what went wrong: to the terminal, or to the launcher and the
// supervisor's own log.
func (s *Supervisor) tell(err error, code int) {
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(s.Stderr, "run: %v\n", err)
	if !s.Attached {
		s.report(launchReport{Error: err.Error(), Code: code})
	}
}

// report does not complain: a launcher that has gone needs no report.
func (s *Supervisor) report(r launchReport) { _ = json.NewEncoder(s.Stdout).Encode(r) }

func (s *Supervisor) supervise(ctx context.Context, c *Container) (code int, err error) {
	l, err := c.lock(ctx)
	if err != nil {
		return runtime.ExitOurs, err
	}
	removed := false
	defer func() {
		err = errors.Join(err, l.Close())
		if removed {
			err = errors.Join(err, ignoreMissing(os.Remove(c.lockPath())))
		}
	}()
	cfg, err := c.Config()
	if err != nil {
		return runtime.ExitOurs, err
	}
	log, err := openLog(c.file("log.jsonl"), s.Now)
	if err != nil {
		return runtime.ExitOurs, err
	}
	st, err := s.live(ctx, c, cfg, log)
	err = errors.Join(err, log.Close())
	if err != nil {
		st.Error = err.Error()
	}
	st.Status, st.Pid, st.Finished = Exited, 0, s.Now().UTC()
	err = errors.Join(err, c.setState(st))
	if cfg.Remove {
		rmErr := c.remove(context.WithoutCancel(ctx), Removers(s.Runtimes))
		removed, err = rmErr == nil, errors.Join(err, rmErr)
	}
	return s.exitCode(st, err), err
}

// exitCode is the program's own unless something of ours went wrong.
func (s *Supervisor) exitCode(st State, err error) int {
	if err != nil {
		return runtime.ExitCode(err)
	}
	code, large := runtime.HostExit(*st.Exit)
	if large {
		known := runtime.Meaning(*st.Exit)
		if known != "" {
			known = ": " + known
		}
		fmt.Fprintf(s.Stderr, "run: the program's exit code is 0x%08X (%d)%s\n", *st.Exit, *st.Exit, known)
	}
	return code
}

// live takes the container from its start to its end. With a nil error the state
// has the program's exit code.
func (s *Supervisor) live(ctx context.Context, c *Container, cfg Config, log *logFile) (State, error) {
	// A start that fails must not keep what the last one left there.
	st := State{Status: Exited, Started: s.Now().UTC()}
	spec, err := s.spec(ctx, c, cfg, log)
	if err != nil {
		return st, err
	}
	r, why, err := runtime.Select(ctx, cfg.Isolation, s.Runtimes...)
	if err != nil {
		return st, err
	}
	st.Isolation, st.Runtime, st.Why = r.Isolation(), r.Name(), why
	p, err := r.Start(ctx, spec)
	if err != nil {
		return st, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	exit, err := s.attend(ctx, c, st, p)
	if err == nil {
		st.Exit = &exit
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return st, fmt.Errorf("container %s: %w", cfg.Name, err)
	}
	return st, nil
}

func (s *Supervisor) spec(ctx context.Context, c *Container, cfg Config, log *logFile) (*runtime.Spec, error) {
	v, err := s.View(ctx, cfg.Digest)
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", cfg.Image, err)
	}
	spec := &runtime.Spec{
		ID: c.id, View: v, Dir: c.WorkDir(),
		CommandLine: cfg.CommandLine, Env: cfg.Env, Cwd: cfg.Cwd,
		User: cfg.User, Hostname: cfg.Hostname, Limits: cfg.Limits,
	}
	var out, errs io.Writer
	if s.Attached {
		out, errs = s.Stdout, s.Stderr
		if cfg.Stdin {
			spec.Stdin = s.Stdin
		}
	}
	spec.Stdout, spec.Stderr = log.stream("stdout", out), log.stream("stderr", errs)
	return spec, nil
}

// attend makes the running program known, and waits for its end.
func (s *Supervisor) attend(ctx context.Context, c *Container, st State, p runtime.Process) (uint32, error) {
	ctl, err := listen(c.Dir())
	if err != nil {
		return 0, err
	}
	defer ctl.Close()
	go ctl.serve(ctx, p)
	st.Status, st.Pid = Running, p.Pid()
	if err := c.setState(st); err != nil {
		return 0, err
	}
	if !s.Attached {
		s.report(launchReport{})
	}
	stop := context.AfterFunc(ctx, func() {
		if err := p.Kill(); err != nil {
			fmt.Fprintf(s.Stderr, "run: kill %s: %v\n", Short(c.id), err)
		}
	})
	defer stop()
	return p.Wait(context.WithoutCancel(ctx))
}

// Removers returns those of runtimes that must take their part of a container
// apart before it is deleted.
func Removers(runtimes []runtime.Runtime) []Remover {
	var found []Remover
	for _, r := range runtimes {
		if r, ok := r.(Remover); ok {
			found = append(found, r)
		}
	}
	return found
}
