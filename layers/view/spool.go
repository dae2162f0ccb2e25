package view

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// spooled is a file's content in the Scratch's folder. It only ever grows, so that a File taken earlier still reads
// what it had.
type spooled struct{ path string }

// newSpool copies r into a new file and returns it with its length.
func (s *Scratch) newSpool(r io.Reader) (*spooled, int64, error) {
	s.spool++
	sp := &spooled{filepath.Join(s.dir, strconv.Itoa(s.spool))}
	n, err := sp.write(r, os.O_CREATE|os.O_EXCL)
	return sp, n, err
}

// write appends r to the file.
func (sp *spooled) write(r io.Reader, flags int) (n int64, err error) {
	f, err := os.OpenFile(sp.path, os.O_WRONLY|os.O_APPEND|flags, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, r)
	return n, errors.Join(err, f.Close())
}

// open reads the first size bytes.
func (sp *spooled) open(size int64) (io.ReadCloser, error) {
	f, err := os.Open(sp.path)
	if err != nil {
		return nil, err
	}
	return &section{io.NewSectionReader(f, 0, size), f}, nil
}
