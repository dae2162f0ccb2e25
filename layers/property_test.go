package layers

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mullion/mullion/internal/nt"
)

// drawLayer makes a random layer, in canonical order, of everything that a layer can hold.
func drawLayer(t *rapid.T) []*Entry {
	g := generator{t: t, files: []string{}}
	list := []*Entry{g.stamped(Entry{Name: "Files", Kind: Dir, Attributes: DefaultDir})}
	list = append(list, g.fill("Files", 3)...)
	list = append(list, g.stamped(Entry{Name: "Hives", Kind: Dir, Attributes: DefaultDir}))
	if rapid.Bool().Draw(t, "deltas") {
		for _, name := range slices.Sorted(slices.Values([]string{"DefaultUser_Delta", "Sam_Delta", "Security_Delta", "Software_Delta", "System_Delta"})) {
			list = append(list, g.stamped(Entry{Name: "Hives/" + name, Size: 5, Attributes: DefaultFile}))
		}
	}
	if rapid.Bool().Draw(t, "uvm") {
		list = append(list, g.stamped(Entry{Name: "UtilityVM", Kind: Dir, Attributes: DefaultDir}), g.stamped(Entry{Name: "UtilityVM/Files", Kind: Dir, Attributes: DefaultDir}))
		list = append(list, g.fill("UtilityVM/Files", 2)...)
	}
	slices.SortFunc(list, Order)
	return resolveHardLinks(list)
}

type generator struct {
	t     *rapid.T
	files []string
}

var (
	genName = rapid.StringMatching(`[a-zA-ZäÄßİıKΣσς😀_$ .-]{0,6}[a-z0-9]`)
	genTime = rapid.Uint64Range(uint64(firstTime), uint64(lastTime))
	genSD   = rapid.SampledFrom([][]byte{nil, nt.DefaultDirSD(), nt.DefaultFileSD(), nt.RootDirSD()})
)

func (g *generator) stamped(e Entry) *Entry {
	for _, at := range []*nt.Filetime{&e.Created, &e.Modified, &e.Accessed, &e.Changed} {
		*at = nt.Filetime(genTime.Draw(g.t, "time"))
	}
	return &e
}

// fill draws what is in one directory, which has no two names that are one on NTFS.
func (g *generator) fill(dir string, depth int) (list []*Entry) {
	used := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(g.t, "children") {
		name := genName.Draw(g.t, "name")
		if used[nt.Fold(name)] || nt.ValidateName(name) != nil {
			continue
		}
		used[nt.Fold(name)] = true
		list = append(list, g.entry(dir+"/"+name, depth)...)
	}
	return list
}

func (g *generator) entry(name string, depth int) []*Entry {
	e := Entry{Name: name, Kind: rapid.SampledFrom([]Kind{File, Dir, Symlink, HardLink, Whiteout}).Draw(g.t, "kind"), SD: genSD.Draw(g.t, "sd")}
	var more []*Entry
	switch e.Kind {
	case Whiteout:
		return []*Entry{{Name: name, Kind: Whiteout}}
	case Dir:
		e.Attributes = DefaultDir | rapid.SampledFrom([]uint32{0, AttrHidden, AttrReadOnly | AttrSystem, AttrCompressed}).Draw(g.t, "attributes")
		if depth > 0 {
			more = g.fill(name, depth-1)
		}
	case Symlink:
		e.Target = rapid.SampledFrom([]string{`C:\x`, `..\y`, `\z`, `\\srv\share`, `😀`}).Draw(g.t, "target")
		e.Junction = e.Target == `C:\x` && rapid.Bool().Draw(g.t, "junction")
		e.Attributes = rapid.SampledFrom([]uint32{DefaultDirLink, DefaultFileLink}).Draw(g.t, "attributes")
		if e.Junction {
			e.Attributes = DefaultDirLink
		}
	case HardLink:
		e.SD, e.Attributes = nil, DefaultFile
	case File:
		e.Size = int64(rapid.IntRange(0, 1500).Draw(g.t, "size"))
		e.Attributes = rapid.SampledFrom([]uint32{DefaultFile, AttrNormal, AttrHidden | AttrSystem | AttrArchive}).Draw(g.t, "attributes")
		if rapid.Bool().Draw(g.t, "ea") {
			e.EAs = []EA{{"$KERNEL.X", rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(g.t, "ea value")}}
		}
	}
	if (e.Kind == File || e.Kind == Dir) && rapid.Bool().Draw(g.t, "stream") {
		s := g.stamped(Entry{Name: name + ":s", Kind: Stream, Size: int64(rapid.IntRange(0, 600).Draw(g.t, "stream size"))})
		s.Created = s.Modified
		more = append(more, s)
	}
	return append([]*Entry{g.stamped(e)}, more...)
}

// resolveHardLinks gives hard links a file before them to lead to, and drops those that have none.
func resolveHardLinks(list []*Entry) []*Entry {
	file := ""
	return slices.DeleteFunc(list, func(e *Entry) bool {
		if e.Kind == File && below(e.Name, rootFiles) {
			file = e.Name
		}
		e.Target = map[bool]string{true: file, false: e.Target}[e.Kind == HardLink]
		return e.Kind == HardLink && file == ""
	})
}

// TestLayersRoundTrip: what Writer takes comes back from Reader the same, is written again to the same bytes, and
// Validate has no error to report.
func TestLayersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawLayer(t)
		b, err := write(list...)
		if err != nil {
			t.Fatal(err)
		}
		got, found, err := readAll(b, Limits{})
		if err != nil || len(found) != 0 {
			t.Fatal(err, found)
		}
		if d := cmp.Diff(list, got); d != "" {
			t.Fatal(d)
		}
		again, err := write(got...)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("written again, the layer has other bytes (%v)", err)
		}
		found, err = Validate(bytes.NewReader(b), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Severity == Error {
				t.Fatal(f)
			}
		}
	})
}

// TestOrderIsTotal: Order sorts any entries the same way whatever their first order.
func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawLayer(t)
		shuffled := rapid.Permutation(list).Draw(t, "shuffled")
		slices.SortFunc(shuffled, Order)
		for i := range list {
			if list[i] != shuffled[i] {
				t.Fatalf("%s and %s are in no order", list[i].Name, shuffled[i].Name)
			}
		}
	})
}
