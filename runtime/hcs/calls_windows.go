package hcs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/Microsoft/hcsshim"

	"github.com/mullion/mullion/runtime"
)

func layerCalls() storage {
	return storage{
		GUID: func(name string) (string, error) {
			g, err := hcsshim.NameToGuid(name)
			return g.ToString(), bare(err)
		},
		Exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		},
		CreateScratch: func(dir string, parents []string) error {
			di, id := at(dir)
			return bare(hcsshim.CreateScratchLayer(di, id, "", parents))
		},
		Activate: onLayer(hcsshim.ActivateLayer),
		Prepare: func(dir string, parents []string) error {
			di, id := at(dir)
			return bare(hcsshim.PrepareLayer(di, id, parents))
		},
		MountPath: func(dir string) (string, error) {
			di, id := at(dir)
			volume, err := hcsshim.GetLayerMountPath(di, id)
			return volume, bare(err)
		},
		Unprepare:  onLayer(hcsshim.UnprepareLayer),
		Deactivate: onLayer(hcsshim.DeactivateLayer),
		Destroy:    onLayer(hcsshim.DestroyLayer),
	}
}

func onLayer(call func(hcsshim.DriverInfo, string) error) func(string) error {
	return func(dir string) error {
		di, id := at(dir)
		return bare(call(di, id))
	}
}

func computeCalls() compute {
	return compute{
		Create: func(id string, d *document) (system, error) {
			cfg, err := as[hcsshim.ContainerConfig](d)
			if err != nil {
				return nil, err
			}
			c, err := hcsshim.CreateContainer(id, cfg)
			if err != nil {
				return nil, bare(err)
			}
			return container{c}, nil
		},
		Sweep: func(id string) error {
			c, err := hcsshim.OpenContainer(id)
			if err != nil {
				return bare(err)
			}
			return container{c}.Stop(0)
		},
	}
}

// as turns one of our documents into hcsshim's type of the same JSON form.
func as[T any](doc any) (*T, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(b, v)
}

// bare takes the Windows error code out of hcsshim's error types, which do not
// unwrap to it, and keeps their text.
func bare(err error) error {
	var c *hcsshim.ContainerError
	var p *hcsshim.ProcessError
	var h *hcsshim.HcsError
	switch {
	case errors.As(err, &c):
		return &coded{err, c.Err}
	case errors.As(err, &p):
		return &coded{err, p.Err}
	case errors.As(err, &h):
		return &coded{err, h.Err}
	}
	return err
}

type coded struct{ text, cause error }

func (e *coded) Error() string { return e.text.Error() }
func (e *coded) Unwrap() error { return e.cause }

// container is a system of the service.
type container struct{ c hcsshim.Container }

func (s container) Start() error { return bare(s.c.Start()) }

func (s container) Exec(p *process) (program, error) {
	cfg, err := as[hcsshim.ProcessConfig](p)
	if err != nil {
		return nil, err
	}
	started, err := s.c.CreateProcess(cfg)
	if err != nil {
		return nil, bare(err)
	}
	return hcsProcess{started}, nil
}

func (s container) Processes() ([]runtime.ProcessInfo, error) {
	list, err := s.c.ProcessList()
	if err != nil {
		return nil, bare(err)
	}
	out := make([]runtime.ProcessInfo, len(list))
	for i, p := range list {
		out[i] = runtime.ProcessInfo{PID: int(p.ProcessId), Command: p.ImageName}
	}
	return out, nil
}

// Stop follows the order that Docker has for it. Both requests report "pending"
// when they are accepted.
func (s container) Stop(grace time.Duration) error {
	var errs []error
	if grace > 0 {
		if err := s.c.Shutdown(); err == nil || hcsshim.IsPending(err) {
			if s.c.WaitTimeout(grace) == nil {
				return bare(s.c.Close())
			}
		}
	}
	if err := s.c.Terminate(); err == nil || hcsshim.IsPending(err) {
		errs = append(errs, bare(s.c.Wait()))
	} else if !hcsshim.IsAlreadyStopped(err) {
		errs = append(errs, bare(err))
	}
	return errors.Join(append(errs, bare(s.c.Close()))...)
}

// hcsProcess is a program of the service.
type hcsProcess struct{ p hcsshim.Process }

func (p hcsProcess) Pid() int { return p.p.Pid() }

func (p hcsProcess) Stdio() (io.WriteCloser, io.ReadCloser, io.ReadCloser, error) {
	stdin, stdout, stderr, err := p.p.Stdio()
	if err != nil {
		return nil, nil, nil, bare(err)
	}
	return stdinCloser{stdin, p.p}, stdout, stderr, nil
}

// stdinCloser tells the program that its input has ended; closing the pipe alone
// does not.
type stdinCloser struct {
	io.WriteCloser
	p hcsshim.Process
}

func (s stdinCloser) Close() error {
	return errors.Join(bare(s.p.CloseStdin()), s.WriteCloser.Close())
}

func (p hcsProcess) Kill() error { return bare(p.p.Kill()) }

func (p hcsProcess) Wait() (uint32, error) {
	if err := p.p.Wait(); err != nil {
		return 0, bare(err)
	}
	exit, err := p.p.ExitCode()
	if err != nil {
		return 0, bare(err)
	}
	// The service has an unsigned 32-bit code, which hcsshim keeps in an int.
	return uint32(exit), nil
}

func (p hcsProcess) Close() error { return bare(p.p.Close()) }
