package view

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var errNotFile = errors.New("not a file of a layer")

// Open reads the content of a file. The caller closes it.
//
// The first read of a compressed layer unpacks its whole tar into the store; later reads go straight to their place.
func (v *View) Open(f *File) (io.ReadCloser, error) {
	if f.Item == nil || f.Kind() != layers.File || f.Layer >= len(v.layers) {
		return nil, pathError("open", f.Path, errNotFile)
	}
	if f.Item.Size == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	r, err := v.content(f.Layer, f.Item)
	if err != nil {
		return nil, pathError("open", f.Path, err)
	}
	return r, nil
}

// section is a part of a tar, and the tar to close after it.
type section struct {
	*io.SectionReader
	io.Closer
}

// content opens the bytes of an item of a layer.
func (v *View) content(layer int, item *pack.Item) (*section, error) {
	tar, err := v.tar(layer)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", v.layers[layer].Desc.Digest, err)
	}
	if item.Offset < 0 || item.Size < 0 || item.Offset > tar.Size() || item.Size > tar.Size()-item.Offset {
		return nil, errors.Join(fmt.Errorf("layer %s: content of %s lies outside: %w", v.layers[layer].Desc.Digest, item.Name,
			store.ErrCorrupt), tar.Close())
	}
	return &section{io.NewSectionReader(tar, item.Offset, item.Size), tar}, nil
}

// tar opens the plain form of a layer. Of a compressed layer it is kept in the store as a blob of its own, named by the
// diff ID: it is checked on the way in, no reader ever sees half of it, and as nothing refers to it Prune takes it away.
func (v *View) tar(i int) (*store.Blob, error) {
	toc := v.tocs[i]
	if toc.Digest == toc.DiffID {
		return v.st.Blob(v.ctx, v.layers[i].Desc)
	}
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: toc.DiffID, Size: toc.TarSize}
	if !v.st.Has(desc.Digest) {
		if err := v.unpack(i, desc); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
	}
	return v.st.Blob(v.ctx, desc)
}

// unpack puts the plain form of layer i into the store.
func (v *View) unpack(i int, desc ocispec.Descriptor) (err error) {
	blob, err := v.st.Blob(v.ctx, v.layers[i].Desc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	r, err := pack.Decompress(blob, v.layers[i].Desc.MediaType)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in, err := v.st.Ingest(v.ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(in, io.LimitReader(r, desc.Size+1)); err != nil {
		return errors.Join(err, in.Abort())
	}
	_, err = in.Commit(desc)
	return err
}
