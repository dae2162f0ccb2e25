package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	if s.Dir() != dir {
		t.Errorf("Dir() = %q, want %q", s.Dir(), dir)
	}
	for name, want := range map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "mullion-version": "1\n",
		"index.json": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	tag(t, s, "x:latest", image(t, s, "x"))
	if list, err := open(t, dir).Tags(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("opened again: %v, %v", list, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, data, want string }{
		{"a newer format", "mullion-version", "2\n", `format version 2, and this program knows 1`},
		{"other things", "notes.txt", "hello", "holds other things"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.data), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := files(t, dir); len(got) != 1 {
				t.Errorf("it left %v", got)
			}
		})
	}
}

func TestOpenLayoutOfOthers(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"schemaVersion":2,"manifests":[]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	tag(t, s, "x:1", image(t, s, "x"))
	clean(t, s)
}

func TestDefaultDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the environment of Windows is another")
	}
	home := t.TempDir()
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"MULLION_STORE": "/x/y", "HOME": home}, "/x/y"},
		{map[string]string{"XDG_DATA_HOME": "/data", "HOME": home}, "/data/mullion"},
		{map[string]string{"XDG_DATA_HOME": "relative", "HOME": home}, home + "/.local/share/mullion"},
		{map[string]string{"HOME": home}, home + "/.local/share/mullion"},
		{nil, ""},
	} {
		got, err := DefaultDir(func(k string) string { return c.env[k] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v, want %q", c.env, got, err, c.want)
		}
	}
}

func TestIngest(t *testing.T) {
	s := open(t, t.TempDir())
	text := []byte("hello")
	right := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromBytes(text), Size: 5}
	for _, c := range []struct {
		name string
		want ocispec.Descriptor
		err  string
	}{
		{"nothing promised", ocispec.Descriptor{MediaType: "text/plain"}, ""},
		{"all promised", right, ""},
		{"again", right, ""},
		{"other digest", ocispec.Descriptor{Digest: digest.FromString("x")}, "its bytes have the digest " + string(right.Digest)},
		{"other size", ocispec.Descriptor{Digest: right.Digest, Size: 6}, "5 bytes, not 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, err := s.Ingest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := i.Write(text); err != nil {
				t.Fatal(err)
			}
			got, err := i.Commit(c.want)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
			} else if err != nil || !cmp.Equal(got, right) {
				t.Errorf("got %+v, %v", got, err)
			}
			if err := i.Abort(); err != nil {
				t.Errorf("abort after commit: %v", err)
			}
			if _, err := i.Write(text); err == nil {
				t.Error("written to after its end")
			}
			if left := files(t, s.path(ingestDir)); len(left) != 0 {
				t.Errorf("left in ingest: %v", left)
			}
		})
	}
	if got := files(t, s.path(blobDir)); !slices.Equal(got, []string{right.Digest.Encoded()}) {
		t.Errorf("blobs: %v", got)
	}
}

func TestIngestCancelled(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	i, err := s.Ingest(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := i.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := i.Abort(); err != nil || len(files(t, s.path(ingestDir))) != 0 {
		t.Error(err)
	}
	if _, err := s.Ingest(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBlob(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Put(t.Context(), "text/plain", []byte("hello world"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	part := make([]byte, 5)
	if _, err := b.ReadAt(part, 6); err != nil || string(part) != "world" {
		t.Errorf("%q, %v", part, err)
	}
	if all, err := io.ReadAll(b); err != nil || string(all) != "hello world" || b.Size() != 11 {
		t.Errorf("%q, %v", all, err)
	}
	if _, err := s.ReadBlob(t.Context(), d, 10); err == nil || !strings.Contains(err.Error(), "11 bytes") {
		t.Errorf("too long: %v", err)
	}
	absent := ocispec.Descriptor{Digest: digest.FromString("absent")}
	if _, err := s.Blob(t.Context(), absent); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), string(absent.Digest)) {
		t.Errorf("absent: %v", err)
	}
	for _, bad := range []digest.Digest{"", "sha256:../../etc/passwd", "sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e",
		digest.Digest("sha512:" + strings.Repeat("ab", 64))} {
		if _, err := s.Blob(t.Context(), ocispec.Descriptor{Digest: bad}); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("digest %q: %v", bad, err)
		}
		if s.Has(bad) {
			t.Errorf("has %q", bad)
		}
	}
}

// A damaged blob is named in one line; then the store denies having it, so that a pull brings it again.
func TestDamagedBlob(t *testing.T) {
	ctx := t.Context()
	for name, read := range map[string]func(*Store, ocispec.Descriptor) error{
		"read":   func(s *Store, d ocispec.Descriptor) error { _, err := s.ReadBlob(ctx, d, 1<<20); return err },
		"verify": func(s *Store, d ocispec.Descriptor) error { return s.Verify(ctx, d) },
		"list":   func(s *Store, d ocispec.Descriptor) error { _, err := s.TOC(ctx, d); return err },
		"save":   func(s *Store, d ocispec.Descriptor) error { _, err := s.Save(ctx, io.Discard, Both, "x:1"); return err },
		"size": func(s *Store, d ocispec.Descriptor) error {
			if err := os.Truncate(s.blobPath(d.Digest), 3); err != nil {
				return err
			}
			_, err := s.Blob(ctx, d)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			tag(t, s, "x:1", image(t, s, "hello"))
			d, _ := layer(t, s, "hello", pack.Gzip)
			good, err := os.ReadFile(s.blobPath(d.Digest))
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, s, d.Digest)
			err = read(s, d)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), string(d.Digest)) ||
				!strings.Contains(err.Error(), "build check") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			if s.Has(d.Digest) {
				t.Error("the store still claims to have it")
			}
			if found, err := s.Check(ctx); err != nil || len(found) != 1 || found[0].Object != string(d.Digest) {
				t.Errorf("check: %v, %v", found, err)
			}
			if _, err := s.Put(ctx, d.MediaType, good); err != nil {
				t.Fatal(err)
			}
			if !s.Has(d.Digest) {
				t.Error("put again, it is not there")
			}
			clean(t, s)
			if err := touch(s.markPath(d.Digest)); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(ctx, d); err != nil || !s.Has(d.Digest) {
				t.Errorf("found right, it is not there: %v", err)
			}
		})
	}
}

// A manifest that lies about a size harms nothing but itself.
func TestWrongSizeOfGoodBlob(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Put(t.Context(), "text/plain", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	d.Size = 7
	if _, err := s.Blob(t.Context(), d); !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "in the store is damaged") {
		t.Error(err)
	}
	if !s.Has(d.Digest) {
		t.Error("a good blob is denied")
	}
}

func TestTags(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	a, b := image(t, s, "a"), image(t, s, "b")
	a.Annotations = map[string]string{"k": "v"}
	tag(t, s, "two:1", a)
	tag(t, s, "one:1", a)
	tag(t, s, "two:1", b)
	list, err := s.Tags(ctx)
	if want := []Tagged{{"one:1", a}, {"two:1", b}}; err != nil || !cmp.Equal(list, want) {
		t.Errorf("%v, %v", cmp.Diff(want, list), err)
	}
	if err := s.Untag(ctx, "two:1"); err != nil {
		t.Error(err)
	}
	if err := s.Untag(ctx, "two:1"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := s.Resolve(ctx, "two:1"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, bad := range []string{"", "a b", "a\nb", strings.Repeat("x", 2000)} {
		if err := s.Tag(ctx, bad, a); err == nil {
			t.Errorf("tagged as %.20q", bad)
		}
	}
	if err := s.Tag(ctx, "x:1", ocispec.Descriptor{Digest: digest.FromString("absent")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tagged what is not there: %v", err)
	}
	clean(t, s)
}

func TestResolve(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	a, untagged := image(t, s, "a"), image(t, s, "untagged")
	child := image(t, s, "child")
	idx := putJSON(t, s, ocispec.MediaTypeImageIndex, ocispec.Index{
		MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{child, {Digest: digest.FromString("never pulled")}},
	})
	tag(t, s, "host:5000/a:v1", a)
	tag(t, s, "idx:1", idx)
	for _, c := range []struct {
		name string
		want ocispec.Descriptor
	}{
		{"host:5000/a:v1", a}, {string(a.Digest), a}, {"repo@" + string(a.Digest), a},
		{a.Digest.Encoded()[:6], a}, {"sha256:" + a.Digest.Encoded()[:20], a}, {a.Digest.Encoded(), a},
		{string(untagged.Digest), untagged}, {child.Digest.Encoded()[:8], child}, {"idx:1", idx},
	} {
		if got, err := s.Resolve(ctx, c.name); err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	plain, err := s.Put(ctx, "text/plain", []byte("no image"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "b:1", a.Digest.Encoded()[:5], string(digest.FromString("x")), "ffffffffffff", string(plain.Digest)} {
		if got, err := s.Resolve(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}

func TestResolveAmbiguousPrefix(t *testing.T) {
	s := open(t, t.TempDir())
	first := map[string]ocispec.Descriptor{}
	for i := 0; ; i++ { // two digests with the same six digits come after some thousands
		b := fmt.Appendf(nil, `{"manifests":[],"annotations":{"n":"%d"}}`, i)
		prefix := digest.FromBytes(b).Encoded()[:6]
		if _, ok := first[prefix]; !ok {
			first[prefix] = ocispec.Descriptor{Data: b}
			continue
		}
		for n, data := range [][]byte{first[prefix].Data, b} {
			d, err := s.Put(t.Context(), ocispec.MediaTypeImageIndex, data)
			if err != nil {
				t.Fatal(err)
			}
			tag(t, s, fmt.Sprintf("i:%d", n), d)
		}
		if _, err := s.Resolve(t.Context(), prefix); err == nil || !strings.Contains(err.Error(), "2 images begin so") {
			t.Error(err)
		}
		return
	}
}

func TestDamagedIndex(t *testing.T) {
	s := open(t, t.TempDir())
	if err := os.WriteFile(s.path("index.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tags(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if err := s.Tag(t.Context(), "x:1", image(t, s, "x")); err == nil {
		t.Error("a damaged index was written over")
	}
}

func TestDerived(t *testing.T) {
	s := open(t, t.TempDir())
	for _, c := range []struct {
		kind string
		elem []string
		path string
		made string
	}{
		{"disk", nil, "derived/disk", "derived/disk"},
		{"toc", []string{"x"}, "derived/toc/x", "derived/toc"},
		{"wine", []string{"a", "b"}, "derived/wine/a/b", "derived/wine/a"},
		{"containers", []string{"1"}, "containers/1", "containers"},
	} {
		got := s.Derived(c.kind, c.elem...)
		if got != filepath.Join(s.Dir(), c.path) {
			t.Errorf("%s: %s", c.kind, got)
		}
		if info, err := os.Stat(filepath.Join(s.Dir(), c.made)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", c.made, err)
		}
		if _, err := os.Stat(got); len(c.elem) > 0 && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made: %v", got, err)
		}
	}
}

func TestTOC(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	d, diffID := layer(t, s, "hello", pack.Zstd)
	first, err := s.TOC(ctx, d)
	if err != nil || first.DiffID != diffID || first.Digest != d.Digest || len(first.Items) != 3 {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := os.Rename(s.blobPath(d.Digest), s.blobPath(d.Digest)+"-away"); err != nil {
		t.Fatal(err)
	}
	if again, err := s.TOC(ctx, d); err != nil || !cmp.Equal(first, again) {
		t.Errorf("the layer was read again: %v", err)
	}
	if err := os.WriteFile(s.tocPath(d.Digest), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TOC(ctx, d); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.Rename(s.blobPath(d.Digest)+"-away", s.blobPath(d.Digest)); err != nil {
		t.Fatal(err)
	}
	if again, err := s.TOC(ctx, d); err != nil || !cmp.Equal(first, again) {
		t.Errorf("not made again: %v", err)
	}
	text, err := s.Put(ctx, "text/plain", []byte(strings.Repeat("no layer", 100)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.TOC(ctx, text); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("text: %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		data[i%len(data)]++
		if _, err := s.Put(b.Context(), "", data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestIngestHashed(t *testing.T) {
	s := open(t, t.TempDir())
	put := func(want ocispec.Descriptor) error {
		i, err := s.IngestHashed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Write([]byte("known")); err != nil {
			t.Fatal(err)
		}
		_, err = i.Commit(want)
		return err
	}
	d := digest.FromString("known")
	if err := put(ocispec.Descriptor{}); err == nil {
		t.Error("without a digest")
	}
	if err := put(ocispec.Descriptor{Digest: d, Size: 6}); err == nil || s.Has(d) {
		t.Errorf("with another size: %v", err)
	}
	if err := put(ocispec.Descriptor{Digest: d, Size: 5}); err != nil || !s.Has(d) {
		t.Error(err)
	}
	clean(t, s)
}
