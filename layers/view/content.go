package view

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

var errNotFile = errors.New("not a file of a layer")

// Open reads the content of a file. The caller closes it.
//
// The first read of a compressed layer makes its data file; later reads go straight to their place in it.
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

// OpenStream reads one of the Streams of a File as Open reads the file.
func (v *View) OpenStream(s Stream) (io.ReadCloser, error) {
	if s.Item.Size == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	r, err := v.content(s.Layer, s.Item)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", s.Name, err)
	}
	return r, nil
}

// section is a part of a file, and the file to close after it.
type section struct {
	*io.SectionReader
	io.Closer
}

// content opens the bytes of an item of a layer: in the blob if that is not compressed, else in the data file.
func (v *View) content(layer int, item *pack.Item) (*section, error) {
	s, err := v.section(layer, item)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", v.layers[layer].Desc.Digest, err)
	}
	return s, nil
}

func (v *View) section(layer int, item *pack.Item) (*section, error) {
	if v.tocs[layer].Digest == v.tocs[layer].DiffID && !v.tocs[layer].Borrowed {
		blob, err := v.st.Blob(v.ctx, v.layers[layer].Desc)
		if err != nil {
			return nil, err
		}
		if item.Offset < 0 || item.Size < 0 || item.Offset > blob.Size() || item.Size > blob.Size()-item.Offset {
			return nil, errors.Join(errOutside(item), blob.Close())
		}
		return &section{io.NewSectionReader(blob, item.Offset, item.Size), blob}, nil
	}
	data, err := v.Data(layer)
	if err != nil {
		return nil, err
	}
	at, ok := data.Offset(item)
	if !ok {
		return nil, errOutside(item)
	}
	path, err := v.DataFile(v.ctx, layer)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &section{io.NewSectionReader(f, at, item.Size), f}, nil
}

func errOutside(item *pack.Item) error {
	return fmt.Errorf("content of %s lies outside: %w", item.Name, store.ErrCorrupt)
}
