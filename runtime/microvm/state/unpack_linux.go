package state

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Unpack reads what Pack wrote from r, to its end, into the directory dir, which
// should be empty.
func Unpack(r io.Reader, dir string, l Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack the container's state: %w", err)
	}
	defer root.Close()
	u := &unpacker{root: root, left: l}
	if err := u.all(tar.NewReader(r)); err != nil {
		return fmt.Errorf("unpack the container's state: %w", err)
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

type unpacker struct {
	root *os.Root
	left Limits
	dirs []*tar.Header // whose times are set when nothing changes in them any more
}

func (u *unpacker) all(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := u.add(h, t); err != nil {
			return err
		}
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		h := u.dirs[i]
		if err := u.root.Chmod(h.Name, fs.FileMode(h.Mode).Perm()|0o700); err != nil {
			return err
		}
		if err := u.root.Chtimes(h.Name, time.Time{}, h.ModTime); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) add(h *tar.Header, content io.Reader) error {
	u.left.Entries--
	u.left.Bytes -= h.Size
	if u.left.Entries < 0 || u.left.Bytes < 0 {
		return errors.New("it is too big")
	}
	h.Name = strings.TrimSuffix(h.Name, "/")
	if !filepath.IsLocal(h.Name) || path.Clean(h.Name) != h.Name {
		return fmt.Errorf("name %q leads elsewhere", h.Name)
	}
	if err := u.make(h, content); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

func (u *unpacker) make(h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dir(h)
	case tar.TypeReg:
		return u.file(h, content)
	case tar.TypeLink:
		if !filepath.IsLocal(h.Linkname) {
			return fmt.Errorf("link to %q leads elsewhere", h.Linkname)
		}
		return u.root.Link(h.Linkname, h.Name)
	case tar.TypeSymlink:
		return u.root.Symlink(h.Linkname, h.Name)
	case tar.TypeChar:
		if h.Devmajor != 0 || h.Devminor != 0 {
			return errors.New("it is a device")
		}
		return u.whiteout(h.Name)
	}
	return fmt.Errorf("entries of the type %q are not expected", h.Typeflag)
}

func (u *unpacker) dir(h *tar.Header) error {
	if err := u.root.Mkdir(h.Name, 0o700); err != nil {
		return err
	}
	u.dirs = append(u.dirs, h)
	return u.marks(h)
}

func (u *unpacker) file(h *tar.Header, content io.Reader) error {
	f, err := u.root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(fs.FileMode(h.Mode).Perm())
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := u.root.Chtimes(h.Name, time.Time{}, h.ModTime); err != nil {
		return err
	}
	return u.marks(h)
}

// whiteout makes the character device 0/0, which Linux lets everybody do.
func (u *unpacker) whiteout(name string) error {
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return os.NewSyscallError("mknod", unix.Mknodat(int(dir.Fd()), path.Base(name), unix.S_IFCHR, 0))
}

// marks sets overlayfs' marks. Without root they get the names of an overlay made
// by a user; Pack knows both.
func (u *unpacker) marks(h *tar.Header) error {
	for pax, value := range h.PAXRecords {
		mark, ok := isMark(pax)
		if !ok {
			continue
		}
		f, err := u.root.Open(h.Name)
		if err != nil {
			return err
		}
		err = unix.Fsetxattr(int(f.Fd()), overlayRoot+mark, []byte(value), 0)
		if errors.Is(err, unix.EPERM) {
			err = unix.Fsetxattr(int(f.Fd()), overlayUser+mark, []byte(value), 0)
		}
		f.Close()
		if err != nil {
			return os.NewSyscallError("setxattr", err)
		}
	}
	return nil
}
