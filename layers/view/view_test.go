package view

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

func TestMerge(t *testing.T) {
	base := toc("d .", "d app", "f app/a 1", "f app/b 2", "d app/sub", "f app/sub/c", "d Windows", "d Windows/System32")
	base.Items = base.Items[1:]
	tests := []struct {
		name     string
		above    []*pack.TOC
		want     []string
		findings []string
	}{
		{"base alone", nil, []string{
			"d app 0", "f app/a 0", "f app/b 0", "d app/sub 0", "f app/sub/c 0", "d Windows 0", "d Windows/System32 0",
		}, nil},
		{"the lowest spelling stays", []*pack.TOC{toc("d APP", "f APP/A", "f App/New", "d windows", "f windows/x")}, []string{
			"d app 1", "f app/a 1", "f app/b 0", "f app/New 1", "d app/sub 0", "f app/sub/c 0",
			"d Windows 1", "d Windows/System32 0", "f Windows/x 1",
		}, nil},
		{"whiteouts, in any case", []*pack.TOC{toc("d app", "w app/B", "w App/SUB", "w nothing/there", "d Windows")}, []string{
			"d app 1", "f app/a 0", "d Windows 1", "d Windows/System32 0",
		}, nil},
		{"a whiteout deletes from below only", []*pack.TOC{toc("d app", "d app/sub", "f app/sub/new", "w app/sub")}, []string{
			"d app 1", "f app/a 0", "f app/b 0", "d app/sub 1", "f app/sub/new 1", "d Windows 0", "d Windows/System32 0",
		}, nil},
		{"a deleted name is free to be spelled anew", []*pack.TOC{toc("d app", "w app/sub"), toc("d app", "d app/SUB")}, []string{
			"d app 2", "f app/a 0", "f app/b 0", "d app/SUB 2", "d Windows 0", "d Windows/System32 0",
		}, nil},
		{"opaque", []*pack.TOC{toc("d app", "f app/new", "o app")}, []string{
			"d app 1", "f app/new 1", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 opaque Files/app"}},
		{"opaque root", []*pack.TOC{toc("o app", "o /Files", "f new")}, []string{"f new 1"},
			[]string{"1 opaque Files/app", "1 opaque Files"}},
		{"changes of type", []*pack.TOC{toc("d app", "f app/sub", "d app/a", "f app/a/x", "l app/b a")}, []string{
			"d app 1", "d app/a 1", "f app/a/x 1", "l app/b 1", "f app/sub 1", "d Windows 0", "d Windows/System32 0",
		}, nil},
		{"missing parents are made up", []*pack.TOC{toc("f app/deep/er/x")}, []string{
			"d app 0", "f app/a 0", "f app/b 0", "d app/deep 1", "d app/deep/er 1", "f app/deep/er/x 1",
			"d app/sub 0", "f app/sub/c 0", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 missing-parent Files/app/deep/er/x", "1 missing-parent Files/app/deep/er/x"}},
		{"nothing below links and files", []*pack.TOC{toc("L lnk app", "f lnk/x", "f app/a/x", "w app/a/y", "h app/h Files/app/a/z")},
			[]string{
				"d app 0", "f app/a 0", "f app/b 0", "d app/sub 0", "f app/sub/c 0", "l lnk 1", "d Windows 0", "d Windows/System32 0",
			}, []string{
				"1 below-file Files/lnk/x", "1 below-file Files/app/a/x", "1 below-file Files/app/a/y", "1 link-target Files/app/h",
			}},
		{"hard links", []*pack.TOC{toc("d app", "f app/n 9", "h app/n2 Files/App/N", "h app/a2 Files/app/a", "h app/n3 Files/app/n2",
			"h app/bad Files/app/sub", "h app/out /etc/passwd")}, []string{
			"d app 1", "f app/a 0", "f app/a2 0", "f app/b 0", "f app/n 1", "f app/n2 1", "f app/n3 1", "d app/sub 0", "f app/sub/c 0",
			"d Windows 0", "d Windows/System32 0",
		}, []string{"1 link-target Files/app/bad", "1 link-target Files/app/out"}},
		{"names that cannot be", []*pack.TOC{toc("f a:b", "f ..", "f x/../y", "f a\\b", "f app/", "f what?", "d \x01")}, []string{
			"d app 0", "f app/a 0", "f app/b 0", "d app/sub 0", "f app/sub/c 0", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 bad-name Files/a:b", "1 bad-name Files/..", "1 bad-name Files/x/../y",
			`1 bad-name Files/a\b`, "1 bad-name Files/app/", "1 bad-name Files/what?", "1 bad-name Files/\x01"}},
		{"hard links see what was there before them", []*pack.TOC{
			toc("d app", "h app/a2 Files/app/a", "f app/a", "h app/early Files/app/late", "f app/late", "w app/b", "h app/b2 Files/app/b"),
			toc("d app", "f app/a2", "h app/a3 Files/app/a2", "h app/old Files/app/sub/c"), toc("d app", "w app/sub"),
		}, []string{
			"d app 3", "f app/a 1", "f app/a2 2", "f app/a3 2", "f app/late 1", "f app/old 0", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 link-target Files/app/early", "1 link-target Files/app/b2"}},
		{"hard links in a circle", []*pack.TOC{toc("h x Files/y", "h y Files/x", "h z Files/z")}, []string{
			"d app 0", "f app/a 0", "f app/b 0", "d app/sub 0", "f app/sub/c 0", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 link-target Files/x", "1 link-target Files/y", "1 link-target Files/z"}},
		{"other roots", []*pack.TOC{toc("d /UtilityVM", "f /UtilityVM/Files/x", "f /etc/passwd", "f /Hives/other", "s app/a:z")}, []string{
			"d app 0", "f app/a 0", "f app/b 0", "d app/sub 0", "f app/sub/c 0", "d Windows 0", "d Windows/System32 0",
		}, []string{"1 foreign-root etc/passwd"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := viewOf(append([]*pack.TOC{base}, test.above...)...)
			equalLines(t, "tree", shown(t, v), test.want)
			var findings []string
			for _, f := range v.Findings() {
				findings = append(findings, fmt.Sprintf("%d %s %s", f.Layer, f.Rule, f.Entry))
			}
			equalLines(t, "findings", findings, test.findings)
		})
	}
}

// A hard link and its target are one Item: that is how a Disk knows.
func TestHardLinksShareTheirItem(t *testing.T) {
	v := viewOf(toc("f a 3", "h b Files/a"), toc("h c Files/b"))
	var items []*pack.Item
	for _, name := range []string{"a", "b", "c"} {
		f, err := v.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind() != layers.File || f.Size() != 3 {
			t.Errorf("%s is a %s of %d bytes", name, f.Kind(), f.Size())
		}
		items = append(items, f.Item)
	}
	if items[0] == nil || items[1] != items[0] || items[2] != items[0] {
		t.Errorf("items differ: %p", items)
	}
}

func TestDeepTreesAreCut(t *testing.T) {
	deep := strings.Repeat("d/", maxDepth-1)
	v := viewOf(toc("f "+deep+"in", "f "+deep+"d/out"))
	if _, err := v.Lookup(deep + "in"); err != nil {
		t.Error(err)
	}
	if _, err := v.Lookup(deep + "d/out"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("found a file %d deep: %v", maxDepth+1, err)
	}
	if n := len(shown(t, v)); n != maxDepth {
		t.Errorf("tree has %d files, not %d", n, maxDepth)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	lines := slices.Repeat([]string{"f a:b"}, maxFindings+5)
	if n := len(viewOf(toc(lines...)).Findings()); n != maxFindings {
		t.Errorf("%d findings", n)
	}
}

// Exports of Windows leave the security descriptor off the Files entry of every layer but the base.
func TestRootKeepsItsSecurity(t *testing.T) {
	base, top := toc("d /Files"), toc("d /Files")
	base.Items[0].SD = nt.DefaultDirSD()
	top.Items[0].Created = 77
	root, err := viewOf(base, top).Lookup("")
	if err != nil {
		t.Fatal(err)
	}
	if string(root.Entry.SD) != string(nt.DefaultDirSD()) || root.Entry.Created != 77 {
		t.Errorf("root is %+v", root.Entry)
	}
	if top.Items[0].SD != nil {
		t.Error("the layer's own entry was changed")
	}
}

func TestLookup(t *testing.T) {
	v := viewOf(toc("d /Files", "d Users", "d Users/Öl", "f Users/Öl/x.txt", "d ProgramData", "f ProgramData/p",
		`L Users/All C:\ProgramData`, `L docs \Users\öl`, `L Users/Öl/up ..\..`, `l Users/file Öl\X.TXT`,
		`L away \\srv\share`, `L d D:\x`, `L long \\?\C:\ProgramData`, `L nt \??\c:\Users`, `L loop loop`, `l dangling nowhere`,
		`L ping pong\x`, `L pong ping\x`))
	tests := []struct{ path, lookup, resolved string }{
		{"", "", ""},
		{"users/ÖL/X.txt", "Users/Öl/x.txt", "Users/Öl/x.txt"},
		{"users/all", "Users/All", "ProgramData"},
		{"users/all/P", "ProgramData/p", "ProgramData/p"},
		{"docs/x.txt", "Users/Öl/x.txt", "Users/Öl/x.txt"},
		{"docs/up/users/all/p", "ProgramData/p", "ProgramData/p"},
		{"docs/up", "Users/Öl/up", ""},
		{"users/file", "Users/file", "Users/Öl/x.txt"},
		{"long/p", "ProgramData/p", "ProgramData/p"},
		{"nt/öl", "Users/Öl", "Users/Öl"},
		{"away", "away", "not exist"},
		{"away/x", "not exist", "not exist"},
		{"d/x", "not exist", "not exist"},
		{"dangling", "dangling", "not exist"},
		{"nowhere", "not exist", "not exist"},
		{"users/file/x", "not exist", "not exist"},
		{"users/öl/x.txt/y", "not exist", "not exist"},
		{"users//öl", "not exist", "not exist"},
		{"/users", "not exist", "not exist"},
		{"..", "not exist", "not exist"},
		{"loop", "loop", "links"},
		{"ping/y", "links", "links"},
	}
	for _, test := range tests {
		for what, look := range map[string]func(string) (*File, error){"Lookup": v.Lookup, "Resolve": v.Resolve} {
			want := test.lookup
			if what == "Resolve" {
				want = test.resolved
			}
			f, err := look(test.path)
			got := ""
			switch {
			case errors.Is(err, fs.ErrNotExist):
				got = "not exist"
			case err != nil:
				got = "links"
			default:
				got = f.Path
			}
			if got != want {
				t.Errorf("%s(%q) = %q (%v), want %q", what, test.path, got, err, want)
			}
		}
	}
}

func TestReadDir(t *testing.T) {
	v := viewOf(toc("d B", "f a", "f _x", "f C", "f B/1", "f aa", "L l B"))
	names := func(path string) []string {
		list, err := v.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range list {
			names = append(names, f.Path)
		}
		return names
	}
	equalLines(t, "root", names(""), []string{"a", "aa", "B", "C", "l", "_x"})
	equalLines(t, "through a link", names("L"), []string{"B/1"})
	if _, err := v.ReadDir("a"); err == nil || err.Error() != `read directory C:\a: not a directory` {
		t.Errorf("file: %v", err)
	}
	if _, err := v.ReadDir("no/thing"); err == nil || err.Error() != `read directory C:\no\thing: file does not exist` {
		t.Errorf("nothing: %v", err)
	}
}

func TestWalkSkips(t *testing.T) {
	v := viewOf(toc("d a", "f a/x", "f a/y", "d b", "f b/x", "f b/y", "f c"))
	walk := func(at string, what error) []string {
		var seen []string
		err := v.Walk(func(f *File) error {
			seen = append(seen, f.Path)
			if f.Path == at {
				return what
			}
			return nil
		})
		if err != nil {
			seen = append(seen, err.Error())
		}
		return seen
	}
	equalLines(t, "directory", walk("a", fs.SkipDir), []string{"", "a", "b", "b/x", "b/y", "c"})
	equalLines(t, "rest of a directory", walk("a/x", fs.SkipDir), []string{"", "a", "a/x", "b", "b/x", "b/y", "c"})
	equalLines(t, "all", walk("b", fs.SkipAll), []string{"", "a", "a/x", "a/y", "b"})
	equalLines(t, "error", walk("a/y", errNotDir), []string{"", "a", "a/x", "a/y", "not a directory"})
	equalLines(t, "root", walk("", fs.SkipDir), []string{""})
}

func TestOpenBoundsTheChain(t *testing.T) {
	_, err := Open(t.Context(), nil, make([]Layer, MaxLayers+1))
	if err == nil || !strings.Contains(err.Error(), "at most 127") {
		t.Error(err)
	}
	v, err := Open(t.Context(), new(store.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := v.Lookup("")
	if err != nil || !root.IsDir() || string(root.Entry.SD) != string(nt.RootDirSD()) || v.ChainID() != "" {
		t.Errorf("empty view: %+v, chain %q, %v", root, v.ChainID(), err)
	}
}

func TestCompareFolded(t *testing.T) {
	names := []string{"", "A", "A.B", "AB", "\u00c9", "\u07ff", "\ud7ff", "\ue000", "\uffee", "\U00010000", "\U0010ffff", "A\uffee", "A\U00010000"}
	for _, a := range names {
		for _, b := range names {
			if got, want := compareFolded(a, b), nt.Compare(a, b); got != want {
				t.Errorf("%q, %q: %d, want %d", a, b, got, want)
			}
		}
	}
}

// Streams belong to the entry before them, and to no other in the layers above.
func TestStreams(t *testing.T) {
	v := viewOf(toc("d app", "s app:z", "s app:a", "f app/x", "s app/x:Zone.Identifier", "s app/other:z", "h app/y Files/app/x", "f app/w"),
		toc("d app", "f app/w", "s app/w:new"))
	for path, want := range map[string]string{"app": "", "app/x": "Zone.Identifier", "app/y": "Zone.Identifier", "app/w": "new"} {
		f, err := v.Lookup(path)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range f.Streams {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has the streams %q, want %q", path, got, want)
		}
	}
}

// A View is read by several goroutines, which find out together what is in a directory.
func TestManyReaders(t *testing.T) {
	v := viewOf(wide(20, 20), toc("d Windows", "d Windows/WinSxS", "d Windows/WinSxS/amd64_component_0003", "f Windows/WinSxS/amd64_component_0003/new"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if f, err := v.Lookup("windows/winsxs/amd64_component_0003/NEW"); err != nil || f.Layer != 1 {
				t.Errorf("%+v, %v", f, err)
			}
			if n := len(shown(t, v)); n != 2+20*21+1 {
				t.Errorf("%d files", n)
			}
		})
	}
	wg.Wait()
}

// wide makes a layer of many directories with many files.
func wide(dirs, files int) *pack.TOC {
	lines := []string{"d Windows", "d Windows/WinSxS"}
	for d := range dirs {
		dir := fmt.Sprintf("Windows/WinSxS/amd64_component_%04d", d)
		lines = append(lines, "d "+dir)
		for f := range files {
			lines = append(lines, fmt.Sprintf("f %s/File%02d.dll", dir, f))
		}
	}
	return toc(lines...)
}

// Merging is what opening a View does beside reading the tables of contents.
func BenchmarkMerge20000(b *testing.B) {
	t := wide(400, 49)
	for b.Loop() {
		viewOf(t)
	}
}

func BenchmarkLookup20000(b *testing.B) {
	v := viewOf(wide(400, 49))
	for b.Loop() {
		if _, err := v.Lookup("windows/winsxs/amd64_component_0123/file31.DLL"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWalk20000(b *testing.B) {
	t := wide(400, 49)
	for b.Loop() {
		if err := viewOf(t).Walk(func(*File) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
