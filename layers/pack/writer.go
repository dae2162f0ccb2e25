package pack

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/mullion/mullion/layers"
	"github.com/opencontainers/go-digest"
)

// Result is what is known of a layer after it was written or read once.
type Result struct {
	DiffID    digest.Digest // of the tar
	Digest    digest.Digest // of the blob
	Size      int64         // bytes of the blob
	TarSize   int64         // bytes of the tar
	MediaType string        // OCI's, by how the blob really is compressed
}

// Writer writes a layer, compressed, and lists it on the way: one pass for the tar, the blob, both digests and the TOC.
// The same entries and compression give the same blob.
type Writer struct {
	layer *layers.Writer
	tar   sum // of the uncompressed layer
	blob  sum
	zip   io.WriteCloser
	kind  Compression
	items []Item
}

// NewWriter returns a Writer whose blob goes to blob.
func NewWriter(blob io.Writer, c Compression) (*Writer, error) {
	w := &Writer{blob: newSum(), tar: newSum(), kind: c}
	zip, err := c.compressor(io.MultiWriter(blob, &w.blob))
	if err != nil {
		return nil, fmt.Errorf("compress layer: %w", err)
	}
	w.zip = zip
	w.layer = layers.NewWriter(io.MultiWriter(&w.tar, zip))
	return w, nil
}

// WriteEntry appends an entry, as layers.Writer does.
func (w *Writer) WriteEntry(e *layers.Entry, content io.Reader) error {
	content, sum := hashing(e, content)
	if err := w.layer.WriteEntry(e, content); err != nil {
		return err
	}
	item := Item{Entry: w.layer.Entry(), Offset: w.layer.Offset()}
	if sum != nil {
		sum.Sum(item.Content[:0])
	}
	w.items = append(w.items, item)
	return nil
}

// hashing returns content so that it is hashed while it is read, and the hash; none for an entry that has no content.
func hashing(e *layers.Entry, content io.Reader) (io.Reader, hash.Hash) {
	if e.Kind != layers.File && e.Kind != layers.Stream {
		return content, nil
	}
	h := sha256.New()
	if content != nil {
		content = io.TeeReader(content, h)
	}
	return content, h
}

// Close ends the layer and returns what it came to. Call it after a failure too: it ends the work in the background. It
// does not close the blob's writer.
func (w *Writer) Close() (Result, *TOC, error) {
	layerErr, zipErr := w.layer.Close(), w.zip.Close()
	if layerErr != nil {
		return Result{}, nil, layerErr
	}
	if zipErr != nil {
		return Result{}, nil, fmt.Errorf("compress layer: %w", zipErr)
	}
	r := Result{
		DiffID: w.tar.digest(), TarSize: w.tar.n,
		Digest: w.blob.digest(), Size: w.blob.n,
		MediaType: w.kind.mediaType(),
	}
	return r, &TOC{DiffID: r.DiffID, Digest: r.Digest, TarSize: r.TarSize, Items: w.items}, nil
}

// sum hashes and counts.
type sum struct {
	h hash.Hash
	n int64
}

func newSum() sum { return sum{h: sha256.New()} }

func (s *sum) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.h.Write(p)
}

func (s *sum) digest() digest.Digest { return digest.NewDigest(digest.SHA256, s.h) }
