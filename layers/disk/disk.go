// Package disk lays a View out for a kernel to mount.
//
// Nothing is unpacked. Each layer gives one data file, made once from its blob
// and shared by every image that holds the layer: the contents of its files, each
// starting at a multiple of 4 KiB. Each chain of layers gives one small
// metadata-only erofs image, which holds the merged names and says in which data
// file, and where, the bytes of every file lie. A kernel that mounts the metadata
// image with the data files as its extra devices sees the View; the same files
// serve a mount on the host and the virtual disks of a VM.
//
// erofs numbers extra devices by their order and knows no other name for them,
// so files in the wrong order would mount without an error and give wrong bytes.
// [Disk.Data] is that order, and [Disk.Verify] must pass before a mount.
package disk

import "io/fs"

// Under is a host-made tree that shares one C: with a View, such as the files
// that Wine brings.
type Under struct {
	// ID changes whenever anything of the tree does.
	ID string
	// Data is the path of the file that holds the contents, each at a multiple of
	// [BlockSize]; its size is a multiple of BlockSize. It may be empty if no entry has a Size.
	Data string
	// Entries lists the tree, parents before what they hold. Parents that are
	// not listed are made.
	Entries []UnderEntry
}

// UnderEntry is one file, directory or symlink of an [Under].
type UnderEntry struct {
	// Path is slash-separated and relative to C:\.
	Path string
	// Mode tells the kind of entry and, for files and directories, the permissions.
	Mode fs.FileMode
	// Target is what a symlink holds, verbatim: a Linux path.
	Target string
	// Offset and Size say where in Under.Data a file's bytes are.
	Offset, Size int64
	// Over makes the entry win against the image; else it only shows where the
	// image has nothing. Directories are merged whatever Over says, and the
	// image's spelling of their names is kept.
	Over bool
}

// Disk is a View, and perhaps an Under, ready to be mounted.
type Disk struct {
	// ID names the content: equal IDs have equal trees.
	ID string
	// Meta is the path of the metadata-only erofs image.
	Meta string
	// Data are the paths of the data files in the order of the image's device
	// table. The sizes are multiples of [BlockSize] and never zero.
	Data []string
	// Names maps the Linux path of every entry whose own name had to be shortened
	// to the path it has in the View.
	Names map[string]string

	want     description
	unpacked string // where the files are, or will be, as copies
}
