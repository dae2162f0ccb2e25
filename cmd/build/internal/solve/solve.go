// Package solve carries out a plan: step after step becomes a layer, from the
// cache if the same step was done on the same layers before, and the last stage
// becomes an image in the store.
//
// What a step makes depends on nothing but the plan, the files it names and the
// time it is given, so the same build gives the same image everywhere.
package solve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// Options is what a plan is carried out with.
type Options struct {
	Store   *store.Store
	Cache   *cache.Cache
	NoCache bool // make every step anew; results are still remembered
	Context *Context
	Time    time.Time // of everything that is written
	// Load gives an image that FROM or COPY --from names, pulling it if need be.
	Load func(ctx context.Context, ref string, p image.Platform) (*image.Image, error)
	// Output receives what RUN prints.
	Output io.Writer
	// Progress hears of every step when it is done.
	Progress func(Event)
}

// Event is one step that is done.
type Event struct {
	Pos    containerfile.Pos
	Stage  int // counted from 1
	Stages int
	Text   string
	How    How
}

// How says what became of a step.
type How string

// What can become of a step.
const (
	Made   How = "made"   // a layer was made
	Cached How = "cached" // a layer was found in the cache
	Empty  How = ""       // there is no layer
)

// Result is a finished build.
type Result struct {
	Desc   ocispec.Descriptor // of the manifest
	Config image.Config
	Layers []view.Layer
}

// solver is a build under way.
type solver struct {
	Options
	ctx    context.Context
	plan   *plan.Plan
	stages map[int]*state
	images map[string]*image.Image
	spool  string
	number int // of the stage being made, from 1
}

// state is a stage after some of its steps.
type state struct {
	chain   []view.Layer
	history []ocispec.History
	view    *view.View // of chain; nil until needed
}

// Run carries out a plan and puts the image of its last stage into the store. It
// gives it no name. After an error the store may hold layers that no image names.
func Run(ctx context.Context, p *plan.Plan, o Options) (*Result, error) {
	spool := o.Store.Derived("spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the build: %w", err)
	}
	s := &solver{Options: o, ctx: ctx, plan: p, stages: map[int]*state{}, images: map[string]*image.Image{}, spool: spool}
	for i, stage := range p.Stages {
		s.number = i + 1
		st, err := s.stage(stage)
		if err != nil {
			return nil, err
		}
		s.stages[stage.Index] = st
	}
	target := p.Target()
	last := s.stages[target.Index]
	cfg := target.Config.Clone()
	cfg.History, cfg.Created = last.history, &o.Time
	desc, err := image.Write(ctx, o.Store, cfg, last.chain)
	if err != nil {
		return nil, err
	}
	return &Result{Desc: desc, Config: cfg, Layers: last.chain}, nil
}

// stage makes the layers of one stage.
func (s *solver) stage(p *plan.Stage) (*state, error) {
	st, err := s.base(p)
	if err != nil {
		return nil, p.Pos.Errorf("FROM: %w", err)
	}
	for i := range p.Steps {
		step := &p.Steps[i]
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		layer, how, err := s.step(p, st, step)
		if err != nil {
			return nil, s.failed(step, err)
		}
		if how != Empty {
			st.chain, st.view = append(slices.Clip(st.chain), layer), nil
		}
		st.history = append(st.history, ocispec.History{Created: &s.Time, CreatedBy: step.Text, EmptyLayer: how == Empty})
		s.tell(step.Pos, step.Text, how)
	}
	return st, nil
}

func (s *solver) tell(pos containerfile.Pos, text string, how How) {
	if s.Progress != nil {
		s.Progress(Event{pos, s.number, len(s.plan.Stages), text, how})
	}
}

// failed says where a step failed, unless the error does already.
func (s *solver) failed(step *plan.Step, err error) error {
	var placed *placedError
	if errors.As(err, &placed) || errors.Is(err, context.Canceled) {
		return err
	}
	return step.Pos.Errorf("%w", err)
}

// placedError is an error whose text starts with its place.
type placedError struct{ err error }

func (e *placedError) Error() string { return e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// base gives the state that a stage starts from.
func (s *solver) base(p *plan.Stage) (*state, error) {
	switch b := p.Base; {
	case b.Stage != nil:
		from := s.stages[*b.Stage]
		return &state{chain: slices.Clip(from.chain), history: slices.Clip(from.history), view: from.view}, nil
	case b.Scratch:
		layer, how, err := s.scratchBase()
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("FROM scratch (Mullion base %d)", image.BaseVersion)
		s.tell(p.Pos, "FROM scratch", how)
		return &state{chain: []view.Layer{layer}, history: []ocispec.History{{Created: &s.Time, CreatedBy: text}}}, nil
	default:
		img, err := s.image(b.Image, b.Platform)
		if err != nil {
			return nil, err
		}
		s.tell(p.Pos, "FROM "+b.Image, Empty)
		return &state{chain: img.Chain(), history: history(img)}, nil
	}
}

// image loads an image once.
func (s *solver) image(ref string, p image.Platform) (*image.Image, error) {
	key := ref + " " + p.String()
	if img, ok := s.images[key]; ok {
		return img, nil
	}
	img, err := s.Load(s.ctx, ref, p)
	if err != nil {
		return nil, err
	}
	s.images[key] = img
	return img, nil
}

// history is that of an image, made to fit its layers: not every tool keeps one.
func history(img *image.Image) []ocispec.History {
	n := 0
	for _, h := range img.Config.History {
		if !h.EmptyLayer {
			n++
		}
	}
	if n == len(img.Manifest.Layers) {
		return slices.Clone(img.Config.History)
	}
	list := make([]ocispec.History, len(img.Manifest.Layers))
	for i := range list {
		list[i].CreatedBy = fmt.Sprintf("layer %d of the base image", i+1)
	}
	return list
}

// open gives the view of a stage's layers.
func (s *solver) open(st *state) (*view.View, error) {
	if st.view == nil {
		v, err := view.Open(s.ctx, s.Store, st.chain)
		if err != nil {
			return nil, err
		}
		st.view = v
	}
	return st.view, nil
}

// scratch makes a writable upper over a stage's layers.
func (s *solver) scratch(st *state, owner nt.SID) (*view.Scratch, error) {
	v, err := s.open(st)
	if err != nil {
		return nil, err
	}
	return view.NewScratch(v, s.spool, view.ScratchOptions{Time: nt.FiletimeOf(s.Time), Owner: owner})
}

// compression is that of all layers that are made.
const compression = pack.Gzip
