// Package runtime says what it takes to start a Windows program over an
// image, whoever does it.
//
// A [Runtime] starts one program over a [Spec]; the [Process] it returns is the
// container as long as it lives. The Runtimes themselves are in the
// subpackages oci (process isolation on Linux), microvm (hyperv isolation on
// Linux) and hcs (both, on Windows); none of them imports another. [Select]
// picks one of those a host has, and [Compat] tells, without a Windows machine,
// whether a Windows host would start an image.
package runtime

import (
	"context"
	"io"

	"github.com/mullion/mullion/layers/view"
)

// Isolation is what stands between the program and the host's kernel.
type Isolation string

const (
	// AutoIsolation leaves the choice to [Select].
	AutoIsolation Isolation = "auto"
	// ProcessIsolation is the program in namespaces (or a silo) of the host's own
	// kernel.
	ProcessIsolation Isolation = "process"
	// HyperVIsolation is the program in a utility VM with a kernel of its own.
	HyperVIsolation Isolation = "hyperv"
)

// Spec is one program to start over a View.
//
// A Runtime must not change anything below Dir but its own files, and may
// assume that no second program is started over the same Dir at a time.
type Spec struct {
	// ID names the container: 64 lower-case hexadecimal digits.
	ID string
	// View is the image, read-only.
	View *view.View
	// Dir is the container's own folder for this Runtime's state: the files and
	// the registry the program writes. It exists, survives a stop, and is given
	// again, as it was left, at the next start.
	Dir string
	// CommandLine is one Windows command line, as CreateProcess takes it.
	CommandLine string
	// Env holds NAME=value pairs in the order they were first set; names differ
	// from each other beyond case.
	Env []string
	// Cwd is the working directory, an absolute Windows path; "" means `C:\`.
	Cwd string
	// User is the Windows account that the program runs as ("ContainerUser",
	// "ContainerAdministrator", `DOMAIN\name`); "" is the image's default.
	User string
	// Hostname is the computer's name; "" leaves it to the Runtime.
	Hostname string
	// Stdin is the program's standard input; nil means an empty one. A Runtime
	// reads it until end of file or until the program has ended, and must not
	// hold back Wait because a read of it is still open.
	Stdin io.Reader
	// Stdout and Stderr receive the program's output; nil means discard it. Both
	// have received everything when Wait returns. They may be the same writer,
	// which then is written to by one goroutine at a time.
	Stdout, Stderr io.Writer
	// TTY gives the program a terminal of its own: Stdin is what is typed there,
	// Stdout all that appears on it, Stderr stays empty. Size is how large it is at
	// first; see [Resizer].
	TTY  bool
	Size Size
	// Limits is what the program and its children may use.
	Limits
	// Mounts are host folders that appear on drive C:, in the order in which they
	// are mounted.
	Mounts []Mount
	// ReadOnly makes drive C: read-only outside of Mounts. The registry, which a
	// program cannot live without writing to, stays writable.
	ReadOnly bool
	// Network is what the program can reach and who can reach it.
	Network Network
}

// Runtime starts programs under one isolation.
type Runtime interface {
	// Name is the Runtime's short name, such as "oci" or "microvm".
	Name() string
	// Isolation is ProcessIsolation or HyperVIsolation, never AutoIsolation.
	Isolation() Isolation
	// Probe returns nil when this host can run a program now, else an error whose
	// text is one sentence for the user: what is missing and how to get it.
	Probe(ctx context.Context) error
	// Requirements lists all that this Runtime needs from the host, in a fixed
	// order, whether found or not.
	Requirements(ctx context.Context) []Requirement
	// Start starts spec's program and returns as soon as it runs. A program that
	// does not exist gives a [*NotFoundError], one that cannot be executed an
	// error matching [ErrCannotInvoke]. A canceled ctx stops the start; it does
	// not stop a process that has started. When the calling process dies, however
	// it dies, the program ends with it; what then is left in Dir or on the host
	// is swept by the next Start over the same Dir.
	Start(ctx context.Context, spec *Spec) (Process, error)
}

// Preparer is a Runtime that can do ahead of time what its first Start would
// have to do first: fetch a kernel, build the Wine base.
type Preparer interface {
	// Prepare does it, telling on progress what it does, one line per step. It is
	// quick when all is there.
	Prepare(ctx context.Context, progress io.Writer) error
}

// Remover is a Runtime that leaves things in Spec.Dir which must be taken apart
// before the folder can be deleted.
type Remover interface {
	// Remove takes apart what Start left in dir, a Spec.Dir of no running program.
	// It is no error when there is nothing.
	Remove(ctx context.Context, dir string) error
}

// Importer is a Runtime that can tell what programs have written.
type Importer interface {
	// Import makes sc, which must hold what spec.View holds, hold what programs have
	// written in spec.Dir, where nothing runs. left names, for people, what a
	// layer cannot hold.
	Import(ctx context.Context, spec *Spec, sc *view.Scratch) (left []string, err error)
}

// Process is a started program and all that was made for it.
type Process interface {
	// Pid is the id, in the host's process list, of the process that stands for
	// the container there: the program itself or its VM.
	Pid() int
	// Wait blocks until the program has ended and its output is delivered, and
	// returns all 32 bits of its exit code. It may be called any number of times.
	Wait(ctx context.Context) (exit uint32, err error)
	// Kill ends the program and its children at once; Wait then returns 137, as
	// shells say of a killed program. Killing one that has ended is no error.
	Kill() error
	// Top lists the container's own processes, under their ids inside.
	Top(ctx context.Context) ([]ProcessInfo, error)
	// Close kills what still runs, saves the program's files and registry in
	// Spec.Dir and releases all host resources. A second Close returns nil.
	Close() error
}

// ProcessInfo is one process as seen inside its container.
type ProcessInfo struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// Requirement is one thing that a Runtime needs from the host.
type Requirement struct {
	// Name is what is needed, such as "runc" or "root".
	Name string `json:"name"`
	// Found tells whether the host has it.
	Found bool `json:"found"`
	// Detail is what was found (a version, a path) or why it does not serve.
	Detail string `json:"detail,omitempty"`
	// Fix is what a person does to get it, such as a command to type.
	Fix string `json:"fix,omitempty"`
}
