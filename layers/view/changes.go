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
	// File is what stands there, for [Scratch.Open]; nil if the Entry is a whiteout.
	File *File
}

// Changed reports whether a file or the registry differs from the View.
func (s *Scratch) Changed() bool { return s.reg.Changed() || len(s.Changes()) > 0 }

// Changes lists the file changes in the order of a layer: every directory before what is in it, its whiteouts next, then
// its children by the bytes of their names. It starts with C:\ and is empty if no file changed.
//
// A name is deleted by one whiteout however much was below it, and no name has both a whiteout and an entry: something
// new on a deleted name is the entry alone, and for a directory on a directory whiteouts of those things below that have
// not been made anew.
func (s *Scratch) Changes() []Change {
	changes := s.root.changes("")
	if len(changes) > 0 {
		changes[0].Entry.SD = nil
	}
	return changes
}

// Root returns the entry that starts every layer made from the Scratch, even one without file changes.
func (s *Scratch) Root() *layers.Entry {
	e := clone(s.root.entry)
	e.Name, e.SD = tarName(""), nil
	return e
}

func (u *upper) changes(path string) []Change {
	var below []Change
	for _, name := range u.deleted() {
		e := &layers.Entry{Kind: layers.Whiteout, Name: tarName(join(path, name))}
		below = append(below, Change{Entry: e})
	}
	for _, c := range u.present() {
		below = append(below, c.changes(join(path, c.name))...)
	}
	if !u.own && len(below) == 0 {
		return nil
	}
	e := clone(u.entry)
	e.Name = tarName(path)
	return append([]Change{{Entry: e, File: place{u: u}.file(path)}}, below...)
}

// deleted returns the names in a directory that are the View's and no longer there, sorted.
func (u *upper) deleted() []string {
	var names []string
	if u.over {
		for _, c := range u.children {
			if c.entry == nil {
				names = append(names, c.name)
			}
		}
	} else if u.low != nil && u.children != nil {
		for key, low := range u.low.children {
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
		if c.entry != nil {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *upper) int { return cmp.Compare(a.name, b.name) })
	return list
}
