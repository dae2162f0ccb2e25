package hcs

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
)

// storage are the service's calls for layers; a layer is named by its folder.
type storage struct {
	GUID          func(name string) (string, error)
	Exists        func(path string) bool
	CreateScratch func(dir string, parents []string) error
	Activate      func(dir string) error
	Prepare       func(dir string, parents []string) error
	MountPath     func(dir string) (string, error)
	Unprepare     func(dir string) error
	Deactivate    func(dir string) error
	Destroy       func(dir string) error
}

// compute are the service's calls for containers.
type compute struct {
	// Create makes a container and does not start it.
	Create func(id string, d *document) (system, error)
	// Sweep ends a container of that ID that a killed supervisor left.
	Sweep func(id string) error
}

// system is a container of the service.
type system interface {
	Start() error
	Exec(p *process) (program, error)
	Processes() ([]runtime.ProcessInfo, error)
	// Stop shuts the container down, ends it by force when it has not within
	// grace, and lets go of it.
	Stop(grace time.Duration) error
}

// program is a process in a container.
type program interface {
	Pid() int
	Stdio() (stdin io.WriteCloser, stdout, stderr io.ReadCloser, err error)
	Kill() error
	// Wait returns the exit code, all 32 bits.
	Wait() (uint32, error)
	Close() error
}

// How often and after which pause a prepare is tried again: on Server 2019 a
// volume that was just attached is not always ready.
const (
	prepareTries = 5
	preparePause = 100 * time.Millisecond
	stopGrace    = 10 * time.Second
)

// starter carries out the steps of a start.
type starter struct {
	storage storage
	compute compute
	// layers imports the image where it is not yet, and returns the folders of its
	// layers, base first.
	layers func(ctx context.Context, spec *runtime.Spec) ([]string, error)
	iso    runtime.Isolation
	// pause waits between two tries.
	pause func(ctx context.Context, d time.Duration) error
}

// started is a container of ours; its fields are what there is to undo.
type started struct {
	storage storage
	iso     runtime.Isolation
	scratch string
	mounted bool
	system  system
	program program
	copies  sync.WaitGroup
	output  sync.Mutex // held by whoever passes the program's output on
	killed  atomic.Bool
	closing sync.Once
}

func (s *starter) start(ctx context.Context, spec *runtime.Spec) (_ runtime.Process, err error) {
	c := &started{storage: s.storage, iso: s.iso, scratch: filepath.Join(spec.Dir, spec.ID)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	d, err := s.describe(ctx, spec, c)
	if err != nil {
		return nil, err
	}
	if c.system, err = s.compute.Create(spec.ID, d); err != nil {
		return nil, explain("create container", err)
	}
	if err := c.system.Start(); err != nil {
		return nil, explain("start container", err)
	}
	if c.program, err = c.system.Exec(newProcess(spec)); err != nil {
		return nil, programError(first(spec.CommandLine), err)
	}
	return c, c.stream(spec)
}

// describe makes the container's layer ready and its document.
func (s *starter) describe(ctx context.Context, spec *runtime.Spec, c *started) (*document, error) {
	folders, err := s.layers(ctx, spec)
	if err != nil {
		return nil, err
	}
	layers, err := chain(folders, s.storage.GUID)
	if err != nil {
		return nil, err
	}
	d, err := newDocument(spec, c.scratch, layers)
	if err != nil {
		return nil, err
	}
	if err := s.sweep(spec.ID, c.scratch); err != nil {
		return nil, err
	}
	if err := s.makeScratch(c.scratch, paths(layers)); err != nil {
		return nil, err
	}
	if s.iso == runtime.HyperVIsolation {
		// The scratch is not mounted here: the host should never parse a file
		// system that the guest has written.
		return d, d.hypervIsolation(s.storage.Exists)
	}
	return d, s.mount(ctx, c, d)
}

// sweep undoes what a killed supervisor left of the last start.
func (s *starter) sweep(id, scratch string) error {
	if err := unlessGone("end the container's last run", s.compute.Sweep(id)); err != nil {
		return err
	}
	if s.iso == runtime.ProcessIsolation && s.storage.Exists(scratch) {
		// Neither is there after an orderly end, which both say in their own ways.
		_ = s.storage.Unprepare(scratch)
		_ = s.storage.Deactivate(scratch)
	}
	return nil
}

// makeScratch makes the container's own layer at its first start; one without its
// disk is what a kill left of that.
func (s *starter) makeScratch(dir string, parents []string) error {
	if s.storage.Exists(filepath.Join(dir, "sandbox.vhdx")) {
		return nil
	}
	if s.storage.Exists(dir) {
		if err := s.storage.Destroy(dir); err != nil {
			return explain("remove half-made layer "+dir, err)
		}
	}
	return explain("make the container's layer "+dir, s.storage.CreateScratch(dir, parents))
}

func (s *starter) mount(ctx context.Context, c *started, d *document) error {
	if err := s.storage.Activate(c.scratch); err != nil {
		return explain("activate layer "+c.scratch, err)
	}
	c.mounted = true
	if err := s.prepare(ctx, c.scratch, paths(d.Layers)); err != nil {
		return explain("prepare layer "+c.scratch, err)
	}
	volume, err := s.storage.MountPath(c.scratch)
	if err != nil {
		return explain("find volume of layer "+c.scratch, err)
	}
	d.processIsolation(volume)
	return nil
}

func (s *starter) prepare(ctx context.Context, dir string, parents []string) error {
	for try := 1; ; try++ {
		err := s.storage.Prepare(dir, parents)
		if err == nil || try == prepareTries || !is(err, codeNotReady, codeNotConnected) {
			return err
		}
		if err := s.pause(ctx, preparePause); err != nil {
			return err
		}
	}
}

// first is the program of a command line, as people call it.
func first(commandLine string) string {
	if args := nt.SplitCommandLine(commandLine); len(args) > 0 {
		return args[0]
	}
	return commandLine
}
