package hives

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestMarvin(t *testing.T) {
	for s, want := range map[string]uint64{"": 0xb39efca403966e08, "abc": 0xb9cf3dfca41914f7, "abcd": 0x20094fb11a6cd086} {
		if got := marvin([]byte(s)); got != want {
			t.Errorf("marvin(%q) = %x, want %x", s, got, want)
		}
	}
}

// states returns a hive as it was, and as it is after changes of two kinds.
func states(t testing.TB) (files [3][]byte) {
	tree := sampleTree(t)
	files[0] = treeBytes(t, tree)
	do(t, tree.Set(`Acme`, StringValue("Empty", "no longer")))
	files[1] = treeBytes(t, tree)
	for i := range 500 {
		do(t, tree.Set(`Zoo\`+string(rune('a'+i%26)), BinaryValue(string(rune('A'+i/26)), make([]byte, 300))))
	}
	files[2] = treeBytes(t, tree)
	return files
}

// dirty makes a hive look as if it had been left open.
func dirty(b []byte, seq uint32) []byte {
	b = bytes.Clone(b)
	put32(b, offSeq1, seq+1)
	put32(b, offSeq2, seq)
	return mend(b)
}

// changes lists the pages of 4096 bytes that differ.
func changes(from, to []byte) (pages []uint32) {
	for off := baseSize; off < len(to); off += 4096 {
		if off >= len(from) || !bytes.Equal(from[off:off+4096], to[off:off+4096]) {
			pages = append(pages, uint32(off-baseSize))
		}
	}
	return pages
}

// logEntryOf makes the entry that leads from one state to the next.
func logEntryOf(from, to []byte, seq uint32) []byte {
	pages := changes(from, to)
	e := make([]byte, entHead)
	copy(e, "HvLE")
	put32(e, entSeq, seq)
	put32(e, entBins, u32(to, offBins))
	put32(e, entPages, uint32(len(pages)))
	for _, off := range pages {
		var ref [8]byte
		put32(ref[:], 0, off)
		put32(ref[:], 4, 4096)
		e = append(e, ref[:]...)
	}
	for _, off := range pages {
		e = append(e, to[baseSize+off:][:4096]...)
	}
	e = append(e, make([]byte, (sector-len(e)%sector)%sector)...)
	put32(e, entSize, uint32(len(e)))
	put64(e, entHash1, marvin(e[entHead:]))
	put64(e, entHash2, marvin(e[:entHash2]))
	return e
}

func logFile(base []byte, kind, seq uint32, parts ...[]byte) []byte {
	head := bytes.Clone(base[:sector])
	put32(head, offType, kind)
	put32(head, offSeq1, seq)
	put32(head, offSeq2, seq)
	return slices.Concat(mend(head), slices.Concat(parts...))
}

// dirtOf makes the body of a log of the older form.
func dirtOf(from, to []byte) []byte {
	bins := u32(to, offBins)
	bitmap := make([]byte, bins/sector/8)
	var data []byte
	for i := range bins / sector {
		at := baseSize + i*sector
		if int(at) < len(from) && bytes.Equal(from[at:at+sector], to[at:at+sector]) {
			continue
		}
		bitmap[i/8] |= 1 << (i % 8)
		data = append(data, to[at:at+sector]...)
	}
	b := append([]byte("DIRT"), bitmap...)
	b = append(b, make([]byte, (sector-len(b)%sector)%sector)...)
	return append(b, data...)
}

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func TestOpenWithLogs(t *testing.T) {
	f := states(t)
	was := dirty(f[0], 4)
	one, two := logEntryOf(f[0], f[1], 4), logEntryOf(f[1], f[2], 5)
	broken := bytes.Clone(two)
	broken[len(broken)-1] ^= 1
	torn := bytes.Clone(was)
	clear(torn[:sector])
	tests := []struct {
		what string
		file []byte
		logs [][]byte
		want []byte // nil: refused
	}{
		{"one entry", was, [][]byte{logFile(f[0], logEntry, 4, one)}, f[1]},
		{"two entries", was, [][]byte{logFile(f[0], logEntry, 4, one, two)}, f[2]},
		{"two logs in any order", was, [][]byte{logFile(f[0], logEntry, 5, two), logFile(f[0], logEntry, 4, one)}, f[2]},
		{"an entry that is there already", dirty(f[1], 5), [][]byte{logFile(f[0], logEntry, 4, one), logFile(f[0], logEntry, 5, two)}, f[2]},
		{"a broken second entry", was, [][]byte{logFile(f[0], logEntry, 4, one, broken)}, f[1]},
		{"a gap", was, [][]byte{logFile(f[0], logEntry, 4, one), logFile(f[0], logEntry, 6, logEntryOf(f[1], f[2], 6))}, f[1]},
		{"a torn base block", torn, [][]byte{logFile(f[0], logEntry, 4, one)}, f[1]},
		{"a log of old", dirty(f[0], 9), [][]byte{logFile(f[0], logEntry, 4, one)}, nil},
		{"no logs", was, nil, nil},
		{"an empty log", was, [][]byte{{}}, nil},
		{"sectors", was, [][]byte{logFile(f[2], logDirt, 4, dirtOf(f[0], f[2]))}, f[2]},
		{"sectors over a torn base block", torn, [][]byte{logFile(f[2], logDirt, 4, dirtOf(f[0], f[2]))}, f[2]},
		{"too few sectors", was, [][]byte{logFile(f[2], logDirt, 4, dirtOf(f[0], f[2])[:4096])}, nil},
	}
	for _, tt := range tests {
		var logs []*io.SectionReader
		for _, b := range tt.logs {
			logs = append(logs, section(b))
		}
		h, err := OpenWithLogs(bytes.NewReader(tt.file), int64(len(tt.file)), logs...)
		if tt.want == nil {
			if !errors.Is(err, ErrDirty) {
				t.Errorf("%s: %v, want ErrDirty", tt.what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(h.r, baseSize, int64(h.bins)))
		if err != nil || !bytes.Equal(got, tt.want[baseSize:]) {
			t.Errorf("%s: the bins are wrong (%v)", tt.what, err)
		}
		if dump(t, rootOf(t, h), true) != dump(t, rootOf(t, openBytes(t, tt.want)), true) {
			t.Errorf("%s: other keys", tt.what)
		}
	}
	// A clean hive has no use for logs, and other times belong to other hives.
	if h, err := OpenWithLogs(bytes.NewReader(f[0]), int64(len(f[0])), section(logFile(f[0], logEntry, 1, logEntryOf(f[0], f[1], 1)))); err != nil || h.r.(*bytes.Reader) == nil {
		t.Errorf("clean hive: %v", err)
	}
	other := bytes.Clone(f[2])
	put64(other, offTime, 7)
	if _, err := OpenWithLogs(bytes.NewReader(was), int64(len(was)), section(logFile(other, logDirt, 4, dirtOf(f[0], f[2])))); !errors.Is(err, ErrDirty) {
		t.Errorf("a log of another time: %v", err)
	}
}

func FuzzLogs(f *testing.F) {
	tree := NewTree(Options{Time: oldTime})
	do(f, tree.Set("a", DWORDValue("x", 1)))
	from := treeBytes(f, tree)
	do(f, tree.Set("a", BinaryValue("x", make([]byte, 5000))))
	to := treeBytes(f, tree)
	f.Add(logEntryOf(from, to, 4), true)
	f.Add(dirtOf(from, to), false)
	f.Fuzz(func(t *testing.T, body []byte, newer bool) {
		kind := uint32(logDirt)
		if newer {
			kind = logEntry
			// Right hashes let what is behind them be reached.
			if b := bytes.Clone(body); len(b) >= entHead {
				if size := u32(b, entSize); size >= entHead && int64(size) <= int64(len(b)) {
					put64(b, entHash1, marvin(b[entHead:size]))
					put64(b, entHash2, marvin(b[:entHash2]))
				}
				body = b
			}
		}
		was := dirty(from, 4)
		h, err := OpenWithLogs(bytes.NewReader(was), int64(len(was)), section(logFile(to, kind, 4, body)))
		if err != nil {
			return
		}
		// What was recovered is a file like others: the same from its bytes.
		if h.bins > 1<<20 {
			return
		}
		b, err := io.ReadAll(io.NewSectionReader(h.r, 0, baseSize+int64(h.bins)))
		if err != nil {
			t.Fatal(err)
		}
		if len(Check(bytes.NewReader(b), int64(len(b)))) == 0 {
			if a, b := dump(t, rootOf(t, h), true), dump(t, rootOf(t, openBytes(t, b)), true); a != b {
				t.Fatalf("recovered:\n%s\nfrom bytes:\n%s", a, b)
			}
		}
	})
}
