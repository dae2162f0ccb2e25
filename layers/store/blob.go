package store

import (
	"context"
	_ "crypto/sha256" // the algorithm of every digest here
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrCorrupt matches the error of a blob whose bytes are not those that its name or descriptor promise.
var ErrCorrupt = errors.New("damaged blob")

// CorruptError is the error of a damaged blob. Until the blob is put again, Has denies that it is there.
type CorruptError struct {
	Digest  digest.Digest
	Problem string
}

// Error names the blob and the way out.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("blob %s in the store is damaged (%s): pull or build its image again; \"build check\" looks for more",
		e.Digest, e.Problem)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Blob is an open blob. It stays readable when Prune removes its name.
type Blob struct {
	*io.SectionReader
	file *os.File
}

// Close ends the reading.
func (b *Blob) Close() error { return b.file.Close() }

var _ interface {
	io.ReadCloser
	io.ReaderAt
	io.Seeker
} = (*Blob)(nil)

// checkDigest refuses what could not be a file name here.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %.100q: %w", d, err)
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("digest %s: only sha256 is supported", d)
	}
	return nil
}

func (s *Store) blobPath(d digest.Digest) string { return s.path(blobDir, d.Encoded()) }

// damagedKind is the folder of empty files that say that a blob was found damaged.
const damagedKind = "damaged"

func (s *Store) markPath(d digest.Digest) string { return s.path(derivedDir, damagedKind, d.Encoded()) }

// Has reports whether the bytes of the blob are in the store and not known to be damaged. If so, the lease of this Store
// keeps them from Prune. A blob that is recorded but absent is not there; Remote tells of it.
func (s *Store) Has(d digest.Digest) bool {
	if checkDigest(d) != nil || !s.present(d) {
		return false
	}
	if s.lease.shields(d) {
		return true
	}
	unlock, err := s.lock(context.Background(), shared)
	if err != nil {
		return s.present(d) // a store only to read from, where nobody prunes either
	}
	defer unlock()
	if s.present(d) {
		_ = s.lease.add(s, d) // likewise
		return true
	}
	return false
}

func (s *Store) present(d digest.Digest) bool {
	info, err := os.Stat(s.blobPath(d))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, err = os.Lstat(s.markPath(d))
	return errors.Is(err, fs.ErrNotExist)
}

// Blob opens a blob. One that is absent, or known to be damaged, is fetched first if it is recorded and the Store was
// given a Fetcher. Its bytes are not verified beyond their number, if desc gives one; ReadBlob and Verify do that. The
// error matches fs.ErrNotExist if the blob is not to be had.
func (s *Store) Blob(ctx context.Context, desc ocispec.Descriptor) (*Blob, error) {
	if err := checkDigest(desc.Digest); err != nil {
		return nil, err
	}
	if !s.present(desc.Digest) {
		_, err := os.Lstat(s.blobPath(desc.Digest))
		damaged := err == nil
		if err := s.fetch(ctx, desc.Digest); err != nil && !damaged {
			return nil, err
		}
	}
	return s.open(ctx, desc)
}

// open opens a blob that is in the store.
func (s *Store) open(ctx context.Context, desc ocispec.Descriptor) (*Blob, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkDigest(desc.Digest); err != nil {
		return nil, err
	}
	f, err := os.Open(s.blobPath(desc.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s is not in the store: %w", desc.Digest, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", errors.Join(err, f.Close()))
	}
	if desc.Size > 0 && info.Size() != desc.Size {
		return nil, errors.Join(s.judge(desc, f, info.Size()), f.Close())
	}
	return &Blob{SectionReader: io.NewSectionReader(f, 0, info.Size()), file: f}, nil
}

// judge finds out whether a blob of a wrong size is damaged or its descriptor lies.
func (s *Store) judge(desc ocispec.Descriptor, f io.Reader, size int64) error {
	v := desc.Digest.Verifier()
	if _, err := io.Copy(v, f); err != nil {
		return fmt.Errorf("read blob %s: %w", desc.Digest, err)
	}
	if v.Verified() {
		return fmt.Errorf("blob %s has %d bytes, not the %d that its manifest says: %w", desc.Digest, size, desc.Size, ErrCorrupt)
	}
	return s.corrupt(desc.Digest, fmt.Sprintf("%d bytes instead of %d", size, desc.Size))
}

// corrupt marks a blob as damaged, so that the next pull or build replaces it, and returns the error.
func (s *Store) corrupt(d digest.Digest, problem string) error {
	// Without the lock, as Prune finds damage too. In a store only to read from, the error is all we can give.
	if err := makeDirs(s.path(derivedDir, damagedKind)); err == nil {
		_ = touch(s.markPath(d))
	}
	return &CorruptError{Digest: d, Problem: problem}
}

// ReadBlob returns the bytes of a blob of at most most bytes, verified.
func (s *Store) ReadBlob(ctx context.Context, desc ocispec.Descriptor, most int64) ([]byte, error) {
	b, err := s.Blob(ctx, desc)
	if err != nil {
		return nil, err
	}
	return s.readAll(b, desc, most)
}

// readLocal is ReadBlob for those who must not fetch.
func (s *Store) readLocal(ctx context.Context, desc ocispec.Descriptor, most int64) ([]byte, error) {
	b, err := s.open(ctx, desc)
	if err != nil {
		return nil, err
	}
	return s.readAll(b, desc, most)
}

func (s *Store) readAll(b *Blob, desc ocispec.Descriptor, most int64) ([]byte, error) {
	defer b.Close()
	if b.Size() > most {
		return nil, fmt.Errorf("blob %s has %d bytes, more than the %d that are expected", desc.Digest, b.Size(), most)
	}
	data, err := io.ReadAll(b)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", desc.Digest, err)
	}
	if digest.FromBytes(data) != desc.Digest {
		return nil, s.corrupt(desc.Digest, "its bytes have another digest")
	}
	return data, nil
}

// isText reports whether a blob begins as manifests do.
func (s *Store) isText(d digest.Digest) bool {
	b, err := s.open(context.Background(), ocispec.Descriptor{Digest: d})
	if err != nil {
		return false
	}
	defer b.Close()
	var first [1]byte
	_, err = b.ReadAt(first[:], 0)
	return err == nil && strings.Contains("{ \t\r\n", string(first[:]))
}

// Verify reads a blob of the store to its end and compares its digest. One that was found damaged and is right again, because somebody
// copied it in, is then there again.
func (s *Store) Verify(ctx context.Context, desc ocispec.Descriptor) error {
	b, err := s.open(ctx, desc)
	if err != nil {
		return err
	}
	defer b.Close()
	v := desc.Digest.Verifier()
	if _, err := io.Copy(v, &contextReader{ctx, b}); err != nil {
		return fmt.Errorf("read blob %s: %w", desc.Digest, err)
	}
	if !v.Verified() {
		return s.corrupt(desc.Digest, "its bytes have another digest")
	}
	if !s.present(desc.Digest) {
		_ = os.Remove(s.markPath(desc.Digest)) // who may only read can do nothing about it
	}
	return nil
}

// contextReader stops a long read.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
