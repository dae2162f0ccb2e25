package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var stamp = nt.Filetime(133485408001234500) // 2024-01-01T00:00:00.12345Z

// image is a store with a chain of layers.
type image struct {
	st    *store.Store
	chain []view.Layer
}

func newImage(t *testing.T) *image {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &image{st: st}
}

// add adds a layer of the entries, whose Size is that of content.
func (im *image) add(t *testing.T, c pack.Compression, entries ...layers.Entry) {
	t.Helper()
	ctx := context.Background()
	in, err := im.st.Ingest(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pack.NewWriter(in, c)
	if err != nil {
		t.Fatal(err)
	}
	all := []layers.Entry{{Name: "Files", Kind: layers.Dir}}
	all = append(all, entries...)
	all = append(all, layers.Entry{Name: "Hives", Kind: layers.Dir})
	for _, e := range all {
		if e.Kind == layers.Dir {
			e.Attributes |= layers.DefaultDir
		} else if e.Kind == layers.File {
			e.Attributes |= layers.DefaultFile
		}
		e.Created, e.Modified, e.Accessed, e.Changed = stamp, stamp, stamp, stamp
		if err := w.WriteEntry(&e, content(&e)); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	r, toc, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	desc, err := in.Commit(ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size})
	if err != nil {
		t.Fatal(err)
	}
	desc.MediaType = r.MediaType
	if err := im.st.PutTOC(toc); err != nil {
		t.Fatal(err)
	}
	im.chain = append(im.chain, view.Layer{Desc: desc, DiffID: r.DiffID})
}

// content makes bytes that depend on the name, the size and the time.
func content(e *layers.Entry) io.Reader {
	if e.Kind != layers.File || e.Size == 0 {
		return nil
	}
	seed := sha256.Sum256(fmt.Append(nil, e.Name, e.Size, e.Attributes))
	return io.LimitReader(rand.NewChaCha8(seed), e.Size)
}

func dir(name string) layers.Entry { return layers.Entry{Name: "Files/" + name, Kind: layers.Dir} }
func file(name string, size int64) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.File, Size: size}
}
func link(name, target string, attributes uint32) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.Symlink, Target: target, Attributes: attributes}
}
func gone(name string) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.Whiteout}
}

func (im *image) view(t *testing.T) *view.View {
	t.Helper()
	v, err := view.Open(context.Background(), im.st, im.chain)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (im *image) build(t *testing.T, under *Under) *Disk {
	t.Helper()
	d, err := Build(context.Background(), im.st, im.view(t), under)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var longName = strings.Repeat("長い名前", 40) + ".txt" // 484 bytes

// sample is a chain that has everything: sizes around the block size, cases that
// differ between layers, deletions, replacements, links, names too long for Linux.
func sample(t *testing.T) *image {
	im := newImage(t)
	base := []layers.Entry{dir("Windows"), dir("Windows/System32")}
	for i, size := range []int64{0, 1, 4095, 4096, 4097, 8192, 1 << 20, 3<<20 + 5} {
		base = append(base, file(fmt.Sprintf("Windows/System32/f%d.dll", i), size))
	}
	base = append(base, file("Windows/gone.txt", 10), dir("Windows/tree"), file("Windows/tree/x", 10), file("a.txt", 5), dir("b"), file("b/x", 7))
	slices.SortFunc(base, func(a, b layers.Entry) int { return layers.Order(&a, &b) })
	im.add(t, pack.Gzip, base...)

	top := []layers.Entry{
		dir("windows"), dir("windows/SYSTEM32"), file("windows/SYSTEM32/F1.DLL", 2), gone("windows/gone.txt"), gone("windows/tree"),
		dir("a.txt"), file("a.txt/now-a-folder", 3), file("b", 9), dir("app"), file("app/"+longName, 100),
		link("app/sys", `C:\WINDOWS\system32`, layers.DefaultDirLink), link("app/dll", `sys\f4.dll`, layers.DefaultFileLink),
		link("app/out", `D:\nowhere`, layers.DefaultFileLink),
		{Name: "Files/app/ro.txt", Kind: layers.File, Size: 4, Attributes: layers.AttrReadOnly},
		{Name: "Files/app/same.txt", Kind: layers.HardLink, Target: "Files/app/ro.txt"},
	}
	slices.SortFunc(top, func(a, b layers.Entry) int { return layers.Order(&a, &b) })
	im.add(t, pack.Zstd, top...)
	im.add(t, pack.None) // nothing but the two folders every layer has
	return im
}

// mounted mounts d for the time of the test.
func mounted(t *testing.T, d *Disk) string {
	t.Helper()
	at := t.TempDir()
	err := d.Mount(at)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	return at
}

func hash(t *testing.T, r io.Reader) string {
	t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// listView describes every file of a View by what a mount must show of it.
func listView(t *testing.T, v *view.View, names map[string]string) []string {
	t.Helper()
	short := map[string]string{}
	for linux, real := range names {
		short[real] = linux
	}
	var lines []string
	err := v.Walk(func(f *view.File) error {
		name := f.Path
		if s, ok := short[name]; ok {
			name = s
		}
		at := f.Entry.Modified.Time().UTC().Format("15:04:05.999999999")
		switch f.Kind() {
		case layers.Dir:
			lines = append(lines, fmt.Sprintf("%s/ %s", name, at))
		case layers.Symlink:
			lines = append(lines, name+" -> ")
		default:
			r, err := v.Open(f)
			if err != nil {
				return err
			}
			defer r.Close()
			writable := f.Entry.Attributes&layers.AttrReadOnly == 0
			lines = append(lines, fmt.Sprintf("%s %s %d %v %s", name, at, f.Size(), writable, hash(t, r)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// listMount describes what is mounted at root, in the words of listView.
func listMount(t *testing.T, root string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if name == "." {
			name = ""
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		at := info.ModTime().UTC().Format("15:04:05.999999999")
		switch d.Type() {
		case fs.ModeDir:
			lines = append(lines, fmt.Sprintf("%s/ %s", name, at))
		case fs.ModeSymlink:
			lines = append(lines, name+" -> ")
		default:
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			lines = append(lines, fmt.Sprintf("%s %s %d %v %s", name, at, info.Size(), info.Mode()&0o222 != 0, hash(t, f)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func TestAMountShowsTheView(t *testing.T) {
	im := sample(t)
	d := im.build(t, nil)
	if len(d.Data) != 2 {
		t.Errorf("%d data files for two layers with content", len(d.Data))
	}
	root := mounted(t, d)
	if diff := cmp.Diff(listView(t, im.view(t), d.Names), listMount(t, root)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ link, want string }{{"app/sys", "../Windows/System32"}, {"app/dll", "../app/sys/f4.dll"}} {
		if got, err := os.Readlink(filepath.Join(root, c.link)); err != nil || got != c.want {
			t.Errorf("%s -> %q, %v; want %q", c.link, got, err, c.want)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "app/dll")); err != nil || info.Size() != 4097 {
		t.Errorf("through two links: %v, %v", info, err)
	}
}

func TestLoopDevicesShowTheSame(t *testing.T) {
	im := sample(t)
	d := im.build(t, nil)
	want := listMount(t, mounted(t, d))
	at := t.TempDir()
	err := withLoops(append([]string{d.Meta}, d.Data...), func(loops []string) error { return mountErofs(at, loops) })
	if errors.Is(err, fs.ErrNotExist) {
		skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	got := listMount(t, at)
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFsckAcceptsIt(t *testing.T) {
	fsck := tool(t, "fsck.erofs")
	d := sample(t).build(t, nil)
	var args []string
	for _, data := range d.Data {
		args = append(args, "--device="+data)
	}
	if out, err := exec.Command(fsck, append(args, d.Meta)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSameBytesEverywhere(t *testing.T) {
	first, second := sample(t).build(t, nil), sample(t).build(t, nil)
	if first.ID != second.ID {
		t.Error("the IDs differ")
	}
	files := append([]string{first.Meta}, first.Data...)
	for i, other := range append([]string{second.Meta}, second.Data...) {
		if a, b := read(t, files[i]), read(t, other); !bytes.Equal(a, b) {
			t.Errorf("%s differs", filepath.Base(other))
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuildUsesWhatIsThereAndRepairsIt(t *testing.T) {
	im := sample(t)
	d := im.build(t, nil)
	old, err := os.Stat(d.Meta)
	if err != nil {
		t.Fatal(err)
	}
	again := im.build(t, nil)
	if now, err := os.Stat(again.Meta); err != nil || !os.SameFile(old, now) {
		t.Errorf("the image was made again: %v", err)
	}
	want := read(t, d.Data[0])
	for _, name := range []string{d.Meta, d.Data[0]} {
		if err := os.Truncate(name, 4096); err != nil {
			t.Fatal(err)
		}
		if err := d.Verify(); err == nil {
			t.Errorf("%s is cut off and Verify says nothing", filepath.Base(name))
		}
		if d = im.build(t, nil); d.Verify() != nil {
			t.Error(d.Verify())
		}
	}
	if !bytes.Equal(want, read(t, d.Data[0])) {
		t.Error("the data was not made again as it was")
	}
	d.Data[0], d.Data[1] = d.Data[1], d.Data[0]
	if d.Verify() == nil {
		t.Error("swapped data files pass")
	}
}

func TestADamagedBlobGivesNoDisk(t *testing.T) {
	im := sample(t)
	im.chain[0], im.chain[1] = im.chain[1], im.chain[0]
	im.chain[0].Desc, im.chain[1].Desc = im.chain[1].Desc, im.chain[0].Desc
	lay := &layout{at: map[int64]int64{}}
	_, err := ensureData(context.Background(), im.st, im.chain[0], lay)
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestUnderIsMountedWithTheImage(t *testing.T) {
	im := sample(t)
	data := filepath.Join(t.TempDir(), "under")
	own := bytes.Repeat([]byte("wine"), 2048) // two blocks
	if err := os.WriteFile(data, own, 0o644); err != nil {
		t.Fatal(err)
	}
	under := &Under{ID: "u1", Data: data, Entries: []UnderEntry{
		{Path: "windows", Mode: fs.ModeDir | 0o755},
		{Path: "windows/system32/ntdll.dll", Mode: 0o755, Offset: 4096, Size: 4096},
		{Path: "windows/system32/f1.dll", Mode: 0o755, Size: 4000, Over: true},
		{Path: "windows/system32/f2.dll", Mode: 0o755, Size: 4000},
		{Path: "windows/system32/builtin.dll", Mode: fs.ModeSymlink | 0o777, Target: "/usr/lib/wine/builtin.dll"},
	}}
	d := im.build(t, under)
	root := mounted(t, d)
	for name, want := range map[string][]byte{"ntdll.dll": own[4096:], "f1.dll": own[:4000]} {
		if !bytes.Equal(want, read(t, filepath.Join(root, "Windows/System32", name))) {
			t.Errorf("%s is not the base's", name)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "Windows/System32/f2.dll")); err != nil || info.Size() != 4095 {
		t.Errorf("f2.dll is not the image's: %v", err)
	}
	if to, err := os.Readlink(filepath.Join(root, "Windows/System32/builtin.dll")); err != nil || to != "/usr/lib/wine/builtin.dll" {
		t.Errorf("the base's link leads to %q, %v", to, err)
	}
	under.ID = "u2"
	if im.build(t, under).ID == d.ID {
		t.Error("another base has the same ID")
	}
	under.ID, under.Entries[1].Offset = "u3", 100
	if _, err := Build(context.Background(), im.st, im.view(t), under); err == nil {
		t.Error("data that is not aligned was accepted")
	}
	under.ID, under.Entries[1].Offset = "u4", 8192
	if _, err := Build(context.Background(), im.st, im.view(t), under); err == nil {
		t.Error("data beyond the end was accepted")
	}
}

func TestManyDevices(t *testing.T) {
	im := newImage(t)
	for i := range 60 {
		im.add(t, pack.None, file(fmt.Sprintf("f%02d", i), 5000))
	}
	d := im.build(t, nil)
	if len(d.Data) != 60 {
		t.Fatalf("%d data files", len(d.Data))
	}
	if diff := cmp.Diff(listView(t, im.view(t), nil), listMount(t, mounted(t, d))); diff != "" {
		t.Error(diff)
	}
}

func TestBuildTree(t *testing.T) {
	makeTree := func() string {
		dir := t.TempDir()
		for name, size := range map[string]int{"bin/tool": 100, "lib/big": 5 << 20, "empty": 0} {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.Repeat([]byte{byte(size)}, size), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "bin/tool"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../bin/tool", filepath.Join(dir, "lib/link")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	one, two := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")
	src := makeTree()
	for dst, dir := range map[string]string{one: src, two: makeTree()} {
		if err := BuildTree(dst, dir); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, one), read(t, two)) {
		t.Error("two copies of a folder give different images")
	}
	at := t.TempDir()
	err := MountTree(one, at)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTBLK) {
		skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(at, 0)
	for _, name := range []string{"bin/tool", "lib/big", "lib/link", "empty"} {
		if !bytes.Equal(read(t, filepath.Join(at, name)), read(t, filepath.Join(src, name))) {
			t.Errorf("%s differs", name)
		}
	}
	for name, mode := range map[string]fs.FileMode{"bin/tool": 0o755, "empty": 0o644, "lib": fs.ModeDir | 0o755} {
		if info, err := os.Stat(filepath.Join(at, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(src, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := BuildTree(one, src); err == nil {
		t.Error("a pipe was accepted")
	}
}
