package store

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// TOC returns the table of contents of a layer in the store. At first need it reads the whole layer to make it. Of a layer
// that is not here a borrowed one does.
func (s *Store) TOC(ctx context.Context, layer ocispec.Descriptor) (*pack.TOC, error) {
	if err := checkDigest(layer.Digest); err != nil {
		return nil, err
	}
	if t := knownTOC(s.tocPath(layer.Digest), layer.Digest); t != nil {
		return t, nil
	}
	if !s.present(layer.Digest) {
		if t := knownTOC(s.borrowedPath(layer.Digest), layer.Digest); t != nil {
			t.Borrowed = true
			return t, nil
		}
	}
	b, err := s.Blob(ctx, layer)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	res, t, err := pack.Scan(&contextReader{ctx, b}, layer.MediaType)
	if err != nil {
		if verr := s.Verify(ctx, layer); verr != nil {
			return nil, verr // the layer is not bad, its copy here is
		}
		return nil, fmt.Errorf("list layer %s: %w", layer.Digest, err)
	}
	if res.Digest != layer.Digest {
		return nil, s.corrupt(layer.Digest, "its bytes have another digest")
	}
	// A store only to read from lists the layer again each time.
	_ = s.PutTOC(t)
	return t, nil
}

// PutTOC keeps the table of contents that came with a layer, whose blob t.Digest names.
func (s *Store) PutTOC(t *pack.TOC) error { return s.putTOC(t, s.tocPath) }

// BorrowTOC keeps a table of contents that somebody else made of the layer t.Digest. It counts only as long as the layer is
// not here, and says so in its field Borrowed.
func (s *Store) BorrowTOC(t *pack.TOC) error { return s.putTOC(t, s.borrowedPath) }

func (s *Store) putTOC(t *pack.TOC, path func(digest.Digest) string) error {
	if err := checkDigest(t.Digest); err != nil {
		return fmt.Errorf("keep table of contents: %w", err)
	}
	var buf bytes.Buffer
	if err := t.Encode(&buf); err != nil {
		return err
	}
	err := makeDirs(s.path(derivedDir, "toc"))
	if err == nil {
		err = s.WriteDerived(path(t.Digest), buf.Bytes())
	}
	if err != nil {
		return fmt.Errorf("keep table of contents: %w", err)
	}
	return nil
}

// knownTOC returns a kept table of contents, nil if there is none or it is damaged or of another version.
func knownTOC(path string, layer digest.Digest) *pack.TOC {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	t, err := pack.DecodeTOC(f)
	if err != nil || t.Digest != layer {
		return nil
	}
	return t
}

// tocPath names the file of a table of contents. No lease shields it: it is read at once and whole.
func (s *Store) tocPath(layer digest.Digest) string {
	return s.path(derivedDir, "toc", layer.Encoded())
}

// borrowed ends the name of the file of a borrowed one.
const borrowed = "-borrowed"

func (s *Store) borrowedPath(layer digest.Digest) string { return s.tocPath(layer) + borrowed }
