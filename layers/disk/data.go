package disk

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// dataVersion is part of every data file's name; it changes with the layout.
const dataVersion = "v1"

// layout says where the content of each file of a layer lies in its data file. It
// follows from the TOC alone, so that nothing has to be kept beside the data.
type layout struct {
	at    map[int64]int64 // offset in the data file, by offset in the tar
	items []*pack.Item    // the files with content, in the order of the tar
	size  int64
}

// layoutOf places the files of C: one after the other. Hives and the utility VM's
// files are no part of C:.
func layoutOf(t *pack.TOC) (*layout, error) {
	l := &layout{at: map[int64]int64{}}
	for i := range t.Items {
		it := &t.Items[i]
		if it.Kind == layers.File && it.Size > 0 && strings.HasPrefix(it.Name, "Files/") {
			l.items = append(l.items, it)
		}
	}
	slices.SortFunc(l.items, func(a, b *pack.Item) int { return cmp.Compare(a.Offset, b.Offset) })
	var end int64
	for _, it := range l.items {
		if it.Offset < end || it.Size > 1<<62-it.Offset || it.Size > 1<<62-l.size {
			return nil, fmt.Errorf("%s: the layer's list puts it where another file is", it.Name)
		}
		end = it.Offset + it.Size
		l.at[it.Offset] = l.size
		l.size += roundUp(it.Size)
	}
	return l, nil
}

func roundUp(n int64) int64 { return (n + BlockSize - 1) &^ (BlockSize - 1) }

// ensureData makes the data file of a layer unless it is there with the right
// size, and returns its path.
func ensureData(ctx context.Context, st *store.Store, l view.Layer, lay *layout) (string, error) {
	file := st.Derived("disk", "data", l.DiffID.Encoded()+"-"+dataVersion+".data")
	if info, err := os.Stat(file); err == nil && info.Size() == lay.size {
		return file, nil
	}
	err := store.WriteFile(file, func(f *os.File) error { return writeData(ctx, st, l, lay, f) })
	if err != nil {
		return "", fmt.Errorf("lay out layer %s: %w", l.DiffID, err)
	}
	return file, nil
}

// writeData copies the files' contents out of the layer's tar in one pass. The
// tar is hashed on the way: what a kernel will read unchecked has been checked once.
func writeData(ctx context.Context, st *store.Store, l view.Layer, lay *layout, f *os.File) error {
	blob, err := st.Blob(ctx, l.Desc)
	if err != nil {
		return err
	}
	defer blob.Close()
	tar, err := pack.Decompress(blob, l.Desc.MediaType)
	if err != nil {
		return err
	}
	defer tar.Close()
	sum := sha256.New()
	if err := copyItems(ctx, f, io.TeeReader(tar, sum), lay); err != nil {
		return err
	}
	if got := digest.NewDigest(digest.SHA256, sum); got != l.DiffID {
		return fmt.Errorf("%w: its content is %s", store.ErrCorrupt, got)
	}
	return nil
}

func copyItems(ctx context.Context, w io.Writer, tar io.Reader, lay *layout) error {
	out := bufio.NewWriterSize(w, 1<<20)
	buf := make([]byte, 256<<10)
	skip := struct{ io.Writer }{io.Discard} // hides ReadFrom, whose buffer is small
	var pos int64
	for _, it := range lay.items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(skip, io.LimitReader(tar, it.Offset-pos), buf); err != nil {
			return err
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{out}, io.LimitReader(tar, it.Size), buf)
		if err == nil && n < it.Size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("%s: %w", it.Name, err)
		}
		if _, err := out.Write(make([]byte, roundUp(it.Size)-it.Size)); err != nil {
			return err
		}
		pos = it.Offset + it.Size
	}
	if _, err := io.CopyBuffer(skip, tar, buf); err != nil {
		return err
	}
	return out.Flush()
}
