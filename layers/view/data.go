package view

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

// DataAlign is the unit of data files: every content starts at a multiple of it. It is the block size of the file
// systems that the data files are devices of.
const DataAlign = 4096

// dataVersion is part of every data file's name; it changes with the layout.
const dataVersion = "v2"

// Data says where the contents of a layer lie in its data file. It follows from the table of contents alone, so that
// nothing has to be kept beside the file.
type Data struct {
	Size  int64         // of the file, a multiple of DataAlign
	items []*pack.Item  // what has content, in the order of the tar
	at    []int64       // of each of them, where it is in the data file
	diff  digest.Digest // of the layer
}

type layoutOnce struct {
	once sync.Once
	data *Data
	err  error
	file sync.Mutex // held while the data file is made: the others wait for it
}

// Data returns the layout of a layer's data file; layers are counted from the base.
func (v *View) Data(layer int) (*Data, error) {
	l := &v.layouts[layer]
	l.once.Do(func() {
		if l.err = v.prove(layer); l.err == nil {
			l.data, l.err = layOut(v.tocs[layer])
		}
	})
	return l.data, l.err
}

// prove compares a table of contents that somebody else made with that of the layer's bytes. Nothing is taken out of a layer,
// and nothing is laid out that will be kept, by one that is wrong.
func (v *View) prove(layer int) error {
	borrowed := v.tocs[layer]
	if !borrowed.Borrowed {
		return nil
	}
	blob, err := v.st.Blob(v.ctx, v.layers[layer].Desc)
	if err != nil {
		return err
	}
	defer blob.Close()
	own, err := v.st.TOC(v.ctx, v.layers[layer].Desc)
	if err != nil {
		return err
	}
	var is, was bytes.Buffer
	if err := errors.Join(own.Encode(&is), borrowed.Encode(&was)); err != nil {
		return err
	}
	if own.Borrowed || !bytes.Equal(is.Bytes(), was.Bytes()) {
		return fmt.Errorf("layer %s: the table of contents that its registry offers lists something else: remove what was built on it, "+
			"and build again, now that the layer is here", v.layers[layer].Desc.Digest)
	}
	return nil
}

// layOut places contents one after the other: those of files, streams and hives. Nobody reads those of the utility VM.
func layOut(t *pack.TOC) (*Data, error) {
	d := &Data{diff: t.DiffID}
	var end int64
	for i := range t.Items {
		it := &t.Items[i]
		if it.Kind != layers.File && it.Kind != layers.Stream || it.Size == 0 || strings.HasPrefix(it.Name, "UtilityVM/") {
			continue
		}
		if it.Offset < end || it.Size < 0 || it.Size > 1<<62-it.Offset || it.Size > 1<<62-d.Size {
			return nil, fmt.Errorf("layer %s: %s: its table of contents puts it where another file is: %w", t.DiffID, it.Name,
				store.ErrCorrupt)
		}
		end = it.Offset + it.Size
		d.items, d.at = append(d.items, it), append(d.at, d.Size)
		d.Size += alignUp(it.Size)
	}
	return d, nil
}

func alignUp(n int64) int64 { return (n + DataAlign - 1) &^ (DataAlign - 1) }

// Offset returns where in the data file the content of an item of the layer begins; false if it has none there.
func (d *Data) Offset(item *pack.Item) (int64, bool) {
	i, ok := slices.BinarySearchFunc(d.items, item.Offset, func(it *pack.Item, off int64) int {
		switch {
		case it.Offset < off:
			return -1
		case it.Offset > off:
			return 1
		}
		return 0
	})
	if !ok || d.items[i].Size != item.Size {
		return 0, false
	}
	return d.at[i], true
}

// Name returns the name of the data file, which says whose content it is.
func (d *Data) Name() string { return d.diff.Encoded() + "-" + dataVersion + ".data" }

// DataFile returns the path of a layer's data file, which it makes of the blob unless it is there with the right size.
func (v *View) DataFile(ctx context.Context, layer int) (string, error) {
	d, err := v.Data(layer)
	if err != nil {
		return "", err
	}
	v.layouts[layer].file.Lock()
	defer v.layouts[layer].file.Unlock()
	path := v.st.Derived("disk", "data", d.Name())
	if info, err := os.Stat(path); err == nil && info.Size() == d.Size {
		return path, nil
	}
	if err := store.WriteFile(path, func(f *os.File) error { return v.writeData(ctx, layer, d, f) }); err != nil {
		return "", fmt.Errorf("lay out layer %s: %w", d.diff, err)
	}
	return path, nil
}

// writeData copies the contents out of the layer's tar in one pass. The tar is hashed on the way: what a kernel will read
// unchecked has been checked once.
func (v *View) writeData(ctx context.Context, layer int, d *Data, f *os.File) (err error) {
	blob, err := v.st.Blob(ctx, v.layers[layer].Desc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	tar, err := pack.Decompress(blob, v.layers[layer].Desc.MediaType)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tar.Close()) }()
	in := newTeeHash(tar)
	copyErr := copyItems(ctx, f, in, d)
	if got := in.sum(); copyErr == nil && got != d.diff {
		copyErr = fmt.Errorf("%w: its content is %s", store.ErrCorrupt, got)
	}
	return copyErr
}

func copyItems(ctx context.Context, w io.Writer, tar io.Reader, d *Data) error {
	out := bufio.NewWriterSize(w, 1<<20)
	buf := make([]byte, 256<<10)
	skip := struct{ io.Writer }{io.Discard} // hides ReadFrom, whose buffer is small
	var pos int64
	for _, it := range d.items {
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
		if _, err := out.Write(zeros[:alignUp(it.Size)-it.Size]); err != nil {
			return err
		}
		pos = it.Offset + it.Size
	}
	if _, err := io.CopyBuffer(skip, tar, buf); err != nil {
		return err
	}
	return out.Flush()
}

// zeros fills the last block of a content.
var zeros [DataAlign]byte

// hashChunk is how much the hash of a teeHash may lag behind, times the chunks on the way.
const hashChunk = 1 << 20

// teeHash hashes what is read through it on another processor.
type teeHash struct {
	r      io.Reader
	fill   []byte
	chunks chan []byte
	free   chan []byte
	done   chan digest.Digest
}

func newTeeHash(r io.Reader) *teeHash {
	t := &teeHash{r: r, chunks: make(chan []byte, 2), free: make(chan []byte, 4), done: make(chan digest.Digest, 1)}
	for range cap(t.free) - 1 {
		t.free <- make([]byte, 0, hashChunk)
	}
	t.fill = make([]byte, 0, hashChunk)
	go func() {
		sum := sha256.New()
		for c := range t.chunks {
			sum.Write(c)
			t.free <- c[:0]
		}
		t.done <- digest.NewDigest(digest.SHA256, sum)
	}()
	return t
}

func (t *teeHash) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for b := p[:n]; len(b) > 0; {
		k := min(len(b), hashChunk-len(t.fill))
		t.fill = append(t.fill, b[:k]...)
		if b = b[k:]; len(t.fill) == hashChunk {
			t.chunks <- t.fill
			t.fill = <-t.free
		}
	}
	return n, err
}

// sum ends the hash; nothing may be read any more.
func (t *teeHash) sum() digest.Digest {
	t.chunks <- t.fill
	close(t.chunks)
	return <-t.done
}
