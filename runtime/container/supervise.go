package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
)

// Supervisor is the process that stands over one running container.
type Supervisor struct {
	Set      *Set
	Runtimes []runtime.Runtime
	// View opens the image with the given manifest digest.
	View func(ctx context.Context, image digest.Digest) (*view.View, error)
	// Explain says more about an exit code of a program of the image, "" if it
	// cannot; nil explains nothing.
	Explain func(v *view.View, spec *runtime.Spec, exit uint32) string
	// Stdin and Stdout are the process's own, on which its launcher speaks frames;
	// Stderr is for its complaints.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Now is the clock.
	Now func() time.Time
}

// Run starts the container's program, stays until it has ended for good, and
// returns the exit code of the supervisor's process. A canceled ctx kills the
// program.
func (s *Supervisor) Run(ctx context.Context, id string) int {
	// The command that launched it may go at any time, and a write to what it has left must be an error and not the end of the
	// container. The signal is caught and not ignored, which programs that are started would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	conn := wire.NewConn(duplex{s.Stdin, s.Stdout})
	var first request
	if err := receive(conn, kindRequest, &first); err != nil {
		fmt.Fprintf(s.Stderr, "run: a supervisor is started by the run command only: %v\n", err)
		return runtime.ExitOurs
	}
	l := newLife(s, &Container{id: id, root: s.Set.dir}, first.Size)
	launcher := newClient(conn, first.Output)
	l.hub.add(launcher)
	go l.hub.attend(launcher, first.Stdin, l)
	end := l.supervise(ctx)
	if end.Error != "" {
		fmt.Fprintln(s.Stderr, "run:", end.Error)
	}
	if !l.known() { // it never ran
		l.tell(reply{Error: end.Error, Code: end.Code})
	}
	if b, err := json.Marshal(end); err == nil {
		l.hub.close(b)
	}
	return end.Code
}

// supervise holds the container's lock around all of its life.
func (l *life) supervise(ctx context.Context) (end Ending) {
	c := l.c
	lock, err := c.lock(ctx)
	if err != nil {
		return endingOf(nil, err)
	}
	removed := false
	defer func() {
		err := lock.Close()
		if removed {
			err = errors.Join(err, ignoreMissing(os.Remove(c.lockPath())))
		}
		if err != nil {
			end = endingOf(end.Exit, err)
		}
	}()
	cfg, err := c.Config()
	if err != nil {
		return endingOf(nil, err)
	}
	log, err := openLog(c.file(logName), l.s.Now)
	if err != nil {
		return endingOf(nil, err)
	}
	end = l.live(ctx, cfg, log)
	err = log.Close()
	if cfg.Remove {
		rmErr := c.remove(context.WithoutCancel(ctx), Removers(l.s.Runtimes))
		if rmErr == nil {
			removed = true
			rmErr = l.s.Set.removeVolumes(cfg.Anonymous)
		}
		err = errors.Join(err, rmErr)
	}
	if err != nil && end.Error == "" {
		end = endingOf(end.Exit, err)
	}
	return end
}

// live starts the program, again and again if that was asked for.
func (l *life) live(ctx context.Context, cfg Config, log *logFile) Ending {
	var delay time.Duration
	for restarts := 0; ; restarts++ {
		st := State{Status: Exited, Started: l.s.Now().UTC(), Restarts: restarts}
		explanation, err := l.once(ctx, cfg, log, &st)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		end := endingOf(st.Exit, err)
		end.Explanation, st.Error = explanation, end.Error
		st.Status, st.Pid, st.Ports, st.Finished = Exited, 0, nil, l.s.Now().UTC()
		// A program that cannot even be started will not be next time.
		again := l.known() && !l.stopped() && ctx.Err() == nil && cfg.Restart.again(st.Exit, restarts)
		if again {
			st.Status = Restarting
		}
		if err := l.c.setState(st); err != nil && end.Error == "" {
			return endingOf(st.Exit, err)
		}
		if !again {
			return end
		}
		delay = nextDelay(delay, st.Finished.Sub(st.Started))
		select {
		case <-time.After(delay):
		case <-l.stopping:
		case <-ctx.Done():
		}
		if l.stopped() || ctx.Err() != nil {
			st.Status = Exited
			if err := l.c.setState(st); err != nil {
				return endingOf(st.Exit, err)
			}
			return end
		}
	}
}

// once takes the program from its start to its end. With a nil error the state has
// its exit code; explanation says more about that.
func (l *life) once(ctx context.Context, cfg Config, log *logFile, st *State) (explanation string, err error) {
	spec, err := l.spec(ctx, cfg, log)
	if err != nil {
		return "", err
	}
	r, why, err := runtime.Select(ctx, cfg.Isolation, l.s.Runtimes...)
	if err != nil {
		return "", err
	}
	st.Isolation, st.Runtime, st.Why = r.Isolation(), r.Name(), why
	p, err := r.Start(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	exit, err := l.attend(ctx, cfg, st, p)
	if err == nil {
		st.Exit = &exit
		if m, ok := p.(runtime.MemoryReporter); ok {
			st.OutOfMemory = m.OutOfMemory()
		}
		explanation = l.explain(spec, st)
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return explanation, fmt.Errorf("container %s: %w", cfg.Name, err)
	}
	return explanation, nil
}

func (l *life) explain(spec *runtime.Spec, st *State) string {
	switch {
	case st.OutOfMemory && spec.Memory > 0:
		return fmt.Sprintf("the container's memory, %d bytes, was used up", spec.Memory)
	case st.OutOfMemory:
		return "the host's memory was used up"
	case l.s.Explain != nil && *st.Exit > 255:
		return l.s.Explain(spec.View, spec, *st.Exit)
	}
	return ""
}

func (l *life) spec(ctx context.Context, cfg Config, log *logFile) (*runtime.Spec, error) {
	v, err := l.s.View(ctx, cfg.Digest)
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", cfg.Image, err)
	}
	spec := &runtime.Spec{
		ID: l.c.id, View: v, Dir: l.c.WorkDir(),
		CommandLine: cfg.CommandLine, Env: cfg.Env, Cwd: cfg.Cwd,
		User: cfg.User, Hostname: cfg.Hostname, TTY: cfg.TTY, Size: l.size, Limits: cfg.Limits,
		Mounts: cfg.Mounts, ReadOnly: cfg.ReadOnly, Network: cfg.Network,
		Stdout: log.stream("stdout", l.hub.stream(kindStdout)), Stderr: log.stream("stderr", l.hub.stream(kindStderr)),
	}
	if cfg.Stdin {
		spec.Stdin = l.hub.input
	}
	return spec, nil
}

// attend makes the running program known, and waits for its end.
func (l *life) attend(ctx context.Context, cfg Config, st *State, p runtime.Process) (uint32, error) {
	ctl, err := listen(l.c.Dir())
	if err != nil {
		return 0, err
	}
	defer ctl.Close()
	l.begin(p, st)
	defer l.finish(st)
	go ctl.serve(ctx, l)
	st.Status, st.Pid = Running, p.Pid()
	if pub, ok := p.(runtime.Publisher); ok {
		st.Ports = pub.Ports()
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	if checkedHealth(cfg.Health) {
		st.Health = &Health{Status: HealthStarting}
	}
	if err := l.c.setState(*st); err != nil {
		return 0, err
	}
	l.tell(reply{})
	if st.Health != nil {
		go l.watch(watching, cfg.Health, p)
	}
	stop := context.AfterFunc(ctx, func() { l.signal(Kill) })
	defer stop()
	if l.stopped() {
		l.signal(Kill) // it was asked to before there was anything to stop
	}
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
