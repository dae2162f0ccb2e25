package solve

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/store"
)

// folder makes a context of some files, all of them settled, and a cache.
func folder(t *testing.T, files int) (string, *cache.Cache) {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	for i := range files {
		put(t, filepath.Join(dir, fmt.Sprintf("d%d", i%7), fmt.Sprintf("f%d", i)), fmt.Sprintf("%05d", i))
	}
	return dir, cache.Open(st)
}

var longAgo = time.Unix(1700000000, 0)

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
}

// digests lists a context as a build does, with the help of the cache or without.
func digests(t *testing.T, dir string, c *cache.Cache) map[string]string {
	t.Helper()
	ctx, err := OpenContext(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ctx.Close(); err != nil {
			t.Error(err)
		}
	}()
	if c != nil {
		ctx.remember(c)
	}
	list, err := ctx.walk(".")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, it := range list {
		all[it.name] = fmt.Sprintf("%t %d %x", it.dir, it.size, it.digest)
	}
	return all
}

// unread counts the files that need not be read to list a context.
func unread(t *testing.T, dir string, c *cache.Cache) (unread, all int) {
	t.Helper()
	ctx, err := OpenContext(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	ctx.remember(c)
	w := &walking{c: ctx}
	if err := w.folder(".", ""); err != nil {
		t.Fatal(err)
	}
	for _, it := range w.list {
		if !it.dir {
			all++
		}
	}
	return all - len(w.todo), all
}

// settle waits until what was just changed is not racily clean any more: no clock but that of the machine can tell.
func settle(t *testing.T, dir string) {
	t.Helper()
	newest := time.Time{}
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if id, ok := cache.IDOf(info); ok {
			if at := time.Unix(0, max(id.Modified, id.Changed)); at.After(newest) {
				newest = at
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(newest.Add(2*time.Second + 10*time.Millisecond)))
}

func TestUnchangedFilesAreNotRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows gives files no identity")
	}
	t.Parallel()
	dir, c := folder(t, 100)
	want := digests(t, dir, nil)
	if n, _ := unread(t, dir, c); n != 0 {
		t.Errorf("%d files are known to an empty cache", n)
	}
	digests(t, dir, c) // all were just written, so none may be remembered
	if n, _ := unread(t, dir, c); n != 0 {
		t.Errorf("%d files are trusted that were changed a moment before they were read", n)
	}
	settle(t, dir)
	digests(t, dir, c)
	if n, all := unread(t, dir, c); n != all {
		t.Errorf("only %d of %d files are known to be unchanged", n, all)
	}
	put(t, filepath.Join(dir, "d3", "f3"), "other")
	if n, all := unread(t, dir, c); n != all-1 {
		t.Errorf("after a change of one file %d of %d are known", n, all)
	}
	if got := digests(t, dir, c); cmp.Equal(got, want) || !cmp.Equal(got, digests(t, dir, nil)) {
		t.Error("the change was not seen, or it was more than that")
	}
}

// Whatever is done to a context, it is listed as if nothing had been remembered. The sizes and times of files stay the
// same all along, so that nothing else gives a change away.
func TestRememberedDigestsNeverLie(t *testing.T) {
	t.Parallel()
	dir, c := folder(t, 40)
	settle(t, dir)
	digests(t, dir, c)
	rng := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		i := rng.IntN(40)
		return filepath.Join(dir, fmt.Sprintf("d%d", i%7), fmt.Sprintf("f%d", i))
	}
	edits := []func() error{
		func() error { put(t, name(), fmt.Sprintf("%05d", rng.IntN(1e5))); return nil },
		func() error { return os.Rename(name(), name()) },
		func() error { return os.Chmod(name(), os.FileMode(0o400+rng.IntN(2)*0o200)) },
		func() error { // two files change places
			a, b := name(), name()
			tmp := filepath.Join(dir, "tmp")
			if err := os.Rename(a, tmp); err != nil {
				return err
			}
			if err := os.Rename(b, a); err != nil {
				return os.Rename(tmp, a)
			}
			return os.Rename(tmp, b)
		},
		func() error { return os.Remove(name()) },
		func() error { // a file is replaced by a link to another
			a, b := name(), name()
			if a == b {
				return nil
			}
			rel, err := filepath.Rel(filepath.Dir(a), b)
			if err != nil {
				return err
			}
			if info, err := os.Lstat(b); err != nil || !info.Mode().IsRegular() {
				return nil
			}
			return os.Symlink(rel, a) // fails if a is still there
		},
	}
	for i := range 120 {
		// One that fails, because the file has gone, changes nothing.
		_ = edits[rng.IntN(len(edits))]()
		// Every third edit is seen by two builds, as the second may trust what the first has seen.
		if i%3 == 0 {
			digests(t, broken(t, dir), c)
		}
		if d := cmp.Diff(digests(t, broken(t, dir), nil), digests(t, dir, c)); d != "" {
			t.Fatalf("edit %d: %s", i, d)
		}
	}
}

// broken removes the links that lead nowhere, which no build takes.
func broken(t *testing.T, dir string) string {
	t.Helper()
	for again := true; again; {
		again = false
		err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
			if err != nil || info.Mode().Type() != os.ModeSymlink {
				return err
			}
			if _, err := os.Stat(p); err != nil {
				again = true
				return os.Remove(p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A file that changes between listing and writing is noticed, whether or not its identity was trusted.
func TestChangeDuringTheBuild(t *testing.T) {
	t.Parallel()
	dir, c := folder(t, 1)
	settle(t, dir)
	for _, second := range []bool{false, true} { // read, then remembered
		ctx, err := OpenContext(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx.remember(c)
		list, err := ctx.walk("d0/f0")
		if err != nil || list[0].digest != sha256.Sum256([]byte("00000")) {
			t.Fatalf("%+v, %v", list, err)
		}
		f, err := ctx.opener.open("d0/f0")
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && !list[0].unchanged(f) {
			t.Error("a settled file is not trusted")
		}
		put(t, filepath.Join(dir, "d0", "f0"), "11111")
		if list[0].unchanged(f) {
			t.Error("a changed file passes for what it was")
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := ctx.Close(); err != nil {
			t.Fatal(err)
		}
		if second {
			break
		}
		put(t, filepath.Join(dir, "d0", "f0"), "00000")
		settle(t, dir)
	}
}
