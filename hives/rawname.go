package hives

import (
	"bytes"
	"slices"

	"github.com/mullion/mullion/internal/nt"
)

// rawName is the name of a key or value as stored: Latin-1 bytes, or UTF-16LE.
type rawName struct {
	b     []byte
	latin bool
}

func (n rawName) units() int {
	if n.latin {
		return len(n.b)
	}
	return len(n.b) / 2
}

func (n rawName) at(i int) uint16 {
	if n.latin {
		return uint16(n.b[i])
	}
	return u16(n.b, 2*i)
}

func (n rawName) String() string {
	if !n.latin {
		return nt.FromUTF16Bytes(n.b)
	}
	for _, c := range n.b {
		if c >= 0x80 {
			return n.latin1()
		}
	}
	return string(n.b)
}

func (n rawName) latin1() string {
	u := make([]uint16, len(n.b))
	for i, c := range n.b {
		u[i] = uint16(c)
	}
	return nt.String(u)
}

// compare orders names as subkey lists are ordered.
func (n rawName) compare(m rawName) int {
	k, same := min(n.units(), m.units()), 0
	if n.latin && m.latin {
		for same < k && n.b[same] == m.b[same] {
			same++
		}
	}
	for i := same; i < k; i++ {
		if a, b := n.at(i), m.at(i); a != b {
			if a, b = nt.Upcase(a), nt.Upcase(b); a < b {
				return -1
			} else if a > b {
				return 1
			}
		}
	}
	return n.units() - m.units()
}

// is reports whether n is the name whose upper-case units are folded.
func (n rawName) is(folded []uint16) bool {
	if n.units() != len(folded) {
		return false
	}
	for i, u := range folded {
		if nt.Upcase(n.at(i)) != u {
			return false
		}
	}
	return true
}

// has reports whether an ASCII character occurs in the name.
func (n rawName) has(char byte) bool {
	if n.latin {
		return bytes.IndexByte(n.b, char) >= 0
	}
	for i := range n.units() {
		if n.at(i) == uint16(char) {
			return true
		}
	}
	return false
}

// hash is the one that lh lists hold.
func (n rawName) hash() uint32 {
	var h uint32
	if n.latin {
		for _, c := range n.b {
			switch {
			case c-'a' < 26:
				c -= 'a' - 'A'
			case c >= 0x80:
				h = h*37 + uint32(nt.Upcase(uint16(c)))
				continue
			}
			h = h*37 + uint32(c)
		}
		return h
	}
	for i := range n.units() {
		h = h*37 + uint32(nt.Upcase(n.at(i)))
	}
	return h
}

// hint is what lf lists hold: the first four units as bytes, up to one that is none.
func (n rawName) hint() uint32 {
	var h uint32
	for i := range min(4, n.units()) {
		u := n.at(i)
		if u > 0xFF {
			break
		}
		h |= uint32(u) << (8 * i)
	}
	return h
}

func hashUnits(folded []uint16) uint32 {
	var h uint32
	for _, u := range folded {
		h = h*37 + uint32(u)
	}
	return h
}

func foldUnits(name string) []uint16 {
	u := nt.UTF16(name)
	for i := range u {
		u[i] = nt.Upcase(u[i])
	}
	return u
}

// encode stores a name: as Latin-1 if every unit fits, as Windows does.
func encode(name string) rawName { return encodeIn(nil, name) }

// encodeIn uses the room of buf if that will do.
func encodeIn(buf []byte, name string) rawName {
	if isASCII(name) {
		return rawName{b: append(buf[:0], name...), latin: true}
	}
	u := nt.UTF16(name)
	b := make([]byte, 0, len(u))
	for _, c := range u {
		if c > 0xFF {
			return rawName{b: nt.UTF16Bytes(name)}
		}
		b = append(b, byte(c))
	}
	return rawName{b: b, latin: true}
}

// unitCount is the length of a name in UTF-16 units.
func unitCount(name string) int {
	if isASCII(name) {
		return len(name)
	}
	return len(nt.UTF16(name))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// names remembers the names of the values of one key. Few are compared one by one, and
// those only with a name of a length and last unit that were there before.
type names struct {
	like uint64 // a bit for each length and last unit, or several of them
	few  [8]rawName
	n    int // of few
	many map[string]struct{}
}

// add reports whether no equal name came before.
func (s *names) add(n rawName) bool {
	like := uint(n.units())
	if like > 0 {
		like += 7 * uint(nt.Upcase(n.at(n.units()-1)))
	}
	alike := s.like>>(like%64)&1 != 0
	s.like |= 1 << (like % 64)
	if s.many == nil {
		if alike && slices.ContainsFunc(s.few[:s.n], func(m rawName) bool { return n.units() == m.units() && n.compare(m) == 0 }) {
			return false
		}
		if s.n < len(s.few) {
			s.few[s.n] = n
			s.n++
			return true
		}
		s.many = map[string]struct{}{}
		for _, m := range s.few {
			s.many[nt.Fold(m.String())] = struct{}{}
		}
	}
	had := len(s.many)
	s.many[nt.Fold(n.String())] = struct{}{}
	return len(s.many) > had
}
