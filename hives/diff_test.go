package hives

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mullion/mullion/internal/nt"
)

// canonical is a dump in which the order and, where noTimes, the times do not count.
func canonical(t testing.TB, root Key, noTimes bool) string {
	t.Helper()
	var b strings.Builder
	var walk func(path string, k Key)
	walk = func(path string, k Key) {
		info, err := k.Info()
		do(t, err)
		if noTimes {
			info.LastWrite = 0
		}
		one := &memKey{name: k.Name(), info: info}
		for v, err := range k.Values() {
			do(t, err)
			v.Name = nt.Fold(v.Name)
			one.values = append(one.values, v)
		}
		slices.SortFunc(one.values, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
		b.WriteString(nt.Fold(path) + dump(t, &memView{k: one}, true))
		for c, err := range k.Subkeys() {
			do(t, err)
			walk(path+`\`+c.Name(), c)
		}
	}
	walk("", root)
	return b.String()
}

func deltaFile(t testing.TB, d *Delta) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := d.WriteTo(&b)
	do(t, err)
	sound(t, b.Bytes())
	return b.Bytes()
}

func squash(t testing.TB, files ...[]byte) []byte {
	t.Helper()
	var list []*Hive
	for _, f := range files {
		list = append(list, openBytes(t, f))
	}
	d, err := Squash(list...)
	do(t, err)
	return deltaFile(t, d)
}

// TestDiffProperties leads from one random registry to another by a delta.
func TestDiffProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := newDrawer(rt)
		files := draw.layers(t, rapid.IntRange(0, 2).Draw(rt, "layers"))
		base := newStack(t, files...)
		next := newStack(t, draw.layers(t, 0)...)
		if draw.chance(50) { // a state that is near
			next = newStack(t, append(files, draw.layerFile(t, files...))...)
		}
		d, err := Diff(base, rootOf(t, next), Options{Time: newTime})
		do(t, err)
		h := openBytes(t, deltaFile(t, d))
		got, want := rootOf(t, base.Apply(h)), rootOf(t, next)
		if a, b := canonical(t, got, true), canonical(t, want, true); a != b {
			rt.Fatalf("base with the delta:\n%s\nwant\n%s", a, b)
		}
		flat, err := Merge(base.Apply(h), Options{})
		do(t, err)
		if a, b := canonical(t, flat.Root(), true), canonical(t, want, true); a != b {
			rt.Fatalf("merged:\n%s\nwant\n%s", a, b)
		}
		if d.Empty() != (canonical(t, rootOf(t, base), true) == canonical(t, want, true)) {
			rt.Fatalf("Empty = %v", d.Empty())
		}
		for what, same := range map[string]Key{"itself": rootOf(t, base), "its merged form": flat.Root()} {
			stack := base
			if what != "itself" {
				stack = base.Apply(h)
			}
			if d, err := Diff(stack, same, Options{}); err != nil || !d.Empty() {
				rt.Fatalf("a registry differs from %s: %v", what, err)
			}
		}
	})
}

// TestSquashProperties holds one delta against those that it replaces.
func TestSquashProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := newDrawer(rt)
		f := draw.layers(t, 3)
		want := canonical(t, rootOf(t, newStack(t, f...)), false)
		all := squash(t, f[1:]...)
		for what, file := range map[string][]byte{
			"at once": all, "left first": squash(t, squash(t, f[1], f[2]), f[3]), "right first": squash(t, f[1], squash(t, f[2], f[3])),
		} {
			if got := canonical(t, rootOf(t, newStack(t, f[0], file)), false); got != want {
				rt.Fatalf("squashed %s:\n%s\nwant\n%s", what, got, want)
			}
			if a, b := canonical(t, rootOf(t, openBytes(t, file)), false), canonical(t, rootOf(t, openBytes(t, all)), false); a != b {
				rt.Fatalf("squashed %s:\n%s\nwant\n%s", what, a, b)
			}
		}
		// Over another base, too.
		other := draw.layers(t, 0)[0]
		if got, want := canonical(t, rootOf(t, newStack(t, other, all)), false), canonical(t, rootOf(t, newStack(t, other, f[1], f[2], f[3])), false); got != want {
			rt.Fatalf("over another base:\n%s\nwant\n%s", got, want)
		}
	})
}

// TestSquashForms goes through every pair of what two layers can say of a key.
func TestSquashForms(t *testing.T) {
	low := NewTree(Options{Time: oldTime})
	do(t,
		low.Set(`k\kid`, DWORDValue("base", 1)), low.Set(`k`, DWORDValue("base", 1)),
		low.Set(`k`, DWORDValue("gone", 1)), low.Set(`k\only`, DWORDValue("base", 1)),
	)
	low.root.kids[0].info.Class = "base"
	base := treeBytes(t, low)
	layer := func(form int, name string, time nt.Filetime) []byte {
		root := &memKey{name: "ROOT", info: Info{SD: deltaRootSD()}}
		if form > 0 {
			l := []uint8{0, 0x80, 0, 1, 2, 3, 0x82, 0x83}[form]
			k := &memKey{name: "K", info: Info{SD: deltaRootSD(), Layer: l, LastWrite: time}}
			if l != 1 {
				if l&layerInherit == 0 {
					k.info.Class = name
				}
				k.values = []Value{DWORDValue(name, 2), {Name: "gone", Tombstone: true}}
				k.kids = []*memKey{{name: "Kid", info: Info{SD: deltaRootSD(), Layer: l, LastWrite: time}, values: []Value{DWORDValue(name, 3)}}}
			}
			root.kids = []*memKey{k}
		}
		return deltaFile(t, &Delta{root: root})
	}
	for a := range 8 {
		for b := range 8 {
			for c := range 8 {
				f := [][]byte{layer(a, "a", 10), layer(b, "b", 20), layer(c, "c", 30)}
				want := canonical(t, rootOf(t, newStack(t, append([][]byte{base}, f...)...)), false)
				for _, one := range [][]byte{squash(t, f...), squash(t, squash(t, f[:2]...), f[2]), squash(t, f[0], squash(t, f[1:]...))} {
					if got := canonical(t, rootOf(t, newStack(t, base, one)), false); got != want {
						t.Fatalf("%d %d %d: squashed:\n%s\nwant\n%s", a, b, c, got, want)
					}
				}
			}
		}
	}
}

func TestDiffForms(t *testing.T) {
	base := sampleTree(t)
	below := newStack(t, treeBytes(t, base))
	next := sampleTree(t)
	next.o.Time = newTime
	do(t,
		next.Set(`Acme`, DWORDValue("x", 1)),
		next.Set(`New\k`, DWORDValue("x", 1)),
		next.SetSD(`Secret\Below`, deltaRootSD()),
	)
	i, _ := next.root.find("Acme")
	next.root.kids[i].info.Class = "own"
	next.root.kids[i].values = slices.DeleteFunc(next.root.kids[i].values, func(v Value) bool { return v.Name == "Q" })
	i, _ = next.root.find("Big")
	next.root.kids = slices.Delete(next.root.kids, i, i+1)
	d, err := Diff(below, next.Root(), Options{Time: newTime})
	do(t, err)
	root := rootOf(t, openBytes(t, deltaFile(t, d)))
	for path, want := range map[string]struct {
		layer uint8
		time  nt.Filetime
	}{
		`Acme`: {0, newTime}, `Big`: {1, 0}, `New`: {0, newTime}, `New\k`: {0, newTime}, `Secret`: {0x80, oldTime}, `Secret\Below`: {0x80, oldTime},
	} {
		k, err := Find(root, path)
		do(t, err)
		if info, err := k.Info(); err != nil || info.Layer != want.layer || info.LastWrite != want.time {
			t.Errorf("%s: layer %#x, time %d, %v; want %+v", path, info.Layer, info.LastWrite, err, want)
		}
	}
	if got, want := len(walkNames(t, root)), 7; got != want {
		t.Errorf("the delta has %d keys, want %d", got, want)
	}
	if _, err := Diff(below, root, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("a delta was compared as if it were a registry: %v", err)
	}
	if _, err := Squash(openBytes(t, treeBytes(t, base))); !errors.Is(err, ErrFormat) {
		t.Errorf("a base hive was squashed: %v", err)
	}
	if d, err := Squash(); err != nil || !d.Empty() {
		t.Errorf("nothing squashed is %v, %v", d, err)
	}
	d, err = Diff(NewStack(nil), next.Root(), Options{})
	do(t, err)
	h, err := d.Hive()
	do(t, err)
	if got, want := modelOf(t, rootOf(t, NewStack(nil, h))).String(), modelOf(t, next.Root()).String(); got != want {
		t.Errorf("a delta over nothing shows\n%s\nwant\n%s", got, want)
	}
}

func TestOrigin(t *testing.T) {
	tree := NewTree(Options{Time: oldTime})
	do(t, tree.Set(`a\b`, DWORDValue("x", 1)), tree.Set(`a\b`, DWORDValue("y", 1)), tree.Set(`a\b`, DWORDValue("z", 1)), tree.Set(`gone\k`, DWORDValue("x", 1)))
	base := openBytes(t, treeBytes(t, tree))
	edit := func(s *Stack, f func(e *Edit)) *Hive {
		e := NewEdit(s, Options{Time: newTime})
		f(e)
		return openBytes(t, deltaBytes(t, e))
	}
	two := edit(NewStack(base), func(e *Edit) {
		do(t, e.SetValue(`a\b`, DWORDValue("Y", 2)), e.DeleteValue(`a\b`, "x"), e.DeleteKey("gone"), e.SetValue("", DWORDValue("r", 1)))
	})
	// The first delta is that of a layer without one.
	s := NewStack(base, nil, two)
	three := edit(s, func(e *Edit) { do(t, e.SetValue(`a\b\c`, DWORDValue("n", 1)), e.CreateKey("gone")) })
	s = s.Apply(three)
	for path, want := range map[string]int{``: 2, `a`: 0, `a\b`: 2, `a\b\c`: 3, `gone`: 3} {
		k, err := Find(rootOf(t, s), path)
		do(t, err)
		if got, err := k.(Origin).Layer(); got != want || err != nil {
			t.Errorf("%s comes from layer %d, %v; want %d", path, got, err, want)
		}
	}
	k, err := Find(rootOf(t, s), `a\b`)
	do(t, err)
	got := map[string]int{}
	for v, err := range k.(Origin).Origins() {
		do(t, err)
		got[v.Name] = v.Layer
	}
	if len(got) != 2 || got["Y"]+got["y"] != 2 || got["z"] != 0 {
		t.Errorf("values come from %v", got)
	}
}
