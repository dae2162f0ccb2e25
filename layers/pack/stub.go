// Package pack compresses layers and lists them.
package pack

import (
	"errors"
	"io"

	"github.com/mullion/mullion/layers"
	"github.com/opencontainers/go-digest"
)

var errStub = errors.New("not there yet")

// Compression names how a layer's blob is compressed.
type Compression string

const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
	None Compression = "none"
)

type Result struct {
	DiffID, Digest digest.Digest
	Size, TarSize  int64
	MediaType      string
}
type Writer struct{}

func NewWriter(blob io.Writer, c Compression) (*Writer, error)            { return &Writer{}, nil }
func (w *Writer) WriteEntry(e *layers.Entry, content io.Reader) error     { return errStub }
func (w *Writer) Close() (Result, *TOC, error)                            { return Result{}, nil, errStub }

// Item is an entry of a TOC: Offset is where its content begins in the tar, Content the SHA-256 of it.
type Item struct {
	layers.Entry
	Offset  int64
	Content [32]byte
}

// TOC lists a layer. Digest is that of the compressed blob.
type TOC struct {
	DiffID  digest.Digest
	Digest  digest.Digest
	TarSize int64
	Items   []Item
}

func Scan(r io.Reader, mediaType string) (Result, *TOC, error)          { return Result{}, nil, errStub }
func (t *TOC) Encode(w io.Writer) error                                 { return errStub }
func DecodeTOC(r io.Reader) (*TOC, error)                               { return nil, errStub }
func Decompress(r io.Reader, mediaType string) (io.ReadCloser, error)   { return nil, errStub }
