package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/erofs/go-erofs"
)

// Unpacked returns a directory with the files of d as copies, for where nothing
// can be mounted. It is made at first need, which takes the time and the room of
// all contents, and kept beside the metadata image. Its files are for reading.
func (d *Disk) Unpacked() (string, error) {
	dir := d.unpacked
	if _, err := os.Lstat(dir); err == nil {
		return dir, nil
	}
	if err := d.Verify(); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-*")
	if err == nil {
		err = d.unpack(tmp)
	}
	if err == nil {
		if err = os.Rename(tmp, dir); errors.Is(err, fs.ErrExist) { // another process was faster
			return dir, os.RemoveAll(tmp)
		}
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("unpack disk %.12s: %w", d.ID, err), os.RemoveAll(tmp))
	}
	return dir, nil
}

func (d *Disk) unpack(dir string) (err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	var devices []io.ReaderAt
	for _, name := range append([]string{d.Meta}, d.Data...) {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		files, devices = append(files, f), append(devices, f)
	}
	image, err := erofs.Open(devices[0], erofs.WithExtraDevices(devices[1:]...))
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	u := unpacker{from: image, to: root}
	if err := fs.WalkDir(image, ".", u.add); err != nil {
		return err
	}
	return u.finish()
}

// unpacker copies an image into a directory.
type unpacker struct {
	from fs.FS
	to   *os.Root
	dirs []timed // whose times change while something is made in them
}

type timed struct {
	name string
	at   time.Time
}

func (u *unpacker) add(name string, e fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	switch e.Type() {
	case fs.ModeDir:
		u.dirs = append(u.dirs, timed{name, info.ModTime()})
		if name == "." {
			return nil
		}
		return u.to.Mkdir(name, 0o755)
	case fs.ModeSymlink:
		target, err := fs.ReadLink(u.from, name)
		if err != nil {
			return err
		}
		return u.to.Symlink(target, name)
	}
	return u.file(name, info)
}

func (u *unpacker) file(name string, info fs.FileInfo) (err error) {
	in, err := u.from.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := u.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close())
	return errors.Join(err, u.to.Chtimes(name, info.ModTime(), info.ModTime()))
}

// finish gives the directories their times and lets others than root look in.
func (u *unpacker) finish() error {
	var errs []error
	for _, d := range slices.Backward(u.dirs) {
		errs = append(errs, u.to.Chtimes(d.name, d.at, d.at))
	}
	return errors.Join(append(errs, u.to.Chmod(".", 0o755))...)
}
