package state

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/fixtures"
)

func limits() Limits { return Limits{Bytes: 1 << 20, Entries: 1000} }

var old = time.Date(2020, 2, 3, 4, 5, 6, 700, time.UTC)

// upper makes a folder with all that overlayfs leaves in one.
func upper(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(os.MkdirAll(at("upper/app/opaque"), 0o755))
	must(os.MkdirAll(at("upper/renamed"), 0o750))
	must(os.WriteFile(at("upper/app/x.txt"), []byte("x"), 0o644))
	must(os.WriteFile(at("upper/app/ro.txt"), bytes.Repeat([]byte("y"), 5000), 0o444))
	must(os.WriteFile(at("upper/app/größe \xff"), nil, 0o644))
	must(os.Link(at("upper/app/x.txt"), at("upper/app/z.txt")))
	must(os.Symlink("../../../etc/passwd", at("upper/link")))
	must(unix.Mknod(at("upper/gone"), unix.S_IFCHR, 0))
	must(unix.Mkfifo(at("upper/pipe"), 0o644))
	must(os.MkdirAll(at("wine/dosdevices"), 0o755))
	must(os.Symlink("/c", at("wine/dosdevices/c:")))
	must(os.WriteFile(at("work"), nil, 0o644))
	prefix := overlayRoot
	err := unix.Setxattr(at("upper/app/opaque"), prefix+"opaque", []byte("y"), 0)
	if errors.Is(err, unix.EPERM) {
		prefix = overlayUser
		err = unix.Setxattr(at("upper/app/opaque"), prefix+"opaque", []byte("y"), 0)
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		fixtures.Skip(t, "the temporary folder's file system has no extended attributes")
	}
	must(err)
	must(unix.Setxattr(at("upper/renamed"), prefix+"redirect", []byte("/other/place"), 0))
	must(os.Chtimes(at("upper/app/x.txt"), old, old))
	must(os.Chtimes(at("upper/app"), old, old))
	return dir
}

// list describes everything below dir.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		line := fmt.Sprintf("%q %v", rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d links, %s, %.10s %d", statOf(info).Nlink, info.ModTime().UTC().Format(time.RFC3339Nano), b, len(b))
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			line += " -> " + to
		case d.IsDir():
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			marks, err := marksOf(f)
			f.Close()
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %s %v", info.ModTime().UTC().Format(time.RFC3339Nano), marks)
		default:
			line += fmt.Sprint(" device ", statOf(info).Rdev)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	src, dst := upper(t), t.TempDir()
	var b bytes.Buffer
	if err := Pack(&b, src, "wine", "upper", "none"); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(&b, dst, limits()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range list(t, src) {
		if !strings.HasPrefix(line, `"work"`) && !strings.HasPrefix(line, `"upper/pipe"`) {
			want = append(want, line)
		}
	}
	if diff := cmp.Diff(want, list(t, dst)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileTars(t *testing.T) {
	reg := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	link := &tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}
	for name, headers := range map[string][]*tar.Header{
		"up":               {reg("../x")},
		"absolute":         {reg("/tmp/x")},
		"dots":             {reg("a/../../x")},
		"twice":            {reg("x"), reg("x")},
		"through a link":   {link, reg("l/mullion-test-x")},
		"no parent":        {reg("a/b")},
		"device":           {{Name: "sda", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"block device":     {{Name: "sda", Typeflag: tar.TypeBlock}},
		"pipe":             {{Name: "p", Typeflag: tar.TypeFifo}},
		"link up":          {{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}},
		"link by a link":   {link, {Name: "h", Typeflag: tar.TypeLink, Linkname: "l/passwd"}},
		"whiteout by link": {link, {Name: "l/w", Typeflag: tar.TypeChar}},
		"empty name":       {reg("")},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(&b, t.TempDir(), limits()); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := os.Lstat("/tmp/mullion-test-x"); err == nil {
		t.Error("a file was made outside")
	}
}

func TestModesAndAmountsAreBounded(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "d", Typeflag: tar.TypeDir, Mode: 0o2777},
		{Name: "d/s", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 10},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Unpack(bytes.NewReader(b.Bytes()), dir, Limits{Bytes: 10, Entries: 2}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"d": fs.ModeDir | 0o777, "d/s": 0o755} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	for _, l := range []Limits{{Bytes: 9, Entries: 2}, {Bytes: 10, Entries: 1}} {
		if err := Unpack(bytes.NewReader(b.Bytes()), t.TempDir(), l); err == nil {
			t.Errorf("%+v was not kept", l)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o755, PAXRecords: map[string]string{paxXattr + overlayRoot + "opaque": "y"}})
	_ = w.WriteHeader(&tar.Header{Name: "d/w", Typeflag: tar.TypeChar})
	_ = w.WriteHeader(&tar.Header{Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "../.."})
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = Unpack(bytes.NewReader(b), dir, limits())
		entries, err := os.ReadDir(above)
		if err != nil || !slices.EqualFunc(entries, []string{"in"}, func(e fs.DirEntry, name string) bool { return e.Name() == name }) {
			t.Errorf("outside there is %v, %v", entries, err)
		}
	})
}
