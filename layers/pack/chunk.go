package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
)

// A layer is compressed in chunks, each by itself, so that one whose bytes were compressed before need not be again, and
// so that any number of cores gives the same blob. Where one ends is decided by the entries: by their names and sizes,
// not by how much came before. So a changed file changes the chunk that it is in, and at most a few after it.
const (
	chunkMin = 256 << 10 // ends no chunk that is shorter, as each begins without a dictionary
	chunkAim = 1 << 20
	chunkMax = 2 << 20 // holds no more, but for one header; longer files are cut every chunkAim bytes
)

// chunkRoom is what a chunk takes as long as no header is very long.
const chunkRoom = chunkMax + 64<<10

// MaxChunk bounds the bytes of a chunk in the blob, with what incompressible data takes more and the odd long header.
const MaxChunk = 4 << 20

// chunksVersion is part of every key. To change what a chunk is, or how it is compressed, changes it too.
const chunksVersion = "mullion chunk 1"

// Key identifies a chunk by what it holds and how it is compressed.
type Key [sha256.Size]byte

// Chunk is a part of a layer that is compressed by itself: where in the blob it lies, and what it unpacks to.
type Chunk struct {
	Key    Key    // zero if the Writer reuses nothing
	Offset int64  // of its first byte in the blob
	Size   int64  // in the blob
	Plain  int64  // bytes of the tar
	Sum    uint64 // of its bytes in the blob, see Checksum
}

// Checksum returns what tells a chunk that has been damaged on the disk: two CRCs of different polynomials, which cost
// next to nothing where a cryptographic digest would cost as much as all other work on a chunk that is reused.
func Checksum(packed []byte) uint64 {
	return uint64(crc32.Checksum(packed, crcTable()))<<32 | uint64(crc32.ChecksumIEEE(packed))
}

// chunk is one on its way from the tar to the blob.
type chunk struct {
	plain  []byte
	known  []known // parts of plain that need not be hashed, in order
	packed []byte
	Chunk

	hashed, done chan struct{} // closed when plain and packed, in this order, are no longer worked on
}

// known is a part of a chunk that is part of a content whose digest is known.
type known struct {
	from, to int // in the chunk
	sum      [sha256.Size]byte
	at       int64 // of from in the content
}

// key hashes what decides the bytes of the compressed chunk. Content with a known digest goes by that, all else by its
// bytes: the same bytes may get two keys, but never the same key to other bytes.
func (c *chunk) key(compression Compression) (k Key) {
	h := sha256.New()
	h.Write([]byte(chunksVersion))
	h.Write([]byte(compression))
	var frame [1 + 8 + 8]byte
	part := func(kind byte, n int, at int64) {
		frame[0] = kind
		binary.LittleEndian.PutUint64(frame[1:], uint64(n))
		binary.LittleEndian.PutUint64(frame[9:], uint64(at))
		h.Write(frame[:])
	}
	end := 0
	for _, p := range c.known {
		part('b', p.from-end, 0)
		h.Write(c.plain[end:p.from])
		part('k', p.to-p.from, p.at)
		h.Write(p.sum[:])
		end = p.to
	}
	part('b', len(c.plain)-end, 0)
	h.Write(c.plain[end:])
	h.Sum(k[:0])
	return k
}

// cutter decides where chunks end.
type cutter struct{ size int64 } // bytes of the chunk so far

// before reports whether a new chunk begins before an entry with that many bytes of content. An entry is the more likely
// to begin one the longer it is, which makes chunks of chunkAim bytes on average, however long the entries are.
func (c *cutter) before(name string, size int64) bool {
	if c.size+size > chunkMax {
		return c.size > 0
	}
	if c.size < chunkMin {
		return false
	}
	const overhead = 1536 // bytes of a header with its padding
	h := fnv.New64a()
	h.Write([]byte(name))
	return int64(mix(h.Sum64())%chunkAim) < size+overhead
}

// mix spreads the bits of a weak hash: names that differ at the end only differ little in FNV's upper bits.
func mix(x uint64) uint64 {
	x ^= x >> 32
	x *= 0x9E3779B97F4A7C15
	return x ^ x>>29
}
