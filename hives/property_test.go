package hives

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mullion/mullion/internal/nt"
)

// model is a registry as plainly as it can be written: folded path -> folded value name
// -> data. The root is "".
type model map[string]map[string]string

func (m model) create(path string) {
	for i, c := range path + `\` {
		if c == '\\' && m[path[:i]] == nil {
			m[path[:i]] = map[string]string{}
		}
	}
}

func (m model) remove(path string) bool {
	if m[path] == nil {
		return false
	}
	for k := range m {
		if k == path || strings.HasPrefix(k, path+`\`) {
			delete(m, k)
		}
	}
	return true
}

func (m model) String() string {
	var lines []string
	for k, values := range m {
		lines = append(lines, k)
		for name, data := range values {
			lines = append(lines, fmt.Sprintf("%s -> %q=%q", k, name, data))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// modelOf reads a registry into a model.
func modelOf(t testing.TB, root Key) model {
	m := model{}
	var walk func(path string, k Key)
	walk = func(path string, k Key) {
		values := map[string]string{}
		m[path] = values
		for v, err := range k.Values() {
			do(t, err)
			values[nt.Fold(v.Name)] = v.Text()
		}
		for c, err := range k.Subkeys() {
			do(t, err)
			walk(strings.TrimPrefix(path+`\`+nt.Fold(c.Name()), `\`), c)
		}
	}
	walk("", root)
	return m
}

// operation is one change, on both.
func operation(t *rapid.T, tb testing.TB, e *Edit, m model) {
	name := rapid.SampledFrom([]string{"a", "B", "ß", "k\U0001F600"})
	path := strings.Join(rapid.SliceOfN(name, 1, 3).Draw(t, "path"), `\`)
	value := rapid.SampledFrom([]string{"", "v", "V2"}).Draw(t, "value")
	key, vkey := nt.Fold(path), nt.Fold(value)
	if rapid.Bool().Draw(t, "other case") {
		path, value = strings.ToLower(path), strings.ToUpper(value)
	}
	want := true
	var err error
	switch rapid.IntRange(0, 4).Draw(t, "op") {
	case 0:
		err = e.CreateKey(path)
		m.create(key)
	case 1, 2:
		data := rapid.SampledFrom([]string{"", "x", "other"}).Draw(t, "data")
		err = e.SetValue(path, StringValue(value, data))
		m.create(key)
		m[key][vkey] = data
	case 3:
		_, want = m[key][vkey]
		err = e.DeleteValue(path, value)
		delete(m[key], vkey)
	case 4:
		want = m.remove(key)
		err = e.DeleteKey(path)
	}
	if !want && !errors.Is(err, fs.ErrNotExist) || want && err != nil {
		t.Fatalf("%s %q: %v", path, value, err)
	}
}

// TestLayersAgainstModel builds a stack layer by layer from random changes and demands
// that the edit, the stack with its delta, the merged hive read back and the plain model
// all show the same, and that every file is sound.
func TestLayersAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		files := [][]byte{treeBytes(t, NewTree(Options{Time: oldTime}))}
		m := modelOf(t, rootOf(t, newStack(t, files...)))
		for range rapid.IntRange(1, 3).Draw(rt, "layers") {
			e := NewEdit(newStack(t, files...), Options{Time: newTime})
			for range rapid.IntRange(0, 12).Draw(rt, "operations") {
				operation(rt, t, e, m)
			}
			before := modelOf(t, rootOf(t, newStack(t, files...))).String()
			if before != m.String() && !e.Changed() {
				rt.Fatalf("a changed edit says it is not")
			}
			same(rt, t, "edit", rootOf(t, e), m)
			full := dump(t, rootOf(t, e), true)
			files = append(files, deltaBytes(t, e))
			last := files[len(files)-1]
			if f := Check(bytes.NewReader(last), int64(len(last))); len(f) > 0 {
				rt.Fatalf("the delta is not sound: %v", f)
			}
			s := newStack(t, files...)
			same(rt, t, "stack", rootOf(t, s), m)
			if got := dump(t, rootOf(t, s), true); got != full {
				rt.Fatalf("stack:\n%s\nedit:\n%s", got, full)
			}
			merged, err := Merge(s, Options{})
			do(t, err)
			flat := treeBytes(t, merged)
			if f := Check(bytes.NewReader(flat), int64(len(flat))); len(f) > 0 {
				rt.Fatalf("the merged hive is not sound: %v", f)
			}
			if got := dump(t, rootOf(t, openBytes(t, flat)), true); got != full {
				rt.Fatalf("merged:\n%s\nedit:\n%s", got, full)
			}
		}
	})
}

func same(rt *rapid.T, t testing.TB, what string, root Key, want model) {
	if got := modelOf(t, root); got.String() != want.String() {
		rt.Fatalf("%s shows:\n%s\nwant\n%s", what, got, want)
	}
}

// TestTreeNames writes keys and values of any name and data and reads them back.
func TestTreeNames(t *testing.T) {
	unit := rapid.OneOf(rapid.Uint16Range(1, 0x5B), rapid.Uint16Range(0x5D, 0x17F), rapid.Uint16Range(0xD7FE, 0xE001))
	name := rapid.Custom(func(t *rapid.T) string { return nt.String(rapid.SliceOfN(unit, 1, 8).Draw(t, "units")) })
	rapid.Check(t, func(rt *rapid.T) {
		tree := NewTree(Options{Time: oldTime})
		for range rapid.IntRange(0, 20).Draw(rt, "values") {
			path := strings.Join(rapid.SliceOfN(name, 0, 3).Draw(rt, "path"), `\`)
			v := Value{
				Name: name.Draw(rt, "name"), Type: Type(rapid.Uint32().Draw(rt, "type")),
				Data: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(rt, "data"),
			}
			if err := tree.Set(path, v); err != nil {
				rt.Fatalf("%q: %v", path, err)
			}
		}
		b := treeBytes(t, tree)
		if f := Check(bytes.NewReader(b), int64(len(b))); len(f) > 0 {
			rt.Fatalf("not sound: %v", f)
		}
		if got, want := dump(t, rootOf(t, openBytes(t, b)), true), dump(t, tree.Root(), true); got != want {
			rt.Fatalf("read back:\n%s\nwant\n%s", got, want)
		}
	})
}
