package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// ErrNotEmpty matches the error of removing a directory that holds something.
var ErrNotEmpty = errors.New("directory is not empty")

// settable are the attributes a program can set; the others say what the object is.
const settable = layers.AttrReadOnly | layers.AttrHidden | layers.AttrSystem | layers.AttrArchive | layers.AttrNormal |
	layers.AttrTemporary | layers.AttrOffline | layers.AttrNotIndexed

// Mkdir makes a directory. Its parent must exist; an error matches [fs.ErrExist] if the name is taken.
func (s *Scratch) Mkdir(path string) error {
	return s.create("make directory", path, &layers.Entry{Kind: layers.Dir, Attributes: layers.DefaultDir})
}

// MkdirAll makes a directory and those above it that are missing. It is content with a directory, or a link to one, that
// is there already.
func (s *Scratch) MkdirAll(path string) error {
	p, at, err := s.find("", false)
	for name := range strings.SplitSeq(path, "/") {
		if path == "" {
			break
		}
		next, nextAt, nextErr := s.find(join(at, name), true)
		if errors.Is(nextErr, fs.ErrNotExist) {
			if err := s.Mkdir(join(at, name)); err != nil {
				return err
			}
			next, nextAt, nextErr = s.find(join(at, name), true)
		}
		if p, at, err = next, nextAt, nextErr; err != nil {
			return pathError("make directory", path, err)
		}
		if !p.entry().IsDir() {
			return pathError("make directory", path, fmt.Errorf("%s: %w", nt.Win(at), errNotDir))
		}
	}
	return nil
}

// Symlink makes a symbolic link with a Windows path as its target, as written (`..\v2`, `C:\data`). Windows wants to
// know whether it leads to a directory.
func (s *Scratch) Symlink(target, path string, dir bool) error {
	e := &layers.Entry{Kind: layers.Symlink, Target: target, Attributes: layers.DefaultFileLink}
	if dir {
		e.Attributes = layers.DefaultDirLink
	}
	return s.create("make link", path, e)
}

// Junction makes a mount point that leads to a directory, which is an absolute path with its drive.
func (s *Scratch) Junction(target, path string) error {
	e := &layers.Entry{Kind: layers.Symlink, Target: target, Attributes: layers.DefaultDirLink, Junction: true}
	return s.create("make junction", path, e)
}

// Create makes an empty file under a free name, with those of the attributes that a program can set; 0 stands for those that
// every new file has. An error matches [fs.ErrExist] if the name is taken.
func (s *Scratch) Create(path string, attributes uint32) (*File, error) {
	if attributes &= settable; attributes == 0 {
		attributes = layers.DefaultFile
	}
	u, dir, err := s.add(path, &layers.Entry{Kind: layers.File, Attributes: attributes})
	if err != nil {
		return nil, pathError("create", path, err)
	}
	return place{u: u}.file(join(dir, u.name)), nil
}

// WriteFile makes a file with what r holds or replaces the content of one that is there, as a link at the end says. A
// file that is there keeps its security descriptor, its attributes and its creation time. r may read from this Scratch.
func (s *Scratch) WriteFile(path string, r io.Reader) error {
	u, err := s.fileAt(path)
	if err != nil {
		return pathError("write", path, err)
	}
	sp, size, err := s.newSpool(r)
	if err != nil {
		return pathError("write", path, err)
	}
	if u == nil {
		if u, _, err = s.add(path, &layers.Entry{Kind: layers.File, Attributes: layers.DefaultFile}); err != nil {
			return pathError("write", path, err)
		}
	}
	u.is.streams = nil // NTFS, too, overwrites them
	s.setContent(u, sp, size)
	return nil
}

// Append adds what r holds to a file, or makes it.
func (s *Scratch) Append(path string, r io.Reader) error {
	u, err := s.fileAt(path)
	if err != nil {
		return pathError("append", path, err)
	}
	if u == nil {
		return s.WriteFile(path, r)
	}
	sp, size := u.is.spool, u.is.entry.Size
	if sp == nil {
		old, err := s.Open(place{u: u}.file(path))
		if err != nil {
			return err
		}
		sp, size, err = s.newSpool(old)
		if err = errors.Join(err, old.Close()); err != nil {
			return pathError("append", path, err)
		}
	}
	n, err := sp.write(r)
	if err != nil {
		return pathError("append", path, err)
	}
	s.setContent(u, sp, size+n)
	return nil
}

// SetAttributes sets the attributes that a program can set (read-only, hidden, system, archive, normal, temporary,
// offline, not indexed) and clears the others of them. A file without any is normal, as on Windows. It does not follow a
// link at the end.
func (s *Scratch) SetAttributes(path string, attributes uint32) error {
	p, at, err := s.find(path, false)
	if err == nil && at == "" {
		err = fs.ErrInvalid
	}
	if err != nil {
		return pathError("set attributes", path, err)
	}
	now := p.entry().Attributes&^settable | attributes&settable
	if now == 0 {
		now = layers.AttrNormal
	}
	if now == p.entry().Attributes {
		return nil
	}
	u := s.touch(at)
	e := clone(u.is.entry)
	e.Attributes = now
	s.change(u, e)
	return nil
}

// SetSD sets the security descriptor of what stands under a path, which may be C:\ itself; links are not followed.
func (s *Scratch) SetSD(path string, sd []byte) error {
	p, at, err := s.find(path, false)
	if err != nil {
		return pathError("set security", path, err)
	}
	if bytes.Equal(sd, p.entry().SD) {
		return nil
	}
	u := s.touch(at)
	e := clone(u.is.entry)
	e.SD = sd
	s.change(u, e)
	return nil
}

// Link gives a file, which an error names if it is none, another name. From then on a change under one of the names is one
// of all. A name of a hard-linked file of the View that is not given here keeps what it has, as it does on Windows.
func (s *Scratch) Link(target, path string) error {
	p, at, err := s.find(target, true)
	if err == nil && p.entry().Kind != layers.File {
		err = errNoFile
	}
	if err != nil {
		return pathError("make hard link to", target, err)
	}
	_, dir, name, err := s.freeName(path)
	if err != nil {
		return pathError("make hard link", path, err)
	}
	u := s.touch(at)
	if !u.own {
		s.change(u, clone(u.is.entry))
	}
	s.touch(dir).attach(name, &upper{is: u.is, own: true})
	return nil
}

func (s *Scratch) create(op, path string, e *layers.Entry) error {
	if _, _, err := s.add(path, e); err != nil {
		return pathError(op, path, err)
	}
	return nil
}

// fileAt returns the file under path, ready to be changed, or nil if there is none.
func (s *Scratch) fileAt(path string) (*upper, error) {
	p, at, err := s.find(path, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case p.entry().IsDir():
		return nil, errIsDir
	}
	return s.touch(at), nil
}

func (s *Scratch) setContent(u *upper, sp *spooled, size int64) {
	e := clone(u.is.entry)
	e.Size = size
	e.Attributes = e.Attributes&^layers.AttrNormal | layers.AttrArchive
	e.Modified, e.Accessed, e.Changed = s.o.Time, s.o.Time, s.o.Time
	s.change(u, e)
	u.is.spool, u.is.item, u.is.layer = sp, nil, len(s.view.layers)
}

// change gives what u is, under all names that it has in the Scratch, another entry.
func (s *Scratch) change(u *upper, e *layers.Entry) {
	delete(s.moved, u.is.item) // names that the View still has are not meant
	u.is.entry, u.own = e, true
}

// add makes a new object under a free name of the directory dir.
func (s *Scratch) add(path string, e *layers.Entry) (u *upper, dir string, err error) {
	parent, dir, name, err := s.freeName(path)
	if err != nil {
		return nil, "", err
	}
	e.SD = s.inherit(parent.entry().SD, e.Attributes&layers.AttrDirectory != 0)
	e.Created, e.Modified, e.Accessed, e.Changed = s.o.Time, s.o.Time, s.o.Time, s.o.Time
	u = &upper{is: &inode{entry: e, layer: len(s.view.layers)}, own: true}
	if e.IsDir() {
		u.children = map[string]*upper{}
	}
	s.touch(dir).attach(name, u)
	return u, dir, nil
}

// inherit returns what a new object gets from its directory. All that get the same share it.
func (s *Scratch) inherit(parent []byte, dir bool) []byte {
	known := s.inherited[0]
	if dir {
		known = s.inherited[1]
	}
	sd, ok := known[string(parent)]
	if !ok {
		sd = nt.InheritFile(parent, dir, s.o.Owner)
		known[string(parent)] = sd
	}
	return sd
}

// freeName finds the directory for a new object and checks that the name can be used.
func (s *Scratch) freeName(path string) (parent place, at, name string, err error) {
	dir, name := splitLast(path)
	if path == "" {
		return place{}, "", "", fs.ErrExist
	}
	if parent, at, err = s.find(dir, true); err != nil {
		return place{}, "", "", err
	}
	if !parent.entry().IsDir() {
		return place{}, "", "", fs.ErrNotExist
	}
	if err := nt.ValidateName(name); err != nil {
		return place{}, "", "", err
	}
	if depth(at)+1 > maxDepth {
		return place{}, "", "", fmt.Errorf("more than %d directories deep", maxDepth)
	}
	if _, _, taken := parent.child(name); taken {
		return place{}, "", "", fs.ErrExist
	}
	return parent, at, name, nil
}

func depth(path string) int {
	if path == "" {
		return 0
	}
	return 1 + strings.Count(path, "/")
}

// touch returns the upper of a path that exists and has no links in it, and makes those that lead to it.
func (s *Scratch) touch(path string) *upper {
	u := s.root
	for name := range strings.SplitSeq(path, "/") {
		if path == "" {
			break
		}
		key := nt.Fold(name)
		next := u.children[key]
		if next == nil {
			next = pass(u.low.kids()[key])
			u.children[key] = next
		}
		u = next
	}
	return u
}

// attach puts c, and all that is in it, under a name of directory u. A name that the View has keeps the View's spelling,
// because that is how a View over the next layer will show it.
func (u *upper) attach(name string, c *upper) {
	key := nt.Fold(name)
	c.name, c.low = name, nil
	if u.low != nil {
		c.low = u.low.kids()[key]
	}
	if c.low != nil {
		c.name = c.low.name
	}
	u.children[key] = c
	for _, below := range c.children {
		c.attach(below.name, below)
	}
}
