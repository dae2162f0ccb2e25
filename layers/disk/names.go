package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// maxName is the longest file name, in bytes, that Linux and erofs know. A
// Windows name may have 255 UTF-16 units, which are up to 765 bytes of UTF-8.
const maxName = 255

// shorten gives every name that is too long for Linux another one and returns the
// Linux paths of those entries with the paths they have in the View.
func (n *node) shorten() map[string]string {
	changed := map[string]string{}
	n.shortenBelow("", "", changed)
	return changed
}

func (n *node) shortenBelow(linux, real string, changed map[string]string) {
	var long []string
	for key, k := range n.kids {
		if len(k.real) > maxName {
			long = append(long, key)
		}
	}
	if len(long) > 0 {
		n.shortenNames(long)
	}
	for _, k := range n.kids {
		if k.kids == nil && k.name == k.real {
			continue
		}
		at, was := path.Join(linux, k.name), path.Join(real, k.real)
		if k.name != k.real {
			changed[at] = was
		}
		k.shortenBelow(at, was, changed)
	}
}

// shortenNames gives those of n's children that have the keys shorter names.
func (n *node) shortenNames(long []string) {
	taken := map[string]bool{}
	for key, k := range n.kids {
		if len(k.real) <= maxName {
			taken[key] = true
		}
	}
	slices.Sort(long) // so that two names with one hash come out the same each time
	for _, key := range long {
		k := n.kids[key]
		k.name = shortName(k.real, taken)
		taken[nt.Fold(k.name)] = true
	}
}

// shortName cuts name and marks it with a hash of the whole, so that the result
// depends on nothing but the name. It keeps a short extension, because programs
// look at that. More of the hash is used if a file has the short name already.
func shortName(name string, taken map[string]bool) string {
	ext := path.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	sum := sha256.Sum256([]byte(nt.Fold(name)))
	for digits := 8; ; digits *= 2 {
		tail := "~" + hex.EncodeToString(sum[:])[:digits] + ext
		short := cut(name, maxName-len(tail)) + tail
		if !taken[nt.Fold(short)] || digits >= 2*len(sum) {
			return short
		}
	}
}

// cut shortens s to at most n bytes without leaving a part of a rune.
func cut(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
