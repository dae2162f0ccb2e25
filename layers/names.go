package layers

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// The roots of a layer.
const (
	rootFiles    = "Files"
	rootHives    = "Hives"
	rootUVM      = "UtilityVM"
	rootUVMFiles = "UtilityVM/Files"
)

const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq" // hides a directory's lower children, image-spec layer.md
	reservedPrefix = ".wh..wh."     // aufs's own files, which no layer should hold
)

// NTFS's limits, in UTF-16 units.
const (
	maxComponent = 255
	maxPath      = 32767
)

// deltaFiles are the registry deltas a derived layer may hold, by folded name.
var deltaFiles = map[string]string{
	nt.Fold("DefaultUser_Delta"): "DefaultUser_Delta",
	nt.Fold("Sam_Delta"):         "Sam_Delta",
	nt.Fold("Security_Delta"):    "Security_Delta",
	nt.Fold("Software_Delta"):    "Software_Delta",
	nt.Fold("System_Delta"):      "System_Delta",
}

// parentOf returns the name of the directory that holds name, "" for a root.
func parentOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// baseOf returns the last component of name.
func baseOf(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// below reports whether name is dir or lies in it.
func below(name, dir string) bool {
	rest, ok := strings.CutPrefix(name, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// rootOf reports which root name belongs to: Files, Hives, UtilityVM, or "" if Windows knows no such place.
func rootOf(name string) string {
	switch {
	case below(name, rootFiles):
		return rootFiles
	case name == rootHives, below(name, rootHives) && strings.Count(name, "/") == 1:
		return rootHives
	case name == rootUVM, below(name, rootUVMFiles):
		return rootUVM
	}
	return ""
}

// splitStream separates "Files/a.txt:s" into the file's name and the stream's.
func splitStream(name string) (file, stream string) {
	slash := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexByte(name[slash:], ':'); i >= 0 {
		return name[:slash+i], name[slash+i+1:]
	}
	return name, ""
}

// errNoName is what a component like "" or ".." deserves.
var errNoName = errors.New("not a name")

// checkComponent refuses a name that no NTFS volume holds or that means something else on Windows.
func checkComponent(c string) error {
	if c == "" || c == "." || c == ".." {
		return errNoName
	}
	if i := strings.IndexFunc(c, func(r rune) bool { return r < 0x20 || strings.ContainsRune(`\:*?"<>|`, r) }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(c[i:])
		return fmt.Errorf("character %q is not allowed in a Windows name", r)
	}
	if len(c) > maxComponent && len(nt.UTF16(c)) > maxComponent {
		return fmt.Errorf("component is longer than %d UTF-16 units", maxComponent)
	}
	return nil
}

// checkPath refuses a name with a bad component, too many of them or too long a whole.
func checkPath(name string, depth int) error {
	if len(name) > maxPath && len(nt.UTF16(name)) > maxPath {
		return fmt.Errorf("name is longer than %d UTF-16 units", maxPath)
	}
	n := 0
	for c := range strings.SplitSeq(name, "/") {
		if n++; n > depth {
			return fmt.Errorf("more than %d components", depth)
		}
		if err := checkComponent(c); err != nil {
			return err
		}
	}
	return nil
}
