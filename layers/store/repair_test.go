package store

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// edit changes index.json behind the store's back.
func edit(t *testing.T, s *Store, change func(*ocispec.Index)) {
	t.Helper()
	index, err := s.index()
	if err != nil {
		t.Fatal(err)
	}
	change(index)
	b, err := json.Marshal(index)
	if err == nil {
		err = os.WriteFile(s.path(ocispec.ImageIndexFile), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeAt(t *testing.T, path, data string) {
	t.Helper()
	if err := errors.Join(makeDirs(path[:strings.LastIndexByte(path, os.PathSeparator)]), os.WriteFile(path, []byte(data), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Each damage is found, mended as far as that can be, and nothing else is touched.
func TestRepair(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, s *Store, image, layer ocispec.Descriptor)
		want   string // in the finding
		done   string // in what was done
		whole  bool   // all is well afterwards
		tagged bool   // x:1 is still a name
		aside  int    // files moved aside
	}{
		{"layer", func(t *testing.T, s *Store, _, l ocispec.Descriptor) { spoil(t, s, l.Digest) }, "another digest, needed by x:1", "moved to aside/", false, true, 1},
		{"manifest", func(t *testing.T, s *Store, d, _ ocispec.Descriptor) { spoil(t, s, d.Digest) }, "another digest, needed by x:1", "moved to aside/", false, true, 1},
		{"blob that is none", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) { writeAt(t, s.path(blobDir, "junk"), "x") },
			"is no blob", "moved to aside/junk", true, true, 1},
		{"table of contents", func(t *testing.T, s *Store, _, l ocispec.Descriptor) { writeAt(t, s.tocPath(l.Digest), "x") },
			"no table of contents", "removed", true, true, 0},
		{"manifest has gone", func(t *testing.T, s *Store, d, _ ocispec.Descriptor) {
			if err := os.Remove(s.blobPath(d.Digest)); err != nil {
				t.Fatal(err)
			}
		}, "is missing", "the name was taken away", false, false, 1},
		{"size in the index", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) {
			edit(t, s, func(i *ocispec.Index) { i.Manifests[0].Size++ })
		}, "its blob has", "put right", true, true, 0},
		{"no media type in the index", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) {
			edit(t, s, func(i *ocispec.Index) { i.Manifests[0].MediaType = "" })
		}, "no media type", "put right", true, true, 0},
		{"one name twice", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) {
			other := image(t, s, "other")
			other.Annotations = map[string]string{ocispec.AnnotationRefName: "x:1"}
			edit(t, s, func(i *ocispec.Index) { i.Manifests = append(i.Manifests, other) })
		}, "two images have this name", "the name was taken away", true, true, 1},
		{"digest that is none", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) {
			edit(t, s, func(i *ocispec.Index) {
				i.Manifests = append(i.Manifests, ocispec.Descriptor{Digest: "../x", Annotations: map[string]string{ocispec.AnnotationRefName: "y:1"}})
			})
		}, "digest", "the name was taken away", false, true, 1},
		{"index", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) { writeAt(t, s.path(ocispec.ImageIndexFile), "{") },
			"index.json", "a new one lists 1 images", false, false, 1},
		{"no index", func(t *testing.T, s *Store, _, _ ocispec.Descriptor) {
			if err := os.Remove(s.path(ocispec.ImageIndexFile)); err != nil {
				t.Fatal(err)
			}
		}, "index.json", "a new one lists 1 images", false, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			d := image(t, s, "x")
			l, _ := layer(t, s, "x", pack.Gzip)
			tag(t, s, "x:1", d)
			c.damage(t, s, d, l)
			for _, look := range []func() ([]Finding, error){
				func() ([]Finding, error) { return s.Check(t.Context()) }, func() ([]Finding, error) { return s.Repair(t.Context()) },
			} {
				found, err := look()
				if err != nil || len(found) != 1 || !strings.Contains(found[0].String(), c.want) || strings.Contains(found[0].String(), "\n") {
					t.Fatalf("%v, %v", found, err)
				}
				if f := found[0]; f.Repaired != "" && (!strings.Contains(f.Repaired, c.done) || f.Harmless() != c.whole) {
					t.Errorf("done: %q, harmless %v", f.Repaired, f.Harmless())
				}
			}
			if c.whole {
				clean(t, s)
			}
			if _, err := s.Resolve(t.Context(), "x:1"); (err == nil) != c.tagged {
				t.Errorf("x:1: %v", err)
			}
			if aside := files(t, s.path(asideDir)); len(aside) != c.aside {
				t.Errorf("aside: %v", aside)
			}
			tag(t, s, "x:1", image(t, s, "x")) // built again
			again, err := s.Repair(t.Context())
			if err != nil || len(again) != 0 {
				t.Errorf("built again: %v, %v", again, err)
			}
			if p := prune(t, s, PruneOptions{AllDerived: true}); len(files(t, s.path(asideDir))) != 0 {
				t.Errorf("left aside after %+v", p.Removed)
			}
		})
	}
}

func TestSetAsideKeepsAll(t *testing.T) {
	s := open(t, t.TempDir())
	for range 3 {
		writeAt(t, s.path(blobDir, "junk"), "x")
		if _, err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, s.path(asideDir)); len(got) != 3 {
		t.Errorf("aside: %v", got)
	}
}

// A blob that leads nowhere is in order, and so is an image that nothing names.
func TestCheckLoose(t *testing.T) {
	s := open(t, t.TempDir())
	image(t, s, "x")
	if _, err := s.Put(t.Context(), "", []byte("loose")); err != nil {
		t.Fatal(err)
	}
	clean(t, s)
}

func TestFullError(t *testing.T) {
	dir := t.TempDir()
	cause := &os.PathError{Op: "write", Path: dir + "/ingest/x", Err: syscall.ENOSPC}
	err := explainFull(dir, 123, explainFull(dir, 7, cause))
	var full *FullError
	if !errors.As(err, &full) || full.Need != 7 || full.Free < 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%+v", err)
	}
	for _, part := range []string{"no space left in " + dir, "7 bytes are needed", "build prune", "--store"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if other := errors.New("other"); explainFull(dir, 1, other) != other {
		t.Error("another error was changed")
	}
}
