package pack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

var stamp = nt.FiletimeOf(time.Unix(1704067200, 0))

func entry(name string, kind layers.Kind, size int) *layers.Entry {
	return &layers.Entry{Name: name, Kind: kind, Size: int64(size), Created: stamp, Modified: stamp, Accessed: stamp, Changed: stamp}
}

// sample is a layer with every kind of entry, and size bytes in its largest file.
func sample(size int) []*layers.Entry {
	link := entry("Files/c", layers.Symlink, 0)
	link.Target, link.Attributes, link.Junction = `C:\x`, layers.DefaultDirLink, true
	hard := entry("Files/d", layers.HardLink, 0)
	hard.Target, hard.SD = "Files/b", nt.DefaultFileSD()
	rich := entry("Files/b", layers.File, size)
	rich.SD, rich.Modified, rich.EAs = nt.DefaultFileSD(), stamp+1, []layers.EA{{Name: "Z"}, {Name: "A", Value: []byte{1}}}
	rich.Attributes = layers.AttrReadOnly | layers.AttrSparse
	early := entry("Files/e", layers.Dir, 0)
	early.SD, early.Created = nt.DefaultDirSD(), 1
	return []*layers.Entry{
		entry("Files", layers.Dir, 0), {Name: "Files/gone", Kind: layers.Whiteout}, entry("Files/a", layers.File, 0),
		rich, entry("Files/b:s", layers.Stream, 7), link, hard, early, entry("Files/e/"+strings.Repeat("n", 150), layers.File, 1),
		entry("Hives", layers.Dir, 0), entry("Hives/System_Delta", layers.File, 8192),
	}
}

// content is text that compresses like a program.
func content(size int64) io.Reader {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, size)
	for i := range b {
		b[i] = "abcdefgh"[r.IntN(8)]
	}
	return bytes.NewReader(b)
}

func build(t testing.TB, c Compression, entries []*layers.Entry) ([]byte, Result, *TOC) {
	t.Helper()
	var blob bytes.Buffer
	w, err := NewWriter(&blob, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.WriteEntry(e, content(e.Size)); err != nil {
			t.Fatal(err)
		}
	}
	r, toc, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return blob.Bytes(), r, toc
}

func unpack(t testing.TB, blob []byte, mediaType string) []byte {
	t.Helper()
	r, err := Decompress(bytes.NewReader(blob), mediaType)
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

func TestOnePass(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd, None} {
		t.Run(string(c), func(t *testing.T) {
			blob, res, toc := build(t, c, sample(3<<20))
			plain := unpack(t, blob, res.MediaType)
			want := Result{
				DiffID: digest.FromBytes(plain), TarSize: int64(len(plain)),
				Digest: digest.FromBytes(blob), Size: int64(len(blob)),
				MediaType: map[Compression]string{
					Gzip: "application/vnd.oci.image.layer.v1.tar+gzip", Zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
					None: "application/vnd.oci.image.layer.v1.tar",
				}[c],
			}
			if res != want {
				t.Errorf("result %+v, want %+v", res, want)
			}
			for _, it := range toc.Items {
				b := plain[it.Offset:][:it.Size]
				if hasContent(it.Kind) != (it.Content == sha256.Sum256(b)) {
					t.Errorf("%s: content %x", it.Name, it.Content)
				}
			}
			again, scanned, err := Scan(bytes.NewReader(blob), "application/octet-stream")
			if err != nil || again != res {
				t.Fatalf("scanned: %+v, %v", again, err)
			}
			if d := cmp.Diff(toc, scanned, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("a scan finds another table of contents: %s", d)
			}
		})
	}
}

// The blobs of yesterday's builds: another version of a compressor must not change them unnoticed, as every digest would.
func TestGoldenDigests(t *testing.T) {
	for c, want := range map[Compression]digest.Digest{
		None: "sha256:fa191f44924c041330c68830076779400e25134537c750ab5bd165c399f08fbc",
		Gzip: "sha256:30d664041be4055dc38d6805f1c017c6162cb7a8f7d3d16320968451a9baadea",
		Zstd: "sha256:e445173f6d473662f47afa648a1dbfa8902b78fef6bac8f49f315620e7196f67",
	} {
		if _, res, _ := build(t, c, sample(1<<20)); res.Digest != want {
			t.Errorf("%s: %s, want %s", c, res.Digest, want)
		}
	}
}

func TestGzipHeaderSaysNothing(t *testing.T) {
	blob, _, _ := build(t, Gzip, sample(1))
	if want := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}; !bytes.Equal(blob[:10], want) {
		t.Errorf("header % x, want % x", blob[:10], want)
	}
}

// Other programs read what the compressors write.
func TestPeersDecompress(t *testing.T) {
	for c, tool := range map[Compression]string{Gzip: "gzip", Zstd: "zstd"} {
		t.Run(tool, func(t *testing.T) {
			cmd := exec.Command(fixtures.Tool(t, tool, tool), "-dc")
			blob, res, _ := build(t, c, sample(3<<20))
			cmd.Stdin = bytes.NewReader(blob)
			out, err := cmd.Output()
			if err != nil || digest.FromBytes(out) != res.DiffID {
				t.Errorf("%d bytes, %v", len(out), err)
			}
		})
	}
}

func TestUnknownCompression(t *testing.T) {
	if _, err := NewWriter(io.Discard, "lzma"); err == nil || !strings.Contains(err.Error(), `"lzma"`) {
		t.Error(err)
	}
}

func TestWriterAfterFailure(t *testing.T) {
	w, err := NewWriter(io.Discard, Gzip)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteEntry(entry("Files", layers.Dir, 0), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteEntry(entry("Files/a", layers.File, 5), strings.NewReader("abc")); err == nil {
		t.Fatal("short content was taken")
	}
	if _, _, err := w.Close(); err == nil || !strings.Contains(err.Error(), "ends after 3 of 5 bytes") {
		t.Errorf("close: %v", err)
	}
}

type brokenDisk struct{ left int }

func (d *brokenDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, fmt.Errorf("no space left")
	}
	return len(p), nil
}

func TestWriterReportsFullDisk(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd, None} {
		w, err := NewWriter(&brokenDisk{left: 1000}, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range sample(4 << 20) {
			if err = w.WriteEntry(e, content(e.Size)); err != nil {
				break
			}
		}
		_, _, closed := w.Close()
		if err == nil {
			err = closed
		}
		if closed == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v, %v", c, err, closed)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	blob, res, _ := build(t, Gzip, sample(100))
	zst, _, _ := build(t, Zstd, sample(100))
	plain := unpack(t, blob, res.MediaType)
	flipped := bytes.Clone(blob)
	flipped[len(flipped)-5] ^= 1
	for _, c := range []struct {
		name, mediaType string
		blob            []byte
	}{
		{"empty", "", nil},
		{"text", "", []byte(strings.Repeat("hello ", 200))},
		{"text by the name of gzip", res.MediaType, []byte(strings.Repeat("hello ", 200))},
		{"cut gzip", "", blob[:len(blob)-20]},
		{"cut zstd", "", zst[:len(zst)-20]},
		{"cut tar", "", plain[:len(plain)/2+100]},
		{"wrong checksum", "", flipped},
		{"garbage behind gzip", "", append(bytes.Clone(blob), "garbage behind"...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r, _, err := Scan(bytes.NewReader(c.blob), c.mediaType); err == nil {
				t.Errorf("accepted: %+v", r)
			}
		})
	}
}

// The digests cover what tar programs add behind the end of the archive.
func TestScanPadding(t *testing.T) {
	blob, _, _ := build(t, None, sample(100))
	padded := append(bytes.Clone(blob), make([]byte, 10240)...)
	r, _, err := Scan(bytes.NewReader(padded), "")
	if err != nil || r.DiffID != digest.FromBytes(padded) || r.Digest != r.DiffID || r.TarSize != int64(len(padded)) {
		t.Errorf("%+v, %v", r, err)
	}
}

func benchmarkEntries() []*layers.Entry {
	list := []*layers.Entry{entry("Files", layers.Dir, 0)}
	for i := range 2000 {
		e := entry(fmt.Sprintf("Files/file%05d.txt", i), layers.File, 8192)
		e.SD = nt.DefaultFileSD()
		list = append(list, e)
	}
	return list
}

func BenchmarkPack(b *testing.B) {
	for _, c := range []Compression{Gzip, Zstd, None} {
		b.Run(string(c), func(b *testing.B) {
			data, _ := io.ReadAll(content(8192))
			for b.Loop() {
				w, err := NewWriter(io.Discard, c)
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range benchmarkEntries() {
					if err := w.WriteEntry(e, bytes.NewReader(data[:e.Size])); err != nil {
						b.Fatal(err)
					}
				}
				r, _, err := w.Close()
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(r.TarSize)
			}
		})
	}
}

// BenchmarkScan reads a layer to list it; the first measure is only to unpack it, which no listing can do without.
func BenchmarkScan(b *testing.B) {
	for _, c := range []Compression{Gzip, Zstd, None} {
		blob, r, _ := build(b, c, benchmarkEntries())
		b.Run(string(c)+"/unpack", func(b *testing.B) {
			b.SetBytes(r.TarSize)
			for b.Loop() {
				tar, err := Decompress(bytes.NewReader(blob), r.MediaType)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, tar); err != nil {
					b.Fatal(err)
				}
				if err := tar.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(c)+"/scan", func(b *testing.B) {
			b.SetBytes(r.TarSize)
			for b.Loop() {
				if _, _, err := Scan(bytes.NewReader(blob), r.MediaType); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
