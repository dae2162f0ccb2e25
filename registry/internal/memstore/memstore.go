// Package memstore is a content store in memory, for the tests of transfers
// and of the server.
package memstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
)

// Store keeps blobs and names. Use New.
type Store struct {
	mu    sync.Mutex
	blobs map[digest.Digest][]byte
	tags  map[string]ocispec.Descriptor
	open  int                      // ingests neither committed nor aborted
	parts map[digest.Digest][]byte // of those suspended
}

// New makes an empty Store.
func New() *Store {
	return &Store{blobs: map[digest.Digest][]byte{}, tags: map[string]ocispec.Descriptor{}, parts: map[digest.Digest][]byte{}}
}

// Has reports whether the blob is there.
func (s *Store) Has(d digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.blobs[d]
	return ok
}

// Open gives a blob.
func (s *Store) Open(_ context.Context, d ocispec.Descriptor) (registry.Blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("memstore: %s: %w", d.Digest, fs.ErrNotExist)
	}
	if d.Size > 0 && d.Size != int64(len(b)) {
		return nil, fmt.Errorf("memstore: %s has %d bytes, not %d", d.Digest, len(b), d.Size)
	}
	return blob{bytes.NewReader(b)}, nil
}

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// Ingest starts a blob.
func (s *Store) Ingest(context.Context) (registry.Ingest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return &ingest{st: s}, nil
}

// Resume goes on with a blob.
func (s *Store) Resume(_ context.Context, d ocispec.Descriptor) (registry.Ingest, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	i := &ingest{st: s, part: d.Digest}
	i.buf.Write(s.parts[d.Digest])
	delete(s.parts, d.Digest)
	return i, int64(i.buf.Len()), nil
}

type ingest struct {
	st   *Store
	part digest.Digest
	buf  bytes.Buffer
	over bool
}

func (i *ingest) Write(p []byte) (int, error) { return i.buf.Write(p) }

func (i *ingest) Commit(want ocispec.Descriptor) (ocispec.Descriptor, error) {
	got := ocispec.Descriptor{MediaType: want.MediaType, Digest: digest.FromBytes(i.buf.Bytes()), Size: int64(i.buf.Len())}
	if want.Digest != "" && want.Digest != got.Digest || want.Size > 0 && want.Size != got.Size {
		return got, fmt.Errorf("memstore: got %s with %d bytes, want %s with %d", got.Digest, got.Size, want.Digest, want.Size)
	}
	if err := i.Abort(); err != nil {
		return got, err
	}
	i.st.mu.Lock()
	defer i.st.mu.Unlock()
	i.st.blobs[got.Digest] = i.buf.Bytes()
	return got, nil
}

func (i *ingest) Abort() error {
	i.st.mu.Lock()
	defer i.st.mu.Unlock()
	if !i.over {
		i.over = true
		i.st.open--
	}
	return nil
}

func (i *ingest) Suspend() error {
	if !i.over && i.part != "" {
		i.st.mu.Lock()
		i.st.parts[i.part] = i.buf.Bytes()
		i.st.mu.Unlock()
	}
	return i.Abort()
}

// Part gives the bytes that are left of a suspended blob, and takes others in their place.
func (s *Store) Part(d digest.Digest, b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.parts[d]
	if b != nil {
		s.parts[d] = b
	}
	return old
}

// Tags lists all names.
func (s *Store) Tags(context.Context) (map[string]ocispec.Descriptor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.tags), nil
}

// Tag sets a name.
func (s *Store) Tag(_ context.Context, name string, d ocispec.Descriptor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[name] = d
	return nil
}

// Untag takes a name away.
func (s *Store) Untag(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tags, name)
	return nil
}

// Put stores bytes as they are.
func (s *Store) Put(mediaType string, b []byte) ocispec.Descriptor {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	s.blobs[d.Digest] = b
	return d
}

// PutJSON stores a document.
func (s *Store) PutJSON(mediaType string, v any) ocispec.Descriptor {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's own document
	}
	return s.Put(mediaType, b)
}

// Damage replaces the bytes of a blob, keeping their digest.
func (s *Store) Damage(d digest.Digest, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[d] = b
}

// Drop takes a blob away.
func (s *Store) Drop(d digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, d)
}

// Digests lists what is there, as a set.
func (s *Store) Digests() map[digest.Digest]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[digest.Digest]bool{}
	for d := range s.blobs {
		all[d] = true
	}
	return all
}

// Unfinished counts the ingests that were neither committed nor aborted.
func (s *Store) Unfinished() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}
