package pack

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/layers"
)

// Scan reads the blob of a layer, of whatever origin, to its end and lists it. mediaType is a hint, see Decompress.
// The caller compares Digest and DiffID with what they should be.
func Scan(r io.Reader, mediaType string) (Result, *TOC, error) {
	blob, tar := newSum(), newSum()
	in := bufio.NewReaderSize(io.TeeReader(r, &blob), readSize)
	plain, kind, err := decompress(in, mediaType)
	if err != nil {
		return Result{}, nil, err
	}
	defer plain.Close()
	body := io.TeeReader(plain, &tar)
	items, err := list(layers.NewReader(body, layers.Limits{}))
	if err != nil {
		return Result{}, nil, err
	}
	// Both digests cover what follows the end of the tar and of the compressed stream.
	if _, err := io.Copy(io.Discard, io.LimitReader(body, maxTrailer)); err != nil {
		return Result{}, nil, fmt.Errorf("read end of layer: %w", err)
	}
	if n, _ := io.ReadFull(plain, make([]byte, 1)); n != 0 {
		return Result{}, nil, fmt.Errorf("read end of layer: more than %d bytes follow the tar", maxTrailer)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return Result{}, nil, fmt.Errorf("read end of layer: %w", err)
	}
	res := Result{
		DiffID: tar.digest(), TarSize: tar.n,
		Digest: blob.digest(), Size: blob.n,
		MediaType: kind.mediaType(),
	}
	return res, &TOC{DiffID: res.DiffID, Digest: res.Digest, TarSize: res.TarSize, Items: items}, nil
}

// maxTrailer bounds the padding behind a tar; tar programs fill up to blocks of at most a few MiB.
const maxTrailer = 64 << 20

func list(r *layers.Reader) ([]Item, error) {
	var items []Item
	buf := make([]byte, readSize)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		item := Item{Entry: *e, Offset: r.Offset()}
		content, sum := hashing(e, r)
		if sum != nil {
			// Discard has a buffer of its own, a small one; the struct hides it.
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, content, buf); err != nil {
				return nil, fmt.Errorf("read layer entry %q: %w", e.Name, err)
			}
			sum.Sum(item.Content[:0])
		}
		items = append(items, item)
	}
}
