package pack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/pgzip"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers"
)

// file is one of a tree of test files.
type file struct {
	name string
	data []byte
}

// tree makes files of all sizes around the bounds of chunks; half of them are text, the others random.
func tree(seed uint64) []file {
	r := rand.New(rand.NewPCG(seed, 1))
	var list []file
	source := rand.NewChaCha8([32]byte{byte(seed)})
	add := func(size int) {
		b := make([]byte, size)
		_, _ = source.Read(b) // never fails
		if len(list)%2 == 0 {
			for i := range b {
				b[i] = 'a' + b[i]&7
			}
		}
		list = append(list, file{fmt.Sprintf("Files/f%04d", len(list)), b})
	}
	for range 200 {
		add(r.IntN(20 << 10))
	}
	for _, size := range []int{chunkAim, chunkMax, chunkMax + 1, 2*chunkAim + 5} {
		add(size)
	}
	for range 50 {
		add(r.IntN(40 << 10))
	}
	return list
}

// library is a store of chunks.
type library struct {
	mu           sync.Mutex
	chunks       map[Key][]byte
	hits, misses int
}

func (l *library) get(k Key) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.chunks[k]; ok {
		l.hits++
		return b
	}
	l.misses++
	return nil
}

// pack writes files as a layer; with known, the Writer is told their digests.
func (l *library) pack(t testing.TB, c Compression, files []file, known bool) ([]byte, Result) {
	t.Helper()
	l.hits, l.misses = 0, 0
	var blob bytes.Buffer
	w, err := NewWriter(&blob, c)
	if err != nil {
		t.Fatal(err)
	}
	w.Reuse(l.get)
	if err := w.WriteEntry(entry("Files", layers.Dir, 0), nil); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		e := entry(f.name, layers.File, len(f.data))
		if known {
			err = w.WriteKnown(e, bytes.NewReader(f.data), sha256.Sum256(f.data))
		} else {
			// How much a read gives must not matter.
			err = w.WriteEntry(e, &odd{r: bytes.NewReader(f.data)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	res, toc, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for i, it := range toc.Items[1:] {
		if it.Content != sha256.Sum256(files[i].data) {
			t.Fatalf("%s: another digest in the table of contents", it.Name)
		}
	}
	at := w.Chunks()[0].Offset
	for _, c := range w.Chunks() {
		if c.Offset != at || c.Size > MaxChunk || c.Sum != Checksum(blob.Bytes()[at:][:c.Size]) {
			t.Fatalf("chunk %+v", c)
		}
		l.chunks[c.Key] = bytes.Clone(blob.Bytes()[at:][:c.Size])
		at += c.Size
	}
	return blob.Bytes(), res
}

// odd reads a few bytes at a time.
type odd struct {
	r io.Reader
	n int
}

func (o *odd) Read(p []byte) (int, error) {
	o.n++
	return o.r.Read(p[:min(len(p), 1+o.n*977%40000)])
}

// The blob depends on the entries alone: not on what is reused, on what is known or on how many cores there are.
func TestSameBytesHotAndCold(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	files := tree(1)
	for _, c := range []Compression{Gzip, Zstd} {
		l := &library{chunks: map[Key][]byte{}}
		first, res := l.pack(t, c, files, true)
		if l.hits != 0 || l.misses < 6 {
			t.Fatalf("%s: %d hits and %d misses of nothing", c, l.hits, l.misses)
		}
		for _, cores := range []int{1, 2} {
			for _, known := range []bool{true, false} {
				runtime.GOMAXPROCS(cores)
				cold := &library{chunks: map[Key][]byte{}}
				if b, _ := cold.pack(t, c, files, known); !bytes.Equal(b, first) {
					t.Errorf("%s: another blob, cold, with %d cores, known: %t", c, cores, known)
				}
				b, again := l.pack(t, c, files, known)
				if !bytes.Equal(b, first) || again != res {
					t.Errorf("%s: another blob, hot, with %d cores, known: %t", c, cores, known)
				}
				if known && l.misses != 0 {
					t.Errorf("%s: %d chunks were compressed again", c, l.misses)
				}
			}
		}
	}
}

// One file that changes, grows, comes or goes costs the chunks around it and no more.
func TestChangeCostsFewChunks(t *testing.T) {
	files := tree(2)
	l := &library{chunks: map[Key][]byte{}}
	l.pack(t, Gzip, files, true)
	for name, change := range map[string]func([]file) []file{
		"bytes":  func(f []file) []file { f[100].data = bytes.Repeat([]byte("x"), len(f[100].data)); return f },
		"longer": func(f []file) []file { f[110].data = bytes.Repeat([]byte("y"), 150000); return f },
		"new":    func(f []file) []file { return append([]file{{"Files/a", []byte("new")}}, f...) },
		"gone":   func(f []file) []file { return append(f[:230:230], f[231:]...) },
	} {
		changed := change(append([]file(nil), files...))
		b, res := l.pack(t, Gzip, changed, true)
		if l.misses == 0 || l.misses > 3 {
			t.Errorf("%s: %d chunks compressed again, %d reused", name, l.misses, l.hits)
		}
		cold := &library{chunks: map[Key][]byte{}}
		if want, wantRes := cold.pack(t, Gzip, changed, true); !bytes.Equal(b, want) || res != wantRes {
			t.Errorf("%s: another blob than without reuse", name)
		}
	}
}

// Chunks begin without a dictionary; that must not cost much.
func TestSizeNearOneStream(t *testing.T) {
	l := &library{chunks: map[Key][]byte{}}
	blob, res := l.pack(t, Gzip, tree(4), true)
	var whole bytes.Buffer
	z := pgzip.NewWriter(&whole)
	if _, err := z.Write(unpack(t, blob, res.MediaType)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(len(blob)) / float64(whole.Len()); ratio > 1.03 {
		t.Errorf("%.3f times the size of one stream", ratio)
	}
}

// Other programs read what is stitched together.
func TestPeersReadStitchedLayers(t *testing.T) {
	files := tree(3)
	for _, c := range []struct {
		kind Compression
		tool []string
	}{
		{Gzip, []string{"gzip", "gzip", "-tv"}}, {Zstd, []string{"zstd", "zstd", "-tq"}}, {Gzip, []string{"tar", "tar", "-tzf"}},
	} {
		t.Run(c.tool[0]+" "+string(c.kind), func(t *testing.T) {
			program := fixtures.Tool(t, c.tool[0], c.tool[1])
			l := &library{chunks: map[Key][]byte{}}
			l.pack(t, c.kind, files, true)
			blob, _ := l.pack(t, c.kind, files, true)
			path := filepath.Join(t.TempDir(), "layer.tar."+map[Compression]string{Gzip: "gz", Zstd: "zst"}[c.kind])
			if err := os.WriteFile(path, blob, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program, append(c.tool[2:], path)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if c.tool[0] == "tar" && bytes.Count(out, []byte("\n")) != len(files)+1 {
				t.Errorf("tar lists %d lines, want %d", bytes.Count(out, []byte("\n")), len(files)+1)
			}
		})
	}
}
