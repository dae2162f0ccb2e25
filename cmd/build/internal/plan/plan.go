// Package plan turns the stages of a Containerfile into steps: what is copied
// from where to where, which command lines run in which surroundings, and the
// configuration that the image ends up with. A plan is data. Nothing is read but
// the Containerfile and the configurations of base images, and nothing is run.
package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
)

// Options is what a build is told beside its Containerfile.
type Options struct {
	Platform image.Platform // the one to build for
	Build    string         // the platform of this machine, "linux/amd64", for BUILDPLATFORM
	Target   string         // the stage to build; "" for the last
	Args     []containerfile.Pair
	Labels   []containerfile.Pair // on top of those of the file
	// Contexts are the named contexts, by name in lower case. One takes the place of
	// the stage or image of its name.
	Contexts map[string]Context
	// Base gives the configuration of a base image. It is asked once for each
	// name and platform.
	Base func(ctx context.Context, ref string, p image.Platform) (*image.Config, error)
}

// Context is what a named context holds: an image, or a folder if Image is "".
type Context struct{ Image string }

// Plan is all that a build does, in order: a stage comes after those it needs.
type Plan struct {
	Stages   []*Stage
	Warnings []containerfile.Warning `json:",omitempty"`
}

// Stage is one FROM and its steps.
type Stage struct {
	Pos    containerfile.Pos
	Index  int    // in the Containerfile
	Name   string `json:",omitempty"`
	Base   Base
	Steps  []Step
	Config image.Config // of the stage's image, but for layers and history
}

// Needs lists the stages that must be done before this one, by Index.
func (s *Stage) Needs() []int {
	var list []int
	add := func(i *int) {
		if i != nil && !slices.Contains(list, *i) {
			list = append(list, *i)
		}
	}
	add(s.Base.Stage)
	for _, step := range s.Steps {
		if step.Copy != nil {
			add(step.Copy.FromStage)
		}
		if step.Run != nil {
			for _, m := range step.Run.Mounts {
				add(m.FromStage)
			}
		}
	}
	return list
}

// Base is what a stage stands on: the generated layer if Scratch, another stage if
// Stage is not nil, else an image.
type Base struct {
	Scratch  bool           `json:",omitempty"`
	Stage    *int           `json:",omitempty"` // its Index
	Image    string         `json:",omitempty"`
	Platform image.Platform // asked for
}

// Step is one instruction. Exactly one of Workdir, Copy and Run is set for a step
// that may make a layer; none for one that only changes the configuration.
type Step struct {
	Pos     containerfile.Pos
	Text    string   // the instruction as the image's history records it
	Workdir *Workdir `json:",omitempty"`
	Copy    *Copy    `json:",omitempty"`
	Run     *Run     `json:",omitempty"`
}

// Workdir makes a directory unless it is there.
type Workdir struct {
	Path string // slash-separated, relative to C:\
	User string
}

// Copy copies files into the image.
type Copy struct {
	Add         bool                    `json:",omitempty"`
	Sources     []string                // slash-separated patterns, relative to the context or to C:\ of From, or URLs
	Contents    []containerfile.Content `json:",omitempty"`
	FromStage   *int                    `json:",omitempty"` // Index of a stage
	FromImage   string                  `json:",omitempty"`
	FromContext string                  `json:",omitempty"` // the name of a folder's context, in lower case
	Dest        string                  // slash-separated, relative to C:\
	Dir         bool                    // Dest is a directory even if it is not there
	Owner       string                  `json:",omitempty"` // the SID in its text form
	ReadOnly    bool                    `json:",omitempty"` // files get the attribute
	Parents     bool                    `json:",omitempty"` // folders of a source are kept, those after a "/./" if there is one
	Exclude     []string                `json:",omitempty"` // patterns, relative to each source
	Checksum    string                  `json:",omitempty"` // of what is downloaded
	Unpack      bool                    `json:",omitempty"` // archives are unpacked, also downloaded ones
	Whole       bool                    `json:",omitempty"` // archives of the context stay as they are
	KeepGit     bool                    `json:",omitempty"`
}

// Run is one command line.
type Run struct {
	CommandLine string
	Env         []string // of the build's ARGs and the image
	Cwd         string   // a Windows path
	User        string
	Network     string  `json:",omitempty"` // "none", "host" or "" for the default
	Mounts      []Mount `json:",omitempty"`
}

// Mount is what a command sees in the image beside its files.
type Mount struct {
	Type        string // "bind" or "secret"
	ID          string `json:",omitempty"` // of a secret
	Env         string `json:",omitempty"` // the variable that gets a secret
	Target      string `json:",omitempty"` // slash-separated, relative to C:\; "" for a secret that is only a variable
	Source      string `json:",omitempty"` // of a bind, as Copy's
	FromStage   *int   `json:",omitempty"`
	FromImage   string `json:",omitempty"`
	FromContext string `json:",omitempty"`
	Required    bool   `json:",omitempty"`
}

// New plans the build of a file.
func New(ctx context.Context, f *containerfile.File, o Options) (*Plan, error) {
	b := &builder{ctx: ctx, file: f, opts: o, plan: &Plan{}, done: map[int]*Stage{}, args: map[int]*nt.Env{}, used: map[string]bool{}, global: map[string]string{}}
	b.plan.Warnings = append(b.plan.Warnings, f.Warnings...)
	if err := b.globals(); err != nil {
		return nil, err
	}
	target, err := b.target()
	if err != nil {
		return nil, err
	}
	last, err := b.need(target)
	if err != nil {
		return nil, err
	}
	for _, l := range o.Labels {
		setLabel(&last.Config, l.Name, l.Value)
	}
	b.unused()
	return b.plan, nil
}

// Target is the stage whose image the build gives.
func (p *Plan) Target() *Stage { return p.Stages[len(p.Stages)-1] }

// builder holds a plan in the making.
type builder struct {
	ctx    context.Context
	file   *containerfile.File
	opts   Options
	plan   *Plan
	done   map[int]*Stage
	args   map[int]*nt.Env   // the ARGs of stages that are done; stages on top of them inherit those
	global map[string]string // ARGs before the first FROM
	used   map[string]bool   // build arguments, folded
}

// target finds the stage to build.
func (b *builder) target() (int, error) {
	if b.opts.Target == "" {
		return len(b.file.Stages) - 1, nil
	}
	if i, ok := b.stageNamed(b.opts.Target, len(b.file.Stages)); ok {
		return i, nil
	}
	var names []string
	for _, stage := range b.file.Stages {
		if stage.Name != "" {
			names = append(names, stage.Name)
		}
	}
	err := fmt.Errorf("%s: no stage is called %q", b.file.Name, b.opts.Target)
	if name := containerfile.Suggest(b.opts.Target, names); name != "" {
		err = fmt.Errorf("%w (did you mean %s?)", err, name)
	}
	return 0, err
}

// stageNamed finds a stage by name or number among the first n.
func (b *builder) stageNamed(name string, n int) (int, bool) {
	for i := n - 1; i >= 0; i-- {
		if s := b.file.Stages[i].Name; s != "" && strings.EqualFold(s, name) {
			return i, true
		}
	}
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < n
}

// need plans a stage and those it needs, once.
func (b *builder) need(index int) (*Stage, error) {
	if s, ok := b.done[index]; ok {
		return s, nil
	}
	// Stages only refer to earlier ones, so this ends.
	sb := &stageBuilder{builder: b, src: &b.file.Stages[index], stage: &Stage{Pos: b.file.Stages[index].Pos, Index: index, Name: b.file.Stages[index].Name, Steps: []Step{}}}
	if err := sb.from(); err != nil {
		return nil, err
	}
	for _, in := range slices.Concat(sb.triggers, sb.src.Instructions) {
		if err := sb.instruction(in); err != nil {
			return nil, at(in.Pos, in.Name, err)
		}
	}
	b.done[index], b.args[index] = sb.stage, sb.declared
	b.plan.Stages = append(b.plan.Stages, sb.stage)
	return sb.stage, nil
}

func (b *builder) warn(pos containerfile.Pos, format string, args ...any) {
	b.plan.Warnings = append(b.plan.Warnings, containerfile.Warning{Pos: pos, Text: fmt.Sprintf(format, args...)})
}

// unused warns of build arguments that no ARG asks for.
func (b *builder) unused() {
	for _, a := range b.opts.Args {
		if key := nt.Fold(a.Name); !b.used[key] && !slices.Contains(proxies, key) {
			b.warn(containerfile.Pos{File: b.file.Name}, "build argument %s is not used: no ARG asks for it", a.Name)
		}
	}
}

// at puts the place in front of an error, unless it has one: that of another
// stage, which this one needs.
func at(pos containerfile.Pos, what string, err error) error {
	var placed *containerfile.Error
	if errors.As(err, &placed) {
		return placed
	}
	return pos.Errorf("%s: %w", what, err)
}
