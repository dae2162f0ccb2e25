package hives

import (
	"hash/maphash"
	"slices"
	"strings"
)

// level is a key on the way from the root to where the check is.
type level struct {
	node
	kids     entries
	prev     rawName // the subkey before
	any      bool
	maxName  int // of the subkeys so far, in bytes as UTF-16
	maxClass uint32
	under    uint8 // semantics of the key itself
	units    int   // of the path
}

const maxPath = 1 << 16 // UTF-16 units

// keys checks every key the root leads to. Claiming the cell of each makes sure that
// the walk ends.
func (c *checker) keys() {
	c.sk, c.skHash, c.seed = map[uint32]uint32{}, map[uint64]uint32{}, maphash.MakeSeed()
	if !c.claim(c.h.root, "root key") {
		return
	}
	n, err := c.h.node(c.h.root)
	if err != nil {
		c.lost(c.h.root, ruleRoot, "%v", err)
		return
	}
	if n.flags()&keyRoot == 0 {
		c.found(n.off, ruleRoot, "root key has flags %#x", n.flags())
	}
	for c.enter(n, 0); len(c.levels) > 0; {
		l := &c.levels[len(c.levels)-1]
		off, hash, ok, err := l.kids.next()
		if err != nil {
			c.lost(l.off, ruleList, "%v", err)
		}
		if err != nil || !ok {
			c.leave(l)
			continue
		}
		c.subkey(l, off, hash)
	}
}

// path is that of the key that the check is at.
func (c *checker) path() string {
	const most = 1000 // bytes
	if len(c.levels) == 0 {
		return ""
	}
	var names []string
	size := 0
	for i := len(c.levels) - 1; i > 0 && size < most; i-- {
		names = append(names, c.levels[i].name().String())
		size += len(names[len(names)-1])
	}
	slices.Reverse(names)
	path := strings.Join(names, `\`)
	if len(names) < len(c.levels)-1 {
		return `...\` + path
	}
	if path == "" {
		return `\`
	}
	return path
}

// enter checks one key and makes it the one that the check is at.
func (c *checker) enter(n node, units int) {
	var parent level
	below := len(c.levels) > 0
	if below {
		parent = c.levels[len(c.levels)-1]
	}
	c.levels = append(c.levels, level{node: n, under: c.h.semantics(n), units: units})
	if size, err := c.h.cellSize(n.off); err != nil || size+4 > nkMaxCell {
		c.found(n.off, ruleKey, "cell of %d bytes", size+4)
	}
	c.keyName(n)
	if below {
		if off := u32(n.b, nkParent); off != parent.off {
			c.found(n.off, ruleParent, "names %#x as parent, not %#x", off, parent.off)
		}
		if n.flags()&keyRoot != 0 {
			c.found(n.off, ruleFlags, "flags %#x are those of a root", n.flags())
		}
		c.layer(n, parent.under)
	}
	if n.flags()&keyVolatile != 0 {
		c.found(n.off, ruleFlags, "flags %#x are those of a key that is never stored", n.flags())
	}
	c.security(n)
	c.class(n)
	c.values(n)
	c.lists(&c.levels[len(c.levels)-1])
}

// leave compares what was seen below a key with what it says of it.
func (c *checker) leave(l *level) {
	if limit := int(u16(l.b, nkMaxName)); l.maxName > limit {
		c.found(l.off, ruleMaximum, "subkey names of %d bytes, more than the %d it says", l.maxName, limit)
	}
	if limit := u32(l.b, nkMaxClass); l.maxClass > limit {
		c.found(l.off, ruleMaximum, "subkey classes of %d bytes, more than the %d it says", l.maxClass, limit)
	}
	c.levels = c.levels[:len(c.levels)-1]
}

// keyName checks a name as stored. An empty one is the root's own affair.
func (c *checker) keyName(n node) {
	name := n.name()
	if len(name.b) == 0 {
		if len(c.levels) > 1 {
			c.found(n.off, ruleName, "no name")
		}
		return
	}
	if !name.latin && len(name.b)%2 != 0 {
		c.found(n.off, ruleName, "UTF-16 name of %d bytes", len(name.b))
		return
	}
	if name.has(0) || name.has('\\') && len(c.levels) > 1 {
		c.found(n.off, ruleSpelling, "name holds a backslash or NUL")
	}
	if !name.latin && encode(name.String()).latin {
		c.found(n.off, ruleSpelling, "name is stored as UTF-16 without need")
	}
}

func (c *checker) class(n node) {
	off, size := u32(n.b, nkClass), u16(n.b, nkClassLen)
	if size == 0 || off == noCell {
		if size != 0 {
			c.found(n.off, ruleClass, "class of %d bytes without a cell", size)
		}
		return
	}
	if !c.claim(off, "class") {
		return
	}
	if _, err := c.h.cell(off, uint32(size)); err != nil || size%2 != 0 {
		c.found(off, ruleClass, "class of %d bytes: %v", size, err)
	}
}

// lists checks the cells of a key's list of subkeys and begins to go through it.
func (c *checker) lists(l *level) {
	count, list := u32(l.b, nkSubkeys), u32(l.b, nkList)
	switch {
	case count == 0 && (list == noCell || list == 0):
		return
	case count == 0:
		c.lost(l.off, ruleCount, "says no subkeys and has a list")
		return
	case list == noCell:
		c.lost(l.off, ruleCount, "says %d subkeys and has no list", count)
		return
	}
	have, ok := c.leaves(list)
	if !ok {
		return
	}
	if len(c.levels) > maxDepth {
		c.lost(l.off, ruleDepth, "keys are nested deeper than %d", maxDepth)
		return
	}
	if have != uint64(count) {
		c.found(l.off, ruleCount, "says %d subkeys, its list has %d", count, have)
	}
	var err error
	if l.kids, err = c.h.list(l.node); err != nil {
		c.lost(list, ruleList, "%v", err)
	}
}

// leaves claims the cell of a list and, if that is a list of lists, of its leaves, and
// counts the entries.
func (c *checker) leaves(off uint32) (n uint64, ok bool) {
	if !c.claim(off, "subkey list") {
		return 0, false
	}
	kind, body, err := c.h.listCell(off)
	if err != nil {
		c.lost(off, ruleList, "%v", err)
		return 0, false
	}
	if kind != 'r' {
		return c.leaf(off, kind, body), true
	}
	for ; len(body) > 0; body = body[4:] {
		off := u32(body, 0)
		if !c.claim(off, "subkey list") {
			return 0, false
		}
		kind, leaf, err := c.h.listCell(off)
		if err != nil || kind == 'r' {
			c.lost(off, ruleList, "not a list of keys: %v", err)
			return 0, false
		}
		n += c.leaf(off, kind, leaf)
	}
	return n, true
}

func (c *checker) leaf(off uint32, kind byte, body []byte) uint64 {
	if kind == 'h' && c.h.minor < 5 {
		c.found(off, ruleForm, "hashed list in version 1.%d", c.h.minor)
	}
	if kind == 'i' {
		return uint64(len(body) / 4)
	}
	return uint64(len(body) / 8)
}

// subkey checks an entry of a list and enters its key.
func (c *checker) subkey(l *level, off, hash uint32) {
	if !c.claim(off, "subkey") {
		return
	}
	k, err := c.h.node(off)
	if err != nil {
		c.lost(off, ruleKey, "%v", err)
		return
	}
	name, kind, prev, any := k.name(), l.kids.kind, l.prev, l.any
	l.prev, l.any = name, true
	l.maxName = max(l.maxName, 2*name.units())
	l.maxClass = max(l.maxClass, uint32(u16(k.b, nkClassLen)))
	units := l.units + 1 + name.units()
	if units > maxPath && l.units <= maxPath {
		c.found(off, ruleDepth, "path of more than %d characters", maxPath)
	}
	c.enter(k, units)
	if any && prev.compare(name) >= 0 {
		c.found(off, ruleOrder, "does not belong behind %s", prev)
	}
	if kind == 'h' && hash != name.hash() {
		c.found(off, ruleHash, "hash %#x in its list, should be %#x", hash, name.hash())
	}
	if kind == 'f' && hash != name.hint() {
		c.found(off, ruleHint, "hint %#x in its list, should be %#x", hash, name.hint())
	}
}

// layer checks the layer byte of a key that is not the root: what a deleted key may hold,
// and what may lie under a key that hides everything below it.
func (c *checker) layer(n node, under uint8) {
	if !c.h.layered {
		return
	}
	s := c.h.semantics(n)
	if n.b[nkLayer]&^(layerMask|layerInherit) != 0 {
		c.found(n.off, ruleLayer, "unknown layer bits %#x", n.b[nkLayer])
	}
	if s == layerTombstone && (n.subkeys() > 0 || n.values() > 0 || u16(n.b, nkClassLen) > 0) {
		c.found(n.off, ruleLayer, "a deleted key is not empty")
	}
	if under == layerTree && s != layerTree && s != layerTombstone {
		c.found(n.off, ruleLayer, "merges with what the key above it hides")
	}
}
