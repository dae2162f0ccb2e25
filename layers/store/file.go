package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDirs makes dir and what leads to it; each belongs to the owner of the folder above.
func makeDirs(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("is there, but no directory")}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return adopt(dir)
}

// tempPrefix begins the names of files on their way to another name.
const tempPrefix = ".tmp-"

// newSuffix marks a file that is about to replace the one without it.
const newSuffix = ".new"

// replaceFile writes a file durably: readers see the old bytes or the new, and after an error the old. The caller holds
// the lock that makes it the only writer.
func replaceFile(path string, data []byte) error {
	if err := writeNew(path, data); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeNew is replaceFile but for the name, which does not survive a loss of power before syncDir.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return explainFull(filepath.Dir(path), int64(len(data)), err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = adopt(f.Name())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // an empty file at worst, which the next writer replaces
		return explainFull(filepath.Dir(path), int64(len(data)), err)
	}
	return nil
}

// touch makes an empty file.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), adopt(path))
}

// WriteDerived writes a file of derived data so that readers see all of it or none. It need not survive a loss of power.
func (s *Store) WriteDerived(path string, data []byte) error {
	f, err := s.temp(context.Background())
	if err != nil {
		return explainFull(s.dir, int64(len(data)), err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(explainFull(s.dir, int64(len(data)), err), os.Remove(f.Name()))
	}
	return nil
}

// WriteFile makes a file, in a store or elsewhere, so that it appears whole and on the disk or not at all; one of that
// name stays as it is until then. What root writes belongs to the owner of the folder it lies in.
func WriteFile(path string, write func(*os.File) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return explainFull(dir, 0, err)
	}
	if err = write(f); err == nil {
		err = errors.Join(f.Chmod(0o644), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = adopt(f.Name())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(explainFull(dir, 0, err), os.Remove(f.Name()))
	}
	return syncDir(dir)
}
