package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/internal/nt"
)

// Permission bits for the sake of other systems; Windows ignores them.
const (
	modeDir  = 0o755
	modeFile = 0o644
	modeLink = 0o777
)

// copySize is the buffer between a file and the tar.
const copySize = 128 << 10

// Writer writes a layer. The same entries give the same bytes.
//
// Entries come in canonical order (see Order): every directory before what lies in it, once. Writer refuses an entry
// that Windows would refuse or change; the layer can go on without it. After a failed write it cannot.
type Writer struct {
	out    countWriter
	head   headerWriter
	pad    int // zeros that the content before still needs
	tree   *tree
	last   Entry
	offset int64
	buf    []byte
	sds    map[string]string // descriptor -> base64, of those found valid
	err    error             // of a write; every later call returns it
}

// NewWriter returns a Writer that writes the tar to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{out: countWriter{w: w}, tree: newTree(), buf: make([]byte, copySize), sds: map[string]string{}}
}

// WriteEntry appends e with exactly e.Size bytes of content; content may be nil if that is zero.
//
// A zero Attributes means the default of a file or directory. Of anything but a directory the bits that say how the
// volume stores it (sparse, compressed, encrypted) are left out. A hard link has no descriptor or extended attributes
// of its own, and those given are not written. Entry tells what was made of e.
func (w *Writer) WriteEntry(e *Entry, content io.Reader) error {
	if w.err != nil {
		return w.err
	}
	plain, err := normalise(e)
	if err == nil {
		err = w.append(&plain)
	}
	if err != nil {
		return fmt.Errorf("layer entry %q: %w", e.Name, err)
	}
	if plain.Size == 0 && content == nil {
		return nil
	}
	return w.content(&plain, content)
}

// append writes what precedes the content. An error of writing is kept, one of e is not.
func (w *Writer) append(e *Entry) error {
	hdr, err := w.header(e)
	if err != nil {
		return err
	}
	if err := w.tree.add(e); err != nil {
		return err
	}
	if err := w.write(zeroBlock[:w.pad], hdr); err != nil {
		return w.fail(fmt.Errorf("write header: %w", err))
	}
	w.last, w.offset, w.pad = *e, w.out.n, int(-e.Size&(blockSize-1))
	return nil
}

func (w *Writer) content(e *Entry, content io.Reader) error {
	if content == nil {
		return w.fail(fmt.Errorf("layer entry %q: %d bytes, but no content", e.Name, e.Size))
	}
	// The struct hides WriterTo, which would bring its own buffer and more bytes than were promised.
	n, err := io.CopyBuffer(&w.out, struct{ io.Reader }{io.LimitReader(content, e.Size)}, w.buf)
	if err != nil {
		return w.fail(fmt.Errorf("write content of layer entry %q: %w", e.Name, err))
	}
	if n < e.Size {
		return w.fail(fmt.Errorf("layer entry %q: content ends after %d of %d bytes", e.Name, n, e.Size))
	}
	if n, _ := io.ReadFull(content, w.buf[:1]); n != 0 {
		return w.fail(fmt.Errorf("layer entry %q: content is longer than %d bytes", e.Name, e.Size))
	}
	return nil
}

// Offset returns where in the tar the content of the last written entry begins.
func (w *Writer) Offset() int64 { return w.offset }

// Entry returns the last written entry as a Reader of the tar will find it.
func (w *Writer) Entry() Entry { return w.last }

// Close ends the tar. It fails if what was written is not a whole layer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.tree.close(); err != nil {
		return w.fail(fmt.Errorf("close layer: %w", err))
	}
	if err := w.write(zeroBlock[:w.pad], zeroBlock[:], zeroBlock[:]); err != nil {
		return w.fail(fmt.Errorf("close layer: %w", err))
	}
	w.err = errors.New("layer is closed")
	return nil
}

func (w *Writer) write(parts ...[]byte) error {
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = err
	return err
}

// header returns what the tar holds before the content of a normalised entry, valid until the next call.
func (w *Writer) header(e *Entry) ([]byte, error) {
	if e.Kind == Whiteout {
		return whiteoutHeader(e.Name)
	}
	rawsd, err := w.descriptor(e)
	if err != nil {
		return nil, err
	}
	return w.head.encode(e, rawsd)
}

// whiteoutHeader returns what the exporters of Windows write for a deletion: nothing but the name.
func whiteoutHeader(name string) ([]byte, error) {
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: whiteoutName(name)}); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// whiteoutName returns the tar name of the deletion of name.
func whiteoutName(name string) string {
	if parent := parentOf(name); parent != "" {
		return parent + "/" + whiteoutPrefix + baseOf(name)
	}
	return whiteoutPrefix + name
}

// descriptor returns the security descriptor of e as the tar holds it, "" if it has none.
func (w *Writer) descriptor(e *Entry) (string, error) {
	if len(e.SD) == 0 {
		return "", nil
	}
	if below(e.Name, rootHives) {
		return "", errors.New("has a security descriptor, which nothing in Hives may have")
	}
	text, ok := w.sds[string(e.SD)]
	if !ok {
		if _, err := nt.ParseSD(e.SD); err != nil {
			return "", fmt.Errorf("security descriptor: %w", err)
		}
		text = base64.StdEncoding.EncodeToString(e.SD)
		if len(w.sds) < maxKnownSDs {
			w.sds[string(e.SD)] = text
		}
	}
	return text, nil
}

// countWriter counts what passes.
type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
