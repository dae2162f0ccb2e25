package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/offline"
)

// run carries out a command line.
func (s *solver) run(p *plan.Stage, st *state, step *plan.Step, e Event) (view.Layer, How, error) {
	h := s.key("run", st)
	details, err := json.Marshal(step.Run)
	if err != nil {
		return view.Layer{}, Empty, err
	}
	h.Field("run", string(details))
	h.Field("version", p.Config.OSVersion)
	mounted, err := s.mounted(p, step.Run)
	if err != nil {
		return view.Layer{}, Empty, err
	}
	for _, m := range mounted {
		for _, it := range m.items {
			h.Field("mounted", fmt.Sprintf("%s %t %s", it.name, it.dir, hex.EncodeToString(it.digest[:])))
		}
	}
	owner, _ := nt.AccountSID(step.Run.User)
	layer, how, err := s.cached(st.fresh, h, func() (view.Layer, error) {
		out := io.Discard
		if s.Output != nil {
			w := s.Output(e)
			defer w.Close()
			masked := newMasking(w, s.Secrets)
			defer masked.Close()
			out = masked
		}
		return s.commit(st, owner, func(sc *view.Scratch) error { return s.execute(p, st, sc, step, mounted, out) })
	})
	return layer, how, hide(err, s.Secrets)
}

// execute runs the command line of a step on a Scratch. The registry's
// environment is read before the command changes it.
func (s *solver) execute(p *plan.Stage, st *state, sc *view.Scratch, step *plan.Step, mounted []mounted, out io.Writer) (err error) {
	r := step.Run
	cwd, err := nt.Rel("", r.Cwd)
	if err != nil {
		return err
	}
	// The base image may name a working directory that it does not have; Windows makes it at start.
	if err := sc.MkdirAll(cwd); err != nil {
		return err
	}
	offline.UseUser(sc, r.User)
	env, err := offline.Environment(sc.Registry(), r.User, slices.Concat(r.Env, s.secrets(r))...)
	if err != nil {
		return err
	}
	undo, err := s.mount(sc, mounted)
	if err != nil {
		return errors.Join(err, undo())
	}
	web := http.DefaultClient
	if r.Network == "none" {
		web = nil
	}
	o := offline.Options{
		Scratch: sc, Cwd: r.Cwd, Env: env, Stdout: out, Stderr: out,
		Pos: step.Pos.String(), Version: p.Config.OSVersion, User: r.User, Web: web,
	}
	if s.Program != nil {
		plain, err := offline.Environment(sc.Registry(), r.User)
		if err != nil {
			return err
		}
		o.Program = func(_ context.Context, c offline.ProgramCall) (uint32, error) {
			return s.program(st, sc, step, plain.List(), c)
		}
	}
	exit, err := offline.Run(s.ctx, o, r.CommandLine)
	if err := errors.Join(err, undo()); err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("%s: exit code %s", step.Text, exitText(exit))
	}
	return nil
}

// program carries out the command line of a program on what a Scratch holds.
func (s *solver) program(st *state, sc *view.Scratch, step *plan.Step, known []string, c offline.ProgramCall) (uint32, error) {
	r := step.Run
	for _, m := range r.Mounts {
		if m.Type == "secret" && m.Target != "" {
			return 0, fmt.Errorf("%s: %s: a program under Wine gets no secrets as files, which would stay in the store; use --mount=type=secret,id=%s,env=NAME", step.Pos, c.CommandLine, m.ID)
		}
	}
	v, err := s.frozen(st, sc)
	if err != nil {
		return 0, err
	}
	// Windows' own variables and the machine's are for the container to set; the rest is the script's.
	var env []string
	for _, kv := range c.Env {
		if !slices.Contains(known, kv) {
			env = append(env, kv)
		}
	}
	spec := &runtime.Spec{View: v, CommandLine: c.CommandLine, Env: env, Cwd: c.Cwd, User: r.User, Stdout: c.Stdout, Stderr: c.Stderr}
	if r.Network != "none" {
		spec.Network.Mode = runtime.NATNetwork
	}
	exit, err := s.Program(s.ctx, spec, sc)
	if err != nil {
		return 0, fmt.Errorf("%s under Wine: %w", c.CommandLine, err)
	}
	return exit, nil
}

// frozen is a View of what a Scratch holds now. A layer of its changes stays in the store until it is pruned; it is read once,
// so it is not compressed.
func (s *solver) frozen(st *state, sc *view.Scratch) (*view.View, error) {
	if !sc.Changed() {
		return sc.View(), nil
	}
	layer, err := image.Commit(s.ctx, s.Store, sc, pack.None)
	if err != nil {
		return nil, err
	}
	return view.Open(s.ctx, s.Store, append(slices.Clip(st.chain), layer))
}

// secrets lists the variables that hold secrets.
func (s *solver) secrets(r *plan.Run) []string {
	var list []string
	for _, m := range r.Mounts {
		if text, ok := s.Secrets[m.ID]; ok && m.Type == "secret" && m.Env != "" {
			list = append(list, m.Env+"="+string(text))
		}
	}
	return list
}

// mounted is what a command sees beside the files of the image.
type mounted struct {
	target string // slash-separated, relative to C:\
	items  []item // one file, named "", or a folder
}

// mounted lists the files of a command's mounts. The content of a secret is no part
// of what a step depends on, so its digest is left out.
func (s *solver) mounted(p *plan.Stage, r *plan.Run) ([]mounted, error) {
	var list []mounted
	for _, m := range r.Mounts {
		switch m.Type {
		case "secret":
			text, ok := s.Secrets[m.ID]
			if !ok && m.Required {
				return nil, containerfile.Mark("--mount", fmt.Errorf("the secret %s is required; give it with --secret id=%s,src=FILE or --secret id=%s,env=NAME", m.ID, m.ID, m.ID))
			}
			if ok && m.Target != "" {
				list = append(list, mounted{m.Target, []item{secret(m.ID, text)}})
			}
		case "bind":
			t, err := s.tree(p, &plan.Copy{FromStage: m.FromStage, FromImage: m.FromImage, FromContext: m.FromContext})
			if err != nil {
				return nil, err
			}
			items, err := t.walk(rootName(m))
			if err != nil {
				return nil, fmt.Errorf("--mount=type=bind: %w", err)
			}
			if len(items) == 1 && !items[0].dir {
				items[0].name = ""
			}
			list = append(list, mounted{m.Target, items})
		}
	}
	return list, nil
}

// rootName is how a tree calls what a bind shows: a context calls its folder ".".
func rootName(m plan.Mount) string {
	if m.Source == "" && m.FromStage == nil && m.FromImage == "" {
		return "."
	}
	return m.Source
}

func secret(id string, text []byte) item {
	return item{from: "secret " + id, size: int64(len(text)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(text))), nil
	}}
}

// mount puts files into a Scratch for one command. undo takes them out again, with
// the directories that had to be made and with what the command wrote there.
func (s *solver) mount(sc *view.Scratch, list []mounted) (undo func() error, err error) {
	var made []string
	undo = func() error {
		var errs error
		for i := len(made) - 1; i >= 0; i-- {
			errs = errors.Join(errs, sc.RemoveAll(made[i]))
		}
		return errs
	}
	for _, m := range list {
		if _, err := sc.Lookup(m.target); !errors.Is(err, fs.ErrNotExist) {
			return undo, errors.Join(err, fmt.Errorf("--mount: the image has a %s already; name another target", nt.Win(m.target)))
		}
		made = append(made, topmost(sc, m.target))
		for _, it := range m.items {
			if err := mountItem(sc, path.Join(m.target, it.name), &it); err != nil {
				return undo, err
			}
		}
	}
	return undo, nil
}

func mountItem(sc *view.Scratch, to string, it *item) error {
	if it.dir {
		return sc.MkdirAll(to)
	}
	if i := strings.LastIndexByte(to, '/'); i > 0 {
		if err := sc.MkdirAll(to[:i]); err != nil {
			return err
		}
	}
	r, err := it.open()
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if err := sc.WriteFile(to, io.TeeReader(r, h)); err != nil {
		return err
	}
	if it.digest != [32]byte{} && [32]byte(h.Sum(nil)) != it.digest {
		return fmt.Errorf("%s: the file has changed during the build", it.from)
	}
	return nil
}

// topmost finds the first part of a path that is not there yet.
func topmost(sc *view.Scratch, p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		part := strings.Join(parts[:i+1], "/")
		if _, err := sc.Lookup(part); err != nil {
			return part
		}
	}
	return p
}
