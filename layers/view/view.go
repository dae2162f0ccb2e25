package view

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// MaxLayers is the longest chain: Windows stacks 126 registry deltas on a base.
const MaxLayers = 127

// Layer names one layer of a chain.
type Layer struct {
	Desc   ocispec.Descriptor // of the compressed blob
	DiffID digest.Digest      // of the tar
}

// View is the merged tree and registry of a chain of layers. It never changes and may be used by several goroutines.
type View struct {
	ctx      context.Context
	st       *store.Store
	layers   []Layer
	tocs     []*pack.TOC
	layouts  []layoutOnce
	merged   *merge
	chainIDs []digest.Digest
}

// Open merges a chain of layers, the base first. It reads their tables of contents, which the store makes for a layer
// that has none yet, and touches no other byte of a layer. Directories are merged one by one, when somebody first looks
// into them. ctx also governs the reads of file contents later on.
//
// What a layer holds that cannot be part of a tree is left out and told by [View.Findings]; only a chain that is too long
// or a table of contents that cannot be had is an error.
func Open(ctx context.Context, st *store.Store, chain []Layer) (*View, error) {
	if len(chain) > MaxLayers {
		return nil, fmt.Errorf("open view: %d layers, Windows takes at most %d: squash some", len(chain), MaxLayers)
	}
	v := &View{ctx: ctx, st: st, layers: slices.Clone(chain), merged: newMerge()}
	var err error
	if v.tocs, err = tocs(ctx, st, chain); err != nil {
		return nil, err
	}
	ids := make([]digest.Digest, len(chain))
	for i, l := range chain {
		toc := v.tocs[i]
		if toc.DiffID != l.DiffID {
			return nil, fmt.Errorf("open view: layer %s holds %s, the image says %s: %w",
				l.Desc.Digest, toc.DiffID, l.DiffID, store.ErrCorrupt)
		}
		ids[i] = l.DiffID
		v.merged.add(toc)
	}
	v.layouts = make([]layoutOnce, len(chain))
	v.chainIDs = identity.ChainIDs(ids)
	return v, nil
}

// parallel is how many layers are listed at once, most of which the store may first have to fetch.
const parallel = 4

func tocs(ctx context.Context, st *store.Store, chain []Layer) ([]*pack.TOC, error) {
	list := make([]*pack.TOC, len(chain))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, l := range chain {
		group.Go(func() (err error) {
			if list[i], err = st.TOC(ctx, l.Desc); err != nil {
				return fmt.Errorf("open view: layer %s: %w", l.Desc.Digest, err)
			}
			return nil
		})
	}
	return list, group.Wait()
}

// Layers returns the chain, the base first.
func (v *View) Layers() []Layer { return slices.Clone(v.layers) }

// ChainID returns the OCI chain ID, which names the merged content; "" for a View of no layers.
func (v *View) ChainID() digest.Digest {
	if len(v.chainIDs) == 0 {
		return ""
	}
	return v.chainIDs[len(v.chainIDs)-1]
}

// Lookup finds a file. It follows links on the way but not one at the end. The error matches [fs.ErrNotExist] if there
// is none.
func (v *View) Lookup(path string) (*File, error) { return v.resolve("look up", path, false) }

// Resolve is Lookup that also follows a link at the end.
func (v *View) Resolve(path string) (*File, error) { return v.resolve("look up", path, true) }

func (v *View) resolve(op, path string, final bool) (*File, error) {
	n, at, err := resolve(v.merged.root, child, path, final)
	if err != nil {
		return nil, pathError(op, path, err)
	}
	return n.file(at), nil
}

// ReadDir lists a directory in the order of [nt.Compare], which is that of NTFS. It follows a link at the end.
func (v *View) ReadDir(path string) ([]*File, error) {
	n, at, err := resolve(v.merged.root, child, path, true)
	if err == nil && !n.isDir() {
		err = errNotDir
	}
	if err != nil {
		return nil, pathError("read directory", path, err)
	}
	list := make([]*File, len(n.list()))
	for i, c := range n.list() {
		list[i] = c.file(join(at, c.name))
	}
	return list, nil
}

// Walk calls fn for C:\ and everything below it, directories before what they hold and in the order of ReadDir. It
// follows no links. fn may return [fs.SkipDir] or [fs.SkipAll], which mean what they do in [fs.WalkDir].
func (v *View) Walk(fn func(*File) error) error {
	return walk(v.merged.root.file(""), func(f *File) ([]*File, error) { return v.ReadDir(f.Path) }, fn)
}

// walk is the recursion of both Walks; its depth is bounded by that of the tree.
func walk(f *File, list func(*File) ([]*File, error), fn func(*File) error) error {
	err := walkOne(f, list, fn)
	if err == fs.SkipAll {
		return nil
	}
	return err
}

func walkOne(f *File, list func(*File) ([]*File, error), fn func(*File) error) error {
	if err := fn(f); err != nil {
		if err == fs.SkipDir && f.IsDir() {
			return nil
		}
		return err
	}
	if !f.IsDir() {
		return nil
	}
	below, err := list(f)
	if err != nil {
		return err
	}
	for _, b := range below {
		if err := walkOne(b, list, fn); err == fs.SkipDir {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (n *node) file(path string) *File {
	return &File{Path: path, Entry: n.entry, Layer: n.layer, Item: n.item, Streams: n.streams}
}

// child is the step that resolve takes in a View.
func child(n *node, name string) (*node, step, bool) {
	c := n.kids()[nt.Fold(name)]
	if c == nil {
		return nil, step{}, false
	}
	return c, step{c.name, c.entry}, true
}
