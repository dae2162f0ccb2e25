package wine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// drive looks into the container's drive C: without mounting it: the overlay's
// upper directory, the base's files that win, the image, the rest of the base.
type drive struct {
	upper string
	view  *view.View
	base  map[string]disk.UnderEntry // by folded path
}

// driveFile is one file or directory of a drive.
type driveFile struct {
	dir     bool
	builtin bool // Wine's own
	open    func() (io.ReadCloser, error)
}

func newDrive(spec *runtime.Spec, under *disk.Under) *drive {
	d := &drive{
		upper: filepath.Join(spec.Dir, UpperDir),
		view:  spec.View,
		base:  make(map[string]disk.UnderEntry, len(under.Entries)),
	}
	for _, e := range under.Entries {
		d.base[nt.Fold(e.Path)] = e
	}
	return d
}

// find returns what is at cpath; an error matching fs.ErrNotExist if nothing is.
func (d *drive) find(cpath string) (*driveFile, error) {
	upper, lower := d.upper, ""
	for name := range strings.SplitSeq(cpath, "/") {
		at := ""
		if upper != "" {
			at = entry(upper, name)
		}
		if lower != gone {
			lower = path.Join(lower, name)
		}
		if at == "" { // not in the upper directory: all below is the lower's
			upper = ""
			continue
		}
		info, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fs.ErrNotExist // a whiteout, or a link, which the container made for its own root
		}
		upper = at
		if lower = below(at, lower); !info.IsDir() {
			lower = gone
		}
	}
	if upper != "" {
		return upperFile(upper)
	}
	if lower == gone {
		return nil, fs.ErrNotExist
	}
	return d.findLower(lower)
}

// gone is the lower path of what nothing lies below. It is no path of C:.
const gone = "*"

// below is where the lower part of the upper directory at lies, given where it
// would be: elsewhere for a directory that was renamed, nowhere for one that was
// made anew. See "redirect_dir" in the kernel's overlayfs documentation.
func below(at, lower string) string {
	if v, ok := xattr(at, "trusted.overlay.opaque"); ok && v == "y" {
		return gone
	}
	v, ok := xattr(at, "trusted.overlay.redirect")
	switch {
	case !ok || v == "":
		return lower
	case v[0] == '/':
		return strings.TrimPrefix(path.Clean(v), "/")
	case lower == gone:
		return gone
	}
	return path.Join(path.Dir(lower), v)
}

func xattr(name, attr string) (string, bool) {
	b := make([]byte, 4096)
	n, err := unix.Lgetxattr(name, attr, b)
	if err != nil {
		return "", false
	}
	return string(b[:n]), true
}

// entry returns the path of the entry name of a directory in whatever case, "" if
// there is none.
func entry(dir, name string) string {
	if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		return filepath.Join(dir, name)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range list {
		if nt.EqualFold(e.Name(), name) {
			return filepath.Join(dir, e.Name())
		}
	}
	return ""
}

func upperFile(at string) (*driveFile, error) {
	info, err := os.Lstat(at)
	if err != nil {
		return nil, err
	}
	return &driveFile{dir: info.IsDir(), open: func() (io.ReadCloser, error) { return os.Open(at) }}, nil
}

func (d *drive) findLower(cpath string) (*driveFile, error) {
	e, inBase := d.base[nt.Fold(cpath)]
	if inBase && e.Over {
		return baseFile(e), nil
	}
	f, err := d.view.Resolve(cpath)
	if inBase && errors.Is(err, fs.ErrNotExist) {
		return baseFile(e), nil
	}
	if err != nil {
		return nil, err
	}
	return &driveFile{
		dir:  f.Kind() == layers.Dir,
		open: func() (io.ReadCloser, error) { return d.view.Open(f) },
	}, nil
}

// baseFile is a file of the Wine base, which needs no look into it.
func baseFile(e disk.UnderEntry) *driveFile {
	return &driveFile{dir: e.Mode.IsDir(), builtin: true}
}
