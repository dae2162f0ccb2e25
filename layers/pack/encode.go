package pack

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/opencontainers/go-digest"
)

// A TOC file is this magic with the version as its last byte; the two digests; the length of the tar; the distinct
// security descriptors; the items; and a CRC-32C of all that, little endian. Numbers are varints. An item spends bytes
// only on what differs from the one before: the end of its name, the distance of its times and of its offset.
const tocMagic = "mltoc\r\n\x01"

// Bits of an item's first byte, above its kind.
const (
	itemKind     = 0x07
	itemOneTime  = 0x08 // all four times are the same
	itemSD       = 0x10
	itemTarget   = 0x20
	itemJunction = 0x40
	itemEAs      = 0x80
)

func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Encode writes the TOC. The same TOC gives the same bytes.
func (t *TOC) Encode(w io.Writer) error {
	crc := crc32.New(crcTable())
	buf := bufio.NewWriterSize(w, 64<<10)
	e := encoder{w: io.MultiWriter(buf, crc)}
	e.raw([]byte(tocMagic))
	e.digest(t.DiffID)
	e.digest(t.Digest)
	e.uint(uint64(t.TarSize))
	sds := e.descriptors(t.Items)
	e.uint(uint64(len(t.Items)))
	for i := range t.Items {
		e.item(&t.Items[i], sds)
	}
	e.flush()
	if e.err == nil {
		_, e.err = buf.Write(binary.LittleEndian.AppendUint32(nil, crc.Sum32()))
	}
	if e.err == nil {
		e.err = buf.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("write table of contents: %w", e.err)
	}
	return nil
}

type encoder struct {
	w    io.Writer
	b    []byte
	err  error
	name string // of the item before, as its times and offset below
	time uint64
	at   int64
}

func (e *encoder) flush() {
	if e.err == nil {
		_, e.err = e.w.Write(e.b)
	}
	e.b = e.b[:0]
}

func (e *encoder) raw(p []byte)    { e.b = append(e.b, p...) }
func (e *encoder) uint(n uint64)   { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)     { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) bytes(p []byte)  { e.uint(uint64(len(p))); e.raw(p) }
func (e *encoder) string(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }

func (e *encoder) digest(d digest.Digest) {
	text, ok := strings.CutPrefix(string(d), "sha256:")
	sum, err := hex.DecodeString(text)
	if !ok || err != nil || len(sum) != 32 {
		if e.err == nil {
			e.err = fmt.Errorf("digest %q is no SHA-256", d)
		}
		return
	}
	e.raw(sum)
}

// descriptors writes each distinct security descriptor once, in order of first use, and returns their numbers.
func (e *encoder) descriptors(items []Item) map[string]int {
	number := map[string]int{}
	var list [][]byte
	for i := range items {
		if sd := items[i].SD; sd != nil {
			if _, ok := number[string(sd)]; !ok {
				number[string(sd)] = len(list)
				list = append(list, sd)
			}
		}
	}
	e.uint(uint64(len(list)))
	for _, sd := range list {
		e.bytes(sd)
	}
	return number
}

func (e *encoder) item(it *Item, sds map[string]int) {
	first := byte(it.Kind)
	oneTime := it.Created == it.Modified && it.Accessed == it.Modified && it.Changed == it.Modified
	for _, f := range []struct {
		set bool
		bit byte
	}{
		{oneTime, itemOneTime}, {it.SD != nil, itemSD}, {it.Target != "", itemTarget},
		{it.Junction, itemJunction}, {len(it.EAs) > 0, itemEAs},
	} {
		if f.set {
			first |= f.bit
		}
	}
	e.raw([]byte{first})
	e.nameOf(it)
	e.uint(uint64(it.Offset - e.at))
	e.at = it.Offset
	if hasContent(it.Kind) {
		e.uint(uint64(it.Size))
		e.raw(it.Content[:])
	}
	e.uint(uint64(it.Attributes))
	e.times(it, oneTime)
	if it.SD != nil {
		e.uint(uint64(sds[string(it.SD)]))
	}
	if it.Target != "" {
		e.string(it.Target)
	}
	if len(it.EAs) > 0 {
		e.uint(uint64(len(it.EAs)))
		for _, ea := range it.EAs {
			e.string(ea.Name)
			e.bytes(ea.Value)
		}
	}
	if len(e.b) >= 32<<10 {
		e.flush()
	}
}

func hasContent(k layers.Kind) bool { return k == layers.File || k == layers.Stream }

func (e *encoder) nameOf(it *Item) {
	same := 0
	for same < min(len(e.name), len(it.Name)) && e.name[same] == it.Name[same] {
		same++
	}
	e.uint(uint64(same))
	e.string(it.Name[same:])
	e.name = it.Name
}

func (e *encoder) times(it *Item, one bool) {
	m := uint64(it.Modified)
	e.int(int64(m - e.time))
	e.time = m
	if !one {
		e.int(int64(uint64(it.Created) - m))
		e.int(int64(uint64(it.Accessed) - m))
		e.int(int64(uint64(it.Changed) - m))
	}
}
