package store

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// sink is where an archive is written to. Folders come before what lies in them.
type sink interface {
	dir(name string) error
	// file writes exactly size bytes of r.
	file(name string, size int64, r io.Reader) error
}

// tarSink is a tar, the same bytes for the same files.
type tarSink struct{ *tar.Writer }

func newTarSink(w io.Writer) tarSink { return tarSink{tar.NewWriter(w)} }

func (t tarSink) dir(name string) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
}

func (t tarSink) file(name string, size int64, r io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := io.Copy(t.Writer, r)
	return err
}

// dirSink is a folder, all of whose files are on the disk when they are written.
type dirSink string

func (d dirSink) dir(name string) error {
	return makeDirs(filepath.Join(string(d), filepath.FromSlash(name)))
}

func (d dirSink) file(name string, _ int64, r io.Reader) error {
	f, err := os.OpenFile(filepath.Join(string(d), filepath.FromSlash(name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, r); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), adopt(f.Name()))
}
