package hives

import (
	"fmt"
	"io"

	"github.com/mullion/mullion/internal/nt"
)

// leafMax is how many keys an lh list holds at most, so that it fills one bin of 4096
// bytes. Windows splits its own lists there.
const leafMax = 507

// writer lays out a hive: keys depth first, each node followed by its class, its values
// and the list of its subkeys.
type writer struct {
	alloc
	delta    bool
	security map[string]*security
	order    []*security
	todo     []pending // keys still to be written, the next one last
	leaves   []uint32  // of the list at hand
	keyName  []byte    // room for names, so that each need not be made anew
	valName  []byte
}

// security is one shared sk cell.
type security struct {
	off  uint32
	refs uint32
}

// pending is a key whose node is still to be written.
type pending struct {
	k      *memKey
	parent uint32
	slot   uint32 // where in the bins its parent's list refers to it; 0 for the root
	depth  int
}

// write writes the hive below root: a base hive in version 1.5, or a delta in 1.6 with
// layered keys. No clock, path or identifier enters it.
func write(out io.Writer, root *memKey, delta bool) (int64, error) {
	w := &writer{delta: delta, security: map[string]*security{}, todo: []pending{{k: root}}}
	w.reserve(root)
	for len(w.todo) > 0 {
		p := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.key(p); err != nil {
			return 0, fmt.Errorf("write hive: key %s: %w", p.k.name, err)
		}
	}
	w.ring()
	w.close()
	if w.err != nil {
		return 0, fmt.Errorf("write hive: %w", w.err)
	}
	n, err := out.Write(w.base())
	if err != nil {
		return int64(n), fmt.Errorf("write hive: %w", err)
	}
	m, err := out.Write(w.bins)
	if err != nil {
		err = fmt.Errorf("write hive: %w", err)
	}
	return int64(n) + int64(m), err
}

// reserve makes room for about as many bytes as the keys will take, so that the bins need
// not be moved as they grow: one in 32 more than all cells, for the ends of bins.
func (w *writer) reserve(root *memKey) {
	total := 0
	for todo := []*memKey{root}; len(todo) > 0; {
		k := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], k.kids...)
		total += nkName + 16 + len(k.name) + 2*len(k.info.Class) + 8*len(k.kids)
		for _, v := range k.values {
			total += 4 + vkName + 16 + len(v.Name) + len(v.Data)
			if len(v.Data) > baseSize/2 {
				total += baseSize // a bin of its own
			}
		}
	}
	w.bins = make([]byte, 0, min(total+total/32+2*4096, maxFile))
}

// base makes the base block. The file name in it, which is for debuggers only, says
// what wrote it.
func (w *writer) base() []byte {
	b := make([]byte, baseSize)
	copy(b, "regf")
	put32(b, offSeq1, 1)
	put32(b, offSeq2, 1)
	put32(b, offMajor, 1)
	put32(b, offMinor, 5)
	file := `mullion\base`
	if w.delta {
		put32(b, offMinor, 6)
		put32(b, offFlags, flagLayered)
		file = `mullion\delta`
	}
	put32(b, offFormat, 1)
	put32(b, offRoot, binHead)
	put32(b, offBins, uint32(len(w.bins)))
	put32(b, offCluster, 1)
	copy(b[offFile:], nt.UTF16Bytes(file))
	put32(b, offChecksum, checksum(b))
	return b
}

// key writes one key and puts its subkeys on the list of those to be written.
func (w *writer) key(p pending) error {
	k := p.k
	if p.depth > maxDepth {
		return errTooDeep
	}
	name := encodeIn(w.keyName, k.name)
	w.keyName = name.b
	if err := k.check(name); err != nil {
		return err
	}
	off := w.cell(uint32(nkName + len(name.b)))
	if p.slot != 0 {
		put32(w.bins, int(p.slot), off)
		put32(w.bins, int(p.slot)+4, name.hash())
	}
	sec := w.share(k.info.SD)
	class := w.put(nt.UTF16Bytes(k.info.Class))
	values, err := w.values(k.values)
	if err != nil {
		return err
	}
	list := w.list(len(k.kids))
	if w.err != nil {
		return w.err
	}

	b := w.payload(off)
	copy(b, "nk")
	flags := k.info.Flags & keyVirtual
	if p.slot == 0 {
		flags |= keyRoot | keyNoDelete
	}
	if k.info.Symlink {
		flags |= keySymlink
	}
	if name.latin {
		flags |= keyLatin
	}
	put16(b, nkFlags, flags)
	put64(b, nkTime, uint64(k.info.LastWrite))
	if w.delta {
		b[nkAccess], b[nkLayer] = 2, k.info.Layer
	}
	put32(b, nkParent, p.parent)
	put32(b, nkSubkeys, uint32(len(k.kids)))
	put32(b, nkList, list)
	put32(b, nkVolatile, noCell)
	put32(b, nkValues, uint32(len(k.values)))
	put32(b, nkValueList, values.list)
	put32(b, nkSecurity, sec)
	put32(b, nkClass, class)
	b[nkUser] = k.info.User
	put32(b, nkMaxValName, values.maxName)
	put32(b, nkMaxData, values.maxData)
	put16(b, nkNameLen, uint16(len(name.b)))
	put16(b, nkClassLen, uint16(2*unitCount(k.info.Class)))
	copy(b[nkName:], name.b)

	var maxName, maxClass int
	for i := len(k.kids) - 1; i >= 0; i-- {
		c := k.kids[i]
		slot := w.leaves[i/leafMax] + 8 + 8*uint32(i%leafMax)
		w.todo = append(w.todo, pending{k: c, parent: off, slot: slot, depth: p.depth + 1})
		maxName = max(maxName, 2*unitCount(c.name))
		maxClass = max(maxClass, 2*unitCount(c.info.Class))
	}
	put16(b, nkMaxName, uint16(maxName))
	put32(b, nkMaxClass, uint32(maxClass))
	return nil
}

// check refuses what has no place in a node. Windows itself once made names of one
// character more than programs can.
func (k *memKey) check(name rawName) error {
	switch n := name.units(); {
	case n == 0 || n > maxKeyName+1:
		return fmt.Errorf("name of %d characters", n)
	case len(k.info.SD) == 0 || len(k.info.SD) > maxSD:
		return fmt.Errorf("security descriptor of %d bytes", len(k.info.SD))
	case 2*unitCount(k.info.Class) > maxClass:
		return fmt.Errorf("class of %d characters", unitCount(k.info.Class))
	}
	return nil
}

// list makes room for the list of n subkeys, to be filled in later, and returns its cell.
// Its leaves are in w.leaves; the entries of a leaf begin 8 bytes into its cell.
func (w *writer) list(n int) uint32 {
	w.leaves = w.leaves[:0]
	for ; n > 0; n -= leafMax {
		m := min(n, leafMax)
		off := w.cell(4 + 8*uint32(m))
		b := w.payload(off)
		copy(b, "lh")
		put16(b, 2, uint16(m))
		w.leaves = append(w.leaves, off)
	}
	switch n := len(w.leaves); {
	case n == 0:
		return noCell
	case n == 1:
		return w.leaves[0]
	case n > 0xFFFF:
		w.err = fmt.Errorf("more than %d subkeys", 0xFFFF*leafMax)
		return noCell
	}
	cell := w.cell(4 + 4*uint32(len(w.leaves)))
	b := w.payload(cell)
	copy(b, "ri")
	put16(b, 2, uint16(len(w.leaves)))
	for i, l := range w.leaves {
		put32(b, 4+4*i, l)
	}
	return cell
}

// share returns the sk cell of a descriptor, one for all keys that have it.
func (w *writer) share(sd []byte) uint32 {
	s := w.security[string(sd)]
	if s == nil {
		s = &security{off: w.cell(uint32(skSD + len(sd)))}
		b := w.payload(s.off)
		copy(b, "sk")
		put32(b, skSize, uint32(len(sd)))
		copy(b[skSD:], sd)
		w.security[string(sd)] = s
		w.order = append(w.order, s)
	}
	s.refs++
	return s.off
}

// ring links the sk cells in the order of first use and counts who uses them.
func (w *writer) ring() {
	n := len(w.order)
	for i, s := range w.order {
		b := w.payload(s.off)
		put32(b, skFlink, w.order[(i+1)%n].off)
		put32(b, skBlink, w.order[(i+n-1)%n].off)
		put32(b, skRefs, s.refs)
	}
}
