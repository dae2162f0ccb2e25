package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// unit is one thing of derived data that is kept or removed as a whole: a file or a folder.
type unit struct {
	kind string
	rel  string // below derived, with slashes, kind first
	size int64  // of all files in it
	used time.Time
	temp bool // being made, or left by a process that died
}

// ofWindows tells what Windows made and only Windows can remove.
func (u unit) ofWindows() bool { return strings.HasPrefix(u.rel, "disk/windows/") }

// isTemp tells the names that Derived promises to treat as unfinished.
func isTemp(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "tmp-") }

// isLock tells files that are locked, not read. Removing one would let two processes hold it.
func isLock(name string) bool { return name == "lock" || strings.HasSuffix(name, ".lock") }

// isShard tells a folder that holds the files whose names begin with its own, two hexadecimal digits.
func isShard(name string) bool { return len(name) == 2 && strings.Trim(name, "0123456789abcdef") == "" }

// spoolKind is the kind of data that is of use only to the process that makes it.
const spoolKind = "spool"

// units lists the derived data. What other processes remove meanwhile is left out.
func (s *Store) units() ([]unit, error) {
	kinds, err := readDir(s.path(derivedDir))
	if err != nil {
		return nil, err
	}
	var list []unit
	for _, k := range kinds {
		if k.Name() == damagedKind {
			continue // the marks follow their blobs
		}
		if list, err = s.unitsBelow(list, k.Name(), k.Name(), k); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// unitsBelow adds the units in rel. A folder in it holds units of its own if it is one of disk's or a shard.
func (s *Store) unitsBelow(list []unit, kind, rel string, at fs.DirEntry) ([]unit, error) {
	if !at.IsDir() {
		return list, nil // no kind of data, somebody's file
	}
	names, err := readDir(s.path(derivedDir, filepath.FromSlash(rel)))
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		below := path.Join(rel, n.Name())
		if n.IsDir() && rel == kind && (kind == "disk" || isShard(n.Name())) {
			if list, err = s.unitsBelow(list, kind, below, n); err != nil {
				return nil, err
			}
			continue
		}
		if isLock(n.Name()) {
			continue
		}
		u := unit{kind: kind, rel: below, temp: kind == spoolKind || isTemp(n.Name())}
		if err := u.measure(s.path(derivedDir, filepath.FromSlash(below))); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, nil
}

// measure sums up the files of a unit and finds when it was last made, changed or, where the system tells, read.
func (u *unit) measure(root string) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			u.size += info.Size()
		}
		if at := usedAt(info); at.After(u.used) && (!d.IsDir() || p == root) {
			u.used = at
		}
		return nil
	})
}

// readDir lists a folder, which may be absent.
func readDir(dir string) ([]fs.DirEntry, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// removeUnit removes a file or folder that readers must never see in part: it loses its name first.
func removeUnit(file string) error {
	gone := filepath.Join(filepath.Dir(file), tempPrefix+"gone-"+filepath.Base(file))
	info, err := os.Lstat(file)
	if err != nil || !info.IsDir() {
		return errors.Join(err, os.Remove(file))
	}
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(file, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
