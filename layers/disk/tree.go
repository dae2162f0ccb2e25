package disk

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// maxDepth and maxLink bound what an image can make us build. Windows paths end
// at 32,767 units, so that no real tree is deeper; Linux refuses longer symlinks.
const (
	maxDepth = 16 << 10
	maxLink  = 4095
)

// node is one entry of the merged tree under the name it has for Linux.
type node struct {
	name   string
	real   string // the name in the View; differs from name only when shortened
	mode   fs.FileMode
	sec    int64
	nsec   uint32
	target string // of a symlink: as Windows has it, or Linux' if verbatim
	plain  bool   // the target is verbatim
	dev    int    // index of the data file; meaningful when size > 0
	off    int64
	size   int64
	kids   map[string]*node // by folded View name; nil unless a directory
	order  []*node          // the same in the order of their Linux names, once these are settled
	in     bool             // part of the device being written
}

func newDir(name string) *node {
	return &node{name: name, real: name, mode: fs.ModeDir | 0o755, sec: epoch, kids: map[string]*node{}}
}

// checkName refuses names that would mean something else to Linux.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("name %q cannot be a file name", name)
	}
	return nil
}

// parent gives the directory that holds path, made as needed. It is nil when
// something else than a directory is in the way, unless over clears it away.
func (n *node) parent(path string, over bool) (*node, string, error) {
	parts := strings.Split(path, "/")
	if len(parts) > maxDepth {
		return nil, "", fmt.Errorf("path of %d folders is too deep", len(parts))
	}
	for _, name := range parts {
		if err := checkName(name); err != nil {
			return nil, "", err
		}
	}
	at := n
	for _, name := range parts[:len(parts)-1] {
		next := at.kids[nt.Fold(name)]
		switch {
		case next == nil, next.kids == nil && over:
			next = newDir(name)
			at.kids[nt.Fold(name)] = next
		case next.kids == nil:
			return nil, "", nil
		}
		at = next
	}
	return at, parts[len(parts)-1], nil
}

// put adds e, whose name and children are set here, at path. What is there already
// stays, unless over says that e wins; a directory stays even then, if e is one too.
func (n *node) put(path string, e *node, over bool) error {
	if path == "" {
		return nil
	}
	dir, name, err := n.parent(path, over)
	if err != nil || dir == nil {
		return err
	}
	key := nt.Fold(name)
	old := dir.kids[key]
	isDir := e.mode.IsDir()
	switch {
	case old == nil:
	case isDir && old.kids != nil, !over:
		return nil
	default:
		name = old.real
	}
	e.name, e.real = name, name
	if isDir {
		e.kids = map[string]*node{}
	}
	dir.kids[key] = e
	return nil
}

// sorted lists the children in the byte order of their Linux names, which do not change any more.
func (n *node) sorted() []*node {
	if len(n.order) != len(n.kids) {
		n.order = slices.SortedFunc(maps.Values(n.kids), func(a, b *node) int { return strings.Compare(a.name, b.name) })
	}
	return n.order
}

// mark notes which entries go with device dev: those whose bytes lie there and
// the directories that lead to them. Device 0 also takes all that has no bytes.
// It tells whether n is one of them.
func (n *node) mark(dev int) bool {
	if n.kids == nil {
		n.in = n.size > 0 && n.dev == dev || n.size == 0 && dev == 0
		return n.in
	}
	n.in = dev == 0
	for _, k := range n.kids {
		if k.mark(dev) {
			n.in = true
		}
	}
	return n.in
}

// find resolves a path without following symlinks; nil when there is no such entry.
func (n *node) find(path string) *node {
	at := n
	if path == "" || path == "." {
		return at
	}
	for name := range strings.SplitSeq(path, "/") {
		if at = at.byLinuxName(name); at == nil {
			return nil
		}
	}
	return at
}

func (n *node) byLinuxName(name string) *node {
	if k := n.kids[nt.Fold(name)]; k != nil && k.name == name {
		return k
	}
	for _, k := range n.kids { // only a shortened name is stored under another key
		if k.name == name {
			return k
		}
	}
	return nil
}

// each calls f for n and everything below it, in no particular order.
func (n *node) each(f func(*node)) {
	f(n)
	for _, k := range n.kids {
		k.each(f)
	}
}
