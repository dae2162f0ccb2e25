package nt

import "unicode/utf8"

// Fold returns s in upper case by Upcase: two names mean the same file or key if
// and only if their folds are equal. Code points above U+FFFF stay as they are.
func Fold(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && (s[i] < 'a' || s[i] > 'z') {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+8), s[:i]...)
	for i < len(s) {
		r, n := decode(s[i:])
		i += n
		if r < 0x10000 {
			r = rune(Upcase(uint16(r)))
		}
		b = appendCodePoint(b, r)
	}
	return string(b)
}

// EqualFold reports whether a and b differ at most in case.
func EqualFold(a, b string) bool { return Compare(a, b) == 0 }

// Compare orders names as a hive orders its subkeys: unit by unit of the upper-cased
// UTF-16 form, a prefix before the longer name. It returns -1, 0 or 1.
func Compare(a, b string) int {
	var ca, cb units
	ca.s, cb.s = a, b
	for {
		x, okA := ca.next()
		y, okB := cb.next()
		switch {
		case !okA && !okB:
			return 0
		case !okA:
			return -1
		case !okB:
			return 1
		}
		if x, y = Upcase(x), Upcase(y); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
}

// units yields the UTF-16 units of a WTF-8 string one by one.
type units struct {
	s   string
	low uint16 // second half of a pair, still to be given out; 0 if none
}

func (c *units) next() (uint16, bool) {
	if c.low != 0 {
		u := c.low
		c.low = 0
		return u, true
	}
	if c.s == "" {
		return 0, false
	}
	if b := c.s[0]; b < utf8.RuneSelf {
		c.s = c.s[1:]
		return uint16(b), true
	}
	r, n := decode(c.s)
	c.s = c.s[n:]
	if r < 0x10000 {
		return uint16(r), true
	}
	r -= 0x10000
	c.low = surrogateLow | uint16(r&0x3FF)
	return surrogateMin | uint16(r>>10), true
}
