package cache

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/store"
)

func open(t testing.TB) (*Cache, *store.Store) {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return Open(s), s
}

func id(fields ...string) ActionID {
	h := NewHash("copy 1")
	for i := 0; i+1 < len(fields); i += 2 {
		h.Field(fields[i], fields[i+1])
	}
	return h.Sum()
}

func TestCache(t *testing.T) {
	c, s := open(t)
	layer, err := s.Put(t.Context(), ocispec.MediaTypeImageLayerGzip, []byte("a layer"))
	if err != nil {
		t.Fatal(err)
	}
	want := Result{Layer: layer, DiffID: digest.FromString("tar")}
	if _, err := c.Get(id("a", "b")); !errors.Is(err, ErrMiss) {
		t.Errorf("empty cache: %v", err)
	}
	for _, r := range []Result{{}, want} { // the second replaces the first
		if err := c.Put(id("a", "b"), r); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(id("a", "b")); err != nil || !cmp.Equal(got, r) {
			t.Errorf("%+v, %v, want %+v", got, err, r)
		}
	}
	if _, err := c.Get(id("a", "c")); !errors.Is(err, ErrMiss) {
		t.Errorf("another step: %v", err)
	}
	if got, err := Open(s).Get(id("a", "b")); err != nil || !cmp.Equal(got, want) {
		t.Errorf("opened again: %+v, %v", got, err)
	}
}

func TestCacheMissesWhatHasGone(t *testing.T) {
	c, s := open(t)
	layer, err := s.Put(t.Context(), "", []byte("a layer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Put(id(), Result{Layer: layer}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), store.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Get(id()); !errors.Is(err, ErrMiss) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A hit is shielded from Prune until its image has a tag.
func TestCacheHitIsShielded(t *testing.T) {
	c, s := open(t)
	layer, err := s.Put(t.Context(), "", []byte("a layer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Put(id(), Result{Layer: layer}), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(id()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), store.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(id()); err != nil {
		t.Error(err)
	}
}

func TestCacheDamagedEntry(t *testing.T) {
	c, _ := open(t)
	if err := c.Put(id("a", "b"), Result{}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(c.path(id("a", "b")))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"cut": good[:len(good)-3], "empty": nil, "of another step": good} {
		if err := os.WriteFile(c.path(id("x", "y")), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Get(id("x", "y")); !errors.Is(err, ErrMiss) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestHashFrames(t *testing.T) {
	ids := map[ActionID]string{}
	for name, id := range map[string]ActionID{
		"nothing": id(), "ab,c": id("ab", "c"), "a,bc": id("a", "bc"), "two": id("a", "b", "c", ""), "swapped": id("c", "", "a", "b"),
		"salt": NewHash("copy 2").Sum(), "field of the salt": NewHash("").Sum(),
	} {
		if other, ok := ids[id]; ok {
			t.Errorf("%q and %q are one", name, other)
		}
		ids[id] = name
	}
	const golden = "850e4261edffff7233fa795b8c81337127c75e20838d7cf004bde260d65d1c71"
	if got := id("a", "b").String(); got != golden {
		t.Errorf("%s, want %s: every cache there is would be lost", got, golden)
	}
}
