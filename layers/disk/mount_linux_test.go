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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

// mounted mounts d for the time of the test.
func mounted(t *testing.T, d *Disk) string {
	t.Helper()
	at := t.TempDir()
	err := d.Mount(at)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		fixtures.Skip(t, err.Error())
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

// Each of the ways to mount shows the same, is found in the list of mounts and ends with Unmount.
func TestEveryWayToMountShowsTheSame(t *testing.T) {
	im := sample(t)
	d := im.build(t, nil)
	want := listMount(t, mounted(t, d))
	files := append([]string{d.Meta}, d.Data...)
	for name, mount := range map[string]func(at string) error{
		"files": func(at string) error { return mountErofs(at, files) },
		"loop devices": func(at string) error {
			return withLoops(files, func(loops []string) error { return mountErofs(at, loops) })
		},
		"unpacked":       d.mountUnpacked,
		"unpacked again": d.mountUnpacked,
	} {
		t.Run(name, func(t *testing.T) {
			at := t.TempDir()
			if err := mount(at); unable(err) || errors.Is(err, unix.ENOTBLK) {
				fixtures.Skip(t, err.Error())
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, listMount(t, at)); diff != "" {
				t.Error(diff)
			}
			if err := os.WriteFile(filepath.Join(at, "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing gives %v", err)
			}
			list, err := Mounts()
			if err != nil || !slices.Contains(list, Mounted{at, d.ID}) {
				t.Errorf("not in %v, %v", list, err)
			}
			if err := Unmount(at); err != nil {
				t.Fatal(err)
			}
			if err := Unmount(at); err == nil {
				t.Error("unmounted twice")
			}
		})
	}
}

func TestUnmountTouchesNothingElse(t *testing.T) {
	at := t.TempDir()
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		fixtures.Skip(t, err.Error())
	}
	defer unix.Unmount(at, 0)
	if err := Unmount(at); err == nil || !strings.Contains(err.Error(), "no image is mounted there") {
		t.Errorf("got %v", err)
	}
}

func TestReadMounts(t *testing.T) {
	id := strings.Repeat("ab", 32)
	const head = "36 35 0:42 "
	text := strings.Join([]string{
		head + "/ /mnt/a\\040b ro,nodev shared:1 - erofs /s/derived/disk/meta/" + id + ".erofs ro,device=/x",
		head + "/s/derived/disk/meta/" + id + ".dir /mnt/c ro - ext4 /dev/vda rw",
		head + "/s/derived/disk/meta/" + id + ".dir//deleted /mnt/d ro - ext4 /dev/vda rw",
		head + "/ / rw - ext4 /dev/vda rw", head + "/ /wine ro - erofs /s/derived/wine/runtime.erofs ro",
		head + "/ /loop ro - erofs /dev/loop99999 ro", "", "short - erofs", "no dash",
	}, "\n")
	got, err := readMounts(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Mounted{{"/mnt/a b", id}, {"/mnt/c", id}, {"/mnt/d", id}}, got); diff != "" {
		t.Error(diff)
	}
}

// A directory with 50,000 entries, and a file of more than 4 GiB if MULLION_FULL is set, are what they are in the View.
func TestBigThingsAreMounted(t *testing.T) {
	im := newImage(t)
	entries := []layers.Entry{dir("big")}
	for i := range 50000 {
		entries = append(entries, file(fmt.Sprintf("big/%05d.dll", i), int64(i%50/49)))
	}
	if os.Getenv("MULLION_FULL") != "" {
		entries = append(entries, file("huge", 4<<30+5))
	}
	im.add(t, pack.None, entries...)
	root := mounted(t, im.build(t, nil))
	if diff := cmp.Diff(listView(t, im.view(t), nil), listMount(t, root)); diff != "" {
		t.Errorf("%.2000s", diff)
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
		fixtures.Skip(t, err.Error())
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
