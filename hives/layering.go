package hives

// Layering is what a key of a delta hive, read by itself, does to the key below it.
type Layering uint8

// What a key of a delta hive can do. In merged views and base hives all keys merge.
const (
	Merges         Layering = iota // adds to it, or is new
	DeletesKey                     // takes it away with all below it
	ReplacesValues                 // hides its values, not its subkeys
	ReplacesKey                    // hides all of it
)

// Layering returns what the key does to the layers below.
func (i Info) Layering() Layering { return Layering(i.Layer & layerMask) }

// Overlays reports whether the key is one of a delta hive that was there before: it merges
// and has no class of its own. Without values it only leads to others, or changed in
// security.
func (i Info) Overlays() bool { return i.Layer == layerMerge|layerInherit }

// Bound is how many bytes all values below a key can have together if its hives are sound,
// for every byte of a hive then belongs to one key only. What goes through keys that
// strangers made stops there: damaged lists can lead to one key in many ways.
func Bound(k Key) int64 { return budget(k) }
