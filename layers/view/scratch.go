package view

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// Scratch is a writable upper over a View: a tree of changes to files and a set of edits to the registry.
//
// It is a mechanism without policy: it asks neither access rights nor the read-only attribute, which is up to who runs
// commands on it. A Scratch serves one goroutine.
type Scratch struct {
	view  *View
	dir   string // of its own, below the caller's spool
	o     ScratchOptions
	root  *upper
	reg   *hives.Registry
	spool int // number of the last spool file
	moved map[*pack.Item]*inode

	inherited [2]map[string][]byte // what files and, second, directories inherit, by the parent's security descriptor
}

// ScratchOptions says what new objects get.
type ScratchOptions struct {
	Time  nt.Filetime // of files, directories and registry keys
	Owner nt.SID      // of the same; the zero value stands for Administrators with the group SYSTEM
}

// upper is a name that a Scratch has touched.
type upper struct {
	name string
	low  *node  // what the View has under this very path
	is   *inode // what is here now; nil: low has been deleted
	own  bool   // what is here is the Scratch's, not low's
	over bool   // a directory through which what low holds can be seen

	children map[string]*upper // of a directory, by folded name; only touched ones
}

// inode is a file, whatever its names, a directory or a link.
type inode struct {
	entry   *layers.Entry // never changed, only replaced
	item    *pack.Item    // content in a layer
	layer   int
	streams []Stream
	spool   *spooled // content of the Scratch
}

func (n *node) inode() *inode {
	return &inode{entry: n.entry, item: n.item, layer: n.layer, streams: n.streams}
}

// NewScratch makes a Scratch without changes over v. It keeps file contents in a new private folder below spool, which
// must exist; Close removes it.
func NewScratch(v *View, spool string, o ScratchOptions) (*Scratch, error) {
	dir, err := os.MkdirTemp(spool, "scratch-*")
	if err != nil {
		return nil, fmt.Errorf("make scratch: %w", err)
	}
	s := &Scratch{view: v, dir: dir, o: o, root: pass(v.merged.root), moved: map[*pack.Item]*inode{},
		inherited: [2]map[string][]byte{{}, {}}}
	s.reg = hives.NewRegistry(v.Registry, hives.Options{Time: o.Time, Owner: o.Owner})
	return s, nil
}

// Close removes the contents. The Scratch and what was opened from it can no longer be used.
func (s *Scratch) Close() error { return os.RemoveAll(s.dir) }

// View returns what the Scratch stands on.
func (s *Scratch) View() *View { return s.view }

// Time returns the time that new objects get.
func (s *Scratch) Time() nt.Filetime { return s.o.Time }

// Registry returns the edits to the image's registry. Hives are opened when a path first leads into them.
func (s *Scratch) Registry() *hives.Registry { return s.reg }

// pass makes an upper that changes nothing yet.
func pass(n *node) *upper {
	u := &upper{name: n.name, low: n, is: n.inode()}
	if n.isDir() {
		u.over, u.children = true, map[string]*upper{}
	}
	return u
}

// place is a name in the merged tree: a touched one, or else one of the View.
type place struct {
	u *upper
	n *node
}

func (p place) child(name string) (place, step, bool) {
	key, n := nt.Fold(name), p.n
	if p.u != nil {
		if u := p.u.children[key]; u != nil {
			if u.is == nil {
				return place{}, step{}, false
			}
			return place{u: u}, step{u.name, u.is.entry}, true
		}
		if !p.u.over {
			return place{}, step{}, false
		}
		n = p.u.low
	}
	if n = n.kids()[key]; n == nil {
		return place{}, step{}, false
	}
	return place{n: n}, step{n.name, n.entry}, true
}

func (p place) entry() *layers.Entry {
	if p.u != nil {
		return p.u.is.entry
	}
	return p.n.entry
}

func (p place) file(path string) *File {
	if p.u == nil {
		return p.n.file(path)
	}
	is := p.u.is
	return &File{Path: path, Entry: is.entry, Layer: is.layer, Item: is.item, Streams: is.streams, spool: is.spool}
}

// each returns what is in a directory, by folded name.
func (p place) each() map[string]place {
	all, n := map[string]place{}, p.n
	if p.u != nil && p.u.over {
		n = p.u.low
	}
	if n != nil {
		for key, c := range n.kids() {
			all[key] = place{n: c}
		}
	}
	if p.u != nil {
		for key, u := range p.u.children {
			all[key] = place{u: u}
			if u.is == nil {
				delete(all, key)
			}
		}
	}
	return all
}

func (p place) name() string {
	if p.u != nil {
		return p.u.name
	}
	return p.n.name
}

func (s *Scratch) find(path string, final bool) (place, string, error) {
	return resolve(place{u: s.root}, place.child, path, final)
}

// Lookup finds a file as [View.Lookup] does, with the changes applied.
func (s *Scratch) Lookup(path string) (*File, error) { return s.lookup(path, false) }

// Resolve is Lookup that also follows a link at the end.
func (s *Scratch) Resolve(path string) (*File, error) { return s.lookup(path, true) }

func (s *Scratch) lookup(path string, final bool) (*File, error) {
	p, at, err := s.find(path, final)
	if err != nil {
		return nil, pathError("look up", path, err)
	}
	return p.file(at), nil
}

// ReadDir lists a directory as [View.ReadDir] does, with the changes applied.
func (s *Scratch) ReadDir(path string) ([]*File, error) {
	p, at, err := s.find(path, true)
	if err == nil && !p.entry().IsDir() {
		err = errNotDir
	}
	if err != nil {
		return nil, pathError("read directory", path, err)
	}
	byName := func(a, b place) int { return nt.Compare(a.name(), b.name()) }
	var list []*File
	for _, c := range slices.SortedFunc(maps.Values(p.each()), byName) {
		list = append(list, c.file(join(at, c.name())))
	}
	return list, nil
}

// Walk goes through the tree as [View.Walk] does, with the changes applied. fn must not change the Scratch.
func (s *Scratch) Walk(fn func(*File) error) error {
	return walk(place{u: s.root}.file(""), func(f *File) ([]*File, error) { return s.ReadDir(f.Path) }, fn)
}

// Open reads the content of a file that this Scratch or its View has returned. The caller closes it.
func (s *Scratch) Open(f *File) (io.ReadCloser, error) {
	switch {
	case f.spool == nil && f.Item == nil && f.Kind() == layers.File: // one that Create made
		return io.NopCloser(bytes.NewReader(nil)), nil
	case f.spool == nil:
		return s.view.Open(f)
	}
	r, err := f.spool.open(f.Size())
	if err != nil {
		return nil, pathError("open", f.Path, err)
	}
	return r, nil
}
