// Package solve carries out a plan: step after step becomes a layer, from the
// cache if the same step was done on the same layers before, and the last stage
// becomes an image in the store.
//
// What a step makes depends on nothing but the plan, the files it names and the
// time it is given, so the same build gives the same image everywhere.
package solve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// Options is what a plan is carried out with.
type Options struct {
	Store    *store.Store
	Cache    *cache.Cache
	NoCache  func(*plan.Stage) bool // stages whose steps are made anew; results are still remembered. Nil for none
	Context  *Context
	Contexts map[string]*Context // named folders, by name in lower case
	Secrets  map[string][]byte   // by id
	Time     time.Time           // of everything that is written
	// Annotations are those of the manifest.
	Annotations map[string]string
	// Load gives an image that FROM or COPY --from names, pulling it if need be.
	Load func(ctx context.Context, ref string, p image.Platform) (*image.Image, error)
	// Program runs spec's command line, and has what it wrote in a Scratch that holds what spec.View holds. The caller leaves
	// ID, Dir and Hostname open. Nil if no programs are to be run.
	Program func(ctx context.Context, spec *runtime.Spec, sc *view.Scratch) (exit uint32, err error)
	// Output gives the writer for what a RUN prints; nil discards it. It is closed when
	// the RUN ends.
	Output func(Event) io.WriteCloser
	// Progress hears of every step, when it begins and when it is done. It is called
	// by one goroutine at a time.
	Progress func(Event)
}

// Event is a step that begins or is done.
type Event struct {
	Pos    containerfile.Pos
	Stage  int // counted from 1
	Stages int
	Step   int // within the stage, counted from 1; 0 for FROM
	Steps  int
	Text   string
	How    How
	Bytes  int64 // of the compressed layer; 0 if there is none
}

// How says what became of a step.
type How string

// What can become of a step.
const (
	Begun  How = "begun"  // it has not ended yet
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
	stages map[int]*running // by index
	spool  string           // a folder that goes when the build ends
	turns  chan struct{}    // what limits the number of stages at work

	mu     sync.Mutex
	images map[string]*image.Image
	ends   []func() error // what to close when the build ends
	told   sync.Mutex     // serialises Progress
}

// running is a stage that others may wait for.
type running struct {
	number int           // from 1
	done   chan struct{} // closed when state is there
	state  *state
}

// state is a stage after some of its steps.
type state struct {
	chain   []view.Layer
	history []ocispec.History
	fresh   bool // the cache is not asked

	mu   sync.Mutex
	view *view.View // of chain; nil until needed
}

// Run carries out a plan and puts the image of its last stage into the store. It
// gives it no name. Stages that do not need each other are made at the same time.
// After an error the store may hold layers that no image names.
func Run(ctx context.Context, p *plan.Plan, o Options) (r *Result, err error) {
	parent := o.Store.Derived("spool")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the build: %w", err)
	}
	spool, err := os.MkdirTemp(parent, "build-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the build: %w", err)
	}
	if o.Context != nil {
		o.Context.remember(o.Cache)
	}
	for _, c := range o.Contexts {
		c.remember(o.Cache)
	}
	group, gctx := errgroup.WithContext(ctx)
	s := &solver{
		Options: o, ctx: gctx, plan: p, stages: map[int]*running{}, images: map[string]*image.Image{}, spool: spool,
		turns: make(chan struct{}, max(2, goruntime.GOMAXPROCS(0))),
	}
	defer func() { err = errors.Join(err, s.end()) }()
	for i, stage := range p.Stages {
		s.stages[stage.Index] = &running{number: i + 1, done: make(chan struct{})}
	}
	for _, stage := range p.Stages {
		group.Go(func() error { return s.make(stage) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	target := p.Target()
	last := s.result(target.Index)
	cfg := target.Config.Clone()
	cfg.History, cfg.Created = last.history, &o.Time
	desc, err := image.Write(ctx, o.Store, cfg, last.chain)
	if err == nil && len(o.Annotations) > 0 {
		desc, err = annotate(ctx, o.Store, desc, o.Annotations)
	}
	if err != nil {
		return nil, err
	}
	return &Result{Desc: desc, Config: cfg, Layers: last.chain}, nil
}

// onEnd has something closed when the build ends.
func (s *solver) onEnd(f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, f)
}

// end removes what the build had beside the store.
func (s *solver) end() error {
	var errs error
	for _, f := range s.ends {
		errs = errors.Join(errs, f())
	}
	return errors.Join(errs, os.RemoveAll(s.spool))
}

// annotate writes a manifest anew, with annotations.
func annotate(ctx context.Context, st *store.Store, desc ocispec.Descriptor, list map[string]string) (ocispec.Descriptor, error) {
	b, err := st.ReadBlob(ctx, desc, maxManifest)
	if err != nil {
		return desc, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return desc, err
	}
	m.Annotations = list
	if b, err = json.Marshal(m); err != nil {
		return desc, err
	}
	d, err := st.Put(ctx, desc.MediaType, b)
	d.Platform = desc.Platform
	return d, err
}

// maxManifest bounds the manifests that are read back, in bytes.
const maxManifest = 4 << 20

// make carries out a stage when those that it needs are done.
func (s *solver) make(p *plan.Stage) error {
	for _, need := range p.Needs() {
		select {
		case <-s.stages[need].done:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	st, err := s.stage(p)
	if err != nil {
		return err
	}
	run := s.stages[p.Index]
	run.state = st
	close(run.done)
	return nil
}

// result is a stage that is done.
func (s *solver) result(index int) *state { return s.stages[index].state }

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
		e := s.event(p, i+1, step.Pos, step.Text)
		s.tell(e, Begun, 0)
		layer, how, err := s.step(p, st, step, e)
		if err != nil {
			return nil, s.failed(step, err)
		}
		if how != Empty {
			st.chain, st.view = append(slices.Clip(st.chain), layer), nil
		}
		st.history = append(st.history, ocispec.History{Created: &s.Time, CreatedBy: step.Text, EmptyLayer: how == Empty})
		s.tell(e, how, layer.Desc.Size)
	}
	return st, nil
}

func (s *solver) event(p *plan.Stage, step int, pos containerfile.Pos, text string) Event {
	return Event{Pos: pos, Stage: s.stages[p.Index].number, Stages: len(s.plan.Stages), Step: step, Steps: len(p.Steps), Text: text}
}

func (s *solver) tell(e Event, how How, bytes int64) {
	if s.Progress != nil {
		s.told.Lock()
		defer s.told.Unlock()
		e.How, e.Bytes = how, bytes
		s.Progress(e)
	}
}

// failed says where a step failed.
func (s *solver) failed(step *plan.Step, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return step.Pos.Errorf("%w", err)
}

// base gives the state that a stage starts from.
func (s *solver) base(p *plan.Stage) (*state, error) {
	fresh := s.NoCache != nil && s.NoCache(p)
	switch b := p.Base; {
	case b.Stage != nil:
		from := s.result(*b.Stage)
		v, err := s.open(from)
		return &state{chain: slices.Clip(from.chain), history: slices.Clip(from.history), view: v, fresh: fresh}, err
	case b.Scratch:
		e := s.event(p, 0, p.Pos, "FROM scratch")
		layer, how, err := s.scratchBase(fresh)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("FROM scratch (Mullion base %d)", image.BaseVersion)
		s.tell(e, how, layer.Desc.Size)
		return &state{chain: []view.Layer{layer}, history: []ocispec.History{{Created: &s.Time, CreatedBy: text}}, fresh: fresh}, nil
	default:
		e := s.event(p, 0, p.Pos, "FROM "+b.Image)
		img, err := s.image(b.Image, b.Platform)
		if err != nil {
			return nil, err
		}
		s.tell(e, Empty, 0)
		return &state{chain: img.Chain(), history: img.History(), fresh: fresh}, nil
	}
}

// image loads an image once.
func (s *solver) image(ref string, p image.Platform) (*image.Image, error) {
	key := ref + " " + p.String()
	s.mu.Lock()
	defer s.mu.Unlock()
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

// open gives the view of a stage's layers.
func (s *solver) open(st *state) (*view.View, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
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
