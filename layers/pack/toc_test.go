package pack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

func encode(t testing.TB, toc *TOC) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := toc.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTOCRoundTrip(t *testing.T) {
	_, _, toc := build(t, Gzip, sample(1000))
	toc.Items = append(toc.Items, Item{Entry: layers.Entry{Name: "Files/d", Kind: layers.Opaque}, Offset: toc.TarSize})
	b := encode(t, toc)
	got, err := DecodeTOC(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(toc, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if again := encode(t, got); !bytes.Equal(b, again) {
		t.Error("encoded again, it has other bytes")
	}
	empty := &TOC{DiffID: toc.DiffID, Digest: toc.Digest}
	if got, err := DecodeTOC(bytes.NewReader(encode(t, empty))); err != nil || len(got.Items) != 0 {
		t.Errorf("empty: %+v, %v", got, err)
	}
}

func TestTOCDetectsEveryChange(t *testing.T) {
	_, _, toc := build(t, Gzip, sample(10))
	b := encode(t, toc)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x40
		if _, err := DecodeTOC(bytes.NewReader(bad)); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
		if _, err := DecodeTOC(bytes.NewReader(b[:i])); err == nil {
			t.Fatalf("cut after byte %d and nobody noticed", i)
		}
	}
	if _, err := DecodeTOC(bytes.NewReader(append(b, 0))); err == nil {
		t.Fatal("a byte more and nobody noticed")
	}
}

func TestTOCNeedsDigests(t *testing.T) {
	for _, d := range []digest.Digest{"", "sha256:12", digest.Digest("sha512:" + strings.Repeat("ab", 64))} {
		if err := (&TOC{DiffID: d, Digest: d}).Encode(&bytes.Buffer{}); err == nil {
			t.Errorf("%q was taken", d)
		}
	}
}

// large is a table of contents like that of a base image: n files in folders of a hundred.
func large(n int) *TOC {
	toc := &TOC{DiffID: digest.FromString("a"), Digest: digest.FromString("b"), TarSize: 1 << 40}
	for i := range n {
		e := entry(fmt.Sprintf("Files/Windows/folder%04d/some-library-%d.dll", i/100, i), layers.File, 30000+i*7)
		e.SD, e.Attributes = nt.DefaultFileSD(), layers.DefaultFile
		e.Modified += nt.Filetime(i) * 1e7
		it := Item{Entry: *e, Offset: int64(i) * 40000}
		binary.LittleEndian.PutUint64(it.Content[:], uint64(i)*0x9E3779B97F4A7C15)
		toc.Items = append(toc.Items, it)
	}
	return toc
}

func TestTOCIsCompact(t *testing.T) {
	toc, names := large(20000), 0
	for _, it := range toc.Items {
		names += len(it.Name)
	}
	if per := (len(encode(t, toc)) - names) / len(toc.Items); per > 96 {
		t.Errorf("%d bytes an entry beyond its name, want at most 96", per)
	}
}

func FuzzDecodeTOC(f *testing.F) {
	_, _, toc := build(f, None, sample(10))
	f.Add(encode(f, toc)[len(tocMagic) : len(encode(f, toc))-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		// The mutations are put between magic and checksum, else none would get further.
		b := append([]byte(tocMagic), body...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crcTable()))
		got, err := DecodeTOC(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, it := range got.Items {
			if it.Size < 0 || it.Offset < 0 || it.Offset+it.Size > got.TarSize {
				t.Fatalf("%q lies outside of the tar", it.Name)
			}
		}
		again, err := DecodeTOC(bytes.NewReader(encode(t, got)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkTOC(b *testing.B) {
	toc := large(20000)
	data := encode(b, toc)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			encode(b, toc)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeTOC(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
