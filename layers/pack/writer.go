package pack

import (
	"cmp"
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
// The same entries and compression give the same blob, on any number of cores and whether chunks of it are reused or not.
type Writer struct {
	layer *layers.Writer
	pipe  *pipe
	kind  Compression
	items []Item
}

// NewWriter returns a Writer whose blob goes to blob. It works in the background until Close.
func NewWriter(blob io.Writer, c Compression) (*Writer, error) {
	p, err := newPipe(blob, c)
	if err != nil {
		return nil, fmt.Errorf("compress layer: %w", err)
	}
	return &Writer{layer: layers.NewWriter(p), pipe: p, kind: c}, nil
}

// Reuse makes the Writer ask get for chunks before it compresses them. get returns a chunk as it was written once, having
// compared its Checksum, or nil; it is called by several goroutines. Call Reuse before the first entry.
func (w *Writer) Reuse(get func(Key) []byte) { w.pipe.reuse = get }

// WriteEntry appends an entry, as layers.Writer does.
func (w *Writer) WriteEntry(e *layers.Entry, content io.Reader) error {
	return w.write(e, content, nil)
}

// WriteKnown is WriteEntry for a file whose content is known to have that SHA-256, which saves to compute it. The caller
// answers for it: were it another's, later layers that reuse chunks would get this content in place of the right one.
func (w *Writer) WriteKnown(e *layers.Entry, content io.Reader, sum [sha256.Size]byte) error {
	return w.write(e, content, &sum)
}

func (w *Writer) write(e *layers.Entry, content io.Reader, sum *[sha256.Size]byte) error {
	w.pipe.entry(e.Name, e.Size)
	var hash hash.Hash
	if sum == nil {
		content, hash = hashing(e, content)
	}
	if content != nil {
		content = &announced{content, func() { w.pipe.begin(e.Size, sum) }}
	}
	if err := w.layer.WriteEntry(e, content); err != nil {
		return err
	}
	item := Item{Entry: w.layer.Entry(), Offset: w.layer.Offset()}
	switch {
	case sum != nil:
		item.Content = *sum
	case hash != nil:
		hash.Sum(item.Content[:0])
	}
	w.items = append(w.items, item)
	return nil
}

// announced calls begin before the first read, which layers.Writer does when it has written what precedes the content.
type announced struct {
	io.Reader
	begin func()
}

func (a *announced) Read(p []byte) (int, error) {
	if a.begin != nil {
		a.begin()
		a.begin = nil
	}
	return a.Reader.Read(p)
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
	layerErr, pipeErr := w.layer.Close(), w.pipe.Close()
	if err := cmp.Or(layerErr, pipeErr); err != nil {
		return Result{}, nil, err
	}
	tar, blob := &w.pipe.tar, &w.pipe.blob
	r := Result{
		DiffID: tar.digest(), TarSize: tar.n,
		Digest: blob.digest(), Size: blob.n,
		MediaType: w.kind.mediaType(),
	}
	return r, &TOC{DiffID: r.DiffID, Digest: r.Digest, TarSize: r.TarSize, Items: w.items}, nil
}

// Chunks returns the chunks of the blob in their order. Call it after Close.
func (w *Writer) Chunks() []Chunk { return w.pipe.chunks }

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
