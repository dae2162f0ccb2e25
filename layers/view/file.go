package view

import (
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// File is one name of a View or a Scratch and what stands there.
//
// A File is a snapshot: it does not follow later changes of a Scratch. What Entry and Item point to belongs to the
// View and must not be changed.
type File struct {
	// Path is where the file is, spelled as the lowest layer does.
	Path string
	// Entry holds the metadata. Its Kind is File, Dir or Symlink: a hard link has its file's Entry. Entry.Name is the
	// name in the layer it comes from, which may differ from Path.
	Entry *layers.Entry
	// Layer is the layer that holds the bytes, counted from the base, which is 0; for what a Scratch has made it is the
	// number of layers below. For a directory it is the topmost layer that has it.
	Layer int
	// Item locates the bytes in the layer. Files that share an Item are hard links of each other. It is nil for
	// everything but files of a layer.
	Item *pack.Item
	// Streams are the alternate data streams, by the bytes of their names.
	Streams []Stream

	spool *spooled
}

// Stream is an alternate data stream of a file or a directory.
type Stream struct {
	Name  string // without the file's
	Layer int    // that holds the bytes, counted from the base
	Item  *pack.Item
}

// Name returns the last component of the path; "" for C:\ itself.
func (f *File) Name() string { return baseName(f.Path) }

// Kind returns what f is: a file, a directory or a symlink.
func (f *File) Kind() layers.Kind { return f.Entry.Kind }

// IsDir reports whether f is a directory. A link to one is not.
func (f *File) IsDir() bool { return f.Entry.IsDir() }

// Same reports whether f and g are names of one file, which are hard links of each other.
func (f *File) Same(g *File) bool {
	return f.Entry == g.Entry && f.Item == g.Item && f.spool == g.spool && (f.Item != nil || f.spool != nil)
}

// Size returns the number of bytes in f; 0 unless it is a file.
func (f *File) Size() int64 { return f.Entry.Size }

// join appends a name to a path.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// splitLast cuts a path into its directory and its last name.
func splitLast(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// baseName returns the last component of a path.
func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// tarName is the name that path has in a layer.
func tarName(path string) string {
	if path == "" {
		return "Files"
	}
	return "Files/" + path
}
