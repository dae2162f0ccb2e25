package hives

import (
	"bytes"
	"fmt"
	"io"
)

// Hive is an open hive file. It reads lazily and may be used by several goroutines at
// once if its reader may. However large the file, it keeps at most 2 MiB of it in memory.
type Hive struct {
	r       io.ReaderAt
	bins    uint32 // bytes of all bins
	root    uint32
	minor   uint32
	layered bool
	cache   *cache
	memory  []byte // all bins, if the file is in memory; then there is no cache
}

// Open reads the base block of a hive of size bytes. Bytes after the last bin are
// ignored, and a file of zero length counts as a hive without keys, as it does in the
// base layers of older tools. A hive that needs its transaction logs is refused with
// ErrDirty.
func Open(r io.ReaderAt, size int64) (*Hive, error) {
	h := &Hive{r: r}
	if size == 0 {
		return h, nil
	}
	base := make([]byte, baseSize)
	if size < baseSize {
		return nil, fmt.Errorf("open hive: %w: %d bytes", ErrFormat, size)
	}
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, baseSize), base); err != nil {
		return nil, fmt.Errorf("open hive: %w", err)
	}
	if faults := checkBase(base, size); len(faults) > 0 {
		err := ErrFormat
		if faults[0].Rule == ruleSequence {
			err = ErrDirty
		}
		return nil, fmt.Errorf("open hive: %w: %s", err, faults[0].Message)
	}
	h.init(base)
	return h, nil
}

// OpenBytes opens a hive that is in memory, without a copy: b must not be changed.
func OpenBytes(b []byte) (*Hive, error) {
	h, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil || h.empty() {
		return h, err
	}
	h.memory, h.cache = b[baseSize:baseSize+int(h.bins)], nil
	return h, nil
}

func (h *Hive) init(base []byte) {
	h.bins = u32(base, offBins)
	h.root = u32(base, offRoot)
	h.minor = u32(base, offMinor)
	h.layered = h.minor >= 6 && u32(base, offFlags)&flagLayered != 0
	h.cache = newCache(h.r, h.bins)
}

// checkBase holds the base block against what the loader of Windows demands, the most
// telling fault first.
func checkBase(b []byte, size int64) (list []Finding) {
	add := func(off int64, rule Rule, format string, args ...any) {
		list = append(list, Finding{Offset: off, Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
	if string(b[:4]) != "regf" {
		add(0, ruleSignature, "no regf signature")
		return list
	}
	if sum := checksum(b); sum != u32(b, offChecksum) {
		add(offChecksum, ruleChecksum, "base block checksum is %#x, should be %#x", u32(b, offChecksum), sum)
	}
	if major, minor := u32(b, offMajor), u32(b, offMinor); major != 1 || minor < 3 || minor > 6 {
		add(offMajor, ruleVersion, "version %d.%d is not one of 1.3 to 1.6", major, minor)
	}
	if t, f := u32(b, offType), u32(b, offFormat); t != 0 || f != 1 {
		add(offType, ruleType, "file type %d, format %d: want 0 and 1", t, f)
	}
	switch bins := u32(b, offBins); {
	case bins == 0 || bins%4096 != 0 || bins > maxFile:
		add(offBins, ruleSize, "bins of %d bytes", bins)
	case int64(bins) > size-baseSize:
		add(offBins, ruleSize, "bins of %d bytes in a file of %d", bins, size)
	}
	if a, b := u32(b, offSeq1), u32(b, offSeq2); a != b {
		add(offSeq1, ruleSequence, "sequence numbers %d and %d differ", a, b)
	}
	return list
}

// IsDelta reports whether the hive is layered over others.
func (h *Hive) IsDelta() bool { return h.layered }

// empty reports whether the file had no bytes at all.
func (h *Hive) empty() bool { return h == nil || h.bins == 0 }

// Root returns the root key.
func (h *Hive) Root() (Key, error) {
	if h.empty() {
		return NewTree(Options{}).Root(), nil
	}
	n, err := h.node(h.root)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return &hiveKey{h: h, node: n}, nil
}

// bytes returns n bytes at a cell offset, to be read only. They are the file's own if it
// is in memory, else a part of the cache or a copy.
func (h *Hive) bytes(off, n uint32) ([]byte, error) {
	if uint64(off)+uint64(n) > uint64(h.bins) {
		return nil, fmt.Errorf("%w: %d bytes at %#x pass the end", ErrFormat, n, off)
	}
	if n == 0 {
		return nil, nil
	}
	if h.memory != nil {
		return h.memory[off : off+n : off+n], nil
	}
	return h.cache.bytes(off, n)
}

// cellSize returns the number of payload bytes of the allocated cell at off.
func (h *Hive) cellSize(off uint32) (uint32, error) {
	if off%8 != 0 || off < binHead || off >= h.bins {
		return 0, fmt.Errorf("%w: cell offset %#x", ErrFormat, off)
	}
	b, err := h.bytes(off, 4)
	if err != nil {
		return 0, err
	}
	size := -int64(int32(u32(b, 0)))
	if size < 8 || size%8 != 0 || int64(off)+size > int64(h.bins) {
		return 0, fmt.Errorf("%w: cell at %#x has size %d", ErrFormat, off, size)
	}
	return uint32(size) - 4, nil
}

// cell returns the first n payload bytes of the cell at off.
func (h *Hive) cell(off, n uint32) ([]byte, error) {
	size, err := h.cellSize(off)
	if err != nil {
		return nil, err
	}
	if n > size {
		return nil, fmt.Errorf("%w: cell at %#x has %d bytes, needs %d", ErrFormat, off, size, n)
	}
	return h.bytes(off+4, n)
}

// signed returns the start of a cell that begins with a two-letter signature.
func (h *Hive) signed(off, n uint32, sig string) ([]byte, error) {
	b, err := h.cell(off, n)
	if err != nil {
		return nil, err
	}
	if string(b[:2]) != sig {
		return nil, fmt.Errorf("%w: cell at %#x is %q, not %s", ErrFormat, off, b[:2], sig)
	}
	return b, nil
}

// named returns a cell that begins with a signature and ends with a name: a head, in which
// there is the length of the name in bytes, and the name.
func (h *Hive) named(off, head uint32, lengthAt int, sig string) ([]byte, error) {
	const most = 256 // enough for nearly all names, so that the cell is looked at once
	size, err := h.cellSize(off)
	if err != nil {
		return nil, err
	}
	if size < head {
		return nil, fmt.Errorf("%w: cell at %#x has %d bytes, needs %d", ErrFormat, off, size, head)
	}
	b, err := h.bytes(off+4, min(size, head+most))
	if err != nil {
		return nil, err
	}
	if b[0] != sig[0] || b[1] != sig[1] {
		return nil, fmt.Errorf("%w: cell at %#x is %q, not %s", ErrFormat, off, b[:2], sig)
	}
	n := head + uint32(u16(b, lengthAt))
	if n > uint32(len(b)) {
		return h.cell(off, n)
	}
	return b[:n:n], nil
}
