package view_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

// longName is one that Linux cannot have: 256 bytes.
var longName = strings.Repeat("長", 84) + ".txt"

// overlay is an overlay mount over the Disk of a View.
type overlay struct {
	view  *view.View
	names map[string]string
	lower string
	tmp   string
}

func newOverlay(t *testing.T) *overlay {
	t.Helper()
	st := newStore(t)
	l := writeLayer(t, st, pack.Gzip,
		file{"Files/App", layers.Dir, nil},
		file{"Files/App/conf", layers.Dir, nil}, file{"Files/App/conf/a", layers.File, random(10)}, file{"Files/App/conf/a:s", layers.Stream, random(3)},
		file{"Files/App/conf/deep", layers.Dir, nil}, file{"Files/App/conf/deep/x", layers.File, random(5000)},
		file{"Files/App/empty", layers.File, nil}, file{"Files/App/x.exe", layers.File, random(9000)},
		file{"Files/App/" + longName, layers.File, random(100)},
		file{"Files/b", layers.Dir, nil}, file{"Files/b/1", layers.File, random(1)}, file{"Files/b/2", layers.File, random(2)})
	v, err := view.Open(t.Context(), st, []view.Layer{l})
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Build(t.Context(), st, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &overlay{view: v, names: d.Names, lower: t.TempDir(), tmp: t.TempDir()}
	if err := d.Mount(o.lower); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		fixtures.Skip(t, err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, o.lower) })
	return o
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Error(err)
	}
}

// imported does something to a fresh mount, and returns what the mount then showed and the Scratch made of it.
func (o *overlay) imported(t *testing.T, opts view.UpperOptions, do func(at string)) (shown []string, s *view.Scratch, left []view.LeftOut) {
	t.Helper()
	// The names of subtests have commas, which the options cannot quote.
	tmp, err := os.MkdirTemp(o.tmp, "")
	if err != nil {
		t.Fatal(err)
	}
	at, upper, work := filepath.Join(tmp, "at"), filepath.Join(tmp, "upper"), filepath.Join(tmp, "work")
	for _, dir := range []string{at, upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=on,metacopy=on", o.lower, upper, work)
	if err := unix.Mount("overlay", at, "overlay", 0, options); err != nil {
		fixtures.Skip(t, fmt.Sprintf("no overlay here: %v", err))
	}
	func() {
		defer unmount(t, at)
		do(at)
		shown = o.list(t, at)
	}()
	s, err = view.NewScratch(o.view, tmp, view.ScratchOptions{Time: dataTime + 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	opts.Names = o.names
	if left, err = view.ImportUpper(s, upper, opts); err != nil {
		t.Fatal(err)
	}
	return shown, s, left
}

// list describes what a mount shows.
func (o *overlay) list(t *testing.T, at string) []string {
	t.Helper()
	short := ""
	for linux, real := range o.names {
		short = filepath.Base(linux)
		if filepath.Base(real) != longName {
			t.Fatal(real)
		}
	}
	var list []string
	err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == at {
			return err
		}
		name := strings.ReplaceAll(strings.TrimPrefix(path, at+"/"), short, longName)
		switch d.Type() {
		case fs.ModeDir:
			list = append(list, name+"/")
		case fs.ModeSymlink:
			list = append(list, name+" ->")
		case 0:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			list = append(list, fmt.Sprintf("%s %x %v", name, sha256.Sum256(b), info.Mode()&0o222 == 0))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// listScratch describes a Scratch in the same words.
func listScratch(t *testing.T, s *view.Scratch) []string {
	t.Helper()
	var list []string
	err := s.Walk(func(f *view.File) error {
		switch {
		case f.Path == "":
		case f.IsDir():
			list = append(list, f.Path+"/")
		case f.Kind() == layers.Symlink:
			list = append(list, f.Path+" ->")
		default:
			r, err := s.Open(f)
			if err != nil {
				return err
			}
			b, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				return err
			}
			list = append(list, fmt.Sprintf("%s %x %v", f.Path, sha256.Sum256(b), f.Entry.Attributes&layers.AttrReadOnly != 0))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// changes lists what the layer would have: whiteouts as "-", hard links with their target.
func changes(s *view.Scratch) []string {
	var list []string
	for _, c := range s.Changes() {
		switch c.Entry.Kind {
		case layers.Whiteout:
			list = append(list, "- "+c.Entry.Name)
		case layers.HardLink, layers.Symlink:
			list = append(list, c.Entry.Name+" = "+c.Entry.Target)
		default:
			list = append(list, c.Entry.Name)
		}
	}
	return list
}

func TestImportUpper(t *testing.T) {
	o := newOverlay(t)
	tests := []struct {
		name string
		do   func(*tree)
		want []string
	}{
		{"nothing", func(d *tree) {}, nil},
		{"opened for writing, and left as it was", func(d *tree) { d.write("App/x.exe", string(random(9000))) }, nil},
		{"written in place", func(d *tree) { d.write("App/x.exe", "new") }, []string{"Files", "Files/App", "Files/App/x.exe"}},
		{"metadata alone", func(d *tree) { d.chmod("App/x.exe", 0o444) }, []string{"Files", "Files/App", "Files/App/x.exe"}},
		{"times alone", func(d *tree) { d.touch("App/x.exe") }, nil},
		{"deleted", func(d *tree) { d.remove("App/x.exe"); d.remove("b") }, []string{"Files", "- Files/b", "Files/App", "- Files/App/x.exe"}},
		{"a renamed directory", func(d *tree) { d.rename("App/conf", "c2"); d.write("c2/new", "x"); d.remove("c2/a") }, []string{
			"Files", "Files/App", "- Files/App/conf", "Files/c2", "Files/c2/deep", "Files/c2/deep/x", "Files/c2/new"}},
		{"renamed beside itself", func(d *tree) { d.rename("App/conf", "App/c2") }, []string{
			"Files", "Files/App", "- Files/App/conf", "Files/App/c2", "Files/App/c2/a", "Files/App/c2/deep", "Files/App/c2/deep/x"}},
		{"renamed twice, and what is in it", func(d *tree) { d.rename("App/conf/deep", "App/d"); d.rename("App", "A2") }, []string{
			"Files", "- Files/App", "Files/A2", "Files/A2/conf", "Files/A2/conf/a", "Files/A2/d", "Files/A2/d/x", "Files/A2/empty",
			"Files/A2/x.exe", "Files/A2/" + longName}},
		{"made anew", func(d *tree) { d.remove("b"); d.mkdir("b"); d.write("b/2", "x") }, []string{
			"Files", "Files/b", "- Files/b/1", "Files/b/2"}},
		{"directory to file, file to directory", func(d *tree) { d.remove("b"); d.write("b", "x"); d.remove("App/x.exe"); d.mkdir("App/x.exe") }, []string{
			"Files", "Files/App", "Files/App/x.exe", "Files/b"}},
		{"hard links", func(d *tree) {
			d.link("App/x.exe", "y.exe")
			d.write("n", "1")
			d.link("n", "b/n")
			d.link("n", "App/conf/n")
		}, []string{
			"Files", "Files/App", "Files/App/conf", "Files/App/conf/n", "Files/App/x.exe", "Files/b", "Files/b/n = Files/App/conf/n",
			"Files/n = Files/App/conf/n", "Files/y.exe = Files/App/x.exe"}},
		{"symlinks", func(d *tree) { d.symlink("../b/1", "App/l"); d.symlink("conf", "App/d"); d.symlink("nowhere", "App/n") }, []string{
			"Files", "Files/App", `Files/App/d = C:\App\conf`, `Files/App/l = C:\b\1`, `Files/App/n = C:\App\nowhere`}},
		{"case alone", func(d *tree) { d.remove("App/x.exe"); d.write("App/X.EXE", "x") }, []string{"Files", "Files/App", "Files/App/x.exe"}},
		{"a long name, deleted", func(d *tree) { d.remove("App/" + d.short) }, []string{"Files", "Files/App", "- Files/App/" + longName}},
		{"a long name, written", func(d *tree) { d.write("App/"+d.short, "x") }, []string{"Files", "Files/App", "Files/App/" + longName}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shown, s, left := o.imported(t, view.UpperOptions{}, func(at string) { test.do(o.tree(t, at)) })
			if diff := cmp.Diff(test.want, changes(s)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(shown, listScratch(t, s)); diff != "" && test.name != "case alone" {
				t.Error(diff)
			}
			if len(left) > 0 {
				t.Errorf("left out: %v", left)
			}
		})
	}
}

// What a layer cannot hold is told, what is not the image's is left out in silence.
func TestImportUpperLeavesOut(t *testing.T) {
	o := newOverlay(t)
	_, s, left := o.imported(t, view.UpperOptions{Omit: func(path string, content [32]byte) bool {
		return content == sha256.Sum256([]byte("not the image's"))
	}}, func(at string) {
		d := o.tree(t, at)
		d.symlink("/etc", "etc")
		d.symlink("../../..", "App/out")
		d.check(unix.Mkfifo(d.path("pipe"), 0o600))
		d.check(unix.Mknod(d.path("null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		d.mkdir("new")
		d.write("new/omitted", "not the image's")
		d.check(unix.Setxattr(d.path("b/1"), "user.DOSATTRIB", []byte("0x6"), 0))
	})
	want := []view.LeftOut{
		{Path: "null", Reason: "a layer holds no device"}, {Path: "pipe", Reason: "a layer holds no pipe"},
		{Path: "App/out", Reason: `a link to ../../.., which is not below C:\`}, {Path: "etc", Reason: `a link to /etc, which is not below C:\`},
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Files", "Files/b", "Files/b/1", "Files/new"}, changes(s)); diff != "" {
		t.Error(diff)
	}
	if f, err := s.Lookup("b/1"); err != nil || f.Entry.Attributes&^layers.AttrArchive != layers.AttrHidden|layers.AttrSystem {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestImportUpperRefusesTwins(t *testing.T) {
	v, err := view.Open(t.Context(), newStore(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{{"a", "A"}, {"x\xff"}, {"a:b"}} {
		dir := t.TempDir()
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := view.NewScratch(v, t.TempDir(), view.ScratchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := view.ImportUpper(s, dir, view.UpperOptions{}); err == nil {
			t.Errorf("%q were taken", names)
		}
	}
}

// An overlay that a user has mounted keeps its marks under names that users may set.
func TestImportUpperOfAUser(t *testing.T) {
	st := newStore(t)
	v, err := view.Open(t.Context(), st, []view.Layer{writeLayer(t, st, pack.Gzip,
		file{"Files/a", layers.Dir, nil}, file{"Files/a/x", layers.File, random(1)}, file{"Files/b", layers.Dir, nil}, file{"Files/b/y", layers.File, random(2)})})
	if err != nil {
		t.Fatal(err)
	}
	upper := t.TempDir()
	d := &tree{t: t, root: upper}
	d.mkdir("a")
	d.mkdir("c")
	d.write("b", "")
	for name, mark := range map[string][2]string{"a": {"opaque", "y"}, "b": {"whiteout", ""}, "c": {"redirect", "/b"}} {
		if err := unix.Setxattr(d.path(name), "user.overlay."+mark[0], []byte(mark[1]), 0); err != nil {
			fixtures.Skip(t, err.Error())
		}
	}
	s, err := view.NewScratch(v, t.TempDir(), view.ScratchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := view.ImportUpper(s, upper, view.UpperOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Files", "- Files/b", "Files/a", "- Files/a/x", "Files/c", "Files/c/y"}, changes(s)); diff != "" {
		t.Error(diff)
	}
}

// Whatever is done to a mount, the Scratch shows what the mount showed.
func TestImportUpperOfAnything(t *testing.T) {
	o := newOverlay(t)
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 12).Draw(r, "steps")
		shown, s, _ := o.imported(t, view.UpperOptions{}, func(at string) {
			for _, step := range steps {
				step.do(at)
			}
		})
		if diff := cmp.Diff(shown, listScratch(t, s)); diff != "" {
			r.Fatal(diff)
		}
	})
}

type step struct{ what, path, other string }

func drawStep(r *rapid.T) step {
	paths := rapid.SampledFrom([]string{"App", "App/conf", "App/conf/a", "App/conf/deep", "App/conf/deep/x", "App/x.exe", "App/empty", "b", "b/1", "b/2",
		"c", "c/x", "c/deep", "b/c", "b/c/a"})
	what := rapid.SampledFrom([]string{"write", "write", "mkdir", "remove", "rename", "rename", "link", "symlink", "chmod"})
	return step{what.Draw(r, "what"), paths.Draw(r, "path"), paths.Draw(r, "other")}
}

// do tries the step; it is part of the game that much cannot be done.
func (s step) do(at string) {
	path, other := filepath.Join(at, s.path), filepath.Join(at, s.other)
	switch s.what {
	case "write":
		_ = os.WriteFile(path, []byte(s.other), 0o644)
	case "mkdir":
		_ = os.Mkdir(path, 0o755)
	case "remove":
		_ = os.RemoveAll(path)
	case "rename":
		_ = os.Rename(path, other)
	case "link":
		_ = os.Link(path, other)
	case "symlink":
		_ = os.Symlink("nowhere", path)
	case "chmod":
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			_ = os.Chmod(path, 0o444)
		}
	}
}

// tree does things below a folder, all of which must succeed.
type tree struct {
	t     *testing.T
	root  string
	short string // what the long name is called on Linux
}

func (o *overlay) tree(t *testing.T, root string) *tree {
	d := &tree{t: t, root: root}
	for linux := range o.names {
		d.short = filepath.Base(linux)
	}
	return d
}

func (d *tree) path(p string) string { return filepath.Join(d.root, p) }

func (d *tree) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *tree) write(p, text string)          { d.check(os.WriteFile(d.path(p), []byte(text), 0o644)) }
func (d *tree) mkdir(p string)                { d.check(os.Mkdir(d.path(p), 0o755)) }
func (d *tree) remove(p string)               { d.check(os.RemoveAll(d.path(p))) }
func (d *tree) rename(from, to string)        { d.check(os.Rename(d.path(from), d.path(to))) }
func (d *tree) link(from, to string)          { d.check(os.Link(d.path(from), d.path(to))) }
func (d *tree) symlink(target, p string)      { d.check(os.Symlink(target, d.path(p))) }
func (d *tree) chmod(p string, m os.FileMode) { d.check(os.Chmod(d.path(p), m)) }
func (d *tree) touch(p string) {
	at := (dataTime + 1e9).Time()
	d.check(os.Chtimes(d.path(p), at, at))
}
