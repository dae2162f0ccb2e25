package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Remote is what the store knows about a blob that it need not hold: what it is, and which repositories hold it.
type Remote struct {
	Desc    ocispec.Descriptor `json:"descriptor"` // media type, digest, size, and the URLs of a foreign layer
	Sources []string           `json:"sources"`    // as HOST/PATH, the first recorded first
}

// Fetcher brings absent blobs.
type Fetcher interface {
	// Fetch puts the blob r.Desc into s, from one of r.Sources. Several calls for different blobs may be made at once.
	Fetch(ctx context.Context, s *Store, r Remote) error
}

// FetchWith makes Blob, ReadBlob, TOC, Complete and Save bring recorded blobs that are absent, or damaged, by f. It is
// called before the Store is used by several goroutines.
func (s *Store) FetchWith(f Fetcher) { s.fetcher = f }

// AbsentError is the error of a blob that is recorded, but not here, and that nothing was given to fetch with. It matches
// fs.ErrNotExist.
type AbsentError struct{ Remote Remote }

// Error says where the blob is.
func (e *AbsentError) Error() string {
	return fmt.Sprintf("blob %s is not here but at %s: pull the image", e.Remote.Desc.Digest, strings.Join(e.Remote.Sources, ", "))
}

// Is makes the error match fs.ErrNotExist.
func (e *AbsentError) Is(target error) bool { return target == fs.ErrNotExist }

const (
	maxRecord  = 64 << 10 // bytes of a record
	maxSources = 16       // repositories that a record lists
)

func (s *Store) remotePath(d digest.Digest) string { return s.path(remoteDir, d.Encoded()) }

// Record notes that the repository source, as HOST/PATH, holds blobs, whether they are in the store or not. An image all
// of whose blobs are here or recorded can be tagged; its absent blobs are fetched at first need. The records survive a
// loss of power and stay as long as an image leads to them; until then the lease of this Store shields them from Prune.
func (s *Store) Record(ctx context.Context, source string, blobs ...ocispec.Descriptor) error {
	unlock, err := s.lock(ctx, exclusive)
	if err != nil {
		return fmt.Errorf("record blobs of %s: %w", source, err)
	}
	defer unlock()
	for _, d := range blobs {
		if err := s.record(source, d); err != nil {
			return fmt.Errorf("record blob %.100s of %s: %w", d.Digest, source, err)
		}
	}
	if len(blobs) == 0 {
		return nil
	}
	return errors.Join(syncDir(s.path(remoteDir)), syncDir(s.dir))
}

func (s *Store) record(source string, d ocispec.Descriptor) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	if source == "" || d.Size < 0 {
		return errors.New("a record takes a repository and a size")
	}
	if err := s.lease.add(s, d.Digest); err != nil {
		return err
	}
	r, _ := s.Remote(d.Digest)
	if slices.Contains(r.Sources, source) || len(r.Sources) >= maxSources {
		return nil
	}
	r.Desc = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, URLs: d.URLs}
	r.Sources = append(r.Sources, source)
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := makeDirs(s.path(remoteDir)); err != nil {
		return err
	}
	return writeNew(s.remotePath(d.Digest), b)
}

// Remote returns what is recorded about a blob; ok is false if there is nothing.
func (s *Store) Remote(d digest.Digest) (r Remote, ok bool) {
	if checkDigest(d) != nil {
		return r, false
	}
	f, err := os.Open(s.remotePath(d))
	if err != nil {
		return r, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil || json.Unmarshal(b, &r) != nil || r.Desc.Digest != d || r.Desc.Size < 0 || len(r.Sources) == 0 {
		return Remote{}, false
	}
	return r, true
}

// fetch brings an absent blob. Of several goroutines and processes that need it one fetches and the others wait.
func (s *Store) fetch(ctx context.Context, d digest.Digest) error {
	r, ok := s.Remote(d)
	switch {
	case !ok:
		return fmt.Errorf("blob %s is not in the store: %w", d, fs.ErrNotExist)
	case s.fetcher == nil:
		return &AbsentError{r}
	}
	lock := flock.New(s.Derived("fetch", d.Encoded()+".lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("wait for blob %s: %w", d, errors.Join(err, lock.Close()))
	}
	defer lock.Close()
	if s.Has(d) {
		return nil // somebody else brought it
	}
	if err := s.fetcher.Fetch(ctx, s, r); err != nil {
		return fmt.Errorf("fetch blob %s from %s: %w", d, strings.Join(r.Sources, ", "), err)
	}
	if !s.Has(d) {
		return fmt.Errorf("fetch blob %s from %s: it did not arrive: %w", d, strings.Join(r.Sources, ", "), fs.ErrNotExist)
	}
	return nil
}

// Complete fetches what is absent of the image d and recorded. What is neither here nor recorded makes a MissingError,
// but for layers that lie at a URL and images that an index merely lists.
func (s *Store) Complete(ctx context.Context, d ocispec.Descriptor) error {
	absent, err := s.Absent(ctx, d)
	if err != nil {
		return err
	}
	var missing []ocispec.Descriptor
	for _, a := range absent {
		switch _, known := s.Remote(a.Digest); {
		case known && s.fetcher != nil:
			if err := s.fetch(ctx, a.Digest); err != nil {
				return err
			}
		default:
			missing = append(missing, a)
		}
	}
	if missing == nil {
		return nil
	}
	e := &MissingError{Image: d.Digest, Blobs: missing}
	for _, m := range missing {
		r, _ := s.Remote(m.Digest)
		for _, from := range r.Sources {
			if !slices.Contains(e.Sources, from) {
				e.Sources = append(e.Sources, from)
			}
		}
	}
	return e
}

// MissingError is the error of an image that is not here as a whole. It matches fs.ErrNotExist.
type MissingError struct {
	Image   digest.Digest
	Blobs   []ocispec.Descriptor // absent or damaged
	Sources []string             // repositories that hold some of them
}

// Error names the blobs and where they are.
func (e *MissingError) Error() string {
	const most = 4
	var names []string
	for i, b := range e.Blobs {
		if i == most {
			names = append(names, "...")
			break
		}
		names = append(names, fmt.Sprintf("%s (%d bytes)", b.Digest, b.Size))
	}
	where := ""
	if len(e.Sources) > 0 {
		where = " but at " + strings.Join(e.Sources, ", ")
	}
	return fmt.Sprintf("image %s is incomplete, %d of its blobs are not in the store%s: %s: pull or build the whole image",
		e.Image, len(e.Blobs), where, strings.Join(names, ", "))
}

// Is makes the error match fs.ErrNotExist.
func (e *MissingError) Is(target error) bool { return target == fs.ErrNotExist }

// Absent returns the blobs of the image d that are not here, or damaged, recorded or not, without fetching any; layers
// that lie at a URL, and images that an index merely lists and that were never pulled, do not count.
func (s *Store) Absent(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	w := walk{store: s, ctx: ctx, seen: map[digest.Digest]bool{}}
	err := w.visit(d, 0)
	return w.absent, err
}

// walk goes over what an image leads to.
type walk struct {
	store  *Store
	ctx    context.Context
	seen   map[digest.Digest]bool
	absent []ocispec.Descriptor
}

func (w *walk) visit(d ocispec.Descriptor, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("index %s: nested too deeply", d.Digest)
	}
	if w.seen[d.Digest] {
		return nil
	}
	w.seen[d.Digest] = true
	if !w.store.present(d.Digest) {
		w.absent = append(w.absent, d)
		return nil
	}
	children, err := w.store.children(w.ctx, d)
	if err != nil {
		return err
	}
	for _, c := range children {
		if !w.store.present(c.Digest) && (isForeign(c.MediaType) || isIndex(d.MediaType) && !w.store.knows(c.Digest)) {
			continue
		}
		if err := w.visit(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) knows(d digest.Digest) bool { _, ok := s.Remote(d); return ok }
