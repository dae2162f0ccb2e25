package view_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

const dataTime = nt.Filetime(133485408000000000) // 2024-01-01T00:00:00Z

// file is one entry of a test's layer: a directory if it has no content.
type file struct {
	name    string
	kind    layers.Kind
	content []byte
}

func newStore(tb testing.TB) *store.Store {
	tb.Helper()
	st, err := store.Open(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}

func writeLayer(tb testing.TB, st *store.Store, c pack.Compression, files ...file) view.Layer {
	tb.Helper()
	l, err := image.WriteLayer(tb.Context(), st, c, func(w *pack.Writer) error {
		for _, f := range append([]file{{name: "Files", kind: layers.Dir}}, files...) {
			e := &layers.Entry{Name: f.name, Kind: f.kind, Size: int64(len(f.content)),
				Created: dataTime, Modified: dataTime, Accessed: dataTime, Changed: dataTime}
			if err := w.WriteEntry(e, bytes.NewReader(f.content)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return b
}

// Contents are found in every kind of layer, a compressed one is unpacked once, and what it was unpacked to can go at any
// time.
func TestContentsOfEveryCompression(t *testing.T) {
	for _, c := range []pack.Compression{pack.None, pack.Gzip, pack.Zstd} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			st := newStore(t)
			sizes := []int{0, 1, 4095, 4096, 4097, 1<<20 + 3, 3 << 20}
			var files []file
			for i, size := range sizes {
				files = append(files, file{fmt.Sprintf("Files/f%d", i), layers.File, random(size)},
					file{fmt.Sprintf("Files/f%d:s", i), layers.Stream, random(size + 7)})
			}
			l := writeLayer(t, st, c, files...)
			v, err := view.Open(t.Context(), st, []view.Layer{l})
			if err != nil {
				t.Fatal(err)
			}
			check := func() {
				for i, size := range sizes {
					f, err := v.Lookup(fmt.Sprintf("f%d", i))
					if err != nil {
						t.Fatal(err)
					}
					wantContent(t, f.Path, random(size))(v.Open(f))
					wantContent(t, f.Path+":s", random(size+7))(v.OpenStream(f.Streams[0]))
				}
			}
			check()
			data := filepath.Join(st.Dir(), "derived", "disk", "data")
			before, err := os.ReadDir(data)
			if c == pack.None {
				if err == nil && len(before) > 0 {
					t.Error("a plain layer was copied")
				}
				return
			}
			if err != nil || len(before) != 1 {
				t.Fatalf("%v, %v", before, err)
			}
			blobs, err := os.ReadDir(filepath.Join(st.Dir(), "blobs", "sha256"))
			if err != nil || len(blobs) != 1 {
				t.Errorf("the layout holds %d blobs, %v: only the layer belongs there", len(blobs), err)
			}
			old := stat(t, filepath.Join(data, before[0].Name()))
			check()
			if now := stat(t, filepath.Join(data, before[0].Name())); !os.SameFile(old, now) {
				t.Error("the layer was unpacked twice")
			}
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
			check()
		})
	}
}

func stat(t testing.TB, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func wantContent(t *testing.T, what string, want []byte) func(io.ReadCloser, error) {
	return func(r io.ReadCloser, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, not the %d that were written, %v", what, len(got), len(want), err)
		}
	}
}

// What a kernel will read unchecked is checked once.
func TestADamagedBlobGivesNoDataFile(t *testing.T) {
	st := newStore(t)
	l := writeLayer(t, st, pack.None, file{"Files/x", layers.File, random(5000)})
	v, err := view.Open(t.Context(), st, []view.Layer{l})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(st.Dir(), "blobs", "sha256", l.Desc.Digest.Encoded())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, random(5000))] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.DataFile(t.Context(), 0); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(st.Dir(), "derived", "disk", "data")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// benchLayer is a layer of 2,000 files, of which half do not compress.
func benchLayer(b *testing.B, st *store.Store) view.Layer {
	b.Helper()
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), 64<<10/45)
	var files []file
	for i := range 2000 {
		content := random(64<<10 + i)
		if i%2 == 0 {
			content = append(content[:100], text...)
		}
		files = append(files, file{fmt.Sprintf("Files/f%04d", i), layers.File, content})
	}
	return writeLayer(b, st, pack.Gzip, files...)
}

// The data pass unpacks a layer, hashes it and writes its contents.
func BenchmarkDataFile(b *testing.B) {
	st := newStore(b)
	chain := []view.Layer{benchLayer(b, st)}
	for b.Loop() {
		v, err := view.Open(b.Context(), st, chain)
		if err != nil {
			b.Fatal(err)
		}
		path, err := v.DataFile(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(stat(b, path).Size())
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

// What the data pass is measured against: the layer unpacked to nowhere.
func BenchmarkUnpackOnly(b *testing.B) {
	st := newStore(b)
	l := benchLayer(b, st)
	for b.Loop() {
		blob, err := st.Blob(b.Context(), l.Desc)
		if err != nil {
			b.Fatal(err)
		}
		r, err := pack.Decompress(blob, l.Desc.MediaType)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close(), blob.Close()); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}
