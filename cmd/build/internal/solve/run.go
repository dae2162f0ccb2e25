package solve

import (
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
		layer, err := s.commit(st, owner, func(sc *view.Scratch) error { return s.execute(p, sc, step, mounted, out) })
		var unsupported *offline.UnsupportedError
		if !errors.As(err, &unsupported) || !unsupported.Program || s.Program == nil {
			return layer, err
		}
		if why := notAlone(step.Run, unsupported); why != "" {
			return layer, fmt.Errorf("%s: %s is a program, and one under Wine takes a RUN of its own, %s", step.Pos, unsupported.Command, why)
		}
		return s.commit(st, owner, func(sc *view.Scratch) error { return s.program(sc, step, out) })
	})
	return layer, how, hide(err, s.Secrets)
}

// execute runs the command line of a step on a Scratch. The registry's
// environment is read before the command changes it.
func (s *solver) execute(p *plan.Stage, sc *view.Scratch, step *plan.Step, mounted []mounted, out io.Writer) (err error) {
	r := step.Run
	cwd, err := nt.Rel("", r.Cwd)
	if err != nil {
		return err
	}
	// The base image may name a working directory that it does not have; Windows makes it at start.
	if err := sc.MkdirAll(cwd); err != nil {
		return err
	}
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
	exit, err := offline.Run(s.ctx, offline.Options{
		Scratch: sc, Cwd: r.Cwd, Env: env, Stdout: out, Stderr: out,
		Pos: step.Pos.String(), Version: p.Config.OSVersion, User: r.User, Web: web,
	}, r.CommandLine)
	if err := errors.Join(err, undo()); err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("%s: exit code %s", step.Text, exitText(exit))
	}
	return nil
}

// notAlone says why a RUN is more than a program, "" if it is not: Wine's cmd would run the rest with Wine's own programs, some
// of which do nothing and say that they did it.
func notAlone(r *plan.Run, program *offline.UnsupportedError) string {
	const shell = `cmd /s /c `
	line := r.CommandLine
	if len(line) > len(shell) && strings.EqualFold(line[:len(shell)], shell) {
		line = strings.TrimPrefix(line[len(shell):], `"`)
	}
	switch {
	case len(r.Mounts) > 0:
		return "without --mount"
	case strings.ContainsAny(line, "&|<>^\n"):
		return "without & | < > and ^"
	case !strings.HasPrefix(strings.ToLower(strings.TrimLeft(line, `" `)), strings.ToLower(strings.Trim(program.Command, `"`))):
		return "not in a batch file and not called by another"
	}
	return ""
}

// program carries out a command line that is a program, under Wine.
func (s *solver) program(sc *view.Scratch, step *plan.Step, out io.Writer) error {
	r := step.Run
	spec := &runtime.Spec{View: sc.View(), CommandLine: r.CommandLine, Env: r.Env, Cwd: r.Cwd, User: r.User, Stdout: out, Stderr: out}
	if r.Network != "none" {
		spec.Network.Mode = runtime.NATNetwork
	}
	exit, err := s.Program(s.ctx, spec, sc)
	if err != nil {
		return fmt.Errorf("%s under Wine: %w", step.Text, err)
	}
	if exit != 0 {
		return fmt.Errorf("%s: exit code %s", step.Text, exitText(exit))
	}
	return nil
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
