package hives

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// A hive that is not in memory is read in chunks, of which the last cacheChunks are kept.
// Keys lie close to what belongs to them, so that more would save little; and small chunks
// keep a hive that is scattered over its file from being read many times over.
const (
	chunkSize   = 16 << 10
	cacheChunks = 128
)

// cache reads the bins of a hive. Chunks leave it in the order in which they came: a chunk
// in constant use is read again once in cacheChunks misses, which costs less than
// keeping count of uses.
type cache struct {
	r      io.ReaderAt
	size   uint32                   // of all bins
	chunks []atomic.Pointer[[]byte] // nil if not in the cache

	mu    sync.Mutex
	kept  []int // chunks in the cache, as a ring once it is full
	first int   // the oldest of them
}

func newCache(r io.ReaderAt, size uint32) *cache {
	return &cache{r: r, size: size, chunks: make([]atomic.Pointer[[]byte], (int64(size)+chunkSize-1)/chunkSize)}
}

// bytes returns n bytes at a cell offset, all of them inside the bins: a part of a chunk,
// or a copy if they lie in several.
func (c *cache) bytes(off, n uint32) ([]byte, error) {
	i, at := int(off/chunkSize), off%chunkSize
	if at+n > chunkSize {
		return c.read(off, n)
	}
	b, err := c.chunk(i)
	if err != nil {
		return nil, err
	}
	return b[at : at+n : at+n], nil
}

func (c *cache) read(off, n uint32) ([]byte, error) {
	b := make([]byte, n)
	at := baseSize + int64(off)
	if _, err := io.ReadFull(io.NewSectionReader(c.r, at, int64(n)), b); err != nil {
		return nil, fmt.Errorf("read hive at %#x: %w", at, err)
	}
	return b, nil
}

func (c *cache) chunk(i int) ([]byte, error) {
	if p := c.chunks[i].Load(); p != nil {
		return *p, nil
	}
	start := uint32(i) * chunkSize
	b, err := c.read(start, min(chunkSize, c.size-start))
	if err == nil {
		c.keep(i, &b)
	}
	return b, err
}

// keep adds a chunk that was read, in the place of the oldest if the cache is full.
func (c *cache) keep(i int, b *[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.chunks[i].CompareAndSwap(nil, b) {
		return // another goroutine was faster
	}
	if len(c.kept) < cacheChunks {
		c.kept = append(c.kept, i)
		return
	}
	c.chunks[c.kept[c.first]].Store(nil)
	c.kept[c.first] = i
	c.first = (c.first + 1) % cacheChunks
}
