package regfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

const (
	version5 = "Windows Registry Editor Version 5.00"
	version4 = "REGEDIT4"
	// maxColumns is where regedit breaks a line of bytes: at the comma that reaches it.
	maxColumns = 77
)

// Write exports k and all below it in version 5, as UTF-16 with a byte order mark,
// under the full name path. Keys come as [hives.Key] yields them, each before those
// below it. A REG_SZ that a quoted string cannot carry safely (control characters,
// no or more than one final NUL, lone surrogates) is written as bytes.
func Write(w io.Writer, path string, k hives.Key) error {
	out := &encoder{w: bufio.NewWriterSize(w, 64<<10)}
	out.unit(0xfeff)
	out.text(version5 + "\r\n")
	if err := out.key(path, k); err != nil {
		return fmt.Errorf("export %s: %w", path, err)
	}
	out.text("\r\n")
	if err := out.w.Flush(); err != nil {
		return fmt.Errorf("export %s: %w", path, err)
	}
	return nil
}

// encoder writes UTF-16; the first failure stays with its writer until Flush.
type encoder struct{ w *bufio.Writer }

func (e *encoder) unit(u uint16) {
	e.w.WriteByte(byte(u))
	e.w.WriteByte(byte(u >> 8))
}

func (e *encoder) text(s string) {
	for _, u := range nt.UTF16(s) {
		e.unit(u)
	}
}

// key writes k and all below it, with a stack of its own: the depth is a hive's.
func (e *encoder) key(path string, k hives.Key) error {
	type level struct {
		path string
		key  hives.Key
	}
	for stack := []level{{path, k}}; len(stack) > 0; {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		e.text("\r\n[" + top.path + "]\r\n")
		for v, err := range top.key.Values() {
			if err != nil {
				return err
			}
			e.text(formatValue(v))
		}
		below := len(stack)
		for sub, err := range top.key.Subkeys() {
			if err != nil {
				return err
			}
			stack = append(stack, level{top.path + `\` + sub.Name(), sub})
		}
		// The last one pushed is the next one written.
		for i, j := below, len(stack)-1; i < j; i, j = i+1, j-1 {
			stack[i], stack[j] = stack[j], stack[i]
		}
	}
	return nil
}

func formatValue(v hives.Value) string {
	name := "@"
	if v.Name != "" {
		name = quote(v.Name)
	}
	switch {
	case v.Type == hives.SZ && isPlain(v.Data):
		return name + "=" + quote(v.Text()) + "\r\n"
	case v.Type == hives.DWORD && len(v.Data) == 4:
		return fmt.Sprintf("%s=dword:%08x\r\n", name, binary.LittleEndian.Uint32(v.Data))
	case v.Type == hives.Binary:
		return formatBytes(name+"=hex:", v.Data)
	}
	return formatBytes(fmt.Sprintf("%s=hex(%x):", name, uint32(v.Type)), v.Data)
}

// isPlain tells whether data is one string with one final NUL, without anything that
// a reader of text could change.
func isPlain(data []byte) bool {
	n := len(data)
	if n < 2 || n%2 != 0 || data[n-1] != 0 || data[n-2] != 0 {
		return false
	}
	units := make([]uint16, n/2-1)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(data[2*i:])
		if units[i] < ' ' {
			return false
		}
	}
	for i := 0; i < len(units); i++ {
		switch u := units[i]; {
		case u>>10 == 0xd800>>10 && i+1 < len(units) && units[i+1]>>10 == 0xdc00>>10:
			i++
		case u>>11 == 0xd800>>11:
			return false
		}
	}
	return true
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`, "\n", `\n`, "\x00", `\0`)

func quote(s string) string { return `"` + quoter.Replace(s) + `"` }

func formatBytes(prefix string, data []byte) string {
	var b strings.Builder
	b.WriteString(prefix)
	column := len(nt.UTF16(prefix))
	for i, c := range data {
		fmt.Fprintf(&b, "%02x", c)
		column += 2
		if i == len(data)-1 {
			break
		}
		b.WriteByte(',')
		if column++; column >= maxColumns {
			b.WriteString("\\\r\n  ")
			column = 2
		}
	}
	return b.String() + "\r\n"
}
