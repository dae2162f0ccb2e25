package layers

import (
	"strconv"

	"github.com/mullion/mullion/internal/nt"
)

// Kind says what an Entry is.
type Kind uint8

// The kinds of entries.
const (
	File     Kind = iota // a regular file with Size bytes of content
	Dir                  // a directory
	Symlink              // a symbolic link or a junction, to a file or to a directory
	HardLink             // another name of a file of the same layer
	Whiteout             // deletes Name from the layers below
	Stream               // an alternate data stream of the file or directory just before it
	Opaque               // hides all that the layers below have in the directory Name; only ever read
)

// String returns the kind as messages name it.
func (k Kind) String() string {
	names := [...]string{"file", "directory", "symlink", "hard link", "whiteout", "stream", "opaque marker"}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// File attributes, as in Win32's FILE_ATTRIBUTE_*.
const (
	AttrReadOnly   = 0x0001
	AttrHidden     = 0x0002
	AttrSystem     = 0x0004
	AttrDirectory  = 0x0010
	AttrArchive    = 0x0020
	AttrNormal     = 0x0080
	AttrTemporary  = 0x0100
	AttrSparse     = 0x0200
	AttrReparse    = 0x0400
	AttrCompressed = 0x0800
	AttrOffline    = 0x1000
	AttrNotIndexed = 0x2000
	AttrEncrypted  = 0x4000
)

// Attributes of new objects.
const (
	DefaultDir      = AttrDirectory
	DefaultFile     = AttrArchive
	DefaultDirLink  = AttrReparse | AttrDirectory // a junction or a symbolic link to a directory
	DefaultFileLink = AttrReparse | AttrArchive   // a symbolic link to a file
)

// attrStorage are the bits that say how a volume stores a file, which a layer does not carry.
const attrStorage = AttrSparse | AttrCompressed | AttrEncrypted

// EA is one extended attribute: a name of at most 255 bytes and a value of at most 65535.
type EA struct {
	Name  string
	Value []byte
}

// Entry is one member of a layer.
//
// Name is the tar name ("Files/app/x.exe"), without a trailing slash. A Whiteout has the name that it deletes, an Opaque
// marker that of its directory, a Stream that of its file, a colon and the stream ("Files/a.txt:Zone.Identifier").
//
// Target of a Symlink is the Windows path as its print name shows it (`..\v2`, `C:\data`); of a HardLink it is the tar
// name of the file. Junction marks a Symlink that is a mount point. A symlink leads to a directory if Attributes has
// AttrDirectory.
//
// SD is a self-relative security descriptor in its binary form, nil if the entry has none. Whiteouts and opaque markers
// have nothing but a Name; streams have only times and a Size.
type Entry struct {
	Name       string
	Kind       Kind
	Size       int64 // bytes of content; zero unless a File or a Stream
	Attributes uint32
	SD         []byte
	Created    nt.Filetime
	Modified   nt.Filetime
	Accessed   nt.Filetime
	Changed    nt.Filetime // NTFS's change time, tar's ctime
	Target     string
	Junction   bool
	EAs        []EA
}

// IsDir reports whether e is a directory that can hold other entries. A link to a directory cannot.
func (e *Entry) IsDir() bool { return e.Kind == Dir }
