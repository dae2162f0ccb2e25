package hives

import "errors"

var errTooLarge = errors.New("hive would pass 2 GiB")

// alloc hands out cells, one after the other, in bins as small as will do.
type alloc struct {
	bins []byte
	bin  uint32 // start of the open bin
	next uint32 // where the next cell goes
	err  error  // set once the hive is too large; whoever makes many cells must look at it
}

// cell makes an allocated cell with room for n bytes, zeroed, and returns its offset.
func (a *alloc) cell(n uint32) uint32 {
	size := (n + 4 + 7) &^ 7
	if uint64(a.next)+uint64(size)+2*4096 > maxFile {
		a.err = errTooLarge
	}
	if a.next+size > uint32(len(a.bins)) {
		a.close()
		a.open(size)
	}
	off := a.next
	put32(a.bins, int(off), -size)
	a.next += size
	return off
}

// open starts a bin that holds at least one cell of the given size.
func (a *alloc) open(size uint32) {
	n := (binHead + size + 4095) &^ 4095
	a.bin = uint32(len(a.bins))
	a.bins = append(a.bins, make([]byte, n)...)
	b := a.bins[a.bin:]
	copy(b, "hbin")
	put32(b, 4, a.bin)
	put32(b, 8, n)
	a.next = a.bin + binHead
}

// close makes what is left of the open bin a free cell.
func (a *alloc) close() {
	if rest := uint32(len(a.bins)) - a.next; rest > 0 {
		put32(a.bins, int(a.next), rest)
		a.next += rest
	}
}

// payload returns the bytes of a cell, good until the next cell is made.
func (a *alloc) payload(off uint32) []byte { return a.bins[off+4:] }

// put makes a cell with the given content, and none for no content.
func (a *alloc) put(content []byte) uint32 {
	if len(content) == 0 {
		return noCell
	}
	off := a.cell(uint32(len(content)))
	copy(a.payload(off), content)
	return off
}
