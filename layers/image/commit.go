package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteLayer makes a layer in the store out of the entries that fill writes, and keeps its table of contents.
func WriteLayer(ctx context.Context, st *store.Store, c pack.Compression, fill func(*pack.Writer) error) (l view.Layer, err error) {
	in, err := st.IngestHashed(ctx)
	if err != nil {
		return view.Layer{}, fmt.Errorf("write layer: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write layer: %w", err), in.Abort())
		}
	}()
	w, err := pack.NewWriter(in, c)
	if err != nil {
		return view.Layer{}, err
	}
	fillErr := fill(w)
	res, toc, err := w.Close()
	if fillErr != nil {
		return view.Layer{}, fillErr // Close only complains about what is missing because of it
	}
	if err != nil {
		return view.Layer{}, err
	}
	desc, err := in.Commit(ocispec.Descriptor{MediaType: res.MediaType, Digest: res.Digest, Size: res.Size})
	if err != nil {
		return view.Layer{}, err
	}
	return view.Layer{Desc: desc, DiffID: res.DiffID}, st.PutTOC(toc)
}

// Commit makes the layer that holds what a Scratch has changed. If the registry changed it carries a delta of all five
// hives, of which those without a change hold nothing but a root, because Windows goes through them one by one; else its
// Hives directory is empty. A Scratch without any change gives a layer without content: ask [view.Scratch.Changed].
func Commit(ctx context.Context, st *store.Store, s *view.Scratch, c pack.Compression) (view.Layer, error) {
	return WriteLayer(ctx, st, c, func(w *pack.Writer) error {
		if err := writeFiles(ctx, w, s); err != nil {
			return err
		}
		return writeHives(w, s)
	})
}

func writeFiles(ctx context.Context, w *pack.Writer, s *view.Scratch) error {
	changes := s.Changes()
	if len(changes) == 0 {
		return w.WriteEntry(s.Root(), nil)
	}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeChange(w, s, c); err != nil {
			return err
		}
	}
	return nil
}

// writeChange writes an entry, with its content and its streams.
func writeChange(w *pack.Writer, s *view.Scratch, c view.Change) error {
	if c.Entry.Kind != layers.File {
		if err := w.WriteEntry(c.Entry, nil); err != nil {
			return err
		}
	} else if err := writeContent(w, c.Entry, func() (io.ReadCloser, error) { return s.Open(c.File) }); err != nil {
		return err
	}
	if c.Entry.Kind != layers.File && c.Entry.Kind != layers.Dir {
		return nil
	}
	for _, stream := range c.File.Streams {
		open := func() (io.ReadCloser, error) { return s.View().OpenStream(stream) }
		if err := writeContent(w, c.StreamEntry(stream), open); err != nil {
			return err
		}
	}
	return nil
}

func writeContent(w *pack.Writer, e *layers.Entry, open func() (io.ReadCloser, error)) (err error) {
	r, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return w.WriteEntry(e, r)
}

// writeHives writes the Hives directory. Exports of Windows give neither it nor the deltas a security descriptor.
func writeHives(w *pack.Writer, s *view.Scratch) error {
	dir := entry("Hives", layers.Dir, layers.DefaultDir, s.Time())
	if err := w.WriteEntry(dir, nil); err != nil {
		return err
	}
	if !s.Registry().Changed() {
		return nil
	}
	for _, name := range hives.Names {
		edit, err := s.Registry().Edit(name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if _, err := edit.WriteDelta(&b); err != nil {
			return fmt.Errorf("write %s: %w", name.DeltaFile(), err)
		}
		e := entry("Hives/"+name.DeltaFile(), layers.File, layers.DefaultFile, s.Time())
		if err := writeBytes(w, e, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// entry makes an Entry whose four times are the same.
func entry(name string, kind layers.Kind, attributes uint32, t nt.Filetime) *layers.Entry {
	return &layers.Entry{Name: name, Kind: kind, Attributes: attributes, Created: t, Modified: t, Accessed: t, Changed: t}
}

func writeBytes(w *pack.Writer, e *layers.Entry, b []byte) error {
	e.Size = int64(len(b))
	return w.WriteEntry(e, bytes.NewReader(b))
}
