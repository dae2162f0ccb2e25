package regfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/internal/hexlist"
	"github.com/mullion/mullion/internal/nt"
)

// Root is a key to be written with all below it, and the full name that it gets; "" for
// the root of a hive that belongs nowhere, whose keys then begin with a backslash.
type Root struct {
	Path string
	Key  hives.Key
}

// ErrForm is matched when a key or a value has no place in the form of a .reg file.
var ErrForm = errors.New("a .reg file cannot hold it")

// Write writes one file with all roots: version 5 as UTF-16 with a byte order mark, or
// version 4 in ASCII. Keys come as [hives.Key] yields them, each before those below it. A
// REG_SZ that a quoted string cannot carry safely (control characters, no or more than
// one final NUL, lone surrogates) is written as bytes.
//
// Of a delta hive the file has the same effect as the delta: deleted keys and values are
// deletions, a key that replaces what is below is deleted before it is made again, and keys
// that only lead to others are left out. The error matches [ErrForm] for keys whose names
// hold NULs or line ends, for keys that hide the values below but not the subkeys, and in
// version 4 for names and text that are not ASCII.
func Write(w io.Writer, version Version, roots ...Root) error {
	e := &encoder{w: w, wide: version == Version5}
	if e.wide {
		e.out = append(e.out, 0xff, 0xfe)
	}
	e.text(string(version) + "\r\n")
	for _, r := range roots {
		e.budget = hives.Bound(r.Key)
		if err := e.key(r, false); err != nil {
			return fmt.Errorf("write .reg file: %w", err)
		}
	}
	e.text("\r\n")
	if e.flush(); e.err != nil {
		return fmt.Errorf("write .reg file: %w", e.err)
	}
	return nil
}

// bufferSize is when text that is gathered is written.
const bufferSize = 64 << 10

// encoder gathers text and writes it; the first failure of the writer stays.
type encoder struct {
	w      io.Writer
	err    error
	out    []byte
	wide   bool
	keys   int
	budget int64  // bytes of values that may still come
	line   []byte // of the value in work
}

func (e *encoder) flush() {
	if e.err == nil {
		_, e.err = e.w.Write(e.out)
	}
	e.out = e.out[:0]
}

// text writes a WTF-8 string, which in version 4 is ASCII.
func (e *encoder) text(s string) {
	if len(e.out) >= bufferSize {
		e.flush()
	}
	if !e.wide {
		e.out = append(e.out, s...)
		return
	}
	for s != "" {
		n := asciiPrefix(s)
		for i := range n {
			e.out = append(e.out, s[i], 0)
		}
		s = s[n:]
		for n = 0; n < len(s) && s[n] >= 0x80; {
			n++
		}
		e.out = append(e.out, nt.UTF16Bytes(s[:n])...)
		s = s[n:]
	}
}

func asciiPrefix(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return i
		}
	}
	return len(s)
}

// key writes a key and all below it. It is as deep as the keys are, which is bounded by the
// hives. replaced says that it is below a key that replaces all.
func (e *encoder) key(r Root, replaced bool) error {
	info, err := r.Key.Info()
	if err != nil {
		return err
	}
	if e.keys++; e.keys > maxKeys {
		return fmt.Errorf("more than %d keys", maxKeys)
	}
	switch {
	case e.err != nil:
		return e.err
	case strings.ContainsAny(r.Path, "\x00\r\n"):
		return fmt.Errorf("key %q: %w: a name with a NUL or a line end", r.Path, ErrForm)
	case !e.wide && asciiPrefix(r.Path) < len(r.Path):
		return fmt.Errorf("key %q: %w: a name that is not ASCII needs version 5", r.Path, ErrForm)
	}
	switch info.Layering() {
	case hives.DeletesKey:
		e.head("[-", r.Path)
		return nil
	case hives.ReplacesValues:
		return fmt.Errorf("key %q: %w: a delta that hides the values below but not the subkeys", r.Path, ErrForm)
	case hives.ReplacesKey:
		if !replaced {
			e.head("[-", r.Path)
		}
		replaced = true
	}
	if err := e.values(r, !info.Overlays()); err != nil {
		return fmt.Errorf("key %q: %w", r.Path, err)
	}
	for sub, err := range r.Key.Subkeys() {
		if err != nil {
			return fmt.Errorf("key %q: %w", r.Path, err)
		}
		if err := e.key(Root{r.Path + `\` + sub.Name(), sub}, replaced); err != nil {
			return err
		}
	}
	return nil
}

// values writes the head of a key, without values only if it is to be there all the same,
// and the values.
func (e *encoder) values(r Root, always bool) error {
	if always {
		e.head("[", r.Path)
	}
	for v, err := range r.Key.Values() {
		if err != nil {
			return err
		}
		if !always {
			e.head("[", r.Path)
			always = true
		}
		if err := e.value(v); err != nil {
			return fmt.Errorf("value %q: %w", v.Name, err)
		}
	}
	return nil
}

// head writes the line that begins a section.
func (e *encoder) head(bracket, path string) {
	if path == "" {
		path = `\`
	}
	e.text("\r\n" + bracket + path + "]\r\n")
}

func (e *encoder) value(v hives.Value) error {
	if e.budget -= int64(len(v.Name)/2 + len(v.Data)); e.budget < 0 {
		return errors.New("keys share the same values: the hive is damaged")
	}
	if !e.wide && asciiPrefix(v.Name) < len(v.Name) {
		return fmt.Errorf("%w: a name that is not ASCII needs version 5", ErrForm)
	}
	line := append(e.line[:0], '@')
	if v.Name != "" {
		line = appendQuoted(line[:0], v.Name)
	}
	line = append(line, '=')
	switch {
	case v.Tombstone:
		line = append(line, '-')
	case v.Type == hives.SZ && isPlain(v.Data, e.wide):
		line = appendQuoted(line, v.Text())
	case v.Type == hives.DWORD && len(v.Data) == 4:
		line = fmt.Appendf(line, "dword:%08x", binary.LittleEndian.Uint32(v.Data))
	default:
		var err error
		if line, err = e.appendBytes(line, v); err != nil {
			return err
		}
	}
	e.line = line
	e.text(string(line))
	e.text("\r\n")
	return nil
}

func (e *encoder) appendBytes(line []byte, v hives.Value) ([]byte, error) {
	data := v.Data
	if v.Type == hives.Binary {
		line = append(line, "hex:"...)
	} else {
		line = fmt.Appendf(line, "hex(%x):", uint32(v.Type))
	}
	if !e.wide && isText(v.Type) {
		if data = narrow(data); data == nil {
			return nil, fmt.Errorf("%w: text that is not ASCII, or has no final NUL, needs version 5", ErrForm)
		}
	}
	return hexlist.Append(line, len(nt.UTF16(string(line))), data, "\r\n"), nil
}

// narrow returns the ASCII bytes of UTF-16 text with a final NUL, nil if it is none.
func narrow(data []byte) []byte {
	n := len(data)
	if n < 2 || n%2 != 0 || data[n-2] != 0 || data[n-1] != 0 {
		return nil
	}
	out := make([]byte, 0, n/2)
	for ; len(data) > 0; data = data[2:] {
		if data[0] >= 0x80 || data[1] != 0 {
			return nil
		}
		out = append(out, data[0])
	}
	return out
}

// isPlain tells whether data is one string with one final NUL, without anything that a
// reader of text could change.
func isPlain(data []byte, wide bool) bool {
	n := len(data)
	if n < 2 || n%2 != 0 || data[n-1] != 0 || data[n-2] != 0 {
		return false
	}
	limit := uint16(0x80)
	if wide {
		limit = 0xffff
	}
	for i := 0; i < n-2; i += 2 {
		switch u := binary.LittleEndian.Uint16(data[i:]); {
		case u < ' ' || u > limit:
			return false
		case u>>10 == 0xd800>>10 && binary.LittleEndian.Uint16(data[i+2:])>>10 == 0xdc00>>10:
			i += 2
		case u>>11 == 0xd800>>11:
			return false
		}
	}
	return true
}

// appendQuoted appends a string in quotation marks.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case 0:
			b = append(b, '\\', '0')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
