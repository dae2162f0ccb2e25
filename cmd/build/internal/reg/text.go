package reg

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// Printable returns s as it can be shown on a terminal: what is no printable character
// is escaped as in JSON. Text of an image could steer the terminal otherwise.
func Printable(s string) string {
	var b strings.Builder
	for _, p := range split(s) {
		if p.lone {
			fmt.Fprintf(&b, `\u%04X`, p.unit)
			continue
		}
		for _, r := range p.text {
			switch {
			case unicode.IsPrint(r):
				b.WriteRune(r)
			case r > 0xFFFF:
				fmt.Fprintf(&b, `\U%08X`, r)
			default:
				fmt.Fprintf(&b, `\u%04X`, r)
			}
		}
	}
	return b.String()
}

// shown is how a value's name is printed.
func shown(name string) string {
	if name == "" {
		return "(Default)"
	}
	return Printable(name)
}

// valueLine is a value as reg.exe prints it.
func valueLine(v hives.Value) string {
	if v.Tombstone {
		return fmt.Sprintf("    %s    (deleted)", shown(v.Name))
	}
	return strings.TrimRight(fmt.Sprintf("    %s    %s    %s", shown(v.Name), v.Type, dataText(v)), " ")
}

// dataText is the data for people.
func dataText(v hives.Value) string {
	switch v.Type {
	case hives.SZ, hives.ExpandSZ:
		return Printable(v.Text())
	case hives.Link:
		return Printable(nt.FromUTF16Bytes(v.Data))
	case hives.MultiSZ:
		return Printable(strings.Join(v.Strings(), `\0`))
	case hives.DWORD, hives.DWORDBigEndian, hives.QWORD:
		if n, ok := v.Uint(); ok {
			return fmt.Sprintf("0x%x", n)
		}
	}
	return strings.ToUpper(hex.EncodeToString(v.Data))
}

// keyLine is a key's path, with what it does if it is of a delta hive.
func keyLine(n *Node, info hives.Info) string {
	line := Printable(n.Path)
	if n.Path == "" {
		line = "(root)"
	}
	switch change(info) {
	case "delete":
		line += "    (deleted)"
	case "replace":
		line += "    (replaces all below)"
	case "replace-values":
		line += "    (replaces the values below)"
	}
	return line
}

const (
	maxNameColumn = 40  // characters that the names of a key's values are aligned to
	maxDataColumn = 120 // characters of data that a person is shown
)

// printColumns prints the values of a key aligned, and of long data the beginning.
func printColumns(w io.Writer, values []Value) error {
	var width [2]int
	for _, v := range values {
		width[0] = max(width[0], min(maxNameColumn, utf8.RuneCountInString(shown(v.Name))))
		width[1] = max(width[1], len(v.Type.String()))
	}
	for _, v := range values {
		typ, data := v.Type.String(), shorten(dataText(v.Value), len(v.Data))
		if v.Tombstone {
			typ, data = "(deleted)", ""
		}
		line := fmt.Sprintf("    %-*s  %-*s  %s", width[0], shown(v.Name), width[1], typ, data)
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// shorten cuts text, which stands for size bytes, and says so.
func shorten(text string, size int) string {
	if utf8.RuneCountInString(text) <= maxDataColumn {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes; --format json has all)", string([]rune(text)[:maxDataColumn/2]), size)
}
