package hives

import "fmt"

// entries walks the subkey list of a node, whatever its form, entry by entry.
type entries struct {
	h      *Hive
	leaves []byte // of an ri, the leaves still to come
	leaf   []byte // entries still to come
	kind   byte   // of the leaf: i, f or h
	left   uint32 // how many keys there may be yet in a hive of this size
}

// list begins the walk. How many subkeys a node says it has does not matter, unless it
// has none: Windows, too, goes by the list when it loads a hive.
func (h *Hive) list(n node) (entries, error) {
	e := entries{h: h, left: h.bins / nkName}
	if n.subkeys() == 0 {
		return e, nil
	}
	kind, body, err := h.listCell(u32(n.b, nkList))
	if err != nil {
		return e, err
	}
	if kind == 'r' {
		e.leaves = body
	} else {
		e.kind, e.leaf = kind, body
	}
	return e, nil
}

// listCell reads an li, lf, lh or ri cell. kind is the second letter, but r for ri.
func (h *Hive) listCell(off uint32) (kind byte, body []byte, err error) {
	b, err := h.cell(off, 4)
	if err != nil {
		return 0, nil, fmt.Errorf("subkey list: %w", err)
	}
	width := uint32(4)
	switch string(b[:2]) {
	case "ri":
		kind = 'r'
	case "li":
		kind = 'i'
	case "lf", "lh":
		kind, width = b[1], 8
	default:
		return 0, nil, fmt.Errorf("%w: subkey list at %#x is %q", ErrFormat, off, b[:2])
	}
	n := uint32(u16(b, 2))
	if n == 0 {
		return 0, nil, fmt.Errorf("%w: subkey list at %#x is empty", ErrFormat, off)
	}
	if b, err = h.cell(off, 4+n*width); err != nil {
		return 0, nil, fmt.Errorf("subkey list: %w", err)
	}
	return kind, b[4:], nil
}

// next returns the offset of the next key and what is stored with it: the hash of an lh
// list, the hint of an lf list, or 0.
func (e *entries) next() (off, hash uint32, ok bool, err error) {
	for len(e.leaf) == 0 {
		if len(e.leaves) == 0 || e.left == 0 {
			return 0, 0, false, nil
		}
		if err := e.nextLeaf(); err != nil {
			return 0, 0, false, err
		}
	}
	if e.left == 0 {
		return 0, 0, false, nil
	}
	e.left--
	off = u32(e.leaf, 0)
	if e.kind == 'i' {
		e.leaf = e.leaf[4:]
		return off, 0, true, nil
	}
	hash = u32(e.leaf, 4)
	e.leaf = e.leaf[8:]
	return off, hash, true, nil
}

// nextLeaf goes on to the next leaf of an ri. After an error there is none.
func (e *entries) nextLeaf() (err error) {
	off := u32(e.leaves, 0)
	if e.kind, e.leaf, err = e.h.listCell(off); err == nil && e.kind == 'r' {
		err = fmt.Errorf("%w: subkey list of lists of lists", ErrFormat)
	}
	if err != nil {
		e.leaf = nil
		return err
	}
	e.leaves = e.leaves[4:]
	return nil
}

// children walks the subkeys of a node. It insists on what makes the keys of a hive a
// tree: every child names this node as its parent, and names ascend, so that none
// comes twice.
type children struct {
	entries
	parent uint32
	prev   rawName
	any    bool
}

func (h *Hive) children(n node) (children, error) {
	e, err := h.list(n)
	return children{entries: e, parent: n.off}, err
}

func (c *children) next() (node, bool, error) {
	off, _, ok, err := c.entries.next()
	if err != nil || !ok {
		return node{}, false, err
	}
	n, err := c.h.child(c.parent, off)
	if err != nil {
		return node{}, false, err
	}
	name := n.name()
	if c.any && c.prev.compare(name) >= 0 {
		return node{}, false, fmt.Errorf("%w: subkeys %s and %s are out of order", ErrFormat, c.prev, name)
	}
	c.prev, c.any = name, true
	return n, true, nil
}

// child reads the node at off as a subkey of parent.
func (h *Hive) child(parent, off uint32) (node, error) {
	n, err := h.node(off)
	if err != nil {
		return node{}, fmt.Errorf("subkey: %w", err)
	}
	if off == h.root || u32(n.b, nkParent) != parent || len(n.name().b) == 0 {
		return node{}, fmt.Errorf("%w: key at %#x is not a subkey of that at %#x", ErrFormat, off, parent)
	}
	return n, nil
}

// lookup finds a subkey by its folded name. Like Windows it trusts the hashes of lh lists:
// what they hide does not exist. The hints of lf lists are not looked at.
func (h *Hive) lookup(n node, folded []uint16) (node, bool, error) {
	e, err := h.list(n)
	if err != nil {
		return node{}, false, err
	}
	want := hashUnits(folded)
	for {
		e.skip(want)
		off, _, ok, err := e.next()
		if err != nil || !ok {
			return node{}, false, err
		}
		c, err := h.child(n.off, off)
		if err != nil {
			return node{}, false, err
		}
		if c.name().is(folded) {
			return c, true, nil
		}
	}
}

// skip passes over entries of lh lists that have another hash.
func (e *entries) skip(hash uint32) {
	for {
		for e.kind == 'h' && len(e.leaf) > 0 && e.left > 0 && u32(e.leaf, 4) != hash {
			e.leaf = e.leaf[8:]
			e.left--
		}
		if len(e.leaf) > 0 || len(e.leaves) == 0 || e.left == 0 || e.nextLeaf() != nil {
			return
		}
	}
}
