package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// layer puts a layer with one file of the given text and returns its descriptor and diffID.
func layer(t testing.TB, s *Store, text string, c pack.Compression) (ocispec.Descriptor, digest.Digest) {
	t.Helper()
	i, err := s.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := pack.NewWriter(i, c)
	if err != nil {
		t.Fatal(err)
	}
	at := nt.FiletimeOf(time.Unix(1704067200, 0))
	for _, e := range []layers.Entry{
		{Name: "Files", Kind: layers.Dir}, {Name: "Files/a.txt", Size: int64(len(text))}, {Name: "Hives", Kind: layers.Dir},
	} {
		e.Created, e.Modified, e.Accessed, e.Changed = at, at, at, at
		if err := w.WriteEntry(&e, strings.NewReader(text[:e.Size])); err != nil {
			t.Fatal(err)
		}
	}
	res, _, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	d, err := i.Commit(ocispec.Descriptor{MediaType: res.MediaType, Digest: res.Digest, Size: res.Size})
	if err != nil {
		t.Fatal(err)
	}
	return d, res.DiffID
}

// image puts an image of one layer.
func image(t testing.TB, s *Store, text string) ocispec.Descriptor {
	t.Helper()
	l, diffID := layer(t, s, text, pack.Gzip)
	config := putJSON(t, s, ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "windows", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
	})
	return putJSON(t, s, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{l},
	})
}

func putJSON(t testing.TB, s *Store, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Put(t.Context(), mediaType, b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tag(t testing.TB, s *Store, name string, d ocispec.Descriptor) {
	t.Helper()
	if err := s.Tag(t.Context(), name, d); err != nil {
		t.Fatal(err)
	}
}

func save(t testing.TB, s *Store, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if left, err := s.Save(t.Context(), &buf, Both, names...); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	return buf.Bytes()
}

func clean(t testing.TB, s *Store) {
	t.Helper()
	found, err := s.Check(t.Context())
	if err != nil || len(found) != 0 {
		t.Errorf("check: %v, %v", found, err)
	}
}

// spoil changes a byte of a blob behind the store's back.
func spoil(t testing.TB, s *Store, d digest.Digest) {
	t.Helper()
	b, err := os.ReadFile(s.blobPath(d))
	if err == nil {
		b[len(b)/2] ^= 1
		err = os.WriteFile(s.blobPath(d), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var list []string
	for _, n := range names {
		list = append(list, n.Name())
	}
	return list
}

// peer runs another tool, or skips the test if it is not there.
func peer(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), fixtures.Tool(t, name, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
