package pack

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Compression names how the blob of a layer is compressed.
type Compression string

// The compressions. Gzip is what every engine reads.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
	None Compression = "none"
)

// mediaTypeTar is OCI's media type of an uncompressed layer; compressions add their suffix.
const mediaTypeTar = "application/vnd.oci.image.layer.v1.tar"

// Parameters that decide the bytes of a blob. To change one changes the digest of every layer, and chunksVersion.
const (
	gzipLevel = 6
	zstdLevel = zstd.SpeedDefault
)

// maxWindow bounds the memory that a zstd blob can ask for, as containerd's reader does.
const maxWindow = 128 << 20

// mediaType returns the OCI media type of a layer so compressed, "" if c is not known.
func (c Compression) mediaType() string {
	switch c {
	case Gzip, Zstd:
		return mediaTypeTar + "+" + string(c)
	case None:
		return mediaTypeTar
	}
	return ""
}

// packer appends to dst what plain is compressed to. It is for one goroutine.
type packer func(dst, plain []byte) ([]byte, error)

// packer returns a new one.
func (c Compression) packer() (packer, error) {
	switch c {
	case Gzip:
		return deflater()
	case Zstd:
		// Each chunk is a frame of its own.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderConcurrency(1))
		return func(dst, plain []byte) ([]byte, error) { return z.EncodeAll(plain, dst), nil }, err
	case None:
		return func(dst, plain []byte) ([]byte, error) { return append(dst, plain...), nil }, nil
	}
	return nil, fmt.Errorf("compression %q is not gzip, zstd or none", string(c))
}

// deflater compresses chunks that can be joined: each ends with an empty stored block (RFC 1951, 3.2.4), hence at the
// end of a byte, and refers to nothing before itself.
func deflater() (packer, error) {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, gzipLevel)
	return func(dst, plain []byte) ([]byte, error) {
		out = *bytes.NewBuffer(dst)
		z.Reset(&out)
		if _, err := z.Write(plain); err != nil {
			return nil, err
		}
		err := z.Flush()
		return out.Bytes(), err
	}, err
}

// head returns what a blob begins with. Of a gzip file it is a header that names no file and no time (RFC 1952).
func (c Compression) head() []byte {
	if c == Gzip {
		return []byte{gzipMagic[0], gzipMagic[1], 8, 0, 0, 0, 0, 0, 0, 255}
	}
	return nil
}

// tail returns what ends a blob of size bytes of tar: the last block, empty, then the sum and the length.
func (c Compression) tail(crc uint32, size int64) []byte {
	if c != Gzip {
		return nil
	}
	b := []byte{1, 0, 0, 0xff, 0xff}
	b = binary.LittleEndian.AppendUint32(b, crc)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	tarMagic  = []byte("ustar") // at byte 257, in both POSIX and GNU headers
)

const tarMagicAt = 257

// sniff tells the compression of what r begins with. Registries hold blobs under every media type, so it decides by
// the bytes; the media type only decides whether bytes that look like nothing may be an old tar.
func sniff(r *bufio.Reader, mediaType string) (Compression, error) {
	head, err := r.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read layer: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		return Gzip, nil
	case bytes.HasPrefix(head, zstdMagic):
		return Zstd, nil
	case len(head) == 512 && (bytes.HasPrefix(head[tarMagicAt:], tarMagic) || allZero(head)):
		return None, nil
	}
	if strings.HasSuffix(mediaType, "zip") || strings.HasSuffix(mediaType, "zstd") {
		return "", fmt.Errorf("read layer: it is %s by its media type, but not by its bytes", mediaType)
	}
	return "", errors.New("read layer: it is neither a tar nor compressed with gzip or zstd")
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// Decompress returns the tar in the layer blob r, whose media type is only a hint: gzip and zstd are known by their
// first bytes. Close ends background work, but does not close r. What it reads of r beyond the end is undefined.
// The memory it takes is bounded; the length of the tar is for its reader to bound.
func Decompress(r io.Reader, mediaType string) (io.ReadCloser, error) {
	tar, _, err := decompress(bufio.NewReaderSize(r, readSize), mediaType)
	return tar, err
}

const (
	readSize    = 256 << 10
	aheadBlocks = 4 // blocks of readSize that gunzip may be ahead
	zstdCores   = 2 // of the decoder
)

func decompress(r *bufio.Reader, mediaType string) (io.ReadCloser, Compression, error) {
	c, err := sniff(r, mediaType)
	if err != nil {
		return nil, "", err
	}
	switch c {
	case Gzip:
		z, err := pgzip.NewReaderN(r, readSize, aheadBlocks)
		if err != nil {
			return nil, "", fmt.Errorf("read gzip layer: %w", err)
		}
		return z, c, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(zstdCores))
		if err != nil {
			return nil, "", fmt.Errorf("read zstd layer: %w", err)
		}
		return z.IOReadCloser(), c, nil
	}
	return io.NopCloser(r), c, nil
}
