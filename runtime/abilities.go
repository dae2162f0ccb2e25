package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// The interfaces of this file are what a [Process] can do beyond the least. Not
// every isolation can do all; callers ask for them with a type assertion and say
// [Unsupported] where one is missing.

// Exec is one more program for a running container.
type Exec struct {
	// CommandLine, Cwd, TTY, Size, Stdin, Stdout and Stderr are as in Spec; Cwd "" is
	// the container's.
	CommandLine string
	Cwd         string
	TTY         bool
	Size        Size
	Stdin       io.Reader
	Stdout      io.Writer
	Stderr      io.Writer
	// Env is added to the container's environment.
	Env []string
	// User is "" or the container's own.
	User string
}

// Program is one of the programs in a container.
type Program interface {
	// Wait blocks until it has ended and its output is delivered, and returns all 32
	// bits of its exit code.
	Wait(ctx context.Context) (exit uint32, err error)
	// Kill ends it at once.
	Kill() error
}

// Executor starts further programs beside the first. They end with it.
type Executor interface {
	Exec(ctx context.Context, e *Exec) (Program, error)
}

// Interrupter tells the programs of a container what Ctrl+C on their console
// would, so that they can end in their own way.
type Interrupter interface {
	Interrupt(ctx context.Context) error
}

// Resizer changes the size of a program's terminal.
type Resizer interface {
	Resize(size Size) error
}

// Updater changes the limits of a running container to those given. A field that
// is 0 is left as it is.
type Updater interface {
	Update(ctx context.Context, limits Limits) error
}

// Meter tells what a running container uses.
type Meter interface {
	Stats(ctx context.Context) (Stats, error)
}

// MemoryReporter tells whether the kernel ended a program of a container that has
// ended because its memory was used up.
type MemoryReporter interface {
	OutOfMemory() bool
}

// Publisher tells which ports of the host lead to a container.
type Publisher interface {
	Ports() []Port
}

// Stats is what a container uses.
type Stats struct {
	// CPU is the processor time used so far, in nanoseconds.
	CPU uint64 `json:"cpu"`
	// Memory is in bytes, MemoryLimit likewise; 0 is no limit.
	Memory      uint64 `json:"memory"`
	MemoryLimit uint64 `json:"memoryLimit,omitempty"`
	// Pids is how many threads there are.
	Pids uint64 `json:"pids"`
}

// Unsupported is the error of something that an isolation cannot do. It matches
// errors.ErrUnsupported.
func Unsupported(iso Isolation, what string) error {
	return fmt.Errorf("%s isolation cannot %s yet: %w", iso, what, errors.ErrUnsupported)
}

// Plain returns an error when spec wants more than a program, its streams, its
// memory and a drive C: of its own. An isolation that can do no more asks it first,
// so that nothing that was asked for is passed over. Limits of processes are: a VM's
// are no burden on the host.
func Plain(iso Isolation, spec *Spec) error {
	switch {
	case spec.TTY:
		return Unsupported(iso, "give a program a terminal (-t)")
	case spec.NanoCPUs > 0:
		return Unsupported(iso, "limit processor time (--cpus)")
	case spec.ReadOnly:
		return Unsupported(iso, "make drive C: read-only (--read-only)")
	case len(spec.Network.Ports) > 0:
		return Unsupported(iso, "publish ports (-p)")
	case spec.Network.Mode != "" && spec.Network.Mode != NoNetwork:
		return Unsupported(iso, "use the network "+string(spec.Network.Mode))
	}
	for _, m := range spec.Mounts {
		if !m.ByImage {
			return Unsupported(iso, "mount "+m.Target)
		}
	}
	return nil
}
