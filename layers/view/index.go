package view

import (
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// none stands for no item.
const none = -1

// index is the list of a layer by directory: one pass over the names, without a look at what the other layers have.
type index struct {
	items  []pack.Item
	next   []int32 // of each item the next one in its directory, 0 if it is the last
	files  *folder // C:\
	root   int32   // the item of C:\ itself
	deltas map[hives.Name]*pack.Item
}

// folder is a directory that has something in a layer, with or without an entry of its own there.
type folder struct {
	name        string // as the layer first spells it
	depth       int
	count       int32 // of the items in it
	first, last int32
	opaque      int32 // its opaque marker
	subs        map[string]*folder
}

func newFolder(name string, depth int) *folder {
	return &folder{name: name, depth: depth, first: none, last: none, opaque: none}
}

// indexer keeps the directories on the way to the last item open, because what is in one follows each other.
type indexer struct {
	*index
	open []openFolder
	find func(item int32, severity layers.Severity, rule, problem, remedy string)
}

type openFolder struct {
	path string // as the last item spelled it
	*folder
}

func newIndex(toc *pack.TOC, find func(int32, layers.Severity, string, string, string)) *index {
	x := &index{items: toc.Items, next: make([]int32, len(toc.Items)), files: newFolder("", 0), root: none,
		deltas: map[hives.Name]*pack.Item{}}
	b := indexer{index: x, find: find, open: []openFolder{{"Files", x.files}}}
	for i := range x.items {
		b.add(int32(i))
	}
	return x
}

func (b *indexer) add(i int32) {
	item := &b.items[i]
	if item.Kind == layers.Opaque {
		b.find(i, layers.Warning, "opaque", "opaque marker, which Windows ignores",
			"rebuild the layer with one whiteout per deleted name")
	}
	root, path, below := strings.Cut(item.Name, "/")
	switch root {
	case "Files":
		switch {
		case below:
			b.addFile(i, item)
		case item.Kind == layers.Dir:
			b.root = i
		case item.Kind == layers.Opaque:
			b.files.opaque = i
		}
	case "Hives":
		if name, ok := hives.DeltaName(path); ok && item.Kind == layers.File {
			b.deltas[name] = item
		}
	case "UtilityVM":
	default:
		b.find(i, layers.Error, "foreign-root", "not below Files, Hives or UtilityVM",
			"leave it out of the layer; Windows has no place for it")
	}
}

func (b *indexer) addFile(i int32, item *pack.Item) {
	dir := item.Name
	switch item.Kind {
	case layers.Stream: // belongs to the item before
		return
	case layers.Opaque:
	default:
		dir = dir[:strings.LastIndexByte(dir, '/')]
	}
	f := b.folder(i, dir)
	switch {
	case f == nil:
		return
	case item.Kind == layers.Opaque:
		f.opaque = i
		return
	case f.first == none:
		f.first = i
	default:
		b.next[f.last] = i
	}
	f.last = i
	f.count++
}

// folder returns the folder of a tar name, nil after a finding if there can be no such folder.
func (b *indexer) folder(i int32, path string) *folder {
	for {
		top := b.open[len(b.open)-1]
		if path == top.path {
			return top.folder
		}
		if len(path) > len(top.path) && path[len(top.path)] == '/' && path[:len(top.path)] == top.path {
			return b.descend(i, path)
		}
		b.open = b.open[:len(b.open)-1]
	}
}

// descend opens the rest of the way from the last open folder to path.
func (b *indexer) descend(i int32, path string) *folder {
	top := b.open[len(b.open)-1]
	f, end := top.folder, len(top.path)
	for end < len(path) {
		name := path[end+1:]
		if n := strings.IndexByte(name, '/'); n >= 0 {
			name = name[:n]
		}
		end += 1 + len(name)
		switch {
		case f.depth+1 >= maxDepth:
			b.find(i, layers.Error, "depth", tooDeep, "shorten the path")
			return nil
		case !validName(name):
			b.find(i, layers.Error, "bad-name", "name that NTFS cannot hold", "rename it")
			return nil
		}
		key := nt.Fold(name)
		sub := f.subs[key]
		if sub == nil {
			sub = newFolder(name, f.depth+1)
			if f.subs == nil {
				f.subs = map[string]*folder{}
			}
			f.subs[key] = sub
		}
		f = sub
		b.open = append(b.open, openFolder{path[:end], f})
	}
	return f
}

// each calls fn for the items in f, in the order of the layer.
func (x *index) each(f *folder, fn func(i int32, item *pack.Item)) {
	for i := f.first; i >= 0; i = x.next[i] {
		fn(i, &x.items[i])
		if x.next[i] == 0 {
			return
		}
	}
}

// eachBelow calls fn for the items in f and in all that is below it.
func (x *index) eachBelow(f *folder, fn func(i int32, item *pack.Item)) {
	x.each(f, fn)
	for _, sub := range f.subs {
		x.eachBelow(sub, fn)
	}
}

// holds returns the first item at or below f that is no deletion: what makes f exist without an entry of its own.
func (x *index) holds(f *folder) int32 {
	first := int32(none)
	x.eachBelow(f, func(i int32, item *pack.Item) {
		if item.Kind != layers.Whiteout && (first == none || i < first) {
			first = i
		}
	})
	return first
}

// streams returns the alternate data streams of item i of the layer, which follow it.
func (x *index) streams(layer int, i int32) []Stream {
	var list []Stream
	for next := int(i) + 1; next < len(x.items) && x.items[next].Kind == layers.Stream; next++ {
		name, ok := strings.CutPrefix(x.items[next].Name, x.items[i].Name+":")
		if !ok {
			break
		}
		list = append(list, Stream{name, layer, &x.items[next]})
	}
	slices.SortFunc(list, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// spot is what a layer says about one name of a directory.
type spot struct {
	add  int32 // the last item that puts something there
	gone bool  // there is a whiteout
}

// spots returns what a layer says about a directory's names, by folded name.
func (x *index) spots(f *folder) map[string]spot {
	all := map[string]spot{}
	x.each(f, func(i int32, item *pack.Item) {
		key := nt.Fold(baseName(item.Name))
		s, ok := all[key]
		if !ok {
			s.add = none
		}
		if item.Kind == layers.Whiteout {
			s.gone = true
		} else {
			s.add = i
		}
		all[key] = s
	})
	return all
}
