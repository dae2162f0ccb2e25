package hives

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mullion/mullion/internal/nt"
)

// drawer draws registries that have everything a hive can hold: classes, descriptors,
// links and flags, data of every form, names of any units, and in deltas all that a layer
// can say.
type drawer struct {
	*rapid.T
	sds   [][]byte
	delta bool
}

func newDrawer(rt *rapid.T) *drawer {
	d := &drawer{T: rt, sds: [][]byte{NewTree(Options{}).root.info.SD, deltaRootSD()}}
	for _, text := range []string{"O:SYG:SYD:P(A;CI;KA;;;SY)", "O:BAG:BAD:(A;OICIIO;GA;;;CO)(A;;KR;;;WD)S:(AU;SA;KA;;;WD)"} {
		sd, err := nt.ParseSDDL(text)
		if err != nil {
			rt.Fatal(err)
		}
		d.sds = append(d.sds, sd.Marshal())
	}
	return d
}

func (d *drawer) chance(percent int) bool {
	return rapid.IntRange(1, 100).Draw(d.T, "chance") <= percent
}

// name is seldom new, so that layers meet, and differs in case.
func (d *drawer) name() string {
	if d.chance(10) {
		units := rapid.OneOf(rapid.Uint16Range(1, 0x5B), rapid.Uint16Range(0x5D, 0x17F), rapid.Uint16Range(0xD7FE, 0xE001))
		return nt.String(rapid.SliceOfN(units, 1, 5).Draw(d.T, "units"))
	}
	names := []string{"a", "A", "bb", "BB", "ß", "ÿ", "Ÿ", "k\U0001F600", "lone\xED\xA0\x80", "\xED\xB0\x80tail"}
	return rapid.SampledFrom(names).Draw(d.T, "name")
}

func (d *drawer) value() Value {
	v := Value{Name: d.name(), Type: Type(rapid.OneOf(rapid.Uint32Range(0, 12), rapid.Uint32()).Draw(d.T, "type"))}
	if d.chance(20) {
		v.Name = ""
	}
	if d.delta && d.chance(30) {
		return Value{Name: v.Name, Tombstone: true}
	}
	size := rapid.SampledFrom([]int{0, 1, 2, 4, 4, 5, 8, 30, 4060}).Draw(d.T, "size")
	if d.chance(1) {
		size = rapid.SampledFrom([]int{16343, 16344, 16345, 32688, 32689, 50000}).Draw(d.T, "large size")
	}
	v.Data = bytes.Repeat([]byte{byte(rapid.IntRange(0, 2).Draw(d.T, "content"))}, size)
	return v
}

func (d *drawer) info() Info {
	return Info{
		Class:     rapid.SampledFrom([]string{"", "", "", "class", "klaß", "\xED\xA0\x80"}).Draw(d.T, "class"),
		SD:        rapid.SampledFrom(d.sds).Draw(d.T, "security"),
		LastWrite: oldTime + nt.Filetime(rapid.IntRange(0, 3).Draw(d.T, "time")),
		Symlink:   d.chance(10),
		Flags:     rapid.SampledFrom([]uint16{0, 0, 0, 0x80, 0x100, 0x200}).Draw(d.T, "flags"),
		User:      rapid.SampledFrom([]uint8{0, 0, 0, 1, 2, 0xF4}).Draw(d.T, "user flags"),
	}
}

// layer draws what a key of a delta is to the layers below, given what its parent is.
func (d *drawer) layer(under uint8) uint8 {
	if under == layerTree {
		return layerTree
	}
	return rapid.SampledFrom([]uint8{
		layerMerge, layerMerge | layerInherit, layerMerge | layerInherit, layerTombstone,
		layerLocal, layerLocal | layerInherit, layerTree, layerTree | layerInherit,
	}).Draw(d.T, "layer")
}

// fill gives a key values and subkeys.
func (d *drawer) fill(k *memKey, depth int) {
	for range rapid.IntRange(0, 3).Draw(d.T, "values") {
		v := d.value()
		if !slices.ContainsFunc(k.values, func(o Value) bool { return nt.EqualFold(o.Name, v.Name) }) {
			k.values = append(k.values, v)
		}
	}
	if depth == 0 {
		return
	}
	for range rapid.IntRange(0, 3).Draw(d.T, "subkeys") {
		c := &memKey{name: d.name()}
		i, twin := k.find(c.name)
		if twin {
			continue
		}
		c.info = d.info()
		if d.delta {
			c.info.Layer = d.layer(k.info.Layer & layerMask)
			if c.info.Layer&layerInherit != 0 {
				c.info.Class = ""
			}
		}
		if c.info.Layer == layerTombstone {
			c.info = Info{SD: c.info.SD, Layer: layerTombstone}
		} else {
			d.fill(c, depth-1)
		}
		k.kids = slices.Insert(k.kids, i, c)
	}
}

// tree draws a whole registry.
func (d *drawer) tree() *Tree {
	d.delta = false
	tree := NewTree(Options{Time: oldTime})
	d.fill(tree.root, 3)
	return tree
}

// layerFile draws a delta over the layers given: by edits of their view, or of any form.
func (d *drawer) layerFile(t testing.TB, below ...[]byte) []byte {
	if d.chance(50) {
		d.delta = true
		root := &memKey{name: "ROOT", info: Info{SD: deltaRootSD(), LastWrite: newTime}}
		d.fill(root, 3)
		return deltaFile(t, &Delta{root: root})
	}
	e := NewEdit(newStack(t, below...), Options{Time: newTime, Owner: nt.System})
	for range rapid.IntRange(0, 8).Draw(d.T, "edits") {
		d.edit(t, e)
	}
	return deltaBytes(t, e)
}

// edit makes one change somewhere. That it may fail for want of a key is no matter.
func (d *drawer) edit(t testing.TB, e *Edit) {
	path := d.path(t, e)
	switch rapid.IntRange(0, 6).Draw(d.T, "edit") {
	case 0, 1:
		d.delta = false
		do(t, e.SetValue(path, d.value()))
	case 2:
		_ = e.DeleteValue(path, d.name())
	case 3:
		_ = e.DeleteKey(path)
	case 4:
		_ = e.SetClass(path, d.info().Class)
	case 5:
		_ = e.SetSD(path, d.info().SD)
	case 6:
		_ = e.Rename(path, d.name())
	}
}

// path leads to a key that mostly exists.
func (d *drawer) path(t testing.TB, e *Edit) string {
	k, path := rootOf(t, e), ""
	for range rapid.IntRange(1, 3).Draw(d.T, "depth") {
		var names []string
		for c, err := range k.Subkeys() {
			do(t, err)
			names = append(names, c.Name())
		}
		if len(names) == 0 || d.chance(20) {
			return path + d.name()
		}
		name := rapid.SampledFrom(names).Draw(d.T, "key")
		var err error
		if k, err = k.Subkey(name); err != nil {
			t.Fatal(err)
		}
		path += name + `\`
	}
	return path
}

// layers draws a base and n deltas over it.
func (d *drawer) layers(t testing.TB, n int) [][]byte {
	files := [][]byte{treeBytes(t, d.tree())}
	for range n {
		files = append(files, d.layerFile(t, files...))
	}
	return files
}

// TestWriteRead writes what was drawn, reads it, and writes what was read: the same keys
// and the same bytes.
func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tree := newDrawer(rt).tree()
		file := treeBytes(t, tree)
		sound(t, file)
		h := openBytes(t, file)
		if a, b := dump(t, rootOf(t, h), true), dump(t, tree.Root(), true); a != b {
			rt.Fatalf("read:\n%s\nwritten\n%s", a, b)
		}
		again, err := Merge(NewStack(h), Options{})
		do(t, err)
		if !bytes.Equal(treeBytes(t, again), file) {
			rt.Fatalf("written again it differs")
		}
	})
}

// TestDrawnOracles lets other programs read some of what is drawn.
func TestDrawnOracles(t *testing.T) {
	trees := rapid.Custom(func(rt *rapid.T) [][]byte { return newDrawer(rt).layers(t, 1) })
	for seed := range 12 {
		for _, file := range trees.Example(seed) {
			judged(t, file)
		}
	}
}
