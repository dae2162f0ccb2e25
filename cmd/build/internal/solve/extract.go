package solve

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/layers/pack"
)

// IsArchive reports whether r begins like an archive. It reads nothing.
func IsArchive(r *bufio.Reader) (bool, error) {
	b, err := r.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return archiveKind(b) != "", nil
}

// Extract unpacks an archive, compressed or not, into the empty folder dir of this
// machine. Members can lead nowhere else; devices are left out.
func Extract(ctx context.Context, r *bufio.Reader, dir string) error {
	b, _ := r.Peek(512)
	var plain io.Reader = r
	switch archiveKind(b) {
	case "bzip2":
		plain = bzip2.NewReader(r)
	case "xz":
		return errors.New("the archive is packed with xz, which cannot be unpacked here; pack it with gzip or zstd")
	case "packed":
		d, err := pack.Decompress(r, "")
		if err != nil {
			return err
		}
		defer d.Close()
		plain = d
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(io.LimitReader(ctxReader{ctx, plain}, maxArchive))
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("unpack the build context: %w", err)
		case n >= maxItems:
			return fmt.Errorf("unpack the build context: it holds more than %d files", maxItems)
		}
		if err := extract(root, hdr, tr); err != nil {
			return fmt.Errorf("unpack the build context: %s: %w", hdr.Name, err)
		}
	}
}

// extract makes one member.
func extract(root *os.Root, hdr *tar.Header, r io.Reader) error {
	name := path.Clean(strings.TrimLeft(hdr.Name, "/"))
	if name == "." || hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return errors.New("leads out of the archive")
	}
	name = filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		return root.Symlink(filepath.FromSlash(hdr.Linkname), name)
	case tar.TypeLink:
		target := path.Clean(strings.TrimLeft(hdr.Linkname, "/"))
		if !filepath.IsLocal(filepath.FromSlash(target)) {
			return errors.New("leads out of the archive")
		}
		return root.Link(filepath.FromSlash(target), name)
	}
	return nil
}
