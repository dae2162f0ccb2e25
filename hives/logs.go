package hives

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

const (
	sector = 512

	logDirt   = 1 // file types of transaction logs
	logDirt2K = 2
	logEntry  = 6

	maxLog   = 256 << 20
	maxPages = 64 << 10 // of one entry

	// The head of a log entry.
	entSize  = 4
	entFlags = 8
	entSeq   = 12
	entBins  = 16
	entPages = 20
	entHash1 = 24
	entHash2 = 32
	entHead  = 40
)

// OpenWithLogs opens a hive that was perhaps not closed cleanly, and the transaction logs
// beside it (.LOG, .LOG1, .LOG2) in any order. What they hold is applied in memory: neither
// the hive nor the logs are written. The logs of a clean hive are not looked at. Logs
// that do not lead to a clean hive give an error matching ErrDirty.
//
// Both forms of log are known: that of Windows 8.1 and later, whose entries continue one
// another across files, and the older one, a bitmap of changed sectors.
func OpenWithLogs(r io.ReaderAt, size int64, logs ...*io.SectionReader) (*Hive, error) {
	h, err := Open(r, size)
	if err == nil || len(logs) == 0 || size < baseSize {
		return h, err
	}
	p := &patched{r: r, size: size, base: make([]byte, baseSize), sectors: map[uint32][]byte{}}
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, baseSize), p.base); err != nil {
		return nil, fmt.Errorf("open hive: %w", err)
	}
	read, lerr := readLogs(logs)
	if lerr != nil {
		return nil, fmt.Errorf("open hive: %w", lerr)
	}
	p.limit = size
	for _, b := range read {
		p.limit += int64(len(b))
	}
	if !p.entries(read) && !p.dirt(read) {
		if errors.Is(err, ErrDirty) {
			return nil, fmt.Errorf("%w; those given do not fit", err)
		}
		return nil, err
	}
	put32(p.base, offChecksum, checksum(p.base))
	return Open(p, p.size)
}

// readLogs reads the logs that have a sound head.
func readLogs(logs []*io.SectionReader) (read [][]byte, err error) {
	total := int64(0)
	for _, l := range logs {
		if total += l.Size(); total > maxLog {
			return nil, fmt.Errorf("transaction logs of more than %d bytes", maxLog)
		}
		if l.Size() < 2*sector {
			continue
		}
		b, err := io.ReadAll(io.NewSectionReader(l, 0, l.Size()))
		if err != nil {
			return nil, fmt.Errorf("read transaction log: %w", err)
		}
		if len(b) >= 2*sector && string(b[:4]) == "regf" && checksum(b) == u32(b, offChecksum) {
			read = append(read, b)
		}
	}
	return read, nil
}

// patched is a hive file with the sectors of its logs in place of its own.
type patched struct {
	r       io.ReaderAt
	size    int64
	limit   int64 // of bins: all that is not in the file must be in the logs
	base    []byte
	sectors map[uint32][]byte // by number, counted from the first bin
}

// ReadAt shows zeros where the file is too short for what its logs made of it.
func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > p.size-off
	if short {
		b = b[:p.size-off]
	}
	n, err := p.r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	clear(b[n:])
	if off < baseSize {
		copy(b, p.base[off:])
	}
	for at := max(off, baseSize) &^ (sector - 1); at < off+int64(len(b)); at += sector {
		page := p.sectors[uint32((at-baseSize)/sector)]
		if page == nil {
			continue
		}
		if at < off {
			copy(b, page[off-at:])
		} else {
			copy(b[at-off:], page)
		}
	}
	if short {
		return len(b), io.EOF
	}
	return len(b), nil
}

// put lays bytes, a multiple of a sector, over the file at a cell offset.
func (p *patched) put(off uint32, b []byte) {
	for ; len(b) > 0; b, off = b[sector:], off+sector {
		p.sectors[off/sector] = b[:sector]
	}
}

// adopt replaces a base block that is not sound by that of a log.
func (p *patched) adopt(log []byte) {
	if len(checkHead(p.base)) > 0 {
		copy(p.base, log[:sector])
		put32(p.base, offType, 0)
	}
}

// checkHead leaves out what a dirty hive may have wrong.
func checkHead(base []byte) []Finding {
	return slices.DeleteFunc(checkBase(base, baseSize+maxFile), func(f Finding) bool { return f.Rule == ruleSequence })
}

// entries applies the logs of the newer form: in the order of their first entries, as long
// as numbers go on without a gap, beginning with the first entry that the hive may lack.
func (p *patched) entries(logs [][]byte) bool {
	var list []entryLog
	for _, b := range logs {
		if u32(b, offType) != logEntry {
			continue
		}
		if e, ok := entryAt(b[sector:]); ok && e.seq() == u32(b, offSeq1) {
			list = append(list, entryLog{b, e.seq()})
		}
	}
	if len(list) == 0 {
		return false
	}
	slices.SortStableFunc(list, func(a, b entryLog) int { return cmp.Compare(a.first, b.first) })
	headless := len(checkHead(p.base)) > 0
	if headless {
		p.adopt(list[len(list)-1].b)
	}
	next, any := uint32(0), false
	for _, l := range list {
		for rest := l.b[sector:]; ; {
			e, ok := entryAt(rest)
			if !ok || int64(u32(e, entBins)) > p.limit || any && e.seq() != next || !any && !headless && e.seq() < u32(p.base, offSeq2) {
				break
			}
			p.apply(e)
			rest = rest[len(e):]
			next, any = e.seq()+1, true
		}
	}
	if any {
		put32(p.base, offSeq1, next)
		put32(p.base, offSeq2, next)
	}
	return any
}

type entryLog struct {
	b     []byte
	first uint32
}

// entry is a sound log entry.
type entry []byte

func (e entry) seq() uint32 { return u32(e, entSeq) }

// entryAt returns the entry that b begins with, if it is whole and its hashes are right.
func entryAt(b []byte) (entry, bool) {
	if len(b) < entHead || string(b[:4]) != "HvLE" {
		return nil, false
	}
	size, bins, pages := u32(b, entSize), u32(b, entBins), u32(b, entPages)
	if size%sector != 0 || int64(size) > int64(len(b)) || size < entHead || pages > maxPages ||
		bins == 0 || bins%4096 != 0 || bins > maxFile || marvin(b[:entHash2]) != u64(b, entHash2) {
		return nil, false
	}
	e := entry(b[:size])
	if marvin(e[entHead:]) != u64(e, entHash1) {
		return nil, false
	}
	at := uint64(entHead) + 8*uint64(pages)
	for i := range pages {
		if entHead+8*(i+1) > size {
			return nil, false
		}
		off, n := u32(e, int(entHead+8*i)), u32(e, int(entHead+8*i+4))
		if at += uint64(n); at > uint64(size) || off%sector != 0 || n%sector != 0 || uint64(off)+uint64(n) > uint64(bins) {
			return nil, false
		}
	}
	return e, true
}

// apply puts the pages of an entry in place.
func (p *patched) apply(e entry) {
	pages := u32(e, entPages)
	data := e[entHead+8*pages:]
	for i := range pages {
		off, n := u32(e, int(entHead+8*i)), u32(e, int(entHead+8*i+4))
		p.put(off, data[:n])
		data = data[n:]
	}
	put32(p.base, offBins, u32(e, entBins))
	put32(p.base, offFlags, u32(p.base, offFlags)&^1|u32(e, entFlags)&1)
	p.size = max(p.size, baseSize+int64(u32(e, entBins)))
}

// dirt applies a log of the older form: a bitmap with a bit for each sector of the bins,
// then the sectors whose bit is set. It belongs to the hive if their times agree.
func (p *patched) dirt(logs [][]byte) bool {
	for _, b := range logs {
		if t := u32(b, offType); t != logDirt && t != logDirt2K || u32(b, offSeq1) != u32(b, offSeq2) {
			continue
		}
		if string(b[sector:sector+4]) != "DIRT" || !p.sameTime(b) {
			continue
		}
		bins := u32(b, offBins)
		if bins == 0 || bins%4096 != 0 || int64(bins) > p.limit || int64(len(b)-sector-4) < int64(bins/sector/8) {
			continue
		}
		bitmap := b[sector+4:][:bins/sector/8]
		start := (sector + 4 + len(bitmap) + sector - 1) &^ (sector - 1)
		set := 0
		for _, c := range bitmap {
			set += bits.OnesCount8(c)
		}
		if start+set*sector > len(b) {
			continue
		}
		data := b[start:]
		for i := range bins / sector {
			if bitmap[i/8]>>(i%8)&1 != 0 {
				p.put(i*sector, data[:sector])
				data = data[sector:]
			}
		}
		p.adopt(b)
		put32(p.base, offBins, bins)
		put32(p.base, offSeq2, u32(p.base, offSeq1))
		p.size = max(p.size, baseSize+int64(bins))
		return true
	}
	return false
}

// sameTime compares the time in a log with that of the hive, which its first bin repeats.
func (p *patched) sameTime(log []byte) bool {
	when := log[offTime : offTime+8]
	if len(checkHead(p.base)) == 0 {
		return bytes.Equal(when, p.base[offTime:offTime+8])
	}
	bin := make([]byte, binHead)
	if _, err := p.r.ReadAt(bin, baseSize); err != nil {
		return false
	}
	return bytes.Equal(when, bin[20:28])
}

// marvin is Marvin32 with the seed that Windows uses for logs.
func marvin(b []byte) uint64 {
	lo, hi := uint32(0x7A4E55C5), uint32(0x82EF4D88)
	mix := func(d uint32) {
		lo += d
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for ; len(b) >= 4; b = b[4:] {
		mix(u32(b, 0))
	}
	tail := uint32(0x80)
	for i := len(b) - 1; i >= 0; i-- {
		tail = tail<<8 | uint32(b[i])
	}
	mix(tail)
	mix(0)
	return uint64(hi)<<32 | uint64(lo)
}
