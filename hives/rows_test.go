package hives

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/internal/nt"
)

// rowsBase is what the operations of TestDeltaRows change.
func rowsBase(t *testing.T) []byte {
	t.Helper()
	tree := NewTree(Options{Time: oldTime})
	do(t,
		tree.Set(`Top\Key`, DWORDValue("One", 1)), tree.Set(`Top\Key`, DWORDValue("Two", 2)), tree.Set(`Top\Key\Sub`, DWORDValue("x", 1)),
		tree.SetSD(`Top\Key`, deltaRootSD()),
	)
	top := tree.root.kids[0]
	top.info.Class, top.info.User = "top class", 0xA
	key := top.kids[0]
	key.info.Class, key.info.Flags, key.info.User, key.info.Symlink = "class", 0x80, 3, true
	return treeBytes(t, tree)
}

// rows describes the keys of a delta: path, layer byte, whether its time is the base's, now
// or 0, whether its descriptor is that of the base at that path, class, flags, values.
func rows(t *testing.T, base, delta []byte) (list []string) {
	below := rootOf(t, openBytes(t, base))
	var walk func(path string, k Key)
	walk = func(path string, k Key) {
		for c, err := range k.Subkeys() {
			do(t, err)
			at := strings.TrimPrefix(path+`\`+c.Name(), `\`)
			i, err := c.Info()
			do(t, err)
			when := map[nt.Filetime]string{oldTime: "old", newTime: "now", 0: "0"}[i.LastWrite]
			sd := "own"
			if b, err := Find(below, at); err == nil {
				if bi, err := b.Info(); err == nil && bytes.Equal(bi.SD, i.SD) {
					sd = "base"
				}
			}
			line := fmt.Sprintf("%s %02x %s %s", at, i.Layer, when, sd)
			if i.Class != "" {
				line += " class=" + i.Class
			}
			if i.Flags != 0 || i.User != 0 || i.Symlink {
				line += fmt.Sprintf(" flags=%x,%x,%v", i.Flags, i.User, i.Symlink)
			}
			for v, err := range c.Values() {
				do(t, err)
				if v.Tombstone {
					line += " -" + v.Name
				} else {
					line += fmt.Sprintf(" %s=%d", v.Name, v.Data[0])
				}
			}
			list = append(list, line)
			walk(at, c)
		}
	}
	walk("", rootOf(t, openBytes(t, delta)))
	return list
}

// TestDeltaRows goes through the operations there are, each with the nodes that it must
// leave in the delta and no others.
func TestDeltaRows(t *testing.T) {
	const (
		top  = `Top 80 old base flags=0,a,false`
		topN = `Top 80 now base flags=0,a,false`
		key  = `Top\Key 80 now base flags=80,3,true`
	)
	owner := nt.ContainerAdministrator
	fresh := nt.InheritKey(deltaRootSD(), owner)
	tests := []struct {
		what string
		edit func(e *Edit) error
		want []string
	}{
		{"set a value", func(e *Edit) error { return e.SetValue(`TOP\KEY`, DWORDValue("NEW", 9)) }, []string{top, key + " NEW=9"}},
		{"replace a value", func(e *Edit) error { return e.SetValue(`TOP\KEY`, DWORDValue("ONE", 9)) }, []string{top, key + " One=9"}},
		{"set a value to what it is", func(e *Edit) error { return e.SetValue(`Top\Key`, DWORDValue("One", 1)) }, nil},
		{"create a key", func(e *Edit) error { return e.CreateKey(`Top\New`) }, []string{topN, `Top\New 00 now own flags=0,a,false`}},
		{"create a key that is there", func(e *Edit) error { return e.CreateKey(`top\KEY`) }, nil},
		{"create a subtree", func(e *Edit) error { return e.SetValue(`Top\Key\N\M`, DWORDValue("v", 1)) },
			[]string{top, key, `Top\Key\N 00 now own`, `Top\Key\N\M 00 now own v=1`}},
		{"delete a value", func(e *Edit) error { return e.DeleteValue(`Top\Key`, "TWO") }, []string{top, key + " -Two"}},
		{"delete a value that was just set", func(e *Edit) error {
			do(t, e.SetValue(`Top\Key`, DWORDValue("NEW", 9)))
			return e.DeleteValue(`Top\Key`, "new")
		}, nil},
		{"delete a key", func(e *Edit) error { return e.DeleteKey(`TOP\key`) }, []string{topN, `Top\Key 01 0 base`}},
		{"delete a key that was just made", func(e *Edit) error {
			do(t, e.SetValue(`Top\New\X`, DWORDValue("NEW", 9)))
			return e.DeleteKey(`Top\new`)
		}, nil},
		{"delete and create again", func(e *Edit) error {
			do(t, e.DeleteKey(`Top\Key`))
			return e.SetValue(`Top\KEY\sub`, DWORDValue("v", 1))
		}, []string{topN, `Top\KEY 03 now own flags=0,a,false`, `Top\KEY\sub 03 now own flags=0,a,false v=1`}},
		{"delete twice, create between", func(e *Edit) error {
			do(t, e.DeleteKey(`Top\Key`), e.CreateKey(`Top\KEY`))
			return e.DeleteKey(`Top\Key`)
		}, []string{topN, `Top\Key 01 0 base`}},
		{"replace all values", func(e *Edit) error {
			do(t, e.DeleteValue(`Top\Key`, "One"), e.DeleteValue(`Top\Key`, "Two"))
			return e.SetValue(`Top\Key`, DWORDValue("Three", 3))
		}, []string{top, key + " -One -Two Three=3"}},
		{"change security", func(e *Edit) error { return e.SetSD(`Top\Key`, fresh) }, []string{top, `Top\Key 80 now own flags=80,3,true`}},
		{"change the class", func(e *Edit) error { return e.SetClass(`Top\Key`, "other") },
			[]string{top, `Top\Key 00 now base class=other flags=80,3,true`}},
		{"take the class away", func(e *Edit) error { return e.SetClass(`Top\Key`, "") }, []string{top, `Top\Key 00 now base flags=80,3,true`}},
		{"rename", func(e *Edit) error { return e.Rename(`Top\Key`, "Other") }, []string{
			topN, `Top\Key 01 0 base`, `Top\Other 00 old own class=class flags=80,3,true One=1 Two=2`, `Top\Other\Sub 00 old own x=1`,
		}},
		{"change nothing", func(e *Edit) error { return nil }, nil},
	}
	base := rowsBase(t)
	for _, tt := range tests {
		e := NewEdit(newStack(t, base), Options{Time: newTime, Owner: owner})
		if err := tt.edit(e); err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		delta := deltaBytes(t, e)
		sound(t, delta)
		if got := rows(t, base, delta); !slices.Equal(got, tt.want) {
			t.Errorf("%s leaves\n%s\nwant\n%s", tt.what, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
		merged := rootOf(t, newStack(t, base, delta))
		if a, b := dump(t, merged, true), dump(t, rootOf(t, e), true); a != b {
			t.Errorf("%s: the stack shows\n%s\nthe edit\n%s", tt.what, a, b)
		}
		if k, err := Find(merged, "Top"); err != nil {
			t.Error(err)
		} else if i, err := k.Info(); err != nil || i.Class != "top class" {
			t.Errorf("%s: the class above is %q, %v", tt.what, i.Class, err)
		}
	}
	// What a new key inherits is what Windows would let it.
	e := NewEdit(newStack(t, base), Options{Time: newTime, Owner: owner})
	do(t, e.CreateKey(`Top\Key\New`))
	k, err := Find(rootOf(t, e), `Top\Key\New`)
	do(t, err)
	if i, err := k.Info(); err != nil || !bytes.Equal(i.SD, fresh) {
		t.Errorf("a new key has the descriptor %x, %v; want %x", i.SD, err, fresh)
	}
}
