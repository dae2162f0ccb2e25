package state

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pack writes the folders of dir that are named, as far as they exist, to w.
// Nothing may change below them meanwhile. Sockets and pipes are left out.
func Pack(w io.Writer, dir string, folders ...string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("pack the container's state: %w", err)
	}
	defer root.Close()
	p := &packer{root: root, tar: tar.NewWriter(w), links: map[inode]string{}}
	for _, folder := range folders {
		if _, err := root.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := p.add(folder); err != nil {
			return fmt.Errorf("pack the container's state: %w", err)
		}
	}
	return p.tar.Close()
}

type inode struct{ dev, ino uint64 }

type packer struct {
	root  *os.Root
	tar   *tar.Writer
	links map[inode]string // first name of each file that has several
}

func (p *packer) add(name string) error {
	info, err := p.root.Lstat(name)
	if err != nil {
		return err
	}
	h := header(name, info)
	switch t := info.Mode().Type(); t {
	case fs.ModeDir:
		return p.dir(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = p.root.Readlink(name); err != nil {
			return err
		}
	case fs.ModeDevice | fs.ModeCharDevice:
		if statOf(info).Rdev != 0 {
			return fmt.Errorf("%s is a device", name)
		}
		h.Typeflag = tar.TypeChar
	case 0:
		return p.file(h, info)
	default:
		return nil
	}
	return p.tar.WriteHeader(h)
}

func (p *packer) dir(h *tar.Header) error {
	d, err := p.root.Open(h.Name)
	if err != nil {
		return err
	}
	defer d.Close()
	h.Typeflag = tar.TypeDir
	if h.PAXRecords, err = marksOf(d); err != nil {
		return err
	}
	list, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	name := h.Name
	h.Name += "/"
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	for _, e := range list {
		if err := p.add(path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) file(h *tar.Header, info fs.FileInfo) error {
	st := statOf(info)
	if st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if first, ok := p.links[id]; ok {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return p.tar.WriteHeader(h)
		}
		p.links[id] = h.Name
	}
	f, err := p.root.Open(h.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if h.PAXRecords, err = marksOf(f); err != nil {
		return err
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(p.tar, f, h.Size)
	return err
}

func statOf(info fs.FileInfo) *syscall.Stat_t {
	st, _ := info.Sys().(*syscall.Stat_t)
	if st == nil {
		return &syscall.Stat_t{}
	}
	return st
}

// marksOf reads overlayfs' marks, under either name.
func marksOf(f *os.File) (map[string]string, error) {
	var marks map[string]string
	buf := make([]byte, 4096)
	for _, mark := range overlayMarks() {
		for _, prefix := range []string{overlayRoot, overlayUser} {
			n, err := unix.Fgetxattr(int(f.Fd()), prefix+mark, buf)
			if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
				continue
			}
			if err != nil {
				return nil, &os.PathError{Op: "getxattr", Path: f.Name(), Err: err}
			}
			if marks == nil {
				marks = map[string]string{}
			}
			marks[paxXattr+overlayRoot+mark] = string(buf[:n])
		}
	}
	return marks, nil
}
