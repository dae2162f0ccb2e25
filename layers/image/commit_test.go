package image_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/opencontainers/go-digest"
)

// A small base whose directories have a metadata of their own, to see it again in the layers above.
func oddBase(t *testing.T, st *store.Store) view.Layer {
	t.Helper()
	l, err := image.WriteLayer(t.Context(), st, pack.Gzip, func(w *pack.Writer) error {
		for i, line := range []string{"d Files", "d Files/Windows", "d Files/Windows/System32", "d Files/app", "d Files/app/conf",
			"f Files/app/conf/a", "f Files/app/conf/b", "f Files/app/old.txt"} {
			kind, name, _ := strings.Cut(line, " ")
			at := nt.FiletimeOf(epoch.Add(-time.Duration(i+1) * time.Hour))
			e := &layers.Entry{Name: name, Kind: layers.Dir, Attributes: layers.DefaultDir | layers.AttrSystem, SD: nt.RootDirSD(),
				Created: at, Modified: at + 1, Accessed: at + 2, Changed: at + 3}
			var content io.Reader
			if kind == "f" {
				e.Kind, e.Attributes, e.SD = layers.File, layers.DefaultFile, nt.DefaultFileSD()
				e.Size, content = 3, strings.NewReader("old")
			}
			if err := w.WriteEntry(e, content); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listing describes a layer's entries, one line each, as the columns of a table. Times and descriptors are given by where
// they come from.
func listing(t *testing.T, st *store.Store, l view.Layer, lower *view.View) []string {
	t.Helper()
	toc, err := st.TOC(t.Context(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, item := range toc.Items {
		e := item.Entry
		line := fmt.Sprintf("%s %s", e.Kind, e.Name)
		if e.Kind == layers.Whiteout {
			list = append(list, line)
			continue
		}
		line += fmt.Sprintf(" attributes %d", e.Attributes)
		if e.Kind == layers.File {
			line += fmt.Sprintf(" size %d", e.Size)
		}
		if e.Target != "" {
			line += " to " + e.Target
		}
		if e.Junction {
			line += " junction"
		}
		list = append(list, line+" "+origin(e, lower))
	}
	return list
}

func origin(e layers.Entry, lower *view.View) string {
	text := "other times"
	now := nt.FiletimeOf(epoch)
	below, err := lower.Lookup(strings.TrimPrefix(strings.TrimPrefix(e.Name, "Files"), "/"))
	switch {
	case e.Created == now && e.Modified == now && e.Accessed == now && e.Changed == now:
		text = "T"
	case err == nil && e.Created == below.Entry.Created && e.Modified == below.Entry.Modified &&
		e.Accessed == below.Entry.Accessed && e.Changed == below.Entry.Changed:
		text = "lower"
	}
	switch {
	case e.SD == nil:
		return text + ", no sd"
	case err == nil && bytes.Equal(e.SD, below.Entry.SD):
		return text + ", lower sd"
	}
	return text + ", sd"
}

func TestWorkedListings(t *testing.T) {
	tests := []struct {
		name string
		do   func(*view.Scratch) error
		want []string
	}{
		{"no change", func(s *view.Scratch) error { return nil }, []string{
			"directory Files attributes 20 lower, no sd",
			"directory Hives attributes 16 T, no sd",
		}},
		{"a file in a new directory", func(s *view.Scratch) error { return write(s, "srv/app.exe", "MZ") }, []string{
			"directory Files attributes 20 lower, no sd",
			"directory Files/srv attributes 16 T, sd",
			"file Files/srv/app.exe attributes 32 size 2 T, sd",
			"directory Hives attributes 16 T, no sd",
		}},
		{"a file in a directory of the system", func(s *view.Scratch) error { return write(s, "windows/SYSTEM32/x.dll", "MZ") }, []string{
			"directory Files attributes 20 lower, no sd",
			"directory Files/Windows attributes 20 lower, lower sd",
			"directory Files/Windows/System32 attributes 20 lower, lower sd",
			"file Files/Windows/System32/x.dll attributes 32 size 2 T, sd",
			"directory Hives attributes 16 T, no sd",
		}},
		{"a deletion and a replaced directory", func(s *view.Scratch) error {
			if err := s.Remove("app/old.txt"); err != nil {
				return err
			}
			if err := s.RemoveAll("app/conf"); err != nil {
				return err
			}
			return write(s, "app/conf/c", "new")
		}, []string{
			"directory Files attributes 20 lower, no sd",
			"directory Files/app attributes 20 lower, lower sd",
			"whiteout Files/app/old.txt",
			"directory Files/app/conf attributes 16 T, sd",
			"whiteout Files/app/conf/a",
			"whiteout Files/app/conf/b",
			"file Files/app/conf/c attributes 32 size 3 T, sd",
			"directory Hives attributes 16 T, no sd",
		}},
		{"links", func(s *view.Scratch) error {
			if err := s.Symlink("v2", "app/cur", true); err != nil {
				return err
			}
			if err := s.Symlink(`C:\app\v2\app.exe`, "app/run.exe", false); err != nil {
				return err
			}
			return s.Junction(`D:\data`, "data")
		}, []string{
			"directory Files attributes 20 lower, no sd",
			"directory Files/app attributes 20 lower, lower sd",
			"symlink Files/app/cur attributes 1040 to v2 T, sd",
			`symlink Files/app/run.exe attributes 1056 to C:\app\v2\app.exe T, sd`,
			`symlink Files/data attributes 1040 to D:\data junction T, sd`,
			"directory Hives attributes 16 T, no sd",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := newStore(t)
			lower := oddBase(t, st)
			v := openView(t, t, st, lower)
			s := newScratch(t, t, v, epoch)
			if err := test.do(s); err != nil {
				t.Fatal(err)
			}
			l := commit(t, t, st, s)
			compare(t, listing(t, st, l, v), test.want)
			validate(t, st, l, false)
			if got, want := dump(t, openView(t, t, st, lower, l)), dump(t, s); got != want {
				t.Errorf("View of the chain\n%swant\n%s", got, want)
			}
		})
	}
}

func write(s *view.Scratch, path, text string) error {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		if err := s.MkdirAll(path[:i]); err != nil {
			return err
		}
	}
	return s.WriteFile(path, strings.NewReader(text))
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// plain returns the tar of a layer.
func plain(t *testing.T, st *store.Store, l view.Layer) []byte {
	t.Helper()
	blob, err := st.Blob(t.Context(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	r, err := pack.Decompress(blob, l.Desc.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func validate(t *testing.T, st *store.Store, l view.Layer, isBase bool) {
	t.Helper()
	findings, err := layers.Validate(bytes.NewReader(plain(t, st, l)), isBase)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

func TestCommitOfARegistryChange(t *testing.T) {
	st := newStore(t)
	lower := base(t, st)
	v := openView(t, t, st, lower)
	s := newScratch(t, t, v, epoch.Add(time.Hour))
	if s.Changed() {
		t.Error("changed before anything was done")
	}
	if err := s.Registry().SetValue(`HKLM\SOFTWARE\Acme`, hives.StringValue("Mode", "demo")); err != nil {
		t.Fatal(err)
	}
	if err := s.Registry().SetValue(`HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, hives.StringValue("ACME", "1")); err != nil {
		t.Fatal(err)
	}
	if !s.Changed() || len(s.Changes()) != 0 {
		t.Errorf("changed %v, %d file changes", s.Changed(), len(s.Changes()))
	}
	l := commit(t, t, st, s)
	validate(t, st, l, false)
	toc, err := st.TOC(t.Context(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	tar := plain(t, st, l)
	for _, item := range toc.Items {
		names = append(names, item.Name)
		if item.Kind != layers.File {
			continue
		}
		if item.Attributes != layers.DefaultFile || item.SD != nil || item.Created != s.Time() || item.Accessed != s.Time() {
			t.Errorf("%+v", item.Entry)
		}
		if f := hives.Check(io.NewSectionReader(bytes.NewReader(tar), item.Offset, item.Size), item.Size); len(f) > 0 {
			t.Errorf("%s: %v", item.Name, f)
		}
	}
	compare(t, names, []string{"Files", "Hives", "Hives/DefaultUser_Delta", "Hives/Sam_Delta", "Hives/Security_Delta",
		"Hives/Software_Delta", "Hives/System_Delta"})

	top := openView(t, t, st, lower, l)
	wantText(t, top, hives.Software, `Acme`, "Mode", "demo")
	wantText(t, top, hives.System, `ControlSet001\Control\Session Manager\Environment`, "ACME", "1")
	wantText(t, top, hives.System, `ControlSet001\Control\Session Manager\Environment`, "OS", "Windows_NT")
	wantText(t, top, hives.Software, `Microsoft\Windows NT\CurrentVersion`, "SystemRoot", `C:\Windows`)
}

func wantText(t *testing.T, v *view.View, name hives.Name, path, value, want string) {
	t.Helper()
	stack, err := v.Registry(name)
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	key, err := hives.Find(root, path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Value(value)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text() != want {
		t.Errorf(`%s\%s: %s is %q, want %q`, name, path, value, got.Text(), want)
	}
}

func stamped(name string, kind layers.Kind) *layers.Entry {
	t := nt.FiletimeOf(epoch)
	return &layers.Entry{Name: name, Kind: kind, Created: t, Modified: t, Accessed: t, Changed: t}
}

// An empty base hive, as HostProcess images have, is one without keys; so is a missing one.
func TestRegistryOfAnEmptyBase(t *testing.T) {
	st := newStore(t)
	lower, err := image.WriteLayer(t.Context(), st, pack.None, func(w *pack.Writer) error {
		path := "Files"
		for _, name := range []string{"", "/Windows", "/System32", "/config"} {
			path += name
			if err := w.WriteEntry(stamped(path, layers.Dir), nil); err != nil {
				return err
			}
		}
		return w.WriteEntry(stamped(path+"/software", layers.File), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	chain := []view.Layer{lower}
	for i := range 3 {
		s := newScratch(t, t, openView(t, t, st, chain...), epoch)
		if err := s.Registry().SetValue(`HKLM\SOFTWARE\Acme`, hives.DWORDValue(fmt.Sprint(i), uint32(i))); err != nil {
			t.Fatal(err)
		}
		chain = append(chain, commit(t, t, st, s))
	}
	stack, err := openView(t, t, st, chain...).Registry(hives.Software)
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	key, err := root.Subkey("ACME")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for v, err := range key.Values() {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, v.Name)
	}
	compare(t, names, []string{"0", "1", "2"})
}

// The same work in another folder is the same layer, byte for byte.
func TestCommitIsDeterministic(t *testing.T) {
	work := func() string {
		st := newStore(t)
		s := newScratch(t, t, openView(t, t, st, base(t, st)), epoch)
		for _, name := range []string{"z", "a", "m", "B"} {
			if err := write(s, "app/"+name+"/x.txt", name); err != nil {
				t.Fatal(err)
			}
			if err := s.Registry().SetValue(`HKLM\SOFTWARE\`+name, hives.StringValue("", name)); err != nil {
				t.Fatal(err)
			}
		}
		return commit(t, t, st, s).Desc.Digest.String()
	}
	if a, b := work(), work(); a != b {
		t.Errorf("%s, then %s", a, b)
	}
}

// A failure leaves no blob behind.
func TestFailedCommitLeavesNothing(t *testing.T) {
	st := newStore(t)
	v := openView(t, t, st, oddBase(t, st))
	s := newScratch(t, t, v, epoch)
	if err := write(s, "x", "text"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // takes the content away
		t.Fatal(err)
	}
	if l, err := image.Commit(t.Context(), st, s, pack.Gzip); err == nil {
		t.Errorf("committed %v", l)
	} else if strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line: %v", err)
	}
}

func TestDamagedLayer(t *testing.T) {
	st := newStore(t)
	l := oddBase(t, st)
	l.DiffID = digest.FromString("another tar")
	if _, err := view.Open(t.Context(), st, []view.Layer{l}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("opened a layer that is another: %v", err)
	}
}

func BenchmarkOpenView20000(b *testing.B) {
	st, err := store.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	sd := nt.DefaultFileSD()
	l, err := image.WriteLayer(b.Context(), st, pack.Gzip, func(w *pack.Writer) error {
		put := func(name string, kind layers.Kind) error {
			e := stamped(name, kind)
			e.SD = sd
			return w.WriteEntry(e, nil)
		}
		if err := put("Files", layers.Dir); err != nil {
			return err
		}
		for d := range 400 {
			dir := fmt.Sprintf("Files/amd64_component_%04d", d)
			if err := put(dir, layers.Dir); err != nil {
				return err
			}
			for f := range 49 {
				if err := put(fmt.Sprintf("%s/File%02d.dll", dir, f), layers.File); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := view.Open(b.Context(), st, []view.Layer{l}); err != nil {
			b.Fatal(err)
		}
	}
}

// The descriptors that new objects of a bare image get are the ones BuildKit gives, marked as inherited.
func TestDefaultsAreThoseOfTheFormat(t *testing.T) {
	const file = "AQAEhBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAEBgA/wEfAAECAAAAAAAFIAAAACACAAAAEBQA/wEfAAEB" +
		"AAAAAAAFEgAAAAAQGACpABIAAQIAAAAAAAUgAAAAIQIAAA=="
	if got := base64.StdEncoding.EncodeToString(nt.InheritFile(nil, false, "")); got != file {
		t.Errorf("got %s", got)
	}
}

// The longest chain that Windows takes opens, files and registry alike.
func TestLongestChain(t *testing.T) {
	st := newStore(t)
	lower := base(t, st)
	s := newScratch(t, t, openView(t, t, st, lower), epoch)
	if err := write(s, "app/x", "text"); err != nil {
		t.Fatal(err)
	}
	if err := s.Registry().SetValue(`HKLM\SOFTWARE\Acme`, hives.StringValue("Mode", "demo")); err != nil {
		t.Fatal(err)
	}
	chain := append([]view.Layer{lower}, slices.Repeat([]view.Layer{commit(t, t, st, s)}, view.MaxLayers-1)...)
	v := openView(t, t, st, chain...)
	if v.ChainID() == openView(t, t, st, chain[1:]...).ChainID() {
		t.Error("two chains have one ID")
	}
	f, err := v.Lookup("app/x")
	if err != nil {
		t.Fatal(err)
	}
	if f.Layer != view.MaxLayers-1 || f.Name() != "x" {
		t.Errorf("%s comes from layer %d", f.Name(), f.Layer)
	}
	wantText(t, v, hives.Software, "Acme", "Mode", "demo")
	if _, err := view.Open(t.Context(), st, append(chain, lower)); err == nil {
		t.Error("opened a chain that is too long")
	}
}
