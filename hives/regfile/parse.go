package regfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/internal/hexlist"
	"github.com/mullion/mullion/internal/nt"
)

// Parse reads a .reg file of version 5 or 4, in UTF-16 of either byte order or in UTF-8,
// each with or without a byte order mark; a line that is no UTF-8 is taken as code page
// 1252. Other than regedit, which skips in silence what it does not understand, Parse
// refuses the file, and the error names the line and, counted in characters, the column.
func Parse(r io.Reader) ([]Section, error) {
	in, err := newLines(r)
	if err != nil {
		return nil, fmt.Errorf("read .reg file: %w", err)
	}
	p := &parser{in: in}
	if err := p.run(); err != nil {
		column := utf8.RuneCountInString(p.line[:len(p.line)-len(p.rest)]) + 1
		return nil, fmt.Errorf(".reg file, line %d, column %d: %w", p.number, column, err)
	}
	return p.sections, nil
}

// parser reads from the front of rest; after an error that is where the fault is.
type parser struct {
	in       *lines
	line     string
	rest     string // of the line, not read yet
	number   int
	ansi     bool // version 4: the bytes of strings are ANSI text
	sections []Section
}

// next goes to the next line, without the blanks that it begins with.
func (p *parser) next() error {
	line, err := p.in.next()
	if err == nil {
		p.number++
		p.line, p.rest = line, line
		p.blanks()
	}
	return err
}

func (p *parser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t") }

// isEnd tells whether nothing but blanks and a comment is left of the line.
func (p *parser) isEnd() bool {
	p.blanks()
	return p.rest == "" || p.rest[0] == ';'
}

// prefix takes text off the line, in any case.
func (p *parser) prefix(text string) bool {
	ok := len(p.rest) >= len(text) && strings.EqualFold(p.rest[:len(text)], text)
	if ok {
		p.rest = p.rest[len(text):]
	}
	return ok
}

func (p *parser) run() error {
	err := p.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch Version(p.rest) {
	case Version5:
	case Version4:
		p.ansi = true
	default:
		return fmt.Errorf("it starts neither with %q nor with %q", Version5, Version4)
	}
	for {
		switch err := p.next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := p.take(); err != nil {
			return err
		}
	}
}

func (p *parser) take() error {
	switch {
	case p.isEnd() || p.rest[0] == '#':
		return nil
	case p.rest[0] == '[':
		return p.key()
	case p.rest[0] == '"' || p.rest[0] == '@':
		return p.value()
	}
	return fmt.Errorf("unexpected %.40q", p.rest)
}

// key reads the head of a section, which the last bracket of the line ends.
func (p *parser) key() error {
	end := strings.LastIndexByte(p.rest, ']')
	if end < 0 {
		return errors.New("no ] after the key")
	}
	path, isDelete := strings.CutPrefix(p.rest[1:end], "-")
	if path == "" || strings.ContainsAny(path[:1], " \t") {
		return fmt.Errorf("key %.40q: a name must follow the bracket at once", p.rest)
	}
	p.sections = append(p.sections, Section{Path: strings.TrimSuffix(path, `\`), Delete: isDelete})
	return nil
}

func (p *parser) value() error {
	if len(p.sections) == 0 {
		return errors.New("a value before the first key")
	}
	s := &p.sections[len(p.sections)-1]
	if s.Delete {
		return errors.New("a value below a deleted key")
	}
	name := ""
	if !p.prefix("@") {
		var err error
		if name, err = p.quoted(); err != nil {
			return fmt.Errorf("value name: %w", err)
		}
	}
	p.blanks()
	if !p.prefix("=") {
		return fmt.Errorf("value %q: no = after its name", name)
	}
	p.blanks()
	e, err := p.data()
	if err == nil && !p.isEnd() {
		err = fmt.Errorf("%.40q after the data", p.rest)
	}
	if err != nil {
		return fmt.Errorf("value %q: %w", name, err)
	}
	e.Name = name
	s.Values = append(s.Values, e)
	return nil
}

// data reads what stands after the equals sign, further lines included.
func (p *parser) data() (e Entry, err error) {
	switch {
	case p.prefix("-"):
		e.Delete = true
	case strings.HasPrefix(p.rest, `"`):
		var s string
		s, err = p.quoted()
		e.Value = hives.StringValue("", s)
	case p.prefix("dword:"):
		e.Type = hives.DWORD
		e.Data, err = p.dword()
	case p.prefix("hex:"):
		e.Type = hives.Binary
		e.Data, err = p.bytes()
	case p.prefix("hex("):
		number, rest, ok := strings.Cut(p.rest, "):")
		n, parseErr := strconv.ParseUint(number, 16, 32)
		if !ok || parseErr != nil {
			return e, fmt.Errorf("type in %.40q is no hexadecimal number of 32 bits", p.rest)
		}
		e.Type, p.rest = hives.Type(n), rest
		e.Data, err = p.bytes()
		if err == nil && p.ansi && isText(e.Type) {
			e.Data = widen(e.Data)
		}
	default:
		err = fmt.Errorf("unknown data %.40q", p.rest)
	}
	return e, err
}

func isText(t hives.Type) bool { return t == hives.SZ || t == hives.ExpandSZ || t == hives.MultiSZ }

// widen turns the ANSI text of version 4 into UTF-16 and adds the NUL that it may lack.
func widen(text []byte) []byte {
	if len(text) == 0 || text[len(text)-1] != 0 {
		text = append(text, 0)
	}
	return nt.UTF16Bytes(fromANSI(text))
}

func (p *parser) dword() ([]byte, error) {
	digits, _, _ := strings.Cut(p.rest, ";")
	digits = strings.TrimSpace(digits)
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) > 8 {
		return nil, fmt.Errorf("dword %.40q is not 1 to 8 hexadecimal digits", p.rest)
	}
	p.rest = ""
	return binary.LittleEndian.AppendUint32(nil, uint32(n)), nil
}

// bytes reads bytes separated by commas; after a comma, a backslash ends the line but
// not the data.
func (p *parser) bytes() ([]byte, error) {
	var data []byte
	for {
		text, _, _ := strings.Cut(p.rest, ";")
		text, more := strings.CutSuffix(strings.TrimRight(text, " \t"), `\`)
		if bare := strings.TrimRight(text, " \t"); more && bare != "" && bare[len(bare)-1] != ',' {
			p.rest = p.rest[len(bare):]
			return nil, errors.New("a line goes on after a byte without comma")
		}
		var at int
		var err error
		if data, at, err = hexlist.Parse(data, text); err == nil && len(data) > maxData {
			err = fmt.Errorf("more than %d bytes", maxData)
		}
		if err != nil {
			p.rest = p.rest[at:]
			return nil, err
		}
		if p.rest = ""; !more {
			return data, nil
		}
		if err := p.continued(); err != nil {
			return nil, err
		}
	}
}

// continued goes to the next line that is neither empty nor a comment.
func (p *parser) continued() error {
	for {
		switch err := p.next(); {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil || !p.isEnd():
			return err
		}
	}
}

// quoted reads the string in quotation marks that rest starts with. If it does not end,
// rest stays.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			if j := strings.IndexByte("nr0", p.rest[i]); j >= 0 {
				b.WriteByte("\n\r\x00"[j])
			} else {
				b.WriteByte(p.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("no closing quotation mark")
}
