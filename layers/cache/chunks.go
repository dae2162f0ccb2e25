package cache

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// Chunks finds compressed chunks in the layers of the store, for pack.Writer's Reuse. It keeps no bytes of its own: a
// small file beside each layer that was built says which chunks the blob is made of. It may be used by several
// goroutines; Close ends it.
type Chunks struct {
	cache *Cache
	ctx   context.Context
	place map[pack.Key]place

	mu    sync.Mutex
	blobs map[digest.Digest]io.ReaderAt // nil: it cannot be opened
	close []io.Closer
}

// place is where a chunk lies.
type place struct {
	blob digest.Digest
	pack.Chunk
}

// chunksKind is the folder of the files among the store's derived data; each has the name of its layer.
const chunksKind = "chunks"

// A file is this magic with the version as its last byte, then of each chunk the key, its length in the blob and in the
// tar, and its checksum, little endian; then a CRC-32C of all that.
const (
	chunksMagic = "mlchnk\r\x01"
	chunkRecord = 32 + 4 + 4 + 8
)

// Bounds of what is read: a file of the largest layer, and the files of a store, the newest first. What lies beyond is
// removed.
const (
	maxChunks     = 1 << 20
	maxChunkFiles = 2000
)

// Chunks lists the chunks of all layers that are in the store. ctx governs reading them.
func (c *Cache) Chunks(ctx context.Context) (*Chunks, error) {
	ch := &Chunks{cache: c, ctx: ctx, place: map[pack.Key]place{}, blobs: map[digest.Digest]io.ReaderAt{}}
	dir := c.store.Derived(chunksKind)
	names, err := newest(dir)
	if err != nil {
		return nil, fmt.Errorf("list chunks of layers: %w", err)
	}
	for i, name := range names {
		blob := digest.NewDigestFromEncoded(digest.SHA256, name)
		chunks, err := readChunks(filepath.Join(dir, name))
		if i >= maxChunkFiles || err != nil || !c.store.Has(blob) {
			// Another process may have been faster, and what cannot be removed harms nobody.
			_ = os.Remove(filepath.Join(dir, name))
			continue
		}
		ch.add(blob, chunks)
	}
	return ch, nil
}

// newest lists a folder, what was last changed first; nothing if there is no such folder.
func newest(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var files []os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return names, nil
}

// add notes the chunks of a blob, of which the first is at their Offset.
func (ch *Chunks) add(blob digest.Digest, chunks []pack.Chunk) {
	for _, c := range chunks {
		if _, ok := ch.place[c.Key]; !ok {
			ch.place[c.Key] = place{blob, c}
		}
	}
}

// Get returns a chunk as it lies in a layer, or nil if no layer has it or its bytes are damaged.
func (ch *Chunks) Get(key pack.Key) []byte {
	p, ok := ch.place[key]
	if !ok {
		return nil
	}
	blob := ch.open(p.blob)
	if blob == nil {
		return nil
	}
	b := make([]byte, p.Size)
	if n, err := blob.ReadAt(b, p.Offset); n < len(b) || err != nil && !errors.Is(err, io.EOF) || pack.Checksum(b) != p.Sum {
		return nil
	}
	return b
}

func (ch *Chunks) open(d digest.Digest) io.ReaderAt {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if r, ok := ch.blobs[d]; ok {
		return r
	}
	ch.blobs[d] = nil
	if b, err := ch.cache.store.Blob(ch.ctx, ocispec.Descriptor{Digest: d}); err == nil {
		ch.blobs[d], ch.close = b, append(ch.close, b)
	}
	return ch.blobs[d]
}

// Close closes the layers.
func (ch *Chunks) Close() error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	var errs []error
	for _, c := range ch.close {
		errs = append(errs, c.Close())
	}
	ch.close, ch.blobs = nil, nil
	return errors.Join(errs...)
}

// KeepChunks notes the chunks that a layer was made of, for builds to come.
func (c *Cache) KeepChunks(blob digest.Digest, chunks []pack.Chunk) error {
	if len(chunks) == 0 || len(chunks) > maxChunks {
		return nil
	}
	if err := c.store.WriteDerived(c.store.Derived(chunksKind, blob.Encoded()), encodeChunks(chunks)); err != nil {
		return fmt.Errorf("keep chunks of layer %s: %w", blob, err)
	}
	return nil
}

func encodeChunks(chunks []pack.Chunk) []byte {
	b := make([]byte, 0, len(chunksMagic)+8+len(chunks)*chunkRecord+4)
	b = append(b, chunksMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(chunks[0].Offset))
	for _, c := range chunks {
		b = append(b, c.Key[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(c.Size))
		b = binary.LittleEndian.AppendUint32(b, uint32(c.Plain))
		b = binary.LittleEndian.AppendUint64(b, c.Sum)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

var errChunks = errors.New("list of chunks is damaged")

func readChunks(path string) ([]pack.Chunk, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(chunksMagic)+8+maxChunks*chunkRecord+5)))
	if err != nil {
		return nil, err
	}
	return decodeChunks(b)
}

func decodeChunks(b []byte) ([]pack.Chunk, error) {
	if len(b) < len(chunksMagic)+8+4 || !bytes.HasPrefix(b, []byte(chunksMagic)) {
		return nil, errChunks
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli()) != sum {
		return nil, errChunks
	}
	b = b[len(chunksMagic):]
	at := int64(binary.LittleEndian.Uint64(b))
	if b = b[8:]; len(b)%chunkRecord != 0 || len(b)/chunkRecord > maxChunks || at < 0 || at > 1<<16 {
		return nil, errChunks
	}
	chunks := make([]pack.Chunk, 0, len(b)/chunkRecord)
	for ; len(b) > 0; b = b[chunkRecord:] {
		c := pack.Chunk{
			Key: pack.Key(b[:32]), Offset: at,
			Size: int64(binary.LittleEndian.Uint32(b[32:])), Plain: int64(binary.LittleEndian.Uint32(b[36:])),
			Sum: binary.LittleEndian.Uint64(b[40:]),
		}
		if c.Size > pack.MaxChunk {
			return nil, errChunks
		}
		chunks = append(chunks, c)
		at += c.Size
	}
	return chunks, nil
}
