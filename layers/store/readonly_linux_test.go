package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// unprivileged makes the rest of the test one that may read the files of dir, but not write them, also when root runs it.
func unprivileged(t *testing.T, dir string) {
	t.Helper()
	chmod := func(mode fs.FileMode) {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && (d.IsDir() || mode&0o200 == 0) {
				err = os.Chmod(p, mode)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	chmod(0o555)
	if os.Geteuid() != 0 {
		t.Cleanup(func() { chmod(0o755) })
		return
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
		chmod(0o755)
	})
}

func TestReadOnlyStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := image(t, s, "x")
	tag(t, s, "x:1", d)
	children, err := s.children(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	unprivileged(t, dir)
	if r, err := os.Create(filepath.Join(dir, "x")); err == nil {
		r.Close()
		t.Fatal("the folder can be written to")
	}
	r := open(t, dir)
	if got, err := r.Resolve(t.Context(), "x:1"); err != nil || got.Digest != d.Digest {
		t.Errorf("%+v, %v", got, err)
	}
	if !r.Has(d.Digest) {
		t.Error("it denies what it has")
	}
	if toc, err := r.TOC(t.Context(), children[1]); err != nil || len(toc.Items) == 0 {
		t.Errorf("%v, %v", toc, err)
	}
	save(t, r, "x:1")
	clean(t, r)
	if err := r.Tag(t.Context(), "y:1", d); err == nil {
		t.Error("tagged in a store only to read from")
	}
}

// A layout that others made and that we may only read is used as it is.
func TestReadOnlyLayoutOfOthers(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"schemaVersion":2,"manifests":[]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unprivileged(t, dir)
	if list, err := open(t, dir).Tags(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
