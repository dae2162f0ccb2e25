package view

import (
	"bytes"
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
	n, err := sp.write(r)
	return sp, n, err
}

// write appends r to the file, which it does not even make for nothing: whoever copies many files in makes empty ones first.
func (sp *spooled) write(r io.Reader) (n int64, err error) {
	head := make([]byte, 512)
	got, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	if got == 0 {
		return 0, nil
	}
	r = io.MultiReader(bytes.NewReader(head[:got]), r)
	f, err := os.OpenFile(sp.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, r)
	return n, errors.Join(err, f.Close())
}

// open reads the first size bytes.
func (sp *spooled) open(size int64) (io.ReadCloser, error) {
	if size == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	f, err := os.Open(sp.path)
	if err != nil {
		return nil, err
	}
	return &section{io.NewSectionReader(f, 0, size), f}, nil
}
