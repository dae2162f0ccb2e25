package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Ingest is a blob on its way into the store. Write to it, then Commit; Abort drops it and is harmless after Commit. It
// is not for use by several goroutines.
type Ingest struct {
	ctx   context.Context
	store *Store
	file  *os.File  // nil after Commit or Abort
	hash  hash.Hash // nil if the writer knows the digest
	size  int64
	part  string // of what Resume began, the end of its file's name
}

// Ingest begins a blob. ctx ends the writing too.
func (s *Store) Ingest(ctx context.Context) (*Ingest, error) {
	i, err := s.IngestHashed(ctx)
	if err == nil {
		i.hash = sha256.New()
	}
	return i, err
}

// IngestHashed is Ingest for one who computes the digest of the very bytes that he writes, and gives it to Commit, which
// does not compute it once more.
func (s *Store) IngestHashed(ctx context.Context) (*Ingest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.temp(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin blob: %w", explainFull(s.dir, 0, err))
	}
	return &Ingest{ctx: ctx, store: s, file: f}, nil
}

// Write appends to the blob.
func (i *Ingest) Write(p []byte) (int, error) {
	if i.file == nil {
		return 0, fs.ErrClosed
	}
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := i.file.Write(p)
	if i.hash != nil {
		i.hash.Write(p[:n])
	}
	i.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write blob: %w", explainFull(i.store.dir, i.size+int64(len(p)-n), err))
	}
	return n, nil
}

// Commit puts what was written into the store and returns want with digest and size filled in. If want has them, they
// must be right, or nothing is put. A nil error means that the blob is in the store, on the disk, and shielded from
// Prune by the lease of the Store, whether or not it was there before.
func (i *Ingest) Commit(want ocispec.Descriptor) (ocispec.Descriptor, error) {
	if i.file == nil {
		return want, fs.ErrClosed
	}
	got := want
	got.Size = i.size
	if i.hash != nil {
		got.Digest = digest.NewDigest(digest.SHA256, i.hash)
	} else if err := checkDigest(got.Digest); err != nil {
		return want, errors.Join(err, i.Abort())
	}
	if want.Digest != "" && want.Digest != got.Digest {
		return want, errors.Join(fmt.Errorf("blob %s: its bytes have the digest %s", want.Digest, got.Digest), i.Abort())
	}
	if want.Size != 0 && want.Size != got.Size {
		return want, errors.Join(fmt.Errorf("blob %s: it has %d bytes, not %d", got.Digest, got.Size, want.Size), i.Abort())
	}
	if err := i.place(got.Digest); err != nil {
		return want, fmt.Errorf("put blob %s: %w", got.Digest, errors.Join(explainFull(i.store.dir, got.Size, err), i.Abort()))
	}
	return got, nil
}

// place renames the file to its digest. If that is there already it is replaced by the same bytes, which also mends it.
func (i *Ingest) place(d digest.Digest) error {
	if err := i.file.Sync(); err != nil {
		return err
	}
	// Windows renames no open file.
	if err := i.file.Close(); err != nil {
		return err
	}
	s := i.store
	unlock, err := s.lock(i.ctx, shared)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.lease.add(s, d); err != nil {
		return err
	}
	path := s.blobPath(d)
	if err := os.Rename(i.file.Name(), path); err != nil {
		// Windows replaces no file that is open, and need not if it is right.
		if info, statErr := os.Stat(path); statErr != nil || info.Size() != i.size {
			return err
		}
		if err := os.Remove(i.file.Name()); err != nil {
			return err
		}
	}
	i.file = nil
	if err := os.Remove(s.markPath(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Abort drops the blob.
func (i *Ingest) Abort() error {
	if i.file == nil {
		return nil
	}
	name := i.file.Name()
	_ = i.file.Close() // it may be closed already, and its bytes matter no more
	i.file = nil
	return os.Remove(name)
}

// Put puts b as one blob and returns its descriptor.
func (s *Store) Put(ctx context.Context, mediaType string, b []byte) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	i, err := s.Ingest(ctx)
	if err != nil {
		return desc, err
	}
	if _, err := i.Write(b); err != nil {
		return desc, errors.Join(err, i.Abort())
	}
	return i.Commit(desc)
}
