package hives

import (
	"fmt"
	"io"
)

// maxFindings ends a check of a hive that has more wrong with it than anyone reads.
const maxFindings = 100

// Check examines a hive completely, as the loader of Windows does and beyond: base
// block, bins and cells; then every key, list, value, class and security descriptor
// that the root leads to, each of which must lie in an allocated cell that nothing else
// uses; order and uniqueness of names; counts, hashes and maxima; the ring of security
// descriptors with their use counts; and the rules of layered keys. It returns nil for
// a sound hive, and at most about a hundred findings for others. It needs memory for the
// file and 3 % more.
func Check(r io.ReaderAt, size int64) []Finding {
	c := &checker{h: &Hive{r: r}}
	if size == 0 {
		c.add(0, "empty", "the file is empty; Windows Server 2025 needs real hives")
		return c.found
	}
	base := make([]byte, baseSize)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, min(size, baseSize)), base); err != nil {
		c.add(0, "size", "read base block: %v", err)
		return c.found
	}
	c.found = checkBase(base, size)
	for _, f := range c.found {
		// What follows stands on these.
		if f.Rule == "signature" || f.Rule == "version" || f.Rule == "size" {
			return c.found
		}
	}
	c.h.init(base)
	if c.cells() {
		c.keys()
		c.ring()
	}
	return c.found
}

// checker is the state of one Check. Its bit sets have a bit for each 8 bytes.
type checker struct {
	h       *Hive
	found   []Finding
	cellsAt bitset // starts of allocated cells
	used    bitset // cells that something refers to, but for shared ones
	sk      map[uint32]uint32
	skOrder []uint32
}

type bitset []uint64

func newBitset(bytes uint32) bitset  { return make(bitset, bytes/8/64+1) }
func (b bitset) has(off uint32) bool { return b[off/8/64]>>(off/8%64)&1 != 0 }
func (b bitset) set(off uint32)      { b[off/8/64] |= 1 << (off / 8 % 64) }

func (c *checker) add(off uint32, rule, format string, args ...any) {
	c.found = append(c.found, Finding{Offset: baseSize + int64(off), Rule: rule, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) full() bool { return len(c.found) >= maxFindings }

// cells walks all bins and notes where allocated cells begin. It returns false if the
// bins cannot be followed to the end.
func (c *checker) cells() bool {
	c.cellsAt, c.used = newBitset(c.h.bins), newBitset(c.h.bins)
	for bin := uint32(0); bin < c.h.bins; {
		b, err := c.h.bytes(bin, binHead)
		if err != nil {
			c.add(bin, "bin", "%v", err)
			return false
		}
		size := u32(b, 8)
		if string(b[:4]) != "hbin" || u32(b, 4) != bin || size == 0 || size%4096 != 0 || size > c.h.bins-bin {
			c.add(bin, "bin", "bin header %q, offset %#x, size %#x", b[:4], u32(b, 4), size)
			return false
		}
		if !c.binCells(bin+binHead, bin+size) {
			return false
		}
		bin += size
	}
	return true
}

func (c *checker) binCells(off, end uint32) bool {
	for off < end {
		b, err := c.h.bytes(off, 4)
		if err != nil {
			c.add(off, "cell", "%v", err)
			return false
		}
		size := int64(int32(u32(b, 0)))
		if size < 0 {
			c.cellsAt.set(off)
			size = -size
		}
		if size == 0 || size%8 != 0 || size > int64(end-off) {
			c.add(off, "cell", "cell of %d bytes", size)
			return false
		}
		off += uint32(size)
	}
	return true
}

// claim checks that off is an allocated cell and takes it for one use.
func (c *checker) claim(off uint32, what string) bool {
	if !c.allocated(off) {
		c.add(off, "offset", "%s is not in an allocated cell", what)
		return false
	}
	if c.used.has(off) {
		c.add(off, "overlap", "%s is in a cell that is used already", what)
		return false
	}
	c.used.set(off)
	return true
}

func (c *checker) allocated(off uint32) bool {
	return off%8 == 0 && off < c.h.bins && c.cellsAt.has(off)
}

// ring follows the security cells and compares use counts with what keys said.
func (c *checker) ring() {
	if len(c.skOrder) == 0 {
		return
	}
	seen := map[string]uint32{}
	first := c.skOrder[0]
	inRing := map[uint32]bool{}
	for off, prev := first, uint32(0); !c.full(); {
		b, err := c.h.signed(off, skSD, "sk")
		if err != nil || !c.allocated(off) || inRing[off] {
			c.add(off, "security", "ring of security cells is broken")
			return
		}
		inRing[off] = true
		if off != first && u32(b, skBlink) != prev {
			c.add(off, "security", "back link is %#x, not %#x", u32(b, skBlink), prev)
		}
		if got, want := u32(b, skRefs), c.sk[off]; got != want {
			c.add(off, "refcount", "use count is %d, but %d keys use it", got, want)
		}
		if sd, err := c.h.cell(off, skSD+min(u32(b, skSize), maxSD)); err == nil {
			if twin, ok := seen[string(sd[skSD:])]; ok {
				c.add(off, "security", "same security descriptor as at %#x", twin)
			}
			seen[string(sd[skSD:])] = off
		}
		prev, off = off, u32(b, skFlink)
		if off == first {
			if b, err := c.h.signed(first, skSD, "sk"); err == nil && u32(b, skBlink) != prev {
				c.add(first, "security", "back link is %#x, not %#x", u32(b, skBlink), prev)
			}
			break
		}
	}
	for _, off := range c.skOrder {
		if !inRing[off] && !c.full() {
			c.add(off, "security", "security cell is not in the ring")
		}
	}
}
