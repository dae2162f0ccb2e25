package view

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// UpperOptions says how the lower directory of an overlay stands to the View.
type UpperOptions struct {
	// Lower is the View that the lower directory shows; nil for that of the Scratch. Another must hold what the Scratch
	// holds: it is one of a layer that was made of its changes.
	Lower *View
	// Names maps the Linux paths of entries whose own name was shortened to their paths in the View, as a Disk has it.
	Names map[string]string
	// Omit, if set, tells of a file that the View does not have with these bytes, by its path and their SHA-256, whether it
	// is none of the image's: the lower directory may have had more than the View.
	Omit func(path string, content [32]byte) bool
}

// LeftOut is something in an upper directory that no layer can hold.
type LeftOut struct {
	Path   string // as in a View
	Reason string
}

// ImportUpper makes s show what an overlay mount showed: dir is its upper directory and its lower one the View of s, or
// o.Lower, as a Disk shows it. s must have no file changes that the lower directory did not show. Nothing may write to dir meanwhile; it is read by root only, because
// of overlayfs' attributes.
//
// It knows overlayfs' whiteouts, opaque and renamed directories (redirect_dir) and files of which only the metadata was
// copied up (metacopy), under the names that root and users may give the attributes. A file with the bytes of the View's
// is the View's. What can be seen of the DOS attributes is taken: a file without any write permission is read-only, and
// user.DOSATTRIB, in which Wine and Samba keep them, may say hidden and system. New objects get their security
// descriptors and times as all of s do: Linux' owners, permissions and times mean nothing to Windows. Hard links in dir
// stay hard links. A symlink that does not lead into C: is left out, as are devices, pipes and sockets.
//
// Sources: Documentation/filesystems/overlayfs.rst of the Linux kernel; Wine's dlls/ntdll/unix/file.c.
func ImportUpper(s *Scratch, dir string, o UpperOptions) ([]LeftOut, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("import upper directory: %w", err)
	}
	defer root.Close()
	if o.Lower == nil {
		o.Lower = s.view
	}
	im := &importer{s: s, o: o, files: root, seen: map[[2]uint64]string{}}
	if err := im.dir(upperDir{low: o.Lower.merged.root, merged: true}); err != nil {
		return nil, fmt.Errorf("import upper directory: %w", err)
	}
	if err := im.link(); err != nil {
		return nil, fmt.Errorf("import upper directory: %w", err)
	}
	return im.left, nil
}

// importer goes through an upper directory.
type importer struct {
	s     *Scratch
	o     UpperOptions
	files *os.Root
	seen  map[[2]uint64]string // path in the View by device and inode, of files with several names
	links []upperEntry         // symlinks, made when all that they may lead to is there
	left  []LeftOut
}

// upperDir is a directory on the way.
type upperDir struct {
	linux  string // in the upper directory
	at     string // in s
	low    *node  // what the View has where the lower directory of the overlay is
	lower  string // that directory's Linux path
	merged bool   // the overlay showed what is there
}

// upperEntry is one name in a directory of the upper directory.
type upperEntry struct {
	upperDir // of the entry itself; low may be of any kind
	name     string
	info     fs.FileInfo
}

func (im *importer) dir(d upperDir) error {
	entries, err := im.read(d)
	if err != nil {
		return err
	}
	taken := map[string]string{}
	for _, e := range entries {
		if isWhiteout(e.info) {
			if err := im.s.RemoveAll(e.at); err != nil {
				return err
			}
			continue
		}
		if twin, ok := taken[nt.Fold(e.name)]; ok {
			return fmt.Errorf("%s: differs only in case from %q, which is one name on Windows: delete one of them", nt.Win(e.at), twin)
		}
		taken[nt.Fold(e.name)] = e.name
	}
	for _, e := range entries {
		if err := im.entry(d, e); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) read(d upperDir) ([]upperEntry, error) {
	f, err := im.files.Open(filepath.Join(".", d.linux))
	if err != nil {
		return nil, err
	}
	list, err := f.ReadDir(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	entries := make([]upperEntry, len(list))
	for i, l := range list {
		linux := join(d.linux, l.Name())
		info, err := im.files.Lstat(linux)
		if err != nil {
			return nil, err
		}
		e := upperEntry{upperDir{linux: linux}, l.Name(), info}
		if d.merged {
			e.lower = join(d.lower, e.name)
			if real, ok := im.o.Names[e.lower]; ok {
				e.name = baseName(real)
			}
			if d.low != nil {
				e.low = d.low.kids()[nt.Fold(e.name)]
			}
		}
		if e.at = join(d.at, e.name); !utf8.ValidString(e.name) {
			return nil, fmt.Errorf("%q: the name is not Unicode, as all names on Windows are: rename it", linux)
		}
		entries[i] = e
	}
	return entries, nil
}

// isWhiteout tells overlayfs' sign of a deleted name.
func isWhiteout(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && st.Rdev == 0
}

func (im *importer) entry(d upperDir, e upperEntry) error {
	switch {
	case isWhiteout(e.info):
		return nil
	case e.info.IsDir():
		return im.subdir(d, e)
	case e.info.Mode().IsRegular():
		return im.file(e)
	case e.info.Mode().Type() == fs.ModeSymlink:
		im.links = append(im.links, e)
		return nil
	}
	im.left = append(im.left, LeftOut{e.at, fmt.Sprintf("a layer holds no %s", kindOf(e.info.Mode()))})
	return nil
}

func kindOf(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeNamedPipe:
		return "pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

func (im *importer) subdir(d upperDir, e upperEntry) error {
	marks, err := im.marks(e.linux)
	if err != nil {
		return err
	}
	next, from := e.upperDir, ""
	next.merged = d.merged && marks["opaque"] != "y"
	if to, ok := marks["redirect"]; ok {
		next.merged, next.lower = true, redirected(e.lower, d.lower, to)
		next.low, from = im.lookup(next.lower)
	}
	if next.low != nil && (!next.merged || !next.low.isDir()) {
		next.low = nil
	}
	switch {
	case next.low == nil && next.merged && marks["redirect"] == "":
		// Of a directory that the View does not have. What is new in it brings it along.
	case next.low == nil:
		err = im.replace(e.at, func() error { return im.s.Mkdir(e.at) })
	case marks["redirect"] != "":
		err = im.replace(e.at, func() error { return im.paste(e.at, next.low, from) })
	}
	if err != nil {
		return err
	}
	if err := im.dir(next); err != nil {
		return err
	}
	if _, err := im.s.Lookup(e.at); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return im.attributes(e.at, e.info, marks)
}

// redirected is the lower path of a directory with a redirect: another name beside its own, or a path from the root.
func redirected(own, parent, to string) string {
	if strings.HasPrefix(to, "/") {
		return strings.TrimPrefix(path.Clean(to), "/")
	}
	if own == "" {
		return "" // in a directory without a lower one there is nothing to be renamed from
	}
	return join(parent, to)
}

// lookup finds what the View has under a Linux path, nil if nothing, and its path there.
func (im *importer) lookup(linux string) (n *node, real string) {
	n, at := im.o.Lower.merged.root, ""
	for name := range strings.SplitSeq(linux, "/") {
		at = join(at, name)
		if long, ok := im.o.Names[at]; ok {
			name = baseName(long)
		}
		real = join(real, name)
		if n = n.kids()[nt.Fold(name)]; n == nil {
			return nil, ""
		}
	}
	return n, real
}

// paste puts a copy of what the View has under n, whose path is from, under a free path. What another View than that of s
// has is copied as a program would: it gets new security descriptors and times.
func (im *importer) paste(at string, n *node, from string) error {
	if im.o.Lower == im.s.view {
		return im.s.paste(at, n)
	}
	f, err := im.o.Lower.Lookup(from)
	if err != nil {
		return err
	}
	return im.copy(at, f)
}

func (im *importer) copy(at string, f *File) error {
	switch f.Kind() {
	case layers.Dir:
		if err := im.s.Mkdir(at); err != nil {
			return err
		}
		list, err := im.o.Lower.ReadDir(f.Path)
		if err != nil {
			return err
		}
		for _, kid := range list {
			if err := im.copy(join(at, kid.Name()), kid); err != nil {
				return err
			}
		}
	case layers.Symlink:
		dir, _ := splitLast(f.Path)
		to, err := linkTarget(dir, f.Entry)
		if err != nil {
			return err
		}
		return im.s.Symlink(nt.Win(to), at, f.IsDir())
	default:
		r, err := im.o.Lower.Open(f)
		if err != nil {
			return err
		}
		if err := errors.Join(im.s.WriteFile(at, r), r.Close()); err != nil {
			return err
		}
	}
	return im.s.SetAttributes(at, f.Entry.Attributes)
}

// replace makes something new under a path, in place of what is there.
func (im *importer) replace(at string, make func() error) error {
	dir, _ := splitLast(at)
	if err := im.s.MkdirAll(dir); err != nil {
		return err
	}
	if err := im.s.RemoveAll(at); err != nil {
		return err
	}
	return make()
}

func (im *importer) file(e upperEntry) error {
	st, ok := e.info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no inode", e.linux)
	}
	id := [2]uint64{uint64(st.Dev), st.Ino}
	if first, ok := im.seen[id]; ok {
		return im.replace(e.at, func() error { return im.s.Link(first, e.at) })
	}
	f, err := im.files.OpenFile(e.linux, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	marks := marksOf(f)
	if _, ok := marks["whiteout"]; ok && e.info.Size() == 0 {
		return im.s.RemoveAll(e.at)
	}
	taken, err := im.content(e, f, marks)
	if err != nil || !taken {
		return err
	}
	if st.Nlink > 1 {
		im.seen[id] = e.at
	}
	return im.attributes(e.at, e.info, marks)
}

// content makes the file under e.at have the bytes of f, which may be in the lower directory. It returns false if the
// file is not to be part of s.
func (im *importer) content(e upperEntry, f *os.File, marks map[string]string) (bool, error) {
	if _, ok := marks["metacopy"]; ok {
		low, to, from := e.low, marks["redirect"], ""
		if to != "" {
			low, from = im.lookup(redirected(e.lower, path.Dir(e.lower), to))
		}
		if low == nil || low.item == nil {
			return false, nil // a file that the View does not have
		}
		if low == e.low {
			return true, nil
		}
		return true, im.replace(e.at, func() error { return im.paste(e.at, low, from) })
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	content := [32]byte(sum.Sum(nil))
	if e.low != nil && e.low.item != nil && e.low.item.Size == e.info.Size() && (e.info.Size() == 0 || e.low.item.Content == content) {
		return true, nil
	}
	if im.o.Omit != nil && im.o.Omit(e.at, content) {
		return false, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	if e.low != nil && e.low.item != nil {
		return true, im.s.WriteFile(e.at, f)
	}
	return true, im.replace(e.at, func() error { return im.s.WriteFile(e.at, f) })
}

// link makes the symlinks.
func (im *importer) link() error {
	for _, e := range im.links {
		target, err := im.files.Readlink(e.linux)
		if err != nil {
			return err
		}
		dir, _ := splitLast(e.at)
		to, ok := insideC(dir, target)
		if !ok {
			im.left = append(im.left, LeftOut{e.at, fmt.Sprintf("a link to %s, which is not below C:\\", target)})
			continue
		}
		if e.low != nil && e.low.entry.Kind == layers.Symlink {
			if low, err := linkTarget(dir, e.low.entry); err == nil && nt.EqualFold(low, to) {
				continue // copied up with its directory
			}
		}
		f, err := im.s.Resolve(to)
		isDir := err == nil && f.IsDir()
		if err := im.replace(e.at, func() error { return im.s.Symlink(`C:\`+strings.ReplaceAll(to, "/", `\`), e.at, isDir) }); err != nil {
			return err
		}
	}
	return nil
}

// insideC is the path below C:\ that a Linux symlink in dir leads to.
func insideC(dir, target string) (string, bool) {
	if target == "" || strings.HasPrefix(target, "/") {
		return "", false
	}
	to := path.Clean(join(dir, target))
	if to == ".." || strings.HasPrefix(to, "../") {
		return "", false
	}
	return strings.TrimPrefix(to, "."), true
}

// visible are the DOS attributes that Linux programs can see and set.
const visible = layers.AttrReadOnly | layers.AttrHidden | layers.AttrSystem

func (im *importer) attributes(at string, info fs.FileInfo, marks map[string]string) error {
	f, err := im.s.Lookup(at)
	if err != nil {
		return err
	}
	now := f.Entry.Attributes
	if info.Mode()&0o222 == 0 {
		now |= layers.AttrReadOnly
	} else if !f.IsDir() { // a Disk shows no directory as read-only
		now &^= layers.AttrReadOnly
	}
	if v, ok := marks[dosAttributes]; ok {
		if dos, err := strconv.ParseUint(strings.TrimRight(v, "\x00"), 0, 32); err == nil {
			const kept = layers.AttrHidden | layers.AttrSystem
			now = now&^kept | uint32(dos)&kept
		}
	}
	if (now^f.Entry.Attributes)&visible == 0 {
		return nil
	}
	return im.s.SetAttributes(at, now)
}

// dosAttributes is where Samba, and Wine after it, keep DOS attributes.
const dosAttributes = "user.DOSATTRIB"

// marks reads the attributes that matter of a directory.
func (im *importer) marks(linux string) (map[string]string, error) {
	f, err := im.files.Open(linux)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return marksOf(f), nil
}

// marksOf reads overlayfs' attributes, under the name of root or that of users (mount option userxattr), and the DOS ones.
func marksOf(f *os.File) map[string]string {
	marks := map[string]string{}
	buf := make([]byte, 4096)
	for _, mark := range []string{"opaque", "redirect", "metacopy", "whiteout"} {
		for _, prefix := range []string{"trusted.overlay.", "user.overlay."} {
			if n, err := unix.Fgetxattr(int(f.Fd()), prefix+mark, buf); err == nil {
				marks[mark] = string(buf[:n])
				break
			}
		}
	}
	if n, err := unix.Fgetxattr(int(f.Fd()), dosAttributes, buf[:64]); err == nil {
		marks[dosAttributes] = string(buf[:n])
	}
	return marks
}

// paste puts a copy of what the View has under n, whose metadata stays, under a free path.
func (s *Scratch) paste(path string, n *node) error {
	_, at, name, err := s.freeName(path)
	if err != nil {
		return pathError("copy", path, err)
	}
	copied, height := s.copyTree(place{n: n})
	if depth(at)+height > maxDepth {
		return pathError("copy", path, errors.New(tooDeep))
	}
	s.touch(at).attach(name, copied)
	return nil
}
