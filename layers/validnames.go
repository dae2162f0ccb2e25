package layers

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"

	"github.com/mullion/mullion/internal/nt"
)

// nameKey stands for a folded tar name. Half of a SHA-256 is as good as the name, and as small for a long one.
type nameKey [16]byte

func keyOf(name string) nameKey {
	sum := sha256.Sum256([]byte(nt.Fold(name)))
	return nameKey(sum[:16])
}

// spellingOf tells names apart that have one nameKey.
func spellingOf(name string) uint32 { return crc32.ChecksumIEEE([]byte(name)) }

// record is what a validator keeps of a name.
type record struct {
	exact uint32 // spellingOf the name as written
	text  uint32 // where the arena has its last component, 0 if nowhere
	names uint16 // of a file, with its hard links
	kind  Kind   // if there is an entry
	there bool
	gone  bool // there is a deletion
	kids  bool // something in the directory has come
}

// maxArena is how many bytes of names are kept for messages.
const maxArena = 64 << 20

func (v *validator) recordOf(e *Entry, gone bool) record {
	r := record{exact: spellingOf(e.Name), names: 1, kind: e.Kind, there: true, gone: gone}
	base := baseOf(e.Name)
	if len(base) <= 0xFFFF && len(v.arena)+len(base)+2 <= maxArena {
		r.text = uint32(len(v.arena))
		v.arena = append(append(v.arena, byte(len(base)), byte(len(base)>>8)), base...)
	}
	return r
}

// nameOf returns the last component of a name for a message.
func (v *validator) nameOf(r record) string {
	if r.text == 0 {
		return "an earlier entry"
	}
	n := uint32(v.arena[r.text]) | uint32(v.arena[r.text+1])<<8
	return fmt.Sprintf("%q", v.arena[r.text+2:][:n])
}
