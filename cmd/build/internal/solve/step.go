package solve

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

// salt separates the results of versions of this package: it changes whenever
// the same step would make other bytes.
const salt = "mullion build 2"

// key starts the ActionID of a step: all steps depend on the layers below and the
// time. Layers go by their diff IDs, so that a base pulled from elsewhere is the
// same base.
func (s *solver) key(kind string, st *state) *cache.Hash {
	h := cache.NewHash(salt)
	h.Field("kind", kind)
	h.Field("time", s.Time.UTC().Format(time.RFC3339Nano))
	h.Field("compression", string(compression))
	if st != nil {
		for _, l := range st.chain {
			h.Field("below", l.DiffID.String())
		}
	}
	return h
}

// cached returns the result of an action, or makes and remembers it. A result
// without a layer is one that changed nothing. fresh says not to ask the cache.
func (s *solver) cached(fresh bool, h *cache.Hash, make func() (view.Layer, error)) (view.Layer, How, error) {
	id := h.Sum()
	if !fresh {
		r, err := s.Cache.Get(id)
		switch {
		case err == nil && r.Layer.Digest == "":
			return view.Layer{}, Empty, nil
		case err == nil && s.Store.Has(r.Layer.Digest):
			return view.Layer{Desc: r.Layer, DiffID: r.DiffID}, Cached, nil
		case err != nil && !errors.Is(err, cache.ErrMiss):
			return view.Layer{}, Empty, err
		}
	}
	layer, err := make()
	if err != nil {
		return view.Layer{}, Empty, err
	}
	if err := s.Cache.Put(id, cache.Result{Layer: layer.Desc, DiffID: layer.DiffID}); err != nil {
		return view.Layer{}, Empty, err
	}
	if layer.Desc.Digest == "" {
		return layer, Empty, nil
	}
	return layer, Made, nil
}

// scratchBase makes the layer of FROM scratch.
func (s *solver) scratchBase(fresh bool) (view.Layer, How, error) {
	h := s.key("scratch", nil)
	h.Field("version", strconv.Itoa(image.BaseVersion))
	return s.cached(fresh, h, func() (view.Layer, error) {
		return image.WriteLayer(s.ctx, s.Store, compression, func(w *pack.Writer) error {
			return image.ScratchBase(w, s.Time)
		})
	})
}

// step carries out one step.
func (s *solver) step(p *plan.Stage, st *state, step *plan.Step, e Event) (view.Layer, How, error) {
	switch {
	case step.Workdir != nil:
		return s.workdir(st, step.Workdir)
	case step.Copy != nil:
		return s.copy(p, st, step)
	case step.Run != nil:
		return s.run(p, st, step, e)
	}
	return view.Layer{}, Empty, nil
}

// workdir makes a directory unless it is there.
func (s *solver) workdir(st *state, w *plan.Workdir) (view.Layer, How, error) {
	v, err := s.open(st)
	if err != nil {
		return view.Layer{}, Empty, err
	}
	if f, err := v.Resolve(w.Path); err == nil {
		if !f.IsDir() {
			return view.Layer{}, Empty, fmt.Errorf("WORKDIR %s: a file is in the way", nt.Win(w.Path))
		}
		return view.Layer{}, Empty, nil
	}
	owner, _ := nt.AccountSID(w.User) // of an account that is not well-known the system is not asked
	h := s.key("workdir", st)
	h.Field("path", w.Path)
	h.Field("owner", owner.String())
	return s.cached(st.fresh, h, func() (view.Layer, error) {
		return s.commit(st, owner, func(sc *view.Scratch) error { return sc.MkdirAll(w.Path) })
	})
}

// commit makes the layer of what change does to a Scratch; no layer if it does
// nothing.
func (s *solver) commit(st *state, owner nt.SID, change func(*view.Scratch) error) (l view.Layer, err error) {
	sc, err := s.scratch(st, owner)
	if err != nil {
		return view.Layer{}, err
	}
	defer func() { err = errors.Join(err, sc.Close()) }()
	if err := change(sc); err != nil {
		return view.Layer{}, err
	}
	if !sc.Changed() {
		return view.Layer{}, nil
	}
	return image.Commit(s.ctx, s.Store, sc, compression)
}

// exitText writes an exit code as people know it: Windows' status codes are
// hexadecimal.
func exitText(exit uint32) string {
	if exit > 0xFFFF {
		return fmt.Sprintf("0x%08X", exit)
	}
	return strconv.FormatUint(uint64(exit), 10)
}
