package layers

import "strings"

// Places of what shares one directory: streams of the directory or file itself, deletions, then everything else.
const (
	placeStream = iota
	placeWhiteout
	placeChild
)

// Order compares two entries by their place in the canonical order of a layer, which Writer insists on: depth first by
// the raw bytes of each component, so that Files comes before Hives and Hives before UtilityVM; the streams of an entry
// directly behind it; the deletions in a directory before its children. It returns -1, 0 or 1.
func Order(a, b *Entry) int {
	return order(a.Name, a.Kind, b.Name, b.Kind)
}

func order(a string, ak Kind, b string, bk Kind) int {
	ac, bc := cursor{rest: a, kind: ak}, cursor{rest: b, kind: bk}
	for {
		ap, an, aok := ac.next()
		bp, bn, bok := bc.next()
		switch {
		case !aok && !bok:
			return 0
		case !aok:
			return -1
		case !bok:
			return 1
		case ap != bp:
			return cmpInt(ap, bp)
		case an != bn:
			return strings.Compare(an, bn)
		}
	}
}

func cmpInt(a, b int) int {
	if a < b {
		return -1
	}
	return 1
}

// cursor walks the components of an entry's name, each with its place among its siblings.
type cursor struct {
	rest string
	kind Kind
	done bool
}

func (c *cursor) next() (place int, component string, ok bool) {
	if c.done {
		return 0, "", false
	}
	head, rest, more := strings.Cut(c.rest, "/")
	if more {
		c.rest = rest
		return placeChild, head, true
	}
	if c.kind == Stream {
		file, stream, _ := strings.Cut(head, ":")
		c.rest, c.kind = stream, streamOnly
		return placeChild, file, true
	}
	c.done = true
	switch c.kind {
	case Whiteout, Opaque:
		return placeWhiteout, head, true
	case streamOnly:
		return placeStream, head, true
	}
	return placeChild, head, true
}

// streamOnly marks a cursor whose rest is the name of a stream.
const streamOnly Kind = 255
