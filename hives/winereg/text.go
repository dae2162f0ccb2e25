package winereg

import (
	"errors"
	"fmt"
	"strings"
)

// escapes are the letters for the control characters 7 to 13 and 27; a dot stands
// for one that has none.
const escapes = ".......abtnvfr.............e...."

// quoted takes a string in quotation marks from the front of text.
func quoted(text []byte) (units []uint16, rest []byte, err error) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, errors.New("no quotation mark where a string starts")
	}
	return unescape(text[1:], '"')
}

// unescape reads up to the first end that is not escaped; an end of 0 reads all. A
// byte above 127 stands for itself as a character, as in Wine.
func unescape(text []byte, end byte) (units []uint16, rest []byte, err error) {
	for i := 0; i < len(text); {
		c := text[i]
		i++
		switch {
		case end != 0 && c == end:
			return units, text[i:], nil
		case c != '\\':
			units = append(units, uint16(c))
		case i == len(text):
			return nil, nil, errors.New("a backslash ends the line")
		default:
			u, n := escaped(text[i:])
			units = append(units, u)
			i += n
		}
	}
	if end != 0 {
		return nil, nil, fmt.Errorf("no closing %q", end)
	}
	return units, nil, nil
}

// escaped is the character that text, which follows a backslash, begins with, and
// how many bytes that takes.
func escaped(text []byte) (u uint16, n int) {
	c := text[0]
	switch {
	case c == 'x' && len(text) > 1 && digit(text[1]) < 16:
		return number(text[1:], 16, 4, 1)
	case digit(c) < 8:
		return number(text, 8, 3, 0)
	}
	if i := strings.IndexByte(escapes, c); i >= 0 && c != '.' {
		return uint16(i), 1
	}
	return uint16(c), 1
}

// number reads at most max digits; n counts skip bytes more.
func number(text []byte, base uint16, max, skip int) (u uint16, n int) {
	for n < max && n < len(text) && digit(text[n]) < base {
		u = u*base + digit(text[n])
		n++
	}
	return u, n + skip
}

// digit is the value of a hexadecimal digit, or 16.
func digit(c byte) uint16 {
	switch {
	case '0' <= c && c <= '9':
		return uint16(c - '0')
	case 'a' <= c && c <= 'f':
		return uint16(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return uint16(c-'A') + 10
	}
	return 16
}

// appendEscaped appends units as Wine writes them, with a backslash before each
// character of special too. A number is written at full length where the next
// character could be read as one more digit of it.
func appendEscaped(b []byte, units []uint16, special string) []byte {
	for i, u := range units {
		next := uint16(16)
		if i+1 < len(units) && units[i+1] < 128 {
			next = digit(byte(units[i+1]))
		}
		switch {
		case u > 127 && next < 16:
			b = fmt.Appendf(b, `\x%04x`, u)
		case u > 127:
			b = fmt.Appendf(b, `\x%x`, u)
		case u < 32 && escapes[u] != '.':
			b = append(b, '\\', escapes[u])
		case u < 32 && next < 8:
			b = fmt.Appendf(b, `\%03o`, u)
		case u < 32:
			b = fmt.Appendf(b, `\%o`, u)
		case u == '\\' || strings.IndexByte(special, byte(u)) >= 0:
			b = append(b, '\\', byte(u))
		default:
			b = append(b, byte(u))
		}
	}
	return b
}
