package pack

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/opencontainers/go-digest"
)

// Bounds of what a TOC may take: its file, its items, and the names it unfolds to. Reading a layer has the same limit of
// entries.
const (
	maxTOC   = 1 << 30
	maxItems = 4 << 20
	maxNames = 1 << 30
)

// minItem is the least that an item takes, by which a count is believed.
const minItem = 6

var errTOC = errors.New("is damaged")

// DecodeTOC reads what Encode wrote. It returns an error for any other version and for any change of a byte.
func DecodeTOC(r io.Reader) (*TOC, error) {
	var buf bytes.Buffer
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Size() <= maxTOC {
			buf.Grow(int(info.Size()) + bytes.MinRead)
		}
	}
	if _, err := buf.ReadFrom(io.LimitReader(r, maxTOC+1)); err != nil {
		return nil, fmt.Errorf("read table of contents: %w", err)
	}
	b := buf.Bytes()
	t, err := decodeTOC(b)
	if err != nil {
		return nil, fmt.Errorf("table of contents %w", err)
	}
	return t, nil
}

func decodeTOC(b []byte) (*TOC, error) {
	head, version := tocMagic[:len(tocMagic)-1], tocMagic[len(tocMagic)-1]
	switch {
	case len(b) > maxTOC:
		return nil, fmt.Errorf("is longer than %d bytes", maxTOC)
	case len(b) < len(tocMagic)+4 || string(b[:len(head)]) != head:
		return nil, errTOC
	case b[len(head)] != version:
		return nil, fmt.Errorf("has version %d, not %d", b[len(head)], version)
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, crcTable()) != sum {
		return nil, errTOC
	}
	d := decoder{b: b[len(tocMagic):]}
	t := &TOC{DiffID: d.digest(), Digest: d.digest()}
	t.TarSize = int64(d.uint(1<<62 - 1))
	d.size = t.TarSize
	for n := d.count(1); n > 0 && !d.bad; n-- {
		d.sds = append(d.sds, d.bytes())
	}
	count := d.count(minItem)
	if count > maxItems {
		return nil, fmt.Errorf("has more than %d entries", maxItems)
	}
	t.Items = make([]Item, count)
	d.ends, d.names = make([]int, 0, count), make([]byte, 0, len(d.b))
	for i := 0; i < count && !d.bad; i++ {
		d.item(&t.Items[i])
	}
	if d.bad || len(d.b) != 0 {
		return nil, errTOC
	}
	// One string for all names: to make many small ones would take longer than all the rest.
	names, from := string(d.names), 0
	for i, end := range d.ends {
		t.Items[i].Name, from = names[from:end], end
	}
	return t, nil
}

// decoder takes values off b; once one is not there it is bad and gives zeros.
type decoder struct {
	b    []byte
	bad  bool
	size int64
	sds  [][]byte
	time uint64
	at   int64

	names []byte // one after the other
	ends  []int  // of each in names
	last  int    // where the last name begins
}

func (d *decoder) fail() { d.bad, d.b = true, nil }

func (d *decoder) uint(most uint64) uint64 {
	n, used := binary.Uvarint(d.b)
	if used <= 0 || n > most {
		d.fail()
		return 0
	}
	d.b = d.b[used:]
	return n
}

func (d *decoder) int() int64 {
	n, used := binary.Varint(d.b)
	if used <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[used:]
	return n
}

// count reads the number of things that take at least size bytes each.
func (d *decoder) count(size int) int { return int(d.uint(uint64(len(d.b) / size))) }

func (d *decoder) raw(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return make([]byte, min(n, 32))
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

// bytes returns a part of the file itself, which nobody writes to.
func (d *decoder) bytes() []byte { return d.raw(d.count(1)) }

func (d *decoder) digest() digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(d.raw(32)))
}

func (d *decoder) item(it *Item) {
	first := d.raw(1)[0]
	if it.Kind = layers.Kind(first & itemKind); it.Kind > layers.Opaque {
		d.fail()
	}
	d.nameOf()
	d.at += int64(d.uint(uint64(d.size - d.at)))
	it.Offset = d.at
	if hasContent(it.Kind) {
		it.Size = int64(d.uint(uint64(d.size - d.at)))
		copy(it.Content[:], d.raw(32))
	}
	it.Attributes = uint32(d.uint(1<<32 - 1))
	d.times(it, first&itemOneTime != 0)
	if first&itemSD != 0 {
		if n := d.uint(uint64(len(d.sds))); n < uint64(len(d.sds)) {
			it.SD = d.sds[n]
		} else {
			d.fail()
		}
	}
	if first&itemTarget != 0 {
		it.Target = string(d.bytes())
	}
	it.Junction = first&itemJunction != 0
	if first&itemEAs != 0 {
		for n := d.count(2); n > 0 && !d.bad; n-- {
			it.EAs = append(it.EAs, layers.EA{Name: string(d.bytes()), Value: d.bytes()})
		}
	}
}

func (d *decoder) nameOf() {
	end := len(d.names)
	same := int(d.uint(uint64(end - d.last)))
	rest := d.bytes()
	if end+len(rest)+same > maxNames {
		d.fail()
		return
	}
	d.names = append(d.names, d.names[d.last:d.last+same]...)
	d.names = append(d.names, rest...)
	d.ends, d.last = append(d.ends, len(d.names)), end
}

func (d *decoder) times(it *Item, one bool) {
	d.time += uint64(d.int())
	m := nt.Filetime(d.time)
	it.Modified, it.Created, it.Accessed, it.Changed = m, m, m, m
	if !one {
		it.Created += nt.Filetime(d.int())
		it.Accessed += nt.Filetime(d.int())
		it.Changed += nt.Filetime(d.int())
	}
}
