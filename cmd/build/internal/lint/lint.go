// Package lint looks for mistakes in Containerfiles: what BuildKit's linter finds, by
// the same names, and what goes wrong on Windows alone. It needs nothing but the text
// and, where it is known, the configuration of base images.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
)

// Severity says how bad a finding is.
type Severity string

// What a finding can be. An Error makes an image that does not work, or no image.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one mistake.
type Finding struct {
	Rule     string            `json:"rule"`
	Severity Severity          `json:"severity"`
	Pos      containerfile.Pos `json:"-"`
	File     string            `json:"file"`
	Line     int               `json:"line"` // of the instruction; 0 for the file
	Message  string            `json:"message"`
	Help     string            `json:"help"` // what the rule is about
	URL      string            `json:"url,omitempty"`
}

// Options is what is known beside the text.
type Options struct {
	// Base gives the configuration of a base image if it is known without a
	// registry.
	Base func(ref string) (*image.Config, bool)
	// Ignored tells whether a file of the context is left out; nil if there is no
	// context.
	Ignored func(name string) (bool, error)
}

// Check applies all rules to a file. Findings are in the order of lines.
func Check(f *containerfile.File, o Options) []Finding {
	c := &checker{file: f, opts: o}
	for _, b := range f.Findings {
		c.list = append(c.list, Finding{Rule: b.Rule, Severity: Warning, Pos: b.Pos, Message: b.Text, Help: b.Help, URL: b.URL})
	}
	c.from()
	c.casing()
	c.names()
	c.continuations()
	for i := range f.Stages {
		s := c.newStage(i)
		for j := range s.src.Instructions {
			s.in = &s.src.Instructions[j]
			s.instruction()
		}
		s.end()
		c.stages = append(c.stages, s)
	}
	for i := range c.list {
		c.list[i].File, c.list[i].Line = c.list[i].Pos.File, c.list[i].Pos.Line
	}
	slices.SortStableFunc(c.list, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return c.list
}

// checker applies the rules.
type checker struct {
	file   *containerfile.File
	opts   Options
	list   []Finding
	global *nt.Env // ARGs before the first FROM, with their defaults
	stages []*stage
}

// stage is a stage under check.
type stage struct {
	*checker
	src      *containerfile.Stage
	in       *containerfile.Instruction
	env      *nt.Env // what words can refer to
	open     bool    // the base is not known, so names may be set that are not in env
	shell    []string
	user     string
	envPath  *containerfile.Pos // of the ENV that sets PATH
	setxPath *containerfile.Pos
	workdir  bool
	used     map[string]containerfile.Pos // of CMD, ENTRYPOINT, HEALTHCHECK
}

// add keeps a finding unless its rule is skipped.
func (c *checker) add(r rule, pos containerfile.Pos, comments []string, format string, args ...any) {
	if !c.file.Skipped(r.name, comments) {
		c.list = append(c.list, Finding{Rule: r.name, Severity: r.severity, Pos: pos, Message: fmt.Sprintf(format, args...), Help: r.help, URL: r.url()})
	}
}

// find is add for the instruction at hand.
func (s *stage) find(r rule, format string, args ...any) {
	s.add(r, s.in.Pos, s.in.Comments, format, args...)
}

// newStage begins a stage with what it has of its base.
func (c *checker) newStage(i int) *stage {
	s := &stage{checker: c, src: &c.file.Stages[i], env: nt.NewEnv(), used: map[string]containerfile.Pos{}}
	base, _, err := c.file.Expand(s.src.Base, c.global)
	for _, before := range c.stages {
		if err == nil && before.src.Name != "" && strings.EqualFold(before.src.Name, base) {
			s.env, s.open, s.shell, s.user = nt.NewEnv(before.env.List()...), before.open, before.shell, before.user
			s.workdir, s.envPath = before.workdir, before.envPath
			return s
		}
	}
	if err != nil || base == "" || strings.EqualFold(base, "scratch") {
		return s
	}
	if _, err := image.ParseRef(base); err != nil {
		s.open = true
		return s
	}
	cfg, ok := c.opts.Base(base)
	if !ok {
		s.open = true
		c.add(baseUnknown, s.src.Pos, s.src.Comments, "%s is not in the store, so what it sets is not known here", base)
		return s
	}
	s.env, s.shell, s.user, s.workdir = cfg.Environ(), cfg.Shell, cfg.Config.User, cfg.Config.WorkingDir != ""
	return s
}

// instruction applies the rules to one instruction.
func (s *stage) instruction() {
	switch b := s.in.Body.(type) {
	case *containerfile.Args:
		s.args(b.List)
	case *containerfile.Env:
		s.legacy(b.Legacy)
		s.setEnv(b.Pairs)
	case *containerfile.Label:
		s.legacy(b.Legacy)
		for _, p := range b.Pairs {
			s.words(p.Name, p.Value)
		}
	case *containerfile.Workdir:
		s.words(b.Path)
		s.backslashes(b.Path)
		s.chdir(b.Path)
	case *containerfile.User:
		s.words(b.Name)
		s.user = b.Name
	case *containerfile.Expose:
		s.words(b.Ports...)
		s.expose(b.Ports)
	case *containerfile.Volume:
		s.words(b.Paths...)
		s.backslashes(b.Paths...)
	case *containerfile.Shell:
		s.shell = b.Command
		s.setShell(b.Command)
	case *containerfile.Copy:
		s.words(append([]string{b.Dest, b.Chown, b.Chmod, b.From}, b.Sources...)...)
		s.backslashes(append([]string{b.Dest}, b.Sources...)...)
		s.copy(b)
	case *containerfile.Run:
		s.json(b.Command)
		s.run(b)
	case *containerfile.Cmd:
		s.once()
		s.json(b.Command)
		s.exec(b.Command)
	case *containerfile.Entrypoint:
		s.once()
		s.json(b.Command)
		s.exec(b.Command)
	case *containerfile.Healthcheck:
		s.once()
	case *containerfile.StopSignal:
		s.find(stopSignal, "STOPSIGNAL has no meaning on Windows")
	}
}

// words looks for variables that nothing sets.
func (s *stage) words(list ...string) {
	for _, word := range list {
		_, unset, err := s.file.Expand(word, s.env)
		if err != nil {
			continue // the plan says so
		}
		names := make([]string, 0, len(unset))
		for name := range unset {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			match := containerfile.Suggest(name, keys(s.env))
			if s.open && match == "" || nt.EqualFold(name, "PATH") && s.in.Name == "ENV" {
				continue
			}
			text := ""
			if match != "" {
				text = fmt.Sprintf(" (did you mean $%s?)", match)
			}
			s.find(undefinedVar, "Usage of undefined variable '$%s'%s", name, text)
		}
	}
}

func keys(e *nt.Env) []string {
	var list []string
	for _, kv := range e.List() {
		name, _, _ := strings.Cut(kv, "=")
		list = append(list, name)
	}
	return list
}
