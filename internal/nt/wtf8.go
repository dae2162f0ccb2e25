package nt

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	surrogateMin = 0xD800
	surrogateLow = 0xDC00
	surrogateEnd = 0xE000
)

// decode returns the first code point of s and its length in bytes. Other than
// utf8.DecodeRuneInString it accepts an unpaired surrogate; any other byte that is
// not UTF-8 counts as U+FFFD of one byte.
func decode(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 &&
		s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xBF && s[2] >= 0x80 && s[2] <= 0xBF {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// appendCodePoint appends r, which may be a surrogate, as WTF-8.
func appendCodePoint(b []byte, r rune) []byte {
	if r >= surrogateMin && r < surrogateEnd {
		return append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF)
	}
	return utf8.AppendRune(b, r)
}

// UTF16 converts a WTF-8 string to UTF-16 units without a terminator. Bytes that
// are not WTF-8 become U+FFFD.
func UTF16(s string) []uint16 {
	u := make([]uint16, 0, len(s))
	for len(s) > 0 {
		if s[0] < utf8.RuneSelf {
			u = append(u, uint16(s[0]))
			s = s[1:]
			continue
		}
		r, n := decode(s)
		s = s[n:]
		if r >= surrogateMin && r < surrogateEnd {
			u = append(u, uint16(r))
			continue
		}
		u = utf16.AppendRune(u, r)
	}
	return u
}

// String converts UTF-16 units to a WTF-8 string. Nothing is lost: UTF16 of the
// result gives the same units.
func String(u []uint16) string {
	b := make([]byte, 0, len(u))
	for i := 0; i < len(u); i++ {
		r := rune(u[i])
		if r < utf8.RuneSelf {
			b = append(b, byte(r))
			continue
		}
		if r >= surrogateMin && r < surrogateLow && i+1 < len(u) &&
			u[i+1] >= surrogateLow && u[i+1] < surrogateEnd {
			r = utf16.DecodeRune(r, rune(u[i+1]))
			i++
		}
		b = appendCodePoint(b, r)
	}
	return string(b)
}

// UTF16Bytes converts a WTF-8 string to little-endian UTF-16 without a terminator.
func UTF16Bytes(s string) []byte {
	u := UTF16(s)
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// FromUTF16Bytes converts little-endian UTF-16 to a WTF-8 string. It keeps NULs and
// ignores a last odd byte.
func FromUTF16Bytes(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return String(u)
}
