package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// layerType recognises a layer by how it begins: the media type of a plain tar or of a
// compressed one, "" if it is none.
func layerType(r io.ReaderAt) string {
	head := make([]byte, 512)
	n, _ := r.ReadAt(head, 0)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return ocispec.MediaTypeImageLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return ocispec.MediaTypeImageLayerZstd
	case n == len(head) && len(head) == 512 && string(head[257:262]) == "ustar":
		return ocispec.MediaTypeImageLayer
	}
	return ""
}

// findLayer finds a layer by its digest in the store, or by the path of its tar, which is
// copied to the store: it has no name there, and Prune takes it away. ok is false if the
// name is that of no layer.
func (t *targets) findLayer(ctx context.Context, name string) (d ocispec.Descriptor, ok bool, err error) {
	if dg, err := digest.Parse(name); err == nil {
		return t.layerBlob(ctx, dg)
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return d, false, err
	}
	d = ocispec.Descriptor{MediaType: layerType(f), Size: info.Size()}
	if d.MediaType == "" {
		return d, false, nil
	}
	if d.Digest, err = digest.FromReader(f); err != nil {
		return d, false, err
	}
	if !t.st.Has(d.Digest) {
		err = ingest(ctx, t.st, io.NewSectionReader(f, 0, d.Size), d)
	}
	return d, err == nil, err
}

// ingest copies a blob into the store, which holds it against its digest.
func ingest(ctx context.Context, st *store.Store, r io.Reader, d ocispec.Descriptor) error {
	in, err := st.Ingest(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(in, r); err != nil {
		return errors.Join(err, in.Abort())
	}
	_, err = in.Commit(d)
	return err
}

// layerBlob tells whether a blob of the store is a layer.
func (t *targets) layerBlob(ctx context.Context, dg digest.Digest) (d ocispec.Descriptor, ok bool, err error) {
	if !t.st.Has(dg) {
		return d, false, nil
	}
	blob, err := t.st.Blob(ctx, ocispec.Descriptor{Digest: dg})
	if err != nil {
		return d, false, err
	}
	defer blob.Close()
	d = ocispec.Descriptor{MediaType: layerType(blob), Digest: dg, Size: blob.Size()}
	return d, d.MediaType != "", nil
}

// layerView shows one layer by itself.
func (t *targets) layerView(ctx context.Context, d ocispec.Descriptor) (*view.View, error) {
	toc, err := t.st.TOC(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", d.Digest, err)
	}
	return view.Open(ctx, t.st, []view.Layer{{Desc: d, DiffID: toc.DiffID}})
}
