package view

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/opencontainers/go-digest"
)

var errNotFile = errors.New("not a file of a layer")

// Open reads the content of a file. The caller closes it.
//
// The first read of a compressed layer unpacks the layer's tar once into the store's derived data, checked against its
// digest; later reads go straight to their place in it.
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
	tar, size, err := v.tar(layer)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", v.layers[layer].Desc.Digest, err)
	}
	if item.Offset < 0 || item.Size < 0 || item.Offset > size || item.Size > size-item.Offset {
		return nil, errors.Join(fmt.Errorf("layer %s: content of %s lies outside: %w", v.layers[layer].Desc.Digest, item.Name,
			store.ErrCorrupt), tar.Close())
	}
	return &section{io.NewSectionReader(tar, item.Offset, item.Size), tar}, nil
}

type readerAtCloser interface {
	io.ReaderAt
	io.Closer
}

// tar opens the plain form of a layer and returns its length.
func (v *View) tar(i int) (readerAtCloser, int64, error) {
	toc := v.tocs[i]
	if toc.Digest == toc.DiffID {
		blob, err := v.st.Blob(v.ctx, v.layers[i].Desc)
		if err != nil {
			return nil, 0, err
		}
		return blob, blob.Size(), nil
	}
	path := v.st.Derived("plain", toc.DiffID.Encoded())
	f, err := openSized(path, toc.TarSize)
	if err == nil {
		return f, toc.TarSize, nil
	}
	if err := v.unpack(i, path); err != nil {
		return nil, 0, err
	}
	f, err = openSized(path, toc.TarSize)
	return f, toc.TarSize, err
}

// openSized opens a derived file, which is whole if it has its size: it appeared there by rename.
func openSized(path string, size int64) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%s has %d bytes, not %d: %w", path, info.Size(), size, store.ErrCorrupt)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unpack decompresses layer i into path.
func (v *View) unpack(i int, path string) (err error) {
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
	tmp, err := os.CreateTemp(filepath.Dir(path), "tmp-*")
	if err != nil {
		return err
	}
	if err := v.fill(tmp, r, i); err != nil {
		return errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
	}
	if err := tmp.Close(); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// fill copies a layer's tar and checks that it is the one.
func (v *View) fill(f *os.File, r io.Reader, i int) error {
	toc, sum := v.tocs[i], digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(f, sum.Hash()), io.LimitReader(&ctxReader{v.ctx, r}, toc.TarSize+1))
	if err != nil {
		return err
	}
	if n != toc.TarSize || sum.Digest() != toc.DiffID {
		return fmt.Errorf("%d bytes with digest %s instead of %d with %s: %w", n, sum.Digest(), toc.TarSize, toc.DiffID,
			store.ErrCorrupt)
	}
	return f.Sync()
}
