package disk

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/erofs/go-erofs"

	"github.com/mullion/mullion/layers/store"
)

// BuildTree writes the directory dir as one whole erofs image to dst, which
// appears only when it is complete. The image depends on nothing but names,
// contents, symlink targets and the owner's execute permission: all belongs to
// root, with modes 0755 or 0644 and the same time. Anything else than files,
// directories and symlinks is refused.
func BuildTree(dst, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("make an image of a folder: %w", err)
	}
	defer root.Close()
	err = store.WriteFile(dst, func(f *os.File) error {
		w := erofs.Create(f, erofs.WithBlockSize(BlockSize), erofs.WithBuildTime(epoch, 0))
		if err := w.CopyFrom(folder{root.FS()}); err != nil {
			return err
		}
		return w.Close()
	})
	if err != nil {
		return fmt.Errorf("make an image of folder %s: %w", dir, err)
	}
	return nil
}

// folder is a directory without all that differs between two copies of it.
type folder struct{ fs.FS }

// Open returns a file that is really opened when it is first read: go-erofs opens
// all files before it reads any.
func (f folder) Open(name string) (fs.File, error) {
	info, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	return &lazyFile{fsys: f.FS, name: name, left: info.Size()}, nil
}

// Stat does not follow a symlink, because only symlinks are asked for by name.
func (f folder) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(f.FS, name)
	if err != nil {
		return nil, err
	}
	return folderInfo{info}, nil
}

func (f folder) ReadLink(name string) (string, error) { return fs.ReadLink(f.FS, name) }

func (f folder) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(f.FS, name)
	if err != nil {
		return nil, err
	}
	for i, d := range list {
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		if t := info.Mode().Type(); t&^(fs.ModeDir|fs.ModeSymlink) != 0 {
			return nil, fmt.Errorf("%s/%s: a file of the kind %s cannot be in an image", name, d.Name(), t)
		}
		list[i] = fs.FileInfoToDirEntry(folderInfo{info})
	}
	return list, nil
}

type folderInfo struct{ fs.FileInfo }

func (i folderInfo) ModTime() time.Time { return time.Unix(epoch, 0) }
func (i folderInfo) Sys() any           { return &erofs.Stat{Mtime: epoch} }

func (i folderInfo) Mode() fs.FileMode {
	mode := i.FileInfo.Mode()
	if mode.IsRegular() && mode&0o100 == 0 {
		return 0o644
	}
	return mode.Type() | 0o755
}

// lazyFile opens its file at the first Read and closes it after the last byte.
type lazyFile struct {
	fsys fs.FS
	name string
	left int64
	open fs.File
}

func (l *lazyFile) Stat() (fs.FileInfo, error) { return fs.Stat(l.fsys, l.name) }

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	if l.open == nil {
		var err error
		if l.open, err = l.fsys.Open(l.name); err != nil {
			return 0, err
		}
	}
	n, err := l.open.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err == io.EOF && l.left > 0 {
		err = fmt.Errorf("%s became shorter: %w", l.name, io.ErrUnexpectedEOF)
	}
	if l.left == 0 || err != nil {
		return n, joinClose(err, l.Close())
	}
	return n, nil
}

func joinClose(err, cerr error) error {
	if err != nil {
		return err
	}
	return cerr
}

func (l *lazyFile) Close() error {
	if l.open == nil {
		return nil
	}
	err := l.open.Close()
	l.open = nil
	return err
}
