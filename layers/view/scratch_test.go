package view

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

func newScratch(t *testing.T, v *View) *Scratch {
	t.Helper()
	s, err := NewScratch(v, t.TempDir(), ScratchOptions{Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do runs steps such as "mkdir app" or "write app/x hello" and fails at an error.
func do(t *testing.T, s *Scratch, steps ...string) {
	t.Helper()
	for _, step := range steps {
		if err := one(s, step); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
}

func one(s *Scratch, step string) error {
	f := append(strings.Fields(step), "", "")
	switch f[0] {
	case "mkdir":
		return s.Mkdir(f[1])
	case "mkdirall":
		return s.MkdirAll(f[1])
	case "write":
		return s.WriteFile(f[1], strings.NewReader(f[2]))
	case "append":
		return s.Append(f[1], strings.NewReader(f[2]))
	case "remove":
		return s.Remove(f[1])
	case "removeall":
		return s.RemoveAll(f[1])
	case "rename":
		return s.Rename(f[1], f[2])
	case "attrib":
		var a uint32
		fmt.Sscan(f[2], &a)
		return s.SetAttributes(f[1], a)
	case "link":
		return s.Symlink(f[2], f[1], false)
	case "dirlink":
		return s.Symlink(f[2], f[1], true)
	case "junction":
		return s.Junction(f[2], f[1])
	}
	return fmt.Errorf("no step %q", step)
}

// listed shows changes in one line each: a whiteout as "- path", else mark and path, with a mark in upper case where the
// entry is the Scratch's own.
func listed(s *Scratch) []string {
	var list []string
	for _, c := range s.Changes() {
		name := c.Entry.Name
		if path, ok := strings.CutPrefix(name, "Files/"); ok {
			name = path
		}
		mark := map[layers.Kind]string{layers.Whiteout: "-", layers.Dir: "d", layers.File: "f", layers.Symlink: "l"}[c.Entry.Kind]
		if c.Entry.Modified == testTime || c.Entry.Kind != layers.Whiteout && c.File.Layer == len(s.View().Layers()) {
			mark = strings.ToUpper(mark)
		}
		list = append(list, mark+" "+name)
	}
	return list
}

func testView() *View {
	return viewOf(toc("d /Files", "d app", "f app/old.txt", "d app/conf", "f app/conf/a", "f app/conf/b", "d app/conf/deep",
		"f app/conf/deep/x", "d Windows", "d Windows/System32", "f Windows/System32/k.dll", `L link C:\app`))
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"new directory and file", []string{"mkdir new", "write new/x.exe x"}, []string{"d Files", "D new", "F new/x.exe"}},
		{"file deep below", []string{"write windows/SYSTEM32/new.dll x"},
			[]string{"d Files", "d Windows", "d Windows/System32", "F Windows/System32/new.dll"}},
		{"order is that of bytes", []string{"write b x", "write B2 x", "write _ x", "write a.b x", "mkdir a", "write a/z x"},
			[]string{"d Files", "F B2", "F _", "D a", "F a/z", "F a.b", "F b"}},
		{"delete and replace", []string{"remove app/OLD.TXT", "removeall app/conf", "mkdir app/conf", "write app/conf/c x"},
			[]string{"d Files", "d app", "- app/old.txt", "D app/conf", "- app/conf/a", "- app/conf/b", "- app/conf/deep", "F app/conf/c"}},
		{"only the topmost is deleted", []string{"remove app/conf/a", "removeall app"}, []string{"d Files", "- app"}},
		{"made anew, in part", []string{"removeall app/conf", "mkdirall app/conf/DEEP", "write app/conf/B x"},
			[]string{"d Files", "d app", "D app/conf", "- app/conf/a", "F app/conf/b", "D app/conf/deep", "- app/conf/deep/x"}},
		{"file to directory", []string{"remove app/old.txt", "mkdir app/Old.txt", "write app/old.txt/x x"},
			[]string{"d Files", "d app", "D app/old.txt", "F app/old.txt/x"}},
		{"directory to file", []string{"removeall app/conf", "write app/conf x"}, []string{"d Files", "d app", "F app/conf"}},
		{"directory to link", []string{"removeall app/conf", `dirlink app/conf C:\Windows`}, []string{"d Files", "d app", "L app/conf"}},
		{"back to nothing", []string{"mkdir new", "write new/x x", "removeall new"}, nil},
		{"back to nothing in a new directory", []string{"removeall app/conf", "mkdir app/conf", "write app/conf/a 1", "remove app/conf/a"},
			[]string{"d Files", "d app", "D app/conf", "- app/conf/a", "- app/conf/b", "- app/conf/deep"}},
		{"attributes", []string{"attrib app 2", "attrib app/conf/a 1"},
			[]string{"d Files", "d app", "d app/conf", "f app/conf/a"}},
		{"same attributes", []string{"attrib app 0", "attrib app/conf/a 32"}, nil},
		{"rename a file", []string{"rename app/old.txt new.txt"}, []string{"d Files", "d app", "- app/old.txt", "f new.txt"}},
		{"rename a directory", []string{"rename app/conf c2"},
			[]string{"d Files", "d app", "- app/conf", "d c2", "f c2/a", "f c2/b", "d c2/deep", "f c2/deep/x"}},
		{"rename and back", []string{"rename app/conf c2", "rename c2 app/CONF"},
			[]string{"d Files", "d app", "d app/conf", "f app/conf/a", "f app/conf/b", "d app/conf/deep", "f app/conf/deep/x"}},
		{"rename a changed directory", []string{"remove app/conf/a", "write app/conf/n x", "rename app/conf c2"},
			[]string{"d Files", "d app", "- app/conf", "d c2", "f c2/b", "d c2/deep", "f c2/deep/x", "F c2/n"}},
		{"rename onto a file", []string{"rename app/conf/a app/OLD.txt"},
			[]string{"d Files", "d app", "d app/conf", "- app/conf/a", "f app/old.txt"}},
		{"case alone cannot be said", []string{"rename app/old.txt app/OLD.TXT"}, nil},
		{"case of a new name can", []string{"mkdir new", "rename new NEW"}, []string{"d Files", "D NEW"}},
		{"through a link", []string{"write link/new x", "remove link/old.txt"}, []string{"d Files", "d app", "- app/old.txt", "F app/new"}},
		{"the link itself", []string{"remove link"}, []string{"d Files", "- link"}},
		{"parents with mkdirall", []string{"mkdirall app/x/y", "mkdirall APP/X/Y", "mkdirall link/x/z"},
			[]string{"d Files", "d app", "D app/x", "D app/x/y", "D app/x/z"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScratch(t, testView())
			do(t, s, test.steps...)
			equalLines(t, "changes", listed(s), test.want)
			if s.Changed() != (len(test.want) > 0) {
				t.Errorf("Changed is %v", s.Changed())
			}
		})
	}
}

// Writing what Changes says as a layer gives the Scratch's own tree, whatever was done to get there.
func TestChangesMergeToTheSameTree(t *testing.T) {
	s := newScratch(t, testView())
	do(t, s, "rename app a2", "mkdir App", "write app/old.txt new", "mkdir app/conf", "rename a2/conf/deep app/deep",
		"removeall windows/system32", "write WINDOWS/system32 file", "junction data D:\\data")
	top := toc()
	for _, c := range s.Changes() {
		item := top.Items
		item = append(item, toc("f x").Items[0])
		item[len(item)-1].Entry = *c.Entry
		top.Items = item
	}
	merged := viewOf(testView().tocs[0], top)
	strip := func(list []string) []string {
		for i := range list {
			list[i] = list[i][:strings.LastIndexByte(list[i], ' ')]
		}
		return list
	}
	equalLines(t, "merged", strip(shown(t, merged)), strip(shown(t, s)))
}

func TestParentsKeepTheirMetadata(t *testing.T) {
	v := testView()
	app, err := v.Lookup("app")
	if err != nil {
		t.Fatal(err)
	}
	app.Entry.SD, app.Entry.Attributes = nt.DefaultDirSD(), 18
	want := *app.Entry
	s := newScratch(t, v)
	do(t, s, "write app/new x")
	changes := s.Changes()
	if changes[0].Entry.Name != "Files" || changes[0].Entry.SD != nil {
		t.Errorf("root is %+v: only a base layer has its security descriptor", changes[0].Entry)
	}
	if got := changes[1].Entry; got.Name != want.Name || got.Created != want.Created || got.Attributes != 18 || string(got.SD) != string(want.SD) {
		t.Errorf("app is %+v, want %+v", got, want)
	}
	root, err := v.Lookup("")
	if err != nil || root.Entry.SD == nil {
		t.Errorf("the View lost the root's security descriptor: %v", err)
	}
}

func TestNewObjects(t *testing.T) {
	v := testView()
	s := newScratch(t, v)
	do(t, s, "mkdir dir", "write dir/f x", `link dir/l C:\x`, `dirlink dir/d ..`, `junction dir/j C:\app`)
	root, err := v.Lookup("")
	if err != nil {
		t.Fatal(err)
	}
	dirSD := nt.InheritFile(root.Entry.SD, true, "")
	tests := []struct {
		path       string
		attributes uint32
		sd         []byte
		target     string
		junction   bool
	}{
		{"dir", 16, dirSD, "", false},
		{"dir/f", 32, nt.InheritFile(dirSD, false, ""), "", false},
		{"dir/l", 1056, nt.InheritFile(dirSD, false, ""), `C:\x`, false},
		{"dir/d", 1040, nt.InheritFile(dirSD, true, ""), `..`, false},
		{"dir/j", 1040, nt.InheritFile(dirSD, true, ""), `C:\app`, true},
	}
	for _, test := range tests {
		f, err := s.Lookup(test.path)
		if err != nil {
			t.Fatal(err)
		}
		e := f.Entry
		if e.Attributes != test.attributes || string(e.SD) != string(test.sd) || e.Target != test.target || e.Junction != test.junction {
			t.Errorf("%s is %+v", test.path, e)
		}
		for _, at := range []nt.Filetime{e.Created, e.Modified, e.Accessed, e.Changed} {
			if at != testTime {
				t.Errorf("%s has the time %d", test.path, at)
			}
		}
	}
}

func TestOverwriteKeepsWhatWindowsKeeps(t *testing.T) {
	v := testView()
	old, err := v.Lookup("app/old.txt")
	if err != nil {
		t.Fatal(err)
	}
	old.Entry.SD, old.Entry.Attributes = nt.DefaultFileSD(), layers.AttrHidden
	s := newScratch(t, v)
	do(t, s, "write app/old.txt longer")
	f, err := s.Lookup("app/old.txt")
	if err != nil {
		t.Fatal(err)
	}
	e := f.Entry
	if e.Created != old.Entry.Created || e.Modified != testTime || e.Attributes != layers.AttrHidden|layers.AttrArchive ||
		string(e.SD) != string(nt.DefaultFileSD()) || e.Size != 6 {
		t.Errorf("overwritten: %+v", e)
	}
	if old.Entry.Size != 0 {
		t.Error("the View's entry was changed")
	}
}

func read(t *testing.T, s *Scratch, path string) string {
	t.Helper()
	f, err := s.Resolve(path)
	if err != nil {
		t.Fatal(err)
	}
	return content(t, s, f)
}

func content(t *testing.T, s *Scratch, f *File) string {
	t.Helper()
	r, err := s.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestScratchContents(t *testing.T) {
	s := newScratch(t, testView())
	do(t, s, "write a one", "append a two", "append b new", `link l b`, "append L er", "append app/old.txt plus", "write empty")
	early, err := s.Lookup("a")
	if err != nil {
		t.Fatal(err)
	}
	do(t, s, "append a three", "rename a app/moved", "append app/moved !", "write b other")
	for path, want := range map[string]string{"app/moved": "onetwothree!", "b": "other", "l": "other", "app/old.txt": "plus", "empty": ""} {
		if got := read(t, s, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if got := content(t, s, early); got != "onetwo" {
		t.Errorf("a File taken earlier holds %q", got)
	}
}

// A file may be written with what it held itself.
func TestWriteFromItself(t *testing.T) {
	s := newScratch(t, testView())
	do(t, s, "write a ab")
	f, err := s.Lookup("a")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.WriteFile("A", io.MultiReader(r, strings.NewReader("c"))); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "a"); got != "abc" {
		t.Errorf("a holds %q", got)
	}
}

func TestScratchErrors(t *testing.T) {
	tests := []struct {
		step string
		is   error
		text string
	}{
		{"mkdir app", fs.ErrExist, `make directory C:\app: file already exists`},
		{"mkdir LINK", fs.ErrExist, ""},
		{"mkdir ", fs.ErrExist, ""},
		{"mkdir no/thing", fs.ErrNotExist, `make directory C:\no\thing: file does not exist`},
		{"mkdir app/old.txt/x", fs.ErrNotExist, ""},
		{"mkdir app/a:b", nt.ErrName, ""},
		{"mkdir nul", nt.ErrName, ""},
		{"mkdirall app/old.txt/x", nil, `make directory C:\app\old.txt\x: C:\app\old.txt: not a directory`},
		{"write app x", nil, `write C:\app: is a directory`},
		{"write link x", nil, `write C:\link: is a directory`},
		{"write no/thing x", fs.ErrNotExist, ""},
		{"append app x", nil, `append C:\app: is a directory`},
		{"remove nothing", fs.ErrNotExist, `remove C:\nothing: file does not exist`},
		{"remove app", ErrNotEmpty, `remove C:\app: directory is not empty`},
		{"remove ", fs.ErrInvalid, ""},
		{"removeall ", fs.ErrInvalid, ""},
		{"attrib nothing 1", fs.ErrNotExist, ""},
		{"attrib  1", fs.ErrNotExist, ""},
		{"rename nothing x", fs.ErrNotExist, `rename C:\nothing: to C:\x: file does not exist`},
		{"rename app app/conf/app", fs.ErrInvalid, ""},
		{"rename app link/x", fs.ErrInvalid, ""},
		{"rename app Windows", fs.ErrExist, ""},
		{"rename app/old.txt Windows", fs.ErrExist, ""},
		{"rename app app/old.txt", fs.ErrInvalid, ""},
		{"rename Windows app/old.txt", fs.ErrExist, ""},
		{"rename app no/where", fs.ErrNotExist, ""},
		{"rename app/old.txt app/con", nt.ErrName, ""},
	}
	for _, test := range tests {
		s := newScratch(t, testView())
		err := one(s, test.step)
		if err == nil || test.is != nil && !errors.Is(err, test.is) || test.text != "" && err.Error() != test.text {
			t.Errorf("%s: %v", test.step, err)
		}
		if c := s.Changes(); len(c) > 0 {
			t.Errorf("%s: failed, but changed %v", test.step, listed(s))
		}
	}
	if err := newScratch(t, testView()).RemoveAll("no/thing"); err != nil {
		t.Error(err)
	}
}

func TestScratchDepth(t *testing.T) {
	s := newScratch(t, testView())
	deep := strings.TrimSuffix(strings.Repeat("d/", maxDepth), "/")
	do(t, s, "mkdirall "+deep)
	if err := s.Mkdir(deep + "/d"); err == nil {
		t.Error("made a directory that no layer can hold")
	}
	if err := s.Rename("d", "app/d"); err == nil {
		t.Error("moved a tree to where it is too deep")
	}
	do(t, s, "rename app d/app")
	if err := s.Rename("d", "e"); err != nil {
		t.Error(err)
	}
}

func TestScratchReadDir(t *testing.T) {
	s := newScratch(t, testView())
	do(t, s, "remove app/old.txt", "write app/new x", "mkdir app/Alpha")
	list, err := s.ReadDir("LINK")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Path)
	}
	if want := []string{"app/Alpha", "app/conf", "app/new"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if _, err := s.ReadDir("app/new"); err == nil {
		t.Error("listed a file")
	}
}
