// Package winereg reads and writes the text form in which Wine keeps its registry:
// system.reg, user.reg and userdef.reg of a prefix, version 2.
//
// A file holds every key that has values, a class or a link, or that has no subkeys;
// parents of such keys are implied. It holds no security descriptors. The facts are
// from Wine's public sources (server/registry.c and server/unicode.c) and from files
// that Wine 8 wrote.
package winereg

import (
	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// What a file may hold; more is refused. Wine itself writes lines of 76 columns,
// except for strings.
const (
	maxLine  = 32 << 20 // bytes of a line
	maxData  = 64 << 20 // bytes of one value
	maxKeys  = 8 << 20
	maxDepth = 512
)

// header is the first line of every file of this version.
const header = "WINE REGISTRY Version 2"

// File is one of Wine's registry files.
type File struct {
	Relative string // the key all paths start at, such as `REGISTRY\Machine`
	Arch     string // win64, win32, or "" if the file does not say
	Keys     []Key  // in the order of the file
}

// Key is one section of a file.
type Key struct {
	Path     string // below Relative, names separated by backslashes; WTF-8
	Modified nt.Filetime
	Class    string
	Link     bool
	Values   []hives.Value
}
