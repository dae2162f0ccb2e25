package regfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// below is a hive whose root has the name R.
type below struct{ Target }

func inHive(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, "R"), `\`)
}

func (b below) CreateKey(path string) error               { return b.Target.CreateKey(inHive(path)) }
func (b below) SetValue(path string, v hives.Value) error { return b.Target.SetValue(inHive(path), v) }
func (b below) DeleteValue(path, name string) error       { return b.Target.DeleteValue(inHive(path), name) }
func (b below) DeleteKey(path string) error               { return b.Target.DeleteKey(inHive(path)) }

// must is a value without an error.
func must[T any](v T, err error) func(t *rapid.T) T {
	return func(t *rapid.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// listing is all that a .reg file can carry of a key, a line for each key and value.
func listing(t *rapid.T, path string, k hives.Key, list []string) []string {
	list = append(list, nt.Fold(path))
	values := map[string]string{}
	for v, err := range k.Values() {
		must(v, err)(t)
		values[nt.Fold(v.Name)] = fmt.Sprintf("%s %x", v.Type, v.Data)
	}
	list = append(list, fmt.Sprintf("%q", values))
	for sub, err := range k.Subkeys() {
		must(sub, err)(t)
		list = listing(t, path+`\`+sub.Name(), sub, list)
	}
	return list
}

// names that meet each other often, and hold what a text can stumble on.
func names() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "A", "b", "c", "[x]", "-", `"`, "é", "\xed\xa0\x80", "😀", " s ", ";", "a]b", "@", "=", "%"}),
		rapid.Map(rapid.SliceOfN(rapid.Uint16Range(' ', 0xffff), 1, 4), func(u []uint16) string {
			return strings.ReplaceAll(nt.String(u), `\`, "/")
		}))
}

func values() *rapid.Generator[hives.Value] {
	return rapid.Custom(func(t *rapid.T) hives.Value {
		v := hives.Value{Name: rapid.OneOf(rapid.Just(""), rapid.Just("n\r\n\t\\"), names()).Draw(t, "name")}
		v.Type = hives.Type(rapid.OneOf(rapid.Uint32Range(0, 12), rapid.Uint32()).Draw(t, "type"))
		if rapid.Bool().Draw(t, "text") {
			v.Data = append(nt.UTF16Bytes(nt.String(rapid.SliceOfN(rapid.Uint16(), 0, 6).Draw(t, "units"))), 0, 0)
		} else {
			v.Data = rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "data")
		}
		return v
	})
}

// change makes a few random changes.
func change(t *rapid.T, target Target, deletions bool) {
	path := func() string {
		return strings.Join(rapid.SliceOfN(names(), 1, 3).Draw(t, "path"), `\`)
	}
	for range rapid.IntRange(0, 12).Draw(t, "changes") {
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0 && deletions:
			must(0, unlessGone(target.DeleteKey(path())))(t)
		case kind == 1 && deletions:
			must(0, unlessGone(target.DeleteValue(path(), values().Draw(t, "value").Name)))(t)
		case kind == 2:
			must(0, target.CreateKey(path()))(t)
		default:
			must(0, target.SetValue(path(), values().Draw(t, "value")))(t)
		}
	}
}

type treeTarget struct{ *hives.Tree }

func (t treeTarget) SetValue(path string, v hives.Value) error { return t.Set(path, v) }
func (treeTarget) DeleteValue(string, string) error            { return errors.New("not in a tree") }
func (treeTarget) DeleteKey(string) error                      { return errors.New("not in a tree") }

func hiveOf(t *rapid.T, tree *hives.Tree) *hives.Hive {
	var b bytes.Buffer
	must(tree.WriteTo(&b))(t)
	return must(hives.OpenBytes(b.Bytes()))(t)
}

// encodings of the same text.
func encodings(utf16 []byte) map[string][]byte {
	big := bytes.Clone(utf16)
	for i := 0; i < len(big); i += 2 {
		binary.BigEndian.PutUint16(big[i:], binary.LittleEndian.Uint16(utf16[i:]))
	}
	text := nt.FromUTF16Bytes(utf16[2:])
	all := map[string][]byte{"UTF-16LE": utf16, "UTF-16BE": big, "without mark": utf16[2:], "big without mark": big[2:]}
	if strings.ToValidUTF8(text, "") == text {
		all["UTF-8"], all["UTF-8 with mark"] = []byte(text), []byte("\xef\xbb\xbf"+text)
	}
	return all
}

// A hive is the same after it went through a file, in every encoding.
func TestHiveRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := hives.NewTree(hives.Options{})
		change(t, treeTarget{tree}, false)
		want := listing(t, "R", tree.Root(), nil)
		var text bytes.Buffer
		must(0, Write(&text, Version5, Root{"R", tree.Root()}))(t)
		for name, b := range encodings(text.Bytes()) {
			sections := must(Parse(bytes.NewReader(b)))(t)
			again := hives.NewTree(hives.Options{})
			must(0, Apply(below{treeTarget{again}}, sections))(t)
			if diff := cmp.Diff(want, listing(t, "R", again.Root(), nil)); diff != "" {
				t.Fatalf("%s: %s\n%q", name, diff, b)
			}
		}
	})
}

// What a delta does to a hive, its .reg file does too: whether an edit wrote the delta, with
// keys deleted and made again, or a comparison of states, and also when deltas are squashed.
func TestDeltaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := hives.NewTree(hives.Options{})
		change(t, treeTarget{tree}, false)
		base := hiveOf(t, tree)
		var deltas []*hives.Hive
		for range rapid.IntRange(1, 3).Draw(t, "layers") {
			edit := hives.NewEdit(hives.NewStack(base, deltas...), hives.Options{})
			change(t, edit, true)
			var b bytes.Buffer
			must(edit.WriteDelta(&b))(t)
			deltas = append(deltas, must(hives.OpenBytes(b.Bytes()))(t))
		}
		merged := must(hives.NewStack(base, deltas...).Root())(t)
		want := listing(t, "R", merged, nil)
		diffed := must(must(hives.Diff(hives.NewStack(base), merged, hives.Options{}))(t).Hive())(t)
		squashed := must(must(hives.Squash(deltas...))(t).Hive())(t)
		for name, list := range map[string][]*hives.Hive{"edit": deltas, "diff": {diffed}, "squash": {squashed}} {
			edit := hives.NewEdit(hives.NewStack(base), hives.Options{})
			for _, h := range list {
				var text bytes.Buffer
				must(0, Write(&text, Version5, Root{"R", must(h.Root())(t)}))(t)
				must(0, Apply(below{edit}, must(Parse(&text))(t)))(t)
			}
			if diff := cmp.Diff(want, listing(t, "R", must(edit.Root())(t), nil)); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
		}
	})
}

// Version 4 either carries a hive as it is or says that it cannot.
func TestVersion4RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := hives.NewTree(hives.Options{})
		change(t, treeTarget{tree}, false)
		must(0, tree.Set("a", hives.ExpandValue("e", "%x%")))(t)
		var text bytes.Buffer
		err := Write(&text, Version4, Root{"R", tree.Root()})
		if errors.Is(err, ErrForm) {
			return
		}
		must(0, err)(t)
		again := hives.NewTree(hives.Options{})
		must(0, Apply(below{treeTarget{again}}, must(Parse(&text))(t)))(t)
		if diff := cmp.Diff(listing(t, "R", tree.Root(), nil), listing(t, "R", again.Root(), nil)); diff != "" {
			t.Fatal(diff)
		}
	})
}
