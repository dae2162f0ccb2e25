package layers

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// The headers are those that archive/tar writes for the same entries, byte for byte, at a fraction of its cost: a layer of
// small files spends more time on them than on the files. Source: POSIX.1-2001, "pax Interchange Format".

const blockSize = 512

// Offsets and lengths of the fields of a header block.
const (
	nameLen, linkLen                      = 100, 100
	modeAt, uidAt, gidAt, sizeAt, mtimeAt = 100, 108, 116, 124, 136
	sumAt, typeAt, linkAt, magicAt        = 148, 156, 157, 257
	majorAt, minorAt                      = 329, 337
	shortNumber                           = 8         // with a final NUL
	most33                                = 1<<33 - 1 // of the longer numbers
	mostRecords                           = 1 << 20   // archive/tar reads no longer ones
)

// headerWriter puts together what precedes the content of an entry.
type headerWriter struct {
	buf     []byte // header of the records, the records, header of the entry
	records []byte
}

// header is what a header block says.
type header struct {
	name, link string
	typeflag   byte
	mode       int64
	size       int64
	modified   nt.Filetime
}

// encode returns the headers of a normalised entry; rawsd is its descriptor in base64, if any. The result is valid until
// the next call.
func (h *headerWriter) encode(e *Entry, rawsd string) ([]byte, error) {
	hdr := header{name: e.Name, size: e.Size, typeflag: '0', mode: modeFile, modified: e.Modified}
	switch e.Kind {
	case Dir:
		hdr.typeflag, hdr.mode = '5', modeDir
	case HardLink:
		hdr.typeflag, hdr.link = '1', e.Target
	case Symlink:
		hdr.typeflag, hdr.link, hdr.mode = '2', e.Target, modeLink
	}
	if err := h.metadata(e, rawsd); err != nil {
		return nil, err
	}
	h.common(e, &hdr)
	if len(h.records) > mostRecords {
		return nil, fmt.Errorf("more than %d bytes of PAX records", mostRecords)
	}
	h.buf = append(h.buf[:0], zeroBlock[:]...)
	dir, base := "", e.Name
	if i := strings.LastIndexByte(e.Name, '/') + 1; i > 0 {
		dir, base = e.Name[:i], e.Name[i:]
	}
	name := ascii(dir + "PaxHeaders.0/" + base)
	recordsHeader(h.buf, strings.TrimRight(name[:min(len(name), nameLen)], "/"), len(h.records))
	h.buf = append(h.buf, h.records...)
	h.buf = append(h.buf, zeroBlock[:-len(h.buf)&(blockSize-1)]...)
	at := len(h.buf)
	h.buf = append(h.buf, zeroBlock[:]...)
	hdr.write(h.buf[at:])
	return h.buf, nil
}

var zeroBlock [blockSize]byte

// metadata begins the records, which are in the order of their keys, with what Windows keeps.
func (h *headerWriter) metadata(e *Entry, rawsd string) error {
	h.records = h.records[:0]
	if e.Kind == Stream {
		return nil
	}
	h.record(paxCreated, formatTime(e.Created))
	h.record(paxAttributes, strconv.FormatUint(uint64(e.Attributes), 10))
	if e.Junction {
		h.record(paxMountPoint, "1")
	}
	if rawsd != "" {
		h.record(paxSD, rawsd)
	}
	return h.extended(e.EAs)
}

// extended adds extended attributes, which are sorted by name.
func (h *headerWriter) extended(eas []EA) error {
	total := 0
	for i, ea := range eas {
		if total += len(ea.Name) + len(ea.Value); total > maxEAValue {
			return fmt.Errorf("more than %d bytes of extended attributes", maxEAValue)
		}
		if ea.Name == "" || len(ea.Name) > maxEAName || strings.ContainsAny(ea.Name, "=\x00") || !utf8.ValidString(ea.Name) {
			return fmt.Errorf("extended attribute has the name %q", ea.Name)
		}
		if i > 0 && eas[i-1].Name == ea.Name {
			return fmt.Errorf("extended attribute %q is there twice", ea.Name)
		}
		h.record(paxEA+ea.Name, base64.StdEncoding.EncodeToString(ea.Value))
	}
	return nil
}

// common adds what every tar may say: access and change time, and what does not fit into the header itself.
func (h *headerWriter) common(e *Entry, hdr *header) {
	h.record("atime", formatTime(e.Accessed))
	h.record("ctime", formatTime(e.Changed))
	if len(hdr.link) > linkLen || ascii(hdr.link) != hdr.link {
		h.record("linkpath", hdr.link)
	}
	if at := e.Modified.Time(); at.Nanosecond() != 0 || at.Unix() < 0 || at.Unix() > most33 {
		h.record("mtime", formatTime(e.Modified))
	}
	if len(e.Name) > nameLen || ascii(e.Name) != e.Name {
		h.record("path", e.Name)
	}
	if e.Size > most33 {
		h.record("size", strconv.FormatInt(e.Size, 10))
	}
}

// record appends "LENGTH KEY=VALUE\n", whose length counts itself.
func (h *headerWriter) record(key, value string) {
	size := len(key) + len(value) + 3
	size += digits(size)
	if n := len(key) + len(value) + 3 + digits(size); n != size {
		size = n
	}
	h.records = strconv.AppendInt(h.records, int64(size), 10)
	h.records = append(append(append(append(append(h.records, ' '), key...), '='), value...), '\n')
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// recordsHeader fills in the header of the records.
func recordsHeader(b []byte, name string, size int) {
	putString(b[:nameLen], name)
	putOctal(b[modeAt:uidAt], 0)
	putOctal(b[uidAt:gidAt], 0)
	putOctal(b[gidAt:sizeAt], 0)
	putOctal(b[sizeAt:mtimeAt], int64(size))
	putOctal(b[mtimeAt:sumAt], 0)
	seal(b, 'x')
}

// write fills in the header of the entry itself. What does not fit is in the records.
func (hdr *header) write(b []byte) {
	size, mtime := hdr.size, hdr.modified.Time().Unix()
	if size > most33 {
		size = 0
	}
	if mtime < 0 || mtime > most33 {
		mtime = 0
	}
	putString(b[:nameLen], ascii(hdr.name))
	putString(b[linkAt:linkAt+linkLen], ascii(hdr.link))
	putOctal(b[modeAt:uidAt], hdr.mode)
	putOctal(b[uidAt:gidAt], 0)
	putOctal(b[gidAt:sizeAt], 0)
	putOctal(b[sizeAt:mtimeAt], size)
	putOctal(b[mtimeAt:sumAt], mtime)
	putOctal(b[majorAt:majorAt+shortNumber], 0)
	putOctal(b[minorAt:minorAt+shortNumber], 0)
	seal(b, hdr.typeflag)
}

// seal sets the type, the magic and the checksum, which counts itself as blanks.
func seal(b []byte, typeflag byte) {
	b[typeAt] = typeflag
	copy(b[magicAt:], "ustar\x0000")
	sum := int64(8 * ' ')
	for _, c := range b[:blockSize] {
		sum += int64(c)
	}
	putOctal(b[sumAt:sumAt+7], sum)
	b[sumAt+7] = ' '
}

// putOctal writes n with leading zeros and a final NUL.
func putOctal(b []byte, n int64) {
	for i := len(b) - 2; i >= 0; i-- {
		b[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// putString writes as much of s as there is room for, but no slash at the end of what is cut, for the sake of readers
// that take it for a directory.
func putString(b []byte, s string) {
	copy(b, s)
	if len(s) > len(b) && b[len(b)-1] == '/' {
		b[len(strings.TrimRight(s[:len(b)-1], "/"))] = 0
	}
}

// ascii returns s without what only a PAX record can hold.
func ascii(s string) string {
	if strings.IndexFunc(s, notASCII) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if notASCII(r) {
			return -1
		}
		return r
	}, s)
}

func notASCII(r rune) bool { return r >= 0x80 || r == 0 }
