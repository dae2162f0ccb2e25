package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

const (
	maxDepth    = 511  // names in a path, which with Files makes the 512 that a layer may have; deeper entries are left out
	maxFindings = 1000 // kept of one View
)

// Finding is one thing in a layer that a View had to leave out or guess.
type Finding struct {
	Layer int // counted from the base
	layers.Finding
}

// node is one name of the merged tree.
type node struct {
	name     string
	entry    *layers.Entry
	item     *pack.Item // of a file
	layer    int
	children map[string]*node // of a directory, by folded name
}

func (n *node) isDir() bool { return n.children != nil }

// merge builds the tree of a View, one layer at a time from the base up.
type merge struct {
	root     *node
	base     map[hives.Name]*pack.Item   // the base layer's own hives, however later layers shadow them
	deltas   []map[hives.Name]*pack.Item // by layer
	findings []Finding

	layer int
	// The directory that the last entry was in: entries of one directory follow each other. Nil means none.
	lastDir  *node
	lastPath string
}

func newMerge() *merge {
	t := nt.FiletimeOf(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)) // for a chain without an entry for C:\
	root := &layers.Entry{Name: "Files", Kind: layers.Dir, Attributes: layers.DefaultDir, SD: nt.RootDirSD(),
		Created: t, Modified: t, Accessed: t, Changed: t}
	return &merge{root: &node{entry: root, children: map[string]*node{}}, base: map[hives.Name]*pack.Item{}}
}

// add merges the next layer. Its deletions come first, because they are meant for the layers below only.
func (m *merge) add(toc *pack.TOC) {
	m.deltas = append(m.deltas, map[hives.Name]*pack.Item{})
	m.lastDir = nil
	for i := range toc.Items {
		if e := &toc.Items[i].Entry; e.Kind == layers.Whiteout || e.Kind == layers.Opaque {
			m.remove(e)
		}
	}
	m.lastDir = nil
	for i := range toc.Items {
		m.place(&toc.Items[i])
	}
	if m.layer == 0 {
		m.takeBaseHives()
	}
	m.layer++
}

func (m *merge) takeBaseHives() {
	for _, name := range hives.Names {
		n := m.root
		for part := range strings.SplitSeq(name.BasePath(), "/") {
			if n = n.children[nt.Fold(part)]; n == nil {
				break
			}
		}
		if n != nil && n.item != nil {
			m.base[name] = n.item
		}
	}
}

func (m *merge) find(e *layers.Entry, severity layers.Severity, rule, problem, remedy string) {
	if len(m.findings) < maxFindings {
		f := layers.Finding{Severity: severity, Rule: rule, Entry: e.Name, Problem: problem, Remedy: remedy}
		m.findings = append(m.findings, Finding{m.layer, f})
	}
}

// remove applies a whiteout or an opaque marker to what the layers below have.
func (m *merge) remove(e *layers.Entry) {
	path, ok := strings.CutPrefix(e.Name, "Files/")
	if e.Kind == layers.Opaque {
		m.find(e, layers.Warning, "opaque", "opaque marker, which Windows ignores",
			"rebuild the layer with one whiteout per deleted name")
		if e.Name == "Files" {
			path, ok = "", true
		}
	}
	if !ok {
		return
	}
	if e.Kind == layers.Opaque {
		if n := m.dir(e, path, false); n != nil {
			clear(n.children)
		}
		return
	}
	dir, name := splitLast(path)
	if n := m.dir(e, dir, false); n != nil {
		delete(n.children, nt.Fold(name))
		m.lastDir = nil
	}
}

// place adds one entry to the tree or to the hives.
func (m *merge) place(item *pack.Item) {
	root, path, below := strings.Cut(item.Name, "/")
	switch {
	case root == "Hives":
		if name, ok := hives.DeltaName(path); ok && item.Kind == layers.File {
			m.deltas[m.layer][name] = item
		}
	case root == "UtilityVM":
	case root != "Files":
		m.find(&item.Entry, layers.Error, "foreign-root", "not below Files, Hives or UtilityVM",
			"leave it out of the layer; Windows has no place for it")
	case !below && item.Kind == layers.Dir:
		m.setRoot(&item.Entry)
	case below:
		m.placeFile(item, path)
	}
}

// setRoot takes C:\'s metadata. Layers above the base carry no security descriptor for it and do not change it.
func (m *merge) setRoot(e *layers.Entry) {
	if e.SD == nil {
		e = clone(e)
		e.SD = m.root.entry.SD
	}
	m.root.entry, m.root.layer = e, m.layer
}

func (m *merge) placeFile(item *pack.Item, path string) {
	e := &item.Entry
	n := &node{entry: e, layer: m.layer}
	switch e.Kind {
	case layers.Dir:
		n.children = map[string]*node{}
	case layers.File:
		n.item = item
	case layers.Symlink:
	case layers.HardLink:
		target := m.linked(e)
		if target == nil {
			return
		}
		n.entry, n.item, n.layer = target.entry, target.item, target.layer
	default:
		return
	}
	dir, name := splitLast(path)
	if !validName(name) {
		m.find(e, layers.Error, "bad-name", "name that NTFS cannot hold", "rename it")
		return
	}
	if parent := m.dir(e, dir, true); parent != nil {
		m.attach(parent, name, n)
	}
}

// attach puts n where the same name may be already. The older spelling stays.
func (m *merge) attach(parent *node, name string, n *node) {
	key := nt.Fold(name)
	n.name = name
	if old := parent.children[key]; old != nil {
		n.name = old.name
		if old.isDir() {
			m.lastDir = nil
			if n.isDir() {
				n.children = old.children
			}
		}
	}
	parent.children[key] = n
}

// linked finds the file a hard link names, in this layer or below.
func (m *merge) linked(e *layers.Entry) *node {
	path, ok := strings.CutPrefix(e.Target, "Files/")
	if ok {
		dir, name := splitLast(path)
		if parent := m.dir(e, dir, false); parent != nil {
			if n := parent.children[nt.Fold(name)]; n != nil && !n.isDir() {
				return n
			}
		}
	}
	m.find(e, layers.Error, "link-target", fmt.Sprintf("hard link to %q, which is no file of this or a lower layer", e.Target),
		"write the target before the link, or copy the file")
	return nil
}

// dir finds the directory path that e needs. With create it adds the ones that are missing, which Windows would refuse.
// It returns nil after a finding if there can be no such directory, and without one if create is not set.
func (m *merge) dir(e *layers.Entry, path string, create bool) *node {
	if m.lastDir != nil && m.lastPath == path {
		return m.lastDir
	}
	n, depth := m.root, 0
	for name := range strings.SplitSeq(path, "/") {
		if path == "" {
			break
		}
		if depth++; depth >= maxDepth {
			m.find(e, layers.Error, "depth", fmt.Sprintf("more than %d directories deep", maxDepth), "shorten the path")
			return nil
		}
		next := n.children[nt.Fold(name)]
		if next == nil && create {
			next = m.imply(e, n, name)
		}
		if next == nil {
			return nil
		}
		if !next.isDir() {
			m.find(e, layers.Error, "below-file", fmt.Sprintf("below %s %q", next.entry.Kind, next.name),
				"remove the entry or replace what is above it by a directory")
			return nil
		}
		n = next
	}
	m.lastDir, m.lastPath = n, path
	return n
}

// imply adds a directory for which the layer has no entry of its own.
func (m *merge) imply(e *layers.Entry, parent *node, name string) *node {
	if !validName(name) {
		m.find(e, layers.Error, "bad-name", "name that NTFS cannot hold", "rename it")
		return nil
	}
	m.find(e, layers.Error, "missing-parent", fmt.Sprintf("no entry for its directory %q", name),
		"add an entry for every directory before what is in it")
	p := parent.entry
	n := &node{name: name, layer: m.layer, children: map[string]*node{}, entry: &layers.Entry{
		Name: join(p.Name, name), Kind: layers.Dir, Attributes: layers.DefaultDir,
		Created: p.Created, Modified: p.Modified, Accessed: p.Accessed, Changed: p.Changed,
	}}
	parent.children[nt.Fold(name)] = n
	return n
}

// validName tells whether a component of a path can exist at all. It is wider than what we write ourselves: a layer may
// hold names such as "aux.txt" that only some programs can reach.
func validName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 3*255 {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`\/:*?"<>|`, r) }) < 0
}

func clone(e *layers.Entry) *layers.Entry {
	c := *e
	return &c
}
