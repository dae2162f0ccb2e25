package view

import (
	"cmp"
	"slices"

	"github.com/mullion/mullion/layers"
)

// Change is one entry of the layer that a Scratch amounts to.
type Change struct {
	// Entry is ready to be written. For a directory that is only here because something below it changed it is the entry
	// of the layer below, but for the spelling of its name and, for C:\, the security descriptor, which only a base
	// layer has.
	Entry *layers.Entry
	// File is what stands there; nil if the Entry is a whiteout.
	File *File
}

// StreamEntry returns the entry of one of the alternate data streams of c.File, which follows c.Entry in the layer. A
// hard link has none: they are its file's. [View.OpenStream] reads the content.
func (c Change) StreamEntry(s Stream) *layers.Entry {
	e := c.Entry
	return &layers.Entry{Name: e.Name + ":" + s.Name, Kind: layers.Stream, Size: s.Item.Size,
		Created: e.Created, Modified: e.Modified, Accessed: e.Accessed, Changed: e.Changed}
}

// Changed reports whether a file or the registry differs from the View.
func (s *Scratch) Changed() bool { return s.reg.Changed() || len(s.Changes()) > 0 }

// Changes lists the file changes in the order of a layer: every directory before what is in it, its whiteouts next, then
// its children by the bytes of their names. It starts with C:\ and is empty if no file changed. Alternate data streams are
// left to [Change.StreamEntry].
//
// A name is deleted by one whiteout however much was below it, and no name has both a whiteout and an entry: something
// new on a deleted name is the entry alone, and for a directory on a directory whiteouts of those things below that have
// not been made anew. Names of one file are hard links to the first of them, as far as all are in this layer: none leads
// out of it.
func (s *Scratch) Changes() []Change {
	w := changeWalk{first: map[*inode]*firstName{}}
	w.add(s.root, "")
	if len(w.list) > 0 {
		w.list[0].Entry.SD = nil
	}
	return w.list
}

// Root returns the entry that starts every layer made from the Scratch, even one without file changes.
func (s *Scratch) Root() *layers.Entry {
	e := clone(s.root.is.entry)
	e.Name, e.SD = tarName(""), nil
	return e
}

// changeWalk collects changes in the order of a layer.
type changeWalk struct {
	list  []Change
	first map[*inode]*firstName
}

// firstName is the name that the other names of a file are links to.
type firstName struct {
	name  string
	names int
}

// add collects u and what is below it. A directory that changes nothing is taken back.
func (w *changeWalk) add(u *upper, path string) {
	start := len(w.list)
	w.list = append(w.list, Change{}) // of u itself
	for _, name := range u.deleted() {
		e := &layers.Entry{Kind: layers.Whiteout, Name: tarName(join(path, name))}
		w.list = append(w.list, Change{Entry: e})
	}
	for _, c := range u.present() {
		w.add(c, join(path, c.name))
	}
	if u.own || len(w.list) > start+1 {
		w.list[start] = w.own(u, path)
	} else {
		w.list = w.list[:start]
	}
}

// own returns the entry of u itself.
func (w *changeWalk) own(u *upper, path string) Change {
	e := clone(u.is.entry)
	e.Name = tarName(path)
	file := place{u: u}.file(path)
	if e.Kind == layers.File {
		first := w.first[u.is]
		if first != nil && first.names < maxNames {
			first.names++
			e.Kind, e.Target, e.Size = layers.HardLink, first.name, 0
			return Change{Entry: e, File: file}
		}
		w.first[u.is] = &firstName{e.Name, 1}
	}
	return Change{Entry: e, File: file}
}

// deleted returns the names in a directory that are the View's and no longer there, sorted.
func (u *upper) deleted() []string {
	var names []string
	if u.over {
		for _, c := range u.children {
			if c.is == nil {
				names = append(names, c.name)
			}
		}
	} else if u.low != nil && u.children != nil {
		for key, low := range u.low.kids() {
			if u.children[key] == nil {
				names = append(names, low.name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// present returns the touched names in a directory that are there, sorted.
func (u *upper) present() []*upper {
	var list []*upper
	for _, c := range u.children {
		if c.is != nil {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *upper) int { return cmp.Compare(a.name, b.name) })
	return list
}
