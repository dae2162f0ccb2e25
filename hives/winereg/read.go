package winereg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/internal/hexlist"
	"github.com/mullion/mullion/internal/nt"
)

// Read reads a file in version 2 of the format. Keys and values come in the file's
// order, also where one is named twice; Wine lets the last one win. An error names
// the line.
func Read(r io.Reader) (*File, error) {
	p := &parser{in: bufio.NewReaderSize(r, 64<<10), file: &File{}}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("wine registry file, line %d: %w", p.number, err)
	}
	return p.file, nil
}

type parser struct {
	in     *bufio.Reader
	number int
	file   *File
}

func (p *parser) run() error {
	first, err := p.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(first) != header {
		return fmt.Errorf("it does not start with %q", header)
	}
	for {
		line, err := p.line()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := p.take(bytes.TrimLeft(line, " \t")); err != nil {
			return err
		}
	}
}

// line is the next line without its end. It is valid until the next call.
func (p *parser) line() ([]byte, error) {
	p.number++
	var long []byte
	for {
		part, err := p.in.ReadSlice('\n')
		if len(long)+len(part) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(long)+len(part) == 0):
			return nil, err
		}
		if long != nil {
			part = append(long, part...)
		}
		return bytes.TrimRight(part, "\r\n"), nil
	}
}

func (p *parser) take(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	switch line[0] {
	case ';':
		if relative, ok := bytes.CutPrefix(line, []byte(";; All keys relative to ")); ok {
			path, _, err := unescape(relative, 0)
			p.file.Relative = nt.String(path)
			return err
		}
		return nil
	case '#':
		return p.option(line)
	case '[':
		return p.key(line)
	case '"', '@':
		return p.value(line)
	}
	return fmt.Errorf("unexpected %q", clip(line))
}

func (p *parser) option(line []byte) error {
	name, text, _ := strings.Cut(string(line), "=")
	if name == "#arch" {
		p.file.Arch = text
		return nil
	}
	k, err := p.current()
	if err != nil {
		return err
	}
	switch name {
	case "#time":
		n, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return fmt.Errorf("key time %q: %w", text, err)
		}
		k.Modified = nt.Filetime(n)
	case "#class":
		class, rest, err := quoted([]byte(text))
		if err != nil || len(rest) != 0 {
			return fmt.Errorf("key class %q is no string", clip([]byte(text)))
		}
		k.Class = nt.String(class)
	case "#link":
		k.Link = true
	}
	return nil // other options are those of a later Wine
}

func (p *parser) current() (*Key, error) {
	if len(p.file.Keys) == 0 {
		return nil, errors.New("before the first key")
	}
	return &p.file.Keys[len(p.file.Keys)-1], nil
}

func (p *parser) key(line []byte) error {
	units, rest, err := unescape(line[1:], ']')
	if err != nil {
		return err
	}
	if len(p.file.Keys) == maxKeys {
		return fmt.Errorf("more than %d keys", maxKeys)
	}
	k := Key{Path: nt.String(units)}
	if strings.Count(k.Path, `\`) >= maxDepth {
		return fmt.Errorf("key more than %d deep", maxDepth)
	}
	// The seconds after the bracket are for people; #time, if there, is exact.
	if seconds, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64); err == nil {
		k.Modified = nt.FiletimeOf(time.Unix(seconds, 0))
	}
	p.file.Keys = append(p.file.Keys, k)
	return nil
}

func (p *parser) value(line []byte) error {
	k, err := p.current()
	if err != nil {
		return err
	}
	var v hives.Value
	rest := line[1:]
	if line[0] == '"' {
		var name []uint16
		if name, rest, err = quoted(line); err != nil {
			return err
		}
		v.Name = nt.String(name)
	}
	rest, ok := bytes.CutPrefix(rest, []byte("="))
	if !ok {
		return fmt.Errorf("value %q: no = after its name", v.Name)
	}
	if v.Type, v.Data, err = p.data(rest); err != nil {
		return fmt.Errorf("value %q: %w", v.Name, err)
	}
	k.Values = append(k.Values, v)
	return nil
}

// data reads what stands after the equals sign, further lines included.
func (p *parser) data(text []byte) (hives.Type, []byte, error) {
	kind, rest, _ := bytes.Cut(text, []byte(":"))
	if len(text) > 0 && text[0] == '"' {
		kind, rest = []byte("str"), text
	}
	name, number, hasType := strings.Cut(strings.TrimSuffix(string(kind), ")"), "(")
	typ := map[string]hives.Type{"str": hives.SZ, "hex": hives.Binary, "dword": hives.DWORD}[name]
	if hasType {
		n, err := strconv.ParseUint(number, 16, 32)
		if err != nil {
			return 0, nil, fmt.Errorf("type %q: %w", clip(kind), err)
		}
		typ = hives.Type(n)
	}
	switch name {
	case "str":
		units, after, err := quoted(rest)
		if err != nil || len(after) != 0 {
			return 0, nil, fmt.Errorf("%q is no string", clip(rest))
		}
		return typ, append(nt.UTF16Bytes(nt.String(units)), 0, 0), nil
	case "dword":
		n, err := strconv.ParseUint(string(rest), 16, 32)
		return typ, binary.LittleEndian.AppendUint32(nil, uint32(n)), err
	case "hex":
		data, err := p.hex(rest)
		return typ, data, err
	}
	return 0, nil, fmt.Errorf("unknown data %q", clip(text))
}

// hex reads bytes separated by commas, over lines joined by a backslash.
func (p *parser) hex(text []byte) ([]byte, error) {
	var data []byte
	for {
		part, more := bytes.CutSuffix(text, []byte(`\`))
		var err error
		if data, _, err = hexlist.Parse(data, string(part)); err != nil {
			return nil, err
		}
		if len(data) > maxData {
			return nil, fmt.Errorf("more than %d bytes", maxData)
		}
		if !more {
			return data, nil
		}
		if text, err = p.line(); err != nil {
			return nil, fmt.Errorf("data goes on after the last line: %w", noEOF(err))
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func clip(b []byte) []byte { return b[:min(len(b), 40)] }
