package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Store is what a transfer needs of a content store. All methods may be called
// from several goroutines at once.
type Store interface {
	// Has reports whether the blob is there, whole.
	Has(d digest.Digest) bool
	// Open gives the blob that d.Digest names. A missing blob is an error that
	// matches fs.ErrNotExist. A d.Size of 0 or less means that the caller does
	// not know the size; any other differing from the blob's is an error.
	Open(ctx context.Context, d ocispec.Descriptor) (Blob, error)
	// Ingest starts a new blob. Nothing shows in the store before Commit.
	Ingest(ctx context.Context) (Ingest, error)
	// Resume starts the blob want with the bytes of it that a suspended Resume
	// of it has left, and returns how many they are.
	Resume(ctx context.Context, want ocispec.Descriptor) (in Ingest, have int64, err error)
}

// Blob is one open blob. ReadAt may be called from several goroutines.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Ingest is a blob on its way into a store.
type Ingest interface {
	io.Writer
	// Commit makes the bytes written so far a blob and returns its descriptor.
	// It refuses bytes that have another digest than want.Digest; want.Size is
	// checked too unless it is 0. After an error nothing is kept.
	Commit(want ocispec.Descriptor) (ocispec.Descriptor, error)
	// Abort drops the bytes. After Commit it does nothing.
	Abort() error
	// Suspend keeps the bytes of what Resume started for another Resume. After
	// Commit it does nothing.
	Suspend() error
}

// ErrTooLarge is the error for a manifest beyond MaxManifest, most likely some
// other blob.
var ErrTooLarge = errors.New("too large for a manifest, 4 MiB are allowed")

// ReadManifest reads a manifest of at most MaxManifest bytes from the store and
// proves its digest.
func ReadManifest(ctx context.Context, st Store, d ocispec.Descriptor) ([]byte, error) {
	b, err := st.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > MaxManifest {
		return nil, fmt.Errorf("%s: %w (%d bytes)", d.Digest, ErrTooLarge, b.Size())
	}
	body := make([]byte, b.Size())
	if _, err := io.ReadFull(io.NewSectionReader(b, 0, b.Size()), body); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", d.Digest, err)
	}
	if got := digest.FromBytes(body); got != d.Digest {
		return nil, fmt.Errorf("manifest %s is damaged in the store (its bytes are %s)", d.Digest, got)
	}
	return body, nil
}

// Put writes a small blob, which must be what want says.
func Put(ctx context.Context, st Store, want ocispec.Descriptor, body []byte) error {
	in, err := st.Ingest(ctx)
	if err != nil {
		return err
	}
	defer in.Abort()
	if _, err := in.Write(body); err != nil {
		return err
	}
	_, err = in.Commit(want)
	return err
}
