package view

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Remove deletes a file, a link or an empty directory.
func (s *Scratch) Remove(path string) error {
	p, at, err := s.find(path, false)
	switch {
	case err != nil:
	case at == "":
		err = fs.ErrInvalid
	case p.entry().IsDir() && len(p.each()) > 0:
		err = ErrNotEmpty
	}
	if err != nil {
		return pathError("remove", path, err)
	}
	s.unlink(at)
	return nil
}

// RemoveAll deletes a file, a link or a directory with all that is in it. A path that does not exist is no error. Links
// are deleted, not followed.
func (s *Scratch) RemoveAll(path string) error {
	_, at, err := s.find(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && at == "" {
		err = fs.ErrInvalid
	}
	if err != nil {
		return pathError("remove", path, err)
	}
	s.unlink(at)
	return nil
}

// Rename moves a file, a link or a directory. A file or link may replace another; a directory needs a free name. The
// security descriptor, the times and the attributes go along, as on one volume of Windows. A change of nothing but case
// has no effect on a name that a layer below has, because no layer can express it.
func (s *Scratch) Rename(from, to string) error {
	if err := s.rename(from, to); err != nil {
		return pathError("rename", from, fmt.Errorf("to %s: %w", nt.Win(to), err))
	}
	return nil
}

func (s *Scratch) rename(from, to string) error {
	src, at, err := s.find(from, false)
	if err != nil {
		return err
	}
	if at == "" || to == "" {
		return fs.ErrInvalid
	}
	toDir, name := splitLast(to)
	parent, dir, err := s.find(toDir, true)
	if err != nil {
		return err
	}
	if within(dir, at) {
		return fmt.Errorf("into itself: %w", fs.ErrInvalid)
	}
	if !parent.entry().IsDir() {
		return fs.ErrNotExist
	}
	if err := nt.ValidateName(name); err != nil {
		return err
	}
	if nt.EqualFold(join(dir, name), at) {
		s.respell(at, name)
		return nil
	}
	if old, _, taken := parent.child(name); taken && (src.entry().IsDir() || old.entry().IsDir()) {
		return fs.ErrExist
	}
	moved, height := s.copyTree(src)
	if depth(dir)+height > maxDepth {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	s.unlink(at)
	s.touch(dir).attach(name, moved)
	return nil
}

// within reports whether path is dir or below it. Both are as resolve returns them.
func within(path, dir string) bool {
	path, dir = nt.Fold(path), nt.Fold(dir)
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func (s *Scratch) respell(at, name string) {
	if u := s.touch(at); u.low == nil {
		u.name = name
	}
}

// unlink takes a path, which exists and has no links in it, out of the tree.
func (s *Scratch) unlink(at string) {
	dir, name := splitLast(at)
	u, key := s.touch(dir), nt.Fold(name)
	delete(u.children, key)
	if u.over {
		if low := u.low.kids()[key]; low != nil {
			u.children[key] = &upper{name: low.name, low: low}
		}
	}
}

// copyTree returns what p shows as objects of the Scratch alone, to be attached elsewhere, and how many names deep it
// is. File contents are not copied.
func (s *Scratch) copyTree(p place) (*upper, int) {
	u := &upper{name: p.name(), own: true}
	if p.u != nil {
		u.is = p.u.is
	} else {
		u.is = s.take(p.n)
	}
	height := 0
	if p.entry().IsDir() {
		u.children = map[string]*upper{}
		for key, c := range p.each() {
			below, h := s.copyTree(c)
			u.children[key] = below
			height = max(height, h)
		}
	}
	return u, height + 1
}

// take makes a file of the View one of the Scratch. Names that are hard links of each other stay so if all of them are
// taken; those that are not keep the View's file, as they do when Windows copies a file up from a layer.
func (s *Scratch) take(n *node) *inode {
	if is := s.moved[n.item]; is != nil {
		return is
	}
	is := n.inode()
	is.entry = clone(is.entry)
	if n.item != nil {
		s.moved[n.item] = is
	}
	return is
}
