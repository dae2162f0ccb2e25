// Package winereg reads and writes the text form in which Wine keeps its registry.
package winereg

import (
	"errors"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// File is one of Wine's registry files.
type File struct {
	Relative string // the key all paths start at, such as `REGISTRY\Machine`
	Arch     string // win64, win32, or "" if the file does not say
	Keys     []Key  // in the order of the file
}

// Key is one section of a file.
type Key struct {
	Path     string // below Relative, names separated by backslashes
	Modified nt.Filetime
	Class    string
	Link     bool
	Values   []hives.Value
}

// Read reads a file in version 2 of the format.
func Read(r io.Reader) (*File, error) { return nil, errors.New("not yet") }

// Write writes f, its keys sorted as Wine sorts them.
func Write(w io.Writer, f *File) error { return errors.New("not yet") }
