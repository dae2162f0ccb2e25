package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// fakeFetcher brings blobs out of another store.
type fakeFetcher struct {
	from  *Store
	calls atomic.Int32
	err   error
	lazy  bool // brings nothing
}

func (f *fakeFetcher) Fetch(ctx context.Context, s *Store, r Remote) error {
	f.calls.Add(1)
	if f.err != nil || f.lazy {
		return f.err
	}
	b, err := f.from.ReadBlob(ctx, r.Desc, 1<<20)
	if err == nil {
		_, err = s.Put(ctx, r.Desc.MediaType, b)
	}
	return err
}

const source = "registry.example/app"

// partial makes a store with the image x:1 whose layer is only recorded.
func partial(t *testing.T) (s *Store, f *fakeFetcher, image, layer ocispec.Descriptor) {
	t.Helper()
	f = &fakeFetcher{from: open(t, t.TempDir())}
	s, image, layer = partialOf(t, f.from)
	return s, f, image, layer
}

func partialOf(t *testing.T, from *Store) (s *Store, d, layer ocispec.Descriptor) {
	t.Helper()
	s = open(t, t.TempDir())
	d = image(t, from, "far away")
	children, err := from.children(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), source, append([]ocispec.Descriptor{d}, children...)...); err != nil {
		t.Fatal(err)
	}
	for _, b := range []ocispec.Descriptor{d, children[0]} {
		data, err := from.ReadBlob(t.Context(), b, 1<<20)
		if err == nil {
			_, err = s.Put(t.Context(), b.MediaType, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tag(t, s, "x:1", d)
	return s, d, children[1]
}

func TestRemote(t *testing.T) {
	ctx := t.Context()
	s, f, d, l := partial(t)
	if s.Has(l.Digest) {
		t.Error("it claims to have what is only recorded")
	}
	if r, ok := s.Remote(l.Digest); !ok || !cmp.Equal(r, Remote{l, []string{source}}) {
		t.Errorf("record: %+v, %v", r, ok)
	}
	var absent *AbsentError
	if _, err := s.Blob(ctx, l); !errors.As(err, &absent) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), source) {
		t.Errorf("without a fetcher: %v", err)
	}
	var missing *MissingError
	if _, err := s.Save(ctx, &bytes.Buffer{}, Both, "x:1"); !errors.As(err, &missing) || len(missing.Blobs) != 1 ||
		!strings.Contains(err.Error(), source) || !strings.Contains(err.Error(), string(l.Digest)) {
		t.Errorf("save without a fetcher: %v", err)
	}
	found, err := s.Check(ctx)
	if err != nil || len(found) != 1 || found[0].Kind != Lazy || !found[0].Harmless() || found[0].Object != "x:1" {
		t.Errorf("check: %v, %v", found, err)
	}
	if list, err := s.Absent(ctx, d); err != nil || len(list) != 1 || list[0].Digest != l.Digest {
		t.Errorf("absent: %v, %v", list, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p := prune(t, s, PruneOptions{}); p.Freed != 0 {
		t.Errorf("pruned %+v", p.Removed)
	}
	s.FetchWith(f)
	if toc, err := s.TOC(ctx, l); err != nil || len(toc.Items) != 3 {
		t.Errorf("%+v, %v", toc, err)
	}
	if !s.Has(l.Digest) || f.calls.Load() != 1 {
		t.Errorf("fetched %d times", f.calls.Load())
	}
	clean(t, s)
	if !bytes.Equal(save(t, s, string(d.Digest)), save(t, f.from, string(d.Digest))) {
		t.Error("completed, it is another image")
	}
	if err := errors.Join(s.Untag(ctx, "x:1"), s.Close()); err != nil {
		t.Fatal(err)
	}
	prune(t, s, PruneOptions{AllDerived: true})
	if left := files(t, s.path(remoteDir)); len(left) != 0 {
		t.Errorf("records left: %v", left)
	}
}

// Of many that need a blob at once, one fetches it.
func TestRemoteOnce(t *testing.T) {
	s, f, _, l := partial(t)
	s.FetchWith(f)
	other := open(t, s.Dir())
	other.FetchWith(f)
	var running sync.WaitGroup
	for n := range 8 {
		running.Go(func() {
			b, err := []*Store{s, other}[n%2].Blob(t.Context(), l)
			if err != nil {
				t.Error(err)
				return
			}
			b.Close()
		})
	}
	running.Wait()
	if n := f.calls.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestSaveCompletes(t *testing.T) {
	s, f, _, _ := partial(t)
	s.FetchWith(f)
	save(t, s, "x:1")
	clean(t, s)
}

// What is damaged and recorded is fetched again, after a repair or at the next need.
func TestRemoteMends(t *testing.T) {
	for _, repair := range []bool{false, true} {
		s, f, _, l := partial(t)
		s.FetchWith(f)
		if err := s.Complete(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		spoil(t, s, l.Digest)
		if err := s.Verify(t.Context(), l); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if repair {
			found, err := s.Repair(t.Context())
			if err != nil || len(found) != 1 || !found[0].Harmless() {
				t.Errorf("repair: %v, %v", found, err)
			}
		}
		if _, err := s.ReadBlob(t.Context(), l, 1<<20); err != nil || f.calls.Load() != 2 {
			t.Errorf("repaired %v: fetched %d times, %v", repair, f.calls.Load(), err)
		}
		clean(t, s)
	}
}

func TestFetchFails(t *testing.T) {
	s, f, _, l := partial(t)
	s.FetchWith(f)
	f.err = errors.New("no network")
	if _, err := s.Blob(t.Context(), l); !errors.Is(err, f.err) || !strings.Contains(err.Error(), source) {
		t.Error(err)
	}
	f.err, f.lazy = nil, true
	if _, err := s.Blob(t.Context(), l); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "did not arrive") {
		t.Error(err)
	}
}

func TestRecordRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	good := ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1}
	for name, c := range map[string]struct {
		source string
		desc   ocispec.Descriptor
	}{
		"no source": {"", good}, "no digest": {source, ocispec.Descriptor{}}, "negative size": {source, ocispec.Descriptor{Digest: good.Digest, Size: -1}},
	} {
		if err := s.Record(t.Context(), c.source, c.desc); err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	for _, from := range []string{"a/b", "c/d", "a/b"} {
		if err := s.Record(t.Context(), from, good); err != nil {
			t.Fatal(err)
		}
	}
	if r, _ := s.Remote(good.Digest); !cmp.Equal(r.Sources, []string{"a/b", "c/d"}) {
		t.Errorf("sources: %v", r.Sources)
	}
}

func TestDamagedRecord(t *testing.T) {
	s, _, _, l := partial(t)
	for _, data := range []string{"", "{", `{"descriptor":{"digest":"` + string(digest.FromString("y")) + `"},"sources":["a/b"]}`, "[]"} {
		if err := os.WriteFile(s.remotePath(l.Digest), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, ok := s.Remote(l.Digest); ok {
			t.Errorf("%q: %+v", data, r)
		}
		found, err := s.Check(t.Context())
		if err != nil || len(found) != 2 || found[0].Object != remoteDir+"/"+l.Digest.Encoded() || found[1].Kind != Missing {
			t.Errorf("%q: %v, %v", data, found, err)
		}
	}
}

// No name is ever one of half an image.
func TestTagRefusesHalves(t *testing.T) {
	s := open(t, t.TempDir())
	d := image(t, s, "x")
	l, _ := layer(t, s, "x", pack.Gzip)
	if err := os.Remove(s.blobPath(l.Digest)); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(t.Context(), "x:1", d); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), string(l.Digest)) {
		t.Error(err)
	}
	if err := s.Record(t.Context(), source, l); err != nil {
		t.Fatal(err)
	}
	tag(t, s, "x:1", d)
}
