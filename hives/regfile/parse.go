package regfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// Parse reads a .reg file of version 5 or 4, in UTF-16 or UTF-8, each with or without
// a byte order mark (without one, bytes that are no UTF-8 are taken as Latin-1).
// Other than regedit, which skips in silence what it does not understand, Parse
// refuses the file, and the error names the line.
func Parse(r io.Reader) ([]Section, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read .reg file: %w", err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("read .reg file: more than %d bytes", maxFile)
	}
	p := &parser{rest: decode(raw)}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf(".reg file, line %d: %w", p.number, err)
	}
	return p.sections, nil
}

// decode gives the text of the file in WTF-8.
func decode(raw []byte) string {
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}):
		return nt.FromUTF16Bytes(raw[2:])
	case len(raw) > 1 && raw[1] == 0 && raw[0] != 0:
		return nt.FromUTF16Bytes(raw)
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if utf8.Valid(raw) {
		return string(raw)
	}
	units := make([]uint16, len(raw))
	for i, c := range raw {
		units[i] = uint16(c)
	}
	return nt.String(units)
}

type parser struct {
	rest     string
	number   int
	ansi     bool // version 4: hex(2) and hex(7) hold ANSI text
	sections []Section
}

func (p *parser) line() (string, bool) {
	if p.rest == "" {
		return "", false
	}
	var line string
	line, p.rest, _ = strings.Cut(p.rest, "\n")
	p.number++
	return strings.TrimSuffix(line, "\r"), true
}

func (p *parser) run() error {
	first, _ := p.line()
	switch strings.TrimLeft(first, " \t") {
	case version5:
	case version4:
		p.ansi = true
	default:
		return fmt.Errorf("it starts neither with %q nor with %q", version5, version4)
	}
	for {
		line, ok := p.line()
		if !ok {
			return nil
		}
		if err := p.take(strings.TrimLeft(line, " \t")); err != nil {
			return err
		}
	}
}

func (p *parser) take(line string) error {
	switch {
	case line == "" || line[0] == ';' || line[0] == '#':
		return nil
	case line[0] == '[':
		return p.key(line)
	case line[0] == '"' || line[0] == '@':
		return p.value(line)
	}
	return fmt.Errorf("unexpected %.40q", line)
}

func (p *parser) key(line string) error {
	end := strings.LastIndexByte(line, ']')
	if end < 0 {
		return errors.New("no ] after the key")
	}
	path, isDelete := strings.CutPrefix(line[1:end], "-")
	path = strings.TrimSuffix(path, `\`)
	if path == "" || strings.ContainsAny(path[:1], " \t") {
		return fmt.Errorf("key %.40q: a name must follow the bracket at once", line)
	}
	p.sections = append(p.sections, Section{Path: path, Delete: isDelete})
	return nil
}

func (p *parser) value(line string) error {
	if len(p.sections) == 0 {
		return errors.New("a value before the first key")
	}
	s := &p.sections[len(p.sections)-1]
	if s.Delete {
		return errors.New("a value below a deleted key")
	}
	name, rest := "", line[1:]
	if line[0] == '"' {
		var err error
		if name, rest, err = unquote(line); err != nil {
			return fmt.Errorf("value name: %w", err)
		}
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if !ok {
		return fmt.Errorf("value %q: no = after its name", name)
	}
	v, err := p.data(strings.TrimLeft(rest, " \t"))
	if err != nil {
		return fmt.Errorf("value %q: %w", name, err)
	}
	v.Name = name
	s.Values = append(s.Values, v)
	return nil
}

func (p *parser) data(text string) (e Entry, err error) {
	switch {
	case isEnd(strings.TrimPrefix(text, "-")) && strings.HasPrefix(text, "-"):
		return Entry{Delete: true}, nil
	case strings.HasPrefix(text, `"`):
		s, rest, err := unquote(text)
		if err == nil && !isEnd(rest) {
			err = fmt.Errorf("%.40q after the string", rest)
		}
		return Entry{Value: hives.StringValue("", s)}, err
	case hasPrefixFold(text, "dword:"):
		return dword(text[len("dword:"):])
	case hasPrefixFold(text, "hex:"):
		e.Type = hives.Binary
		e.Data, err = p.bytes(text[len("hex:"):])
		return e, err
	case hasPrefixFold(text, "hex("):
		number, rest, ok := strings.Cut(text[len("hex("):], "):")
		n, err := strconv.ParseUint(number, 16, 32)
		if !ok || err != nil {
			return e, fmt.Errorf("type in %.40q is no hexadecimal number of 32 bits", text)
		}
		e.Type = hives.Type(n)
		if e.Data, err = p.bytes(rest); err != nil {
			return e, err
		}
		if p.ansi && (e.Type == hives.ExpandSZ || e.Type == hives.MultiSZ) {
			e.Data = widen(e.Data)
		}
		return e, nil
	}
	return e, fmt.Errorf("unknown data %.40q", text)
}

// widen turns the ANSI text of version 4 into UTF-16, byte for byte, and adds the NUL
// that it may lack.
func widen(ansi []byte) []byte {
	if len(ansi) == 0 || ansi[len(ansi)-1] != 0 {
		ansi = append(ansi, 0)
	}
	wide := make([]byte, 0, 2*len(ansi))
	for _, c := range ansi {
		wide = append(wide, c, 0)
	}
	return wide
}

func dword(text string) (Entry, error) {
	digits, _, _ := strings.Cut(text, ";")
	digits = strings.TrimSpace(digits)
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) > 8 {
		return Entry{}, fmt.Errorf("dword %.40q is not 1 to 8 hexadecimal digits", text)
	}
	return Entry{Value: hives.Value{Type: hives.DWORD, Data: binary.LittleEndian.AppendUint32(nil, uint32(n))}}, nil
}

// bytes reads bytes separated by commas; after a comma, a backslash ends the line but
// not the data.
func (p *parser) bytes(text string) ([]byte, error) {
	var data []byte
	for {
		text, _, _ = strings.Cut(text, ";")
		part, more := strings.CutSuffix(strings.TrimRight(text, " \t"), `\`)
		part = strings.TrimSpace(part)
		if more && part != "" && !strings.HasSuffix(part, ",") {
			return nil, errors.New("a line goes on after a byte without comma")
		}
		for field := range strings.SplitSeq(strings.TrimSuffix(part, ","), ",") {
			if part == "" {
				break
			}
			n, err := strconv.ParseUint(strings.TrimSpace(field), 16, 8)
			if err != nil {
				return nil, fmt.Errorf("byte %.40q is not 1 or 2 hexadecimal digits", field)
			}
			data = append(data, byte(n))
		}
		if len(data) > maxData {
			return nil, fmt.Errorf("more than %d bytes", maxData)
		}
		if !more {
			return data, nil
		}
		var ok bool
		if text, ok = p.continued(); !ok {
			return nil, io.ErrUnexpectedEOF
		}
	}
}

// continued is the next line that is neither empty nor a comment.
func (p *parser) continued() (string, bool) {
	for {
		line, ok := p.line()
		if line = strings.TrimLeft(line, " \t"); !ok || line != "" && line[0] != ';' {
			return line, ok
		}
	}
}

// unquote reads the string in quotation marks that text starts with.
func unquote(text string) (s, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			if j := strings.IndexByte("nr0", text[i]); j >= 0 {
				b.WriteByte("\n\r\x00"[j])
			} else {
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("no closing quotation mark")
}

// isEnd tells whether nothing but blanks and a comment is left.
func isEnd(text string) bool {
	text = strings.TrimLeft(text, " \t")
	return text == "" || text[0] == ';'
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
