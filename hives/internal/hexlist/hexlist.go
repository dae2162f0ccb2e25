// Package hexlist is the list of bytes that .reg files and Wine's registry files have in
// common: two digits for each byte, commas between them, long lists over several lines.
package hexlist

import (
	"fmt"
	"strings"
)

// maxColumns is where regedit and Wine break a line: after the comma that reaches it.
const maxColumns = 77

// Append appends data to b as digits and commas. column is how many characters the line
// has already; newline ends a line after the backslash that says that it goes on.
func Append(b []byte, column int, data []byte, newline string) []byte {
	const digits, indent = "0123456789abcdef", "  "
	for i, c := range data {
		b = append(b, digits[c>>4], digits[c&15])
		if i == len(data)-1 {
			break
		}
		b = append(b, ',')
		if column += 3; column >= maxColumns {
			b = append(append(append(b, '\\'), newline...), indent...)
			column = len(indent)
		}
	}
	return b
}

// Parse appends the bytes that text lists to data: one or two digits each, blanks around
// them, commas between them and perhaps after the last. at is where in text the first
// byte stands that is none.
func Parse(data []byte, text string) (out []byte, at int, err error) {
	for rest := text; ; {
		field, next, more := strings.Cut(rest, ",")
		if !more && strings.Trim(field, " \t") == "" {
			return data, 0, nil
		}
		c, ok := parseByte(strings.Trim(field, " \t"))
		if !ok {
			blanks := len(field) - len(strings.TrimLeft(field, " \t"))
			return data, len(text) - len(rest) + blanks, fmt.Errorf("byte %.40q is not 1 or 2 hexadecimal digits", field)
		}
		data = append(data, c)
		if rest = next; !more {
			return data, 0, nil
		}
	}
}

func parseByte(s string) (c byte, ok bool) {
	if len(s) != 1 && len(s) != 2 {
		return 0, false
	}
	for i := range len(s) {
		switch d := s[i]; {
		case '0' <= d && d <= '9':
			c = c<<4 | (d - '0')
		case 'a' <= d && d <= 'f':
			c = c<<4 | (d - 'a' + 10)
		case 'A' <= d && d <= 'F':
			c = c<<4 | (d - 'A' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}
