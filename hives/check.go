package hives

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
)

// Check examines a hive as [Strict] does.
func Check(r io.ReaderAt, size int64) []Finding { return Strict.Check(r, size) }

// Check examines a hive completely, as the loader of Windows does and beyond: base
// block, bins and cells; then every key, list, value, class and security descriptor
// that the root leads to, each of which must lie in an allocated cell that nothing else
// uses; order and uniqueness of names; counts, hashes and maxima; the ring of security
// descriptors with their use counts; the rules of layered keys; and cells that nothing
// leads to. It returns nil for a sound hive, and at most 16 findings of each rule.
//
// It reads the file about twice, in time linear in its size whatever is in it, and needs
// memory for 5 % of it, and 2 MiB; only a file of little but security cells takes more, up to
// a quarter of its size.
func (m Mode) Check(r io.ReaderAt, size int64) []Finding {
	c := &checker{h: &Hive{r: r}, report: report{mode: m}}
	c.all(size)
	return c.done()
}

// CheckBytes examines a hive that is in memory, without a copy.
func (m Mode) CheckBytes(b []byte) []Finding {
	c := &checker{h: &Hive{r: bytes.NewReader(b), memory: b}, report: report{mode: m}}
	c.all(int64(len(b)))
	return c.done()
}

// checker is the state of one check. Its bit sets have a bit for each 8 bytes.
type checker struct {
	report
	h       *Hive
	cellsAt bitset // starts of allocated cells
	used    bitset // of those, the ones that something refers to
	cut     bool   // something could not be followed, so that what lies behind it is not known
	levels  []level
	sk      map[uint32]uint32 // of a security cell -> how many keys use it
	skOrder []uint32
	ringed  bitset            // security cells in the ring
	skHash  map[uint64]uint32 // of a descriptor -> its cell
	seed    maphash.Seed
}

type bitset []uint64

func newBitset(bytes uint32) bitset  { return make(bitset, bytes/8/64+1) }
func (b bitset) has(off uint32) bool { return b[off/8/64]>>(off/8%64)&1 != 0 }
func (b bitset) set(off uint32)      { b[off/8/64] |= 1 << (off / 8 % 64) }

// found notes a finding about the cell at off and the key that the check is at.
func (c *checker) found(off uint32, rule Rule, format string, args ...any) {
	if c.wants(rule) {
		c.add(Finding{Offset: baseSize + int64(off), Key: c.path(), Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
}

// lost notes a finding that leaves something of the hive out of sight.
func (c *checker) lost(off uint32, rule Rule, format string, args ...any) {
	c.cut = true
	c.found(off, rule, format, args...)
}

func (c *checker) all(size int64) {
	if size == 0 {
		c.found(0, ruleEmpty, "the file is empty; Windows Server 2025 needs real hives")
		c.report.list[0].Offset = 0
		return
	}
	base := make([]byte, baseSize)
	if _, err := io.ReadFull(io.NewSectionReader(c.h.r, 0, min(size, baseSize)), base); err != nil {
		c.add(Finding{Rule: ruleSize, Message: fmt.Sprintf("read base block: %v", err)})
		return
	}
	stands := true
	for _, f := range checkBase(base, size) {
		c.add(f)
		stands = stands && f.Rule != ruleSignature && f.Rule != ruleVersion && f.Rule != ruleSize
	}
	if !stands {
		return
	}
	c.h.init(base)
	if c.h.memory != nil {
		c.h.memory = c.h.memory[baseSize:][:c.h.bins]
	}
	c.tail(size)
	if !c.cells() {
		return
	}
	c.keys()
	c.ring()
	if !c.cut {
		c.leaks()
	}
}

// maxTail is how much behind the last bin is looked at. Windows grows its files by 256 KiB.
const maxTail = 256 << 10

// tail looks for bytes that an earlier, longer state of the hive left behind.
func (c *checker) tail(size int64) {
	end := baseSize + int64(c.h.bins)
	b := make([]byte, min(size-end, maxTail))
	if _, err := io.ReadFull(io.NewSectionReader(c.h.r, end, int64(len(b))), b); err != nil {
		c.found(c.h.bins, ruleTail, "read what follows the bins: %v", err)
		return
	}
	if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
		c.found(c.h.bins, ruleTail, "%d bytes of something follow the last bin", n)
	}
}

// cells walks all bins and notes where allocated cells begin. It returns false if the
// bins cannot be followed to the end.
func (c *checker) cells() bool {
	c.cellsAt, c.used = newBitset(c.h.bins), newBitset(c.h.bins)
	for bin := uint32(0); bin < c.h.bins; {
		b, err := c.h.bytes(bin, binHead)
		if err != nil {
			c.found(bin, ruleBin, "%v", err)
			return false
		}
		size := u32(b, 8)
		if string(b[:4]) != "hbin" || u32(b, 4) != bin || size == 0 || size%4096 != 0 || size > c.h.bins-bin {
			c.found(bin, ruleBin, "bin header %q, offset %#x, size %#x", b[:4], u32(b, 4), size)
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
			c.found(off, ruleCell, "%v", err)
			return false
		}
		size := int64(int32(u32(b, 0)))
		if size < 0 {
			c.cellsAt.set(off)
			size = -size
		}
		if size == 0 || size%8 != 0 || size > int64(end-off) {
			c.found(off, ruleCell, "cell of %d bytes, %d before the end of its bin", size, end-off)
			return false
		}
		off += uint32(size)
	}
	return true
}

// claim checks that off is an allocated cell and takes it for one use.
func (c *checker) claim(off uint32, what string) bool {
	if !c.allocated(off) {
		c.lost(off, ruleOffset, "%s is not in an allocated cell", what)
		return false
	}
	if c.used.has(off) {
		c.lost(off, ruleOverlap, "%s is in a cell that is used already", what)
		return false
	}
	c.used.set(off)
	return true
}

func (c *checker) allocated(off uint32) bool {
	return off%8 == 0 && off < c.h.bins && c.cellsAt.has(off)
}

// leaks looks for cells that are allocated and that nothing refers to.
func (c *checker) leaks() {
	for i, word := range c.cellsAt {
		for left := word &^ c.used[i]; left != 0; left &= left - 1 {
			off := (uint32(i)*64 + uint32(bits.TrailingZeros64(left))) * 8
			size, err := c.h.cellSize(off)
			if err != nil {
				return
			}
			c.found(off, ruleLeak, "nothing refers to the cell, of %d bytes", size+4)
		}
	}
}
