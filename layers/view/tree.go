package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// maxDepth is how many names a path may have; with Files it makes the 512 that a layer may have. Deeper entries are
// left out.
const maxDepth = 511

var tooDeep = fmt.Sprintf("more than %d directories deep", maxDepth)

// node is one name of the merged tree. It never changes, but for what is in a directory, which is found out when
// somebody first asks.
type node struct {
	name    string
	entry   *layers.Entry
	item    *pack.Item // of a file
	streams []Stream
	layer   int
	dir     *dir // of a directory
}

func (n *node) isDir() bool { return n.dir != nil }

// kids returns what is in a directory, by folded name. The caller must not change it.
func (n *node) kids() map[string]*node {
	if n.dir == nil {
		return nil
	}
	return n.dir.load().kids
}

// list returns what is in a directory in the order of [nt.Compare].
func (n *node) list() []*node {
	d := n.dir.load()
	d.sort.Do(func() {
		keys := slices.SortedFunc(maps.Keys(d.kids), compareFolded)
		d.order = make([]*node, len(keys))
		for i, key := range keys {
			d.order[i] = d.kids[key]
		}
	})
	return d.order
}

// compareFolded is [nt.Compare] of folded names. The bytes of UTF-8 have the order of UTF-16's units, but for what lies
// above the surrogates.
func compareFolded(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if x, y := a[i], b[i]; x != y {
			if x >= aboveSurrogates || y >= aboveSurrogates {
				return nt.Compare(a, b)
			}
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// aboveSurrogates is the first byte in UTF-8 of U+E000 and all that follows.
const aboveSurrogates = 0xEE

// dir merges the parts that the layers have of one directory.
type dir struct {
	tree  *merge
	entry *layers.Entry
	parts []part // the lowest first

	once  sync.Once
	kids  map[string]*node
	sort  sync.Once
	order []*node
}

// part is what one layer has in a directory.
type part struct {
	layer int
	*folder
}

func (d *dir) load() *dir {
	d.once.Do(d.merge)
	return d
}

// merge is the tree of a View. Directories are merged one by one, at first need: opening a View does no more than list
// each layer by directory.
type merge struct {
	layers []*index
	root   *node
	base   map[hives.Name]*pack.Item   // the base layer's own hives, however later layers shadow them
	deltas []map[hives.Name]*pack.Item // by layer
	found  findings
	spots  spotCache
}

func newMerge() *merge {
	t := nt.FiletimeOf(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)) // for a chain without an entry for C:\
	root := &layers.Entry{Name: "Files", Kind: layers.Dir, Attributes: layers.DefaultDir, SD: nt.RootDirSD(),
		Created: t, Modified: t, Accessed: t, Changed: t}
	m := &merge{base: map[hives.Name]*pack.Item{}}
	m.root = &node{entry: root, dir: &dir{tree: m, entry: root}}
	return m
}

// add puts the next layer on top. Nothing may have been looked up yet.
func (m *merge) add(toc *pack.TOC) {
	layer := len(m.layers)
	x := newIndex(toc, func(i int32, severity layers.Severity, rule, problem, remedy string) {
		m.found.add(layer, i, &toc.Items[i].Entry, severity, rule, problem, remedy)
	})
	m.layers, m.deltas = append(m.layers, x), append(m.deltas, x.deltas)
	m.root.dir.parts = append(m.root.dir.parts, part{layer, x.files})
	if x.root != none {
		m.setRoot(layer, x)
	}
	if layer == 0 {
		m.takeBaseHives()
	}
}

// setRoot takes C:\'s metadata. Layers above the base carry no security descriptor for it and do not change it.
func (m *merge) setRoot(layer int, x *index) {
	e := &x.items[x.root].Entry
	if e.SD == nil {
		e = clone(e)
		e.SD = m.root.entry.SD
	}
	m.root.entry, m.root.dir.entry, m.root.layer, m.root.streams = e, e, layer, x.streams(layer, x.root)
}

func (m *merge) takeBaseHives() {
	for _, name := range hives.Names {
		if at, ok := m.locate(0, none, name.BasePath()); ok && m.layers[0].items[at.item].Kind == layers.File {
			m.base[name] = &m.layers[0].items[at.item]
		}
	}
}

// merge finds out what is in d. Of each layer the deletions come first, because they are meant for the layers below only.
func (d *dir) merge() {
	most := int32(0)
	for _, p := range d.parts {
		most = max(most, p.count)
	}
	d.kids = make(map[string]*node, most)
	for _, p := range d.parts {
		x := d.tree.layers[p.layer]
		if p.opaque != none {
			clear(d.kids)
		}
		x.each(p.folder, func(_ int32, item *pack.Item) {
			if item.Kind == layers.Whiteout {
				delete(d.kids, nt.Fold(baseName(item.Name)))
			}
		})
		own := map[string]bool{} // the names that have an entry in this layer
		x.each(p.folder, func(i int32, item *pack.Item) {
			if item.Kind != layers.Whiteout {
				d.place(p, i, item, own)
			}
		})
		d.enter(p, own)
	}
}

// place adds one item. A directory on a directory keeps what is in it, everything else replaces what was there. The
// older spelling of a name stays.
func (d *dir) place(p part, i int32, item *pack.Item, own map[string]bool) {
	name := baseName(item.Name)
	n := d.tree.node(p.layer, i, item)
	if n == nil {
		return
	}
	if !validName(name) {
		d.tree.find(p.layer, i, "bad-name", "name that NTFS cannot hold", "rename it")
		return
	}
	key := nt.Fold(name)
	n.name = name
	if old := d.kids[key]; old != nil {
		n.name = old.name
		if n.isDir() && old.isDir() {
			n.dir.parts = old.dir.parts
		}
	}
	d.kids[key], own[key] = n, true
}

// node makes what stands for an item; nil, after a finding, if nothing can.
func (m *merge) node(layer int, i int32, item *pack.Item) *node {
	n := &node{entry: &item.Entry, layer: layer, streams: m.layers[layer].streams(layer, i)}
	switch item.Kind {
	case layers.Dir:
		n.dir = &dir{tree: m, entry: n.entry}
	case layers.File:
		n.item = item
	case layers.HardLink:
		return m.linked(layer, i, item)
	}
	return n
}

// enter adds what layer p has below d's names to the directories there.
func (d *dir) enter(p part, own map[string]bool) {
	x := d.tree.layers[p.layer]
	for key, sub := range p.subs {
		switch old := d.kids[key]; {
		case old == nil:
			if first := x.holds(sub); first != none {
				d.kids[key] = d.imply(p.layer, first, sub)
			}
		case old.isDir():
			n := *old
			n.dir = &dir{tree: d.tree, entry: old.entry, parts: append(slices.Clip(old.dir.parts), part{p.layer, sub})}
			d.kids[key] = &n
		default:
			x.eachBelow(sub, func(i int32, _ *pack.Item) {
				d.tree.find(p.layer, i, "below-file", fmt.Sprintf("below %s %q", old.entry.Kind, old.name),
					"remove the entry or replace what is above it by a directory")
			})
		}
	}
}

// imply makes a directory for which the layer has no entry of its own; item is the first one in it. Windows would refuse
// the layer.
func (d *dir) imply(layer int, item int32, sub *folder) *node {
	d.tree.find(layer, item, "missing-parent", fmt.Sprintf("no entry for its directory %q", sub.name),
		"add an entry for every directory before what is in it")
	p := d.entry
	e := &layers.Entry{Name: join(p.Name, sub.name), Kind: layers.Dir, Attributes: layers.DefaultDir,
		Created: p.Created, Modified: p.Modified, Accessed: p.Accessed, Changed: p.Changed}
	return &node{name: sub.name, entry: e, layer: layer,
		dir: &dir{tree: d.tree, entry: e, parts: []part{{layer, sub}}}}
}

// validName tells whether a component of a path can exist at all. It is wider than what we write ourselves: a layer may
// hold names such as "aux.txt" that only some programs can reach.
func validName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 3*255 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || strings.IndexByte(`\/:*?"<>|`, c) >= 0 {
			return false
		}
	}
	return true
}

func clone(e *layers.Entry) *layers.Entry {
	c := *e
	return &c
}
