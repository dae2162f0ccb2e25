package regfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// lines reads the lines of a file, whatever its encoding is.
type lines struct {
	in    *bufio.Reader
	wide  bool // the file is UTF-16 and comes as WTF-8
	total int  // bytes read
}

// newLines finds out about the encoding: by the byte order mark, or by the NUL that an
// ASCII character has in UTF-16.
func newLines(r io.Reader) (*lines, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var order binary.ByteOrder
	mark := 0
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		order, mark = binary.LittleEndian, 2
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		order, mark = binary.BigEndian, 2
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		mark = 3
	case len(head) > 1 && head[0] != 0 && head[1] == 0:
		order = binary.LittleEndian
	case len(head) > 1 && head[0] == 0 && head[1] != 0:
		order = binary.BigEndian
	}
	if _, err := in.Discard(mark); err != nil {
		return nil, err
	}
	if order == nil {
		return &lines{in: in}, nil
	}
	return &lines{in: bufio.NewReaderSize(&narrower{in: in, order: order}, 64<<10), wide: true}, nil
}

// next returns a line without its end in WTF-8, and [io.EOF] after the last.
func (l *lines) next() (string, error) {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		if l.total += len(part); l.total > maxFile || len(line) > maxLine {
			return "", fmt.Errorf("a file of more than %d bytes, or %d in a line", maxFile, maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0):
			return "", err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if l.wide || utf8.Valid(line) {
			return string(line), nil
		}
		return fromANSI(line), nil
	}
}

// ansi are the characters of 0x80 to 0x9F in code page 1252, which Windows has in most
// of the west; those that the page leaves out stand for themselves.
const ansi = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// fromANSI decodes text in code page 1252.
func fromANSI(b []byte) string {
	high := []rune(ansi)
	out := make([]byte, 0, len(b)+8)
	for _, c := range b {
		r := rune(c)
		if 0x80 <= c && c <= 0x9f {
			r = high[c-0x80]
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// narrower turns UTF-16 into WTF-8. An odd byte at the end is dropped.
type narrower struct {
	in    io.Reader
	order binary.ByteOrder
	raw   [16 << 10]byte
	units []uint16 // a high surrogate that waits for what follows it
	out   []byte
}

func (n *narrower) Read(p []byte) (int, error) {
	for len(n.out) == 0 {
		size, err := io.ReadFull(n.in, n.raw[:])
		for b := n.raw[:size]; len(b) > 1; b = b[2:] {
			n.units = append(n.units, n.order.Uint16(b))
		}
		whole := len(n.units)
		if err == nil && n.units[whole-1]>>10 == 0xd800>>10 {
			whole--
		}
		n.out = []byte(nt.String(n.units[:whole]))
		n.units = append(n.units[:0], n.units[whole:]...)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		if err != nil && len(n.out) == 0 {
			return 0, err
		}
	}
	size := copy(p, n.out)
	n.out = n.out[size:]
	return size, nil
}
