package wine

import (
	"fmt"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

// Prepared is a container that is ready to start.
type Prepared struct {
	// Config is what the guest has to run.
	Config *guest.Config

	base *Base
	spec *runtime.Spec
	cwd  string
	env  *environment
}

// Exec returns what the guest has to run beside the container's first program. It
// fails as [Base.Prepare] does.
func (p *Prepared) Exec(e *runtime.Exec) (*guest.Config, error) {
	if e.User != "" && !nt.EqualFold(accountName(e.User), userName(p.spec)) {
		return nil, runtime.Unsupported(runtime.ProcessIsolation,
			fmt.Sprintf("run a program as %s in a container of %s", e.User, userName(p.spec)))
	}
	cwd := p.cwd
	if e.Cwd != "" {
		var err error
		if cwd, err = nt.Rel(nt.Win(p.cwd), e.Cwd); err != nil {
			return nil, fmt.Errorf("working directory: %w", err)
		}
	}
	env, path, err := p.env.with(e.Env)
	if err != nil {
		return nil, err
	}
	spec := *p.spec
	spec.CommandLine = e.CommandLine
	program, err := p.base.findProgram(&spec, cwd, path)
	if err != nil {
		return nil, err
	}
	return &guest.Config{Program: program.path, Args: program.args, Env: env, Cwd: cwd, TTY: e.TTY}, nil
}

// with returns the variables that Wine itself is started with for a program that
// has more of them than the container, and the program's PATH.
func (e *environment) with(more []string) (env []string, path string, err error) {
	path, _ = e.all.Get("PATH")
	added := nt.NewEnv(more...)
	own := nt.NewEnv(e.plain...)
	for _, kv := range added.List() {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case nt.EqualFold(name, "PATH"):
			path = value
		case e.fixed[nt.Fold(name)] || reserved(name):
			return nil, "", fmt.Errorf("variable %s: the container's registry decides about it, so that it cannot be another for one program", name)
		default:
			own.Set(name, value)
		}
	}
	return append(own.List(), winePath(path, e.machinePath)...), path, nil
}
