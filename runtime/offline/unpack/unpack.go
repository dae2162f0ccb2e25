// Package unpack puts the members of archives into a Scratch.
//
// Archives are hostile: a member that leads out of the folder, that Windows could
// not have, or that would go through a link is an error that names it.
package unpack

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
)

const (
	maxMembers = 1_000_000
	maxBytes   = 64 << 30 // of all members together
)

// Options say what of an archive goes where.
type Options struct {
	Into  string // the folder in the Scratch; it is there
	Strip int    // how many leading parts of each name to drop; a member with no more is passed over
	// Want tells by its name as written whether a member is wanted; nil wants all.
	Want func(name string) bool
	// Keep leaves a file that is there as it is; else it is replaced.
	Keep bool
	// Each is told the name of each member before it is unpacked; nil for nobody.
	Each func(name string)
}

// Tar unpacks a tar, plain or packed with gzip or bzip2.
func Tar(ctx context.Context, sc *view.Scratch, r io.Reader, o Options) error {
	plain, err := decompress(bufio.NewReader(r))
	if err != nil {
		return err
	}
	w := &writer{ctx: ctx, sc: sc, o: o}
	for t := tar.NewReader(plain); ; {
		hdr, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := w.tarMember(hdr, t); err != nil {
			return fmt.Errorf("%s: %w", hdr.Name, err)
		}
	}
}

func decompress(r *bufio.Reader) (io.Reader, error) {
	head, _ := r.Peek(6)
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return gzip.NewReader(r)
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(r), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return nil, errors.New("the archive is packed with xz, which cannot be unpacked without Windows")
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return nil, errors.New("the archive is packed with zstd, which cannot be unpacked without Windows")
	}
	return r, nil
}

// Zip unpacks a zip of the given size.
func Zip(ctx context.Context, sc *view.Scratch, r io.ReaderAt, size int64, o Options) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	w := &writer{ctx: ctx, sc: sc, o: o}
	for _, f := range z.File {
		if err := w.zipMember(f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// writer puts members into the Scratch.
type writer struct {
	ctx     context.Context
	sc      *view.Scratch
	o       Options
	members int
	bytes   int64
}

func (w *writer) tarMember(hdr *tar.Header, content io.Reader) error {
	path, err := w.path(hdr.Name)
	if err != nil || path == "" {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		return w.sc.MkdirAll(path)
	case tar.TypeReg:
		attributes := uint32(0)
		if hdr.Mode&0o222 == 0 {
			attributes = layers.AttrReadOnly
		}
		return w.file(path, content, attributes)
	case tar.TypeLink:
		target, err := w.path(hdr.Linkname)
		if err != nil {
			return err
		}
		if err := w.parent(path); err != nil {
			return err
		}
		return w.sc.Link(target, path)
	case tar.TypeSymlink:
		return w.symlink(path, hdr.Linkname)
	}
	return errors.New("it is neither a file nor a folder nor a link")
}

func (w *writer) zipMember(f *zip.File) error {
	path, err := w.path(strings.ReplaceAll(f.Name, `\`, "/"))
	if err != nil || path == "" {
		return err
	}
	if f.FileInfo().IsDir() {
		return w.sc.MkdirAll(path)
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if f.Mode()&fs.ModeSymlink != 0 {
		// Windows' own unpackers know no links: the member becomes a file with the target as text.
		return w.file(path, r, 0)
	}
	return w.file(path, r, 0)
}

// path is where a member goes; "" for one that is passed over.
func (w *writer) path(name string) (string, error) {
	if err := w.ctx.Err(); err != nil {
		return "", err
	}
	if w.members++; w.members > maxMembers {
		return "", fmt.Errorf("the archive has more than %d members", maxMembers)
	}
	if w.o.Want != nil && !w.o.Want(name) {
		return "", nil
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			return "", errors.New("it leads out of the folder")
		}
		if err := nt.ValidateName(part); err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	if len(parts) <= w.o.Strip {
		return "", nil
	}
	if w.o.Each != nil {
		w.o.Each(name)
	}
	parts = parts[w.o.Strip:]
	if err := w.through(parts); err != nil {
		return "", err
	}
	return strings.TrimPrefix(w.o.Into+"/"+strings.Join(parts, "/"), "/"), nil
}

// through refuses a member that a link within the folder would lead elsewhere.
func (w *writer) through(parts []string) error {
	at := w.o.Into
	for _, part := range parts[:len(parts)-1] {
		at = strings.TrimPrefix(at+"/"+part, "/")
		f, err := w.sc.Lookup(at)
		if err != nil {
			return nil // not there yet
		}
		if f.Kind() != layers.Dir {
			return fmt.Errorf("%s is in its way and is no folder", nt.Win(at))
		}
	}
	return nil
}

func (w *writer) parent(path string) error {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return w.sc.MkdirAll(path[:i])
	}
	return nil
}

func (w *writer) file(path string, content io.Reader, attributes uint32) error {
	if err := w.parent(path); err != nil {
		return err
	}
	if old, err := w.sc.Lookup(path); err == nil {
		switch {
		case old.IsDir():
			return fmt.Errorf("%s is a folder already", nt.Win(path))
		case w.o.Keep:
			return nil
		}
		if err := w.sc.Remove(path); err != nil {
			return err
		}
	}
	limited := &io.LimitedReader{R: content, N: maxBytes - w.bytes + 1}
	before := limited.N
	if err := w.sc.WriteFile(path, limited); err != nil {
		return err
	}
	if w.bytes += before - limited.N; w.bytes > maxBytes {
		return fmt.Errorf("the archive holds more than %d GiB", maxBytes>>30)
	}
	if attributes == 0 {
		return nil
	}
	return w.sc.SetAttributes(path, attributes|layers.AttrArchive)
}

func (w *writer) symlink(path, target string) error {
	if target == "" || strings.ContainsAny(target, "\x00\"<>|*?") {
		return fmt.Errorf("it is a link to %q, which Windows cannot have", target)
	}
	if err := w.parent(path); err != nil {
		return err
	}
	target = strings.ReplaceAll(target, "/", `\`)
	dir := false
	if to, err := nt.Rel(nt.Win(path[:max(0, strings.LastIndexByte(path, '/'))]), target); err == nil {
		if f, err := w.sc.Resolve(to); err == nil {
			dir = f.IsDir()
		}
	}
	return w.sc.Symlink(target, path, dir)
}
