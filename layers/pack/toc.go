package pack

import (
	"github.com/mullion/mullion/layers"
	"github.com/opencontainers/go-digest"
)

// TOC lists a layer: everything but the contents, and where in the tar those lie. It is made of the layer and can be
// made again; see docs/formats for its bytes.
type TOC struct {
	DiffID  digest.Digest // of the tar
	Digest  digest.Digest // of the blob it was made from
	TarSize int64
	Items   []Item // in the order of the tar
	// Borrowed says that somebody else made it and that it was not yet compared with the layer. It is not encoded.
	Borrowed bool
}

// Item is one entry of a layer. Of a File or a Stream, Offset is where its Size bytes of content begin in the tar and
// Content is their SHA-256; of other kinds Content is zero.
type Item struct {
	layers.Entry
	Offset  int64
	Content [32]byte
}
