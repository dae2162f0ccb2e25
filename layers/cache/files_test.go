package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// old is a time that a file which was changed at it has settled since.
var old = time.Unix(1700000000, 0)

func known(i int) (name string, id FileID, sum [32]byte) {
	at := old.UnixNano() + int64(i)
	return fmt.Sprintf("dir%d/file%d", i/10, i), FileID{Size: int64(i), Modified: at, Changed: at + 5, Inode: uint64(i) + 1, Device: 3}, [32]byte{byte(i), 1}
}

func TestFiles(t *testing.T) {
	c, _ := open(t)
	f := c.Files("/context")
	for i := range 50 {
		name, id, sum := known(i)
		if _, ok := f.Digest(name, id); ok {
			t.Fatal("known before it was put")
		}
		f.Put(name, id, old.Add(time.Hour), sum)
		if got, ok := f.Digest(name, id); !ok || got != sum {
			t.Fatal("not known after it was put")
		}
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	again := c.Files("/context")
	for i := range 50 {
		name, id, sum := known(i)
		if got, ok := again.Digest(name, id); !ok || got != sum {
			t.Errorf("%s: %x, %t", name, got, ok)
		}
		for what, other := range map[string]FileID{
			"size":          {id.Size + 1, id.Modified, id.Changed, id.Inode, id.Device},
			"time":          {id.Size, id.Modified + 1, id.Changed, id.Inode, id.Device},
			"time restored": {id.Size, id.Modified, id.Changed + 1, id.Inode, id.Device},
			"another file":  {id.Size, id.Modified, id.Changed, id.Inode + 1, id.Device},
			"another disk":  {id.Size, id.Modified, id.Changed, id.Inode, id.Device + 1},
		} {
			if _, ok := again.Digest(name, other); ok {
				t.Errorf("%s: known in spite of another %s", name, what)
			}
		}
	}
	name, id, _ := known(1)
	if _, ok := again.Digest("other/"+name, id); ok {
		t.Error("known under another name")
	}
	if _, ok := c.Files("/other").Digest(name, id); ok {
		t.Error("known in another folder")
	}
	// What one build learns is added to what others did.
	again.Put("new", id, old.Add(time.Hour), [32]byte{9})
	if err := again.Save(); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Files("/context").Digest(name, id); !ok {
		t.Error("forgotten when another file was put")
	}
}

// A file that was changed within the step of its file system's clock before it was read may change again unnoticed.
func TestRacilyCleanFilesAreNotKept(t *testing.T) {
	c, _ := open(t)
	for _, x := range []struct {
		modified, changed time.Duration // before the file was read
		keep              bool
	}{
		{time.Hour, 3 * time.Second, true}, {time.Hour, 2 * time.Second, false}, {time.Hour, 0, false},
		{time.Second, time.Hour, false}, {-time.Hour, time.Hour, false}, {time.Hour, -time.Hour, false},
	} {
		f := c.Files("/context")
		id := FileID{Modified: old.Add(-x.modified).UnixNano(), Changed: old.Add(-x.changed).UnixNano()}
		f.Put("a", id, old, [32]byte{1})
		if _, ok := f.Digest("a", id); ok != x.keep {
			t.Errorf("%+v: kept: %t", x, ok)
		}
	}
}

// Each way to put other bytes under a name changes the identity.
func TestIDOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows gives no identity; every file is read")
	}
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	id := func() FileID {
		t.Helper()
		info, err := os.Lstat(a)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := IDOf(info)
		if !ok {
			t.Fatal("no identity")
		}
		return got
	}
	for name, change := range map[string]func() error{
		"written, time restored": func() error { write(a, "two"); return nil },
		"replaced by a rename":   func() error { return os.Rename(b, a) },
		"permissions":            func() error { return os.Chmod(a, 0o600) },
	} {
		write(a, "one")
		write(b, "two")
		before := id()
		settle(t, dir)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after := id()
		if before.Modified != after.Modified || before.Size != after.Size {
			t.Fatalf("%s: the case shows by size or time already", name)
		}
		if before == after {
			t.Errorf("%s: the same identity", name)
		}
	}
	if info, err := os.Lstat(dir); err != nil {
		t.Fatal(err)
	} else if _, ok := IDOf(info); ok {
		t.Error("a folder has an identity")
	}
}

// settle waits until the clock of the file system has gone on.
func settle(t *testing.T, dir string) {
	t.Helper()
	probe := filepath.Join(dir, "probe")
	stamp := func() int64 {
		if err := os.WriteFile(probe, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(probe)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime().UnixNano()
	}
	for first := stamp(); stamp() == first; {
		runtime.Gosched()
	}
}

func TestDamagedFiles(t *testing.T) {
	all := map[string]fileDigest{}
	for i := range 20 {
		name, id, sum := known(i)
		all[name] = fileDigest{id, sum}
	}
	b := encodeFiles(all)
	if got, err := decodeFiles(b); err != nil || !cmp.Equal(got, all, cmp.AllowUnexported(fileDigest{})) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x20
		if _, err := decodeFiles(bad); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
		if _, err := decodeFiles(b[:i]); err == nil {
			t.Fatalf("cut after byte %d and nobody noticed", i)
		}
	}
	c, _ := open(t)
	f := c.Files("/context")
	if err := os.WriteFile(f.path, b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	name, id, _ := known(1)
	if _, ok := c.Files("/context").Digest(name, id); ok {
		t.Error("a damaged list was believed")
	}
}

func FuzzDecodeFiles(f *testing.F) {
	all := map[string]fileDigest{}
	for i := range 3 {
		name, id, sum := known(i)
		all[name] = fileDigest{id, sum}
	}
	b := encodeFiles(all)
	f.Add(b[len(filesMagic) : len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte(filesMagic), body...)
		got, err := decodeFiles(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())))
		if err != nil {
			return
		}
		again, err := decodeFiles(encodeFiles(got))
		if err != nil || !cmp.Equal(got, again, cmp.AllowUnexported(fileDigest{})) {
			t.Fatalf("%v: %v, %v", got, again, err)
		}
	})
}

func FuzzDecodeChunks(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0}, 8+chunkRecord))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte(chunksMagic), body...)
		got, err := decodeChunks(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())))
		if err != nil || len(got) == 0 {
			return
		}
		again, err := decodeChunks(encodeChunks(got))
		if err != nil || !cmp.Equal(got, again) {
			t.Fatalf("%v: %v, %v", got, again, err)
		}
	})
}

func BenchmarkFiles(b *testing.B) {
	all := map[string]fileDigest{}
	for i := range 50000 {
		name, id, sum := known(i)
		all[name] = fileDigest{id, sum}
	}
	text := encodeFiles(all)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := decodeFiles(text); err != nil {
			b.Fatal(err)
		}
	}
}
