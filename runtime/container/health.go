package container

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/runtime"
)

// What a health check has found.
const (
	HealthStarting  = "starting"
	Healthy         = "healthy"
	Unhealthy       = "unhealthy"
	HealthUnchecked = "unchecked" // this isolation cannot run a second program
)

// Health is what the checks of a running container have found.
type Health struct {
	// Status is one of the constants above.
	Status string `json:"status"`
	// Failures is how many checks have failed in a row.
	Failures int `json:"failures,omitempty"`
	// Log holds the last checks, the newest last.
	Log []HealthProbe `json:"log,omitempty"`
}

// HealthProbe is one check.
type HealthProbe struct {
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Exit is the check's exit code; 0 is healthy. One that took too long has none.
	Exit *uint32 `json:"exit,omitempty"`
	// Output is the beginning of what it said, or why it did not run.
	Output string `json:"output,omitempty"`
}

// What a health check is by default, as docker has it, and what is kept of it.
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
	healthLog      = 5
	healthOutput   = 4 << 10
)

// checkedHealth tells whether a health check asks for anything.
func checkedHealth(h *image.Healthcheck) bool {
	return h != nil && len(h.Test) > 1 && h.Test[0] != "NONE"
}

// healthCommand is the command line of a check.
func healthCommand(test []string) string {
	if test[0] == "CMD-SHELL" {
		return `cmd /S /C ` + test[1]
	}
	return nt.CommandLine(test[1:])
}

// watch checks the program's health until ctx ends.
func (l *life) watch(ctx context.Context, h *image.Healthcheck, p runtime.Process) {
	e, ok := p.(runtime.Executor)
	if !ok {
		l.change(func(st *State) { st.Health = &Health{Status: HealthUnchecked} })
		return
	}
	begin := time.Now()
	ticker := time.NewTicker(orDefault(h.Interval, healthInterval))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		probe := l.probe(ctx, h, e)
		if ctx.Err() != nil {
			return
		}
		// Failures of a program that is still starting do not count.
		counts := time.Since(begin) > h.StartPeriod
		l.change(func(st *State) { st.Health = st.Health.after(probe, h, counts) })
	}
}

func orDefault(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}

// after is the health when probe has come to what it did.
func (h *Health) after(probe HealthProbe, config *image.Healthcheck, counts bool) *Health {
	next := &Health{Status: h.Status, Failures: h.Failures}
	retries := config.Retries
	if retries <= 0 {
		retries = healthRetries
	}
	switch {
	case probe.Exit != nil && *probe.Exit == 0:
		next.Status, next.Failures = Healthy, 0
	case counts || h.Status != HealthStarting:
		if next.Failures++; next.Failures >= retries {
			next.Status = Unhealthy
		}
	}
	next.Log = append(append([]HealthProbe{}, h.Log...), probe)
	next.Log = next.Log[max(0, len(next.Log)-healthLog):]
	return next
}

// probe runs the check once.
func (l *life) probe(ctx context.Context, h *image.Healthcheck, e runtime.Executor) HealthProbe {
	probe := HealthProbe{Started: l.s.Now().UTC()}
	out := new(beginning)
	timeout := orDefault(h.Timeout, healthTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	program, err := e.Exec(ctx, &runtime.Exec{CommandLine: healthCommand(h.Test), Stdout: out, Stderr: out})
	if err == nil {
		var exit uint32
		if exit, err = program.Wait(ctx); err == nil {
			probe.Exit = &exit
		} else {
			_ = program.Kill()
		}
	}
	probe.Finished = l.s.Now().UTC()
	switch {
	case ctx.Err() != nil && err != nil:
		probe.Output = "it took longer than " + timeout.String()
	case err != nil:
		probe.Output = err.Error()
	default:
		probe.Output = out.String()
	}
	return probe
}

// beginning keeps the first of what is written to it.
type beginning struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *beginning) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Write(p[:min(len(p), healthOutput-b.b.Len())])
	return len(p), nil
}

func (b *beginning) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
