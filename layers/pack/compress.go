package pack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

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

// Parameters that decide the bytes of a blob. To change one changes the digest of every layer.
const (
	gzipLevel = pgzip.DefaultCompression
	gzipBlock = 1 << 20 // compressed by itself, given what comes before as dictionary: hence the same on any number of cores
	zstdLevel = zstd.SpeedDefault
	zstdCores = 2 // the encoder may cut blocks elsewhere when it works alone
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

// compressor returns what compresses to w; its Close does not close w.
func (c Compression) compressor(w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		z, err := pgzip.NewWriterLevel(w, gzipLevel)
		if err != nil {
			return nil, err
		}
		z.ModTime = time.Unix(0, 0) // which gzip reads as "none"; the zero Time is not
		return z, z.SetConcurrency(gzipBlock, max(2, runtime.GOMAXPROCS(0)))
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderConcurrency(zstdCores))
	case None:
		return nopCloser{w}, nil
	}
	return nil, fmt.Errorf("compression %q is not gzip, zstd or none", string(c))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

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
