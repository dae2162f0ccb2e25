package disk

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/erofs/go-erofs"

	"github.com/mullion/mullion/layers/view"
)

// BlockSize is the unit of data files: every file's content starts at a multiple
// of it. It is the block size of the erofs images, the one all kernels with 4 KiB
// pages can mount.
const BlockSize = view.DataAlign

func alignUp(n int64) int64 { return (n + BlockSize - 1) &^ (BlockSize - 1) }

// epoch is the time of what has none: 1980-01-01, the earliest that every archive
// and file system can hold.
const epoch = 315532800

// writeMeta writes the image of the tree n over data files of the given numbers
// of blocks.
//
// go-erofs gives every metadata-only copy a device of its own, so that there is
// one copy for each data file, of the part of the tree that lies in it. No file
// has xattrs: the library (v0.3.1) does not align what follows them as the kernel
// expects, and the kernel then reads wrong data.
func writeMeta(out io.WriteSeeker, n *node, blocks []int64) error {
	w := erofs.Create(out, erofs.WithBlockSize(BlockSize), erofs.WithBuildTime(epoch, 0))
	if len(blocks) == 0 {
		n.mark(0)
		if err := w.CopyFrom(treeFS{n}, erofs.MetadataOnly()); err != nil {
			return err
		}
	}
	for dev, size := range blocks {
		n.mark(dev)
		if err := w.CopyFrom(devFS{treeFS{n}, uint64(size)}, erofs.MetadataOnly()); err != nil {
			return fmt.Errorf("device %d: %w", dev, err)
		}
	}
	return w.Close()
}

// devFS is the part of a tree whose bytes lie in one data file.
type devFS struct {
	treeFS
	blocks uint64
}

// DeviceBlocks makes go-erofs give the source a device.
func (d devFS) DeviceBlocks() uint64 { return d.blocks }

// treeFS shows the marked part of a tree to go-erofs.
type treeFS struct{ root *node }

func (t treeFS) get(op, name string) (*node, error) {
	if n := t.root.find(name); n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open is there because fs.FS has it; contents are never read through the tree.
func (t treeFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
}

func (t treeFS) Stat(name string) (fs.FileInfo, error) {
	n, err := t.get("stat", name)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.get("readdir", name)
	if err != nil {
		return nil, err
	}
	var list []fs.DirEntry
	for _, k := range n.sorted() {
		if k.in {
			list = append(list, fs.FileInfoToDirEntry(info{k}))
		}
	}
	return list, nil
}

func (t treeFS) ReadLink(name string) (string, error) {
	n, err := t.get("readlink", name)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

// info is a node as go-erofs asks for it.
type info struct{ n *node }

func (i info) Name() string       { return path.Base("/" + i.n.name) }
func (i info) Size() int64        { return i.n.size }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return time.Unix(i.n.sec, int64(i.n.nsec)) }
func (i info) IsDir() bool        { return i.n.mode.IsDir() }

func (i info) Sys() any {
	st := &erofs.Stat{Mtime: uint64(i.n.sec), MtimeNs: i.n.nsec}
	if i.n.kids != nil {
		st.Nlink = 2
		for _, k := range i.n.kids {
			if k.kids != nil {
				st.Nlink++
			}
		}
	}
	return st
}

// DataRange says where the content lies. Without it go-erofs would take the file
// for one big hole, silently.
func (i info) DataRange() []erofs.DataRange {
	if i.n.size == 0 {
		return nil
	}
	return []erofs.DataRange{{Offset: i.n.off, Size: i.n.size}}
}
