package hives

import "github.com/mullion/mullion/internal/nt"

// visit is a key still to be checked.
type visit struct {
	off, parent uint32
	depth       int
	under       uint8 // semantics of the parent
}

// keys checks every key the root leads to. Claiming the cell of each makes sure that
// the walk ends.
func (c *checker) keys() {
	c.sk = map[uint32]uint32{}
	if !c.claim(c.h.root, "root key") {
		return
	}
	if n, err := c.h.node(c.h.root); err == nil && n.flags()&keyRoot == 0 {
		c.add(n.off, "root", "root key has flags %#x", n.flags())
	}
	todo := []visit{{off: c.h.root}}
	for len(todo) > 0 && !c.full() {
		v := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], c.key(v)...)
	}
}

// key checks one key and returns its subkeys.
func (c *checker) key(v visit) []visit {
	n, err := c.h.node(v.off)
	if err != nil {
		c.add(v.off, "key", "%v", err)
		return nil
	}
	size, err := c.h.cellSize(v.off)
	name := n.name()
	switch {
	case err != nil || size+4 > nkMaxCell:
		c.add(v.off, "key", "cell of %d bytes", size+4)
	case len(name.b) == 0 && v.depth > 0:
		c.add(v.off, "name", "key has no name")
	case !name.latin && len(name.b)%2 != 0:
		c.add(v.off, "name", "UTF-16 name of %d bytes", len(name.b))
	}
	if v.depth > 0 && u32(n.b, nkParent) != v.parent {
		c.add(v.off, "parent", "key %s names %#x as parent, not %#x", name, u32(n.b, nkParent), v.parent)
	}
	c.security(n)
	c.class(n)
	c.values(n)
	c.layers(n, v)
	return c.subkeys(n, v)
}

func (c *checker) security(n node) {
	off := u32(n.b, nkSecurity)
	if !c.allocated(off) {
		c.add(n.off, "security", "key %s has no security cell", n.name())
		return
	}
	if c.sk[off]++; c.sk[off] > 1 {
		return
	}
	c.skOrder = append(c.skOrder, off)
	if c.used.has(off) {
		c.add(off, "overlap", "security is in a cell that is used already")
		return
	}
	c.used.set(off)
	sd, err := c.h.sd(n)
	if err == nil {
		_, err = nt.ParseSD(sd)
	}
	if err != nil {
		c.add(off, "security", "%v", err)
	}
}

func (c *checker) class(n node) {
	off, size := u32(n.b, nkClass), u16(n.b, nkClassLen)
	if size == 0 || off == noCell {
		if size != 0 {
			c.add(n.off, "class", "class of %d bytes without a cell", size)
		}
		return
	}
	if !c.claim(off, "class") {
		return
	}
	if _, err := c.h.class(n); err != nil {
		c.add(off, "class", "%v", err)
	}
}

// subkeys checks the lists of a key: their cells, counts, hashes, the order of names.
func (c *checker) subkeys(n node, v visit) (kids []visit) {
	count := u32(n.b, nkSubkeys)
	list := u32(n.b, nkList)
	if count == 0 && (list == noCell || list == 0) {
		return nil
	}
	if !c.claimLists(list) {
		return nil
	}
	if v.depth >= maxDepth {
		c.add(n.off, "depth", "keys are nested deeper than %d", maxDepth)
		return nil
	}
	if got := c.entryCount(list); got != uint64(count) {
		c.add(n.off, "count", "key %s says %d subkeys, its list has %d", n.name(), count, got)
		return nil
	}
	e, err := c.h.list(n)
	var prev rawName
	maxName := 0
	for err == nil && !c.full() {
		var off, hash uint32
		var hashed, ok bool
		if off, hash, hashed, ok, err = e.next(); err != nil || !ok {
			break
		}
		if !c.claim(off, "subkey") {
			continue
		}
		k, kerr := c.h.node(off)
		if kerr != nil {
			c.add(off, "key", "%v", kerr)
			continue
		}
		name := k.name()
		if len(kids) > 0 && prev.compare(name) >= 0 {
			c.add(off, "order", "subkeys %s and %s are out of order", prev, name)
		}
		if hashed && hash != name.hash() {
			c.add(off, "hash", "subkey %s has hash %#x in its list, should be %#x", name, hash, name.hash())
		}
		prev, maxName = name, max(maxName, 2*name.units())
		kids = append(kids, visit{off: off, parent: n.off, depth: v.depth + 1, under: c.h.semantics(n)})
	}
	if err != nil {
		c.add(list, "list", "%v", err)
	}
	if limit := int(u16(n.b, nkMaxName)); maxName > limit {
		c.add(n.off, "maximum", "key %s has subkey names of %d bytes, more than the %d it says", n.name(), maxName, limit)
	}
	return kids
}

// claimLists claims the cell of a list and, if that is a list of lists, of its leaves.
func (c *checker) claimLists(off uint32) bool {
	if !c.claim(off, "subkey list") {
		return false
	}
	kind, body, err := c.h.listCell(off)
	if err != nil {
		c.add(off, "list", "%v", err)
		return false
	}
	if kind != 'r' {
		c.listVersion(off, kind)
		return true
	}
	for ; len(body) > 0; body = body[4:] {
		leaf := u32(body, 0)
		if !c.claim(leaf, "subkey list") {
			return false
		}
		kind, _, err := c.h.listCell(leaf)
		if err != nil || kind == 'r' {
			c.add(leaf, "list", "not a list of keys: %v", err)
			return false
		}
		c.listVersion(leaf, kind)
	}
	return true
}

func (c *checker) listVersion(off uint32, kind byte) {
	if kind == 'h' && c.h.minor < 5 {
		c.add(off, "version", "hashed list in version 1.%d", c.h.minor)
	}
}

// entryCount counts the entries of lists that claimLists found sound.
func (c *checker) entryCount(off uint32) (n uint64) {
	kind, body, err := c.h.listCell(off)
	switch {
	case err != nil:
		return 0
	case kind == 'i':
		return uint64(len(body) / 4)
	case kind != 'r':
		return uint64(len(body) / 8)
	}
	for ; len(body) > 0; body = body[4:] {
		n += c.entryCount(u32(body, 0))
	}
	return n
}

// layers checks the layer byte: what a deleted key may hold, and what may lie under a
// key that hides everything below it.
func (c *checker) layers(n node, v visit) {
	if !c.h.layered {
		return
	}
	s := c.h.semantics(n)
	if n.b[nkLayer]&^(layerMask|layerInherit) != 0 {
		c.add(n.off, "layer", "unknown layer bits %#x", n.b[nkLayer])
	}
	if s == layerTombstone && (n.subkeys() > 0 || n.values() > 0 || u16(n.b, nkClassLen) > 0) {
		c.add(n.off, "layer", "deleted key %s is not empty", n.name())
	}
	if v.under == layerTree && s != layerTree && s != layerTombstone {
		c.add(n.off, "layer", "key %s merges with what a key above it hides", n.name())
	}
}
