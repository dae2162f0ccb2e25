// Package reg shows and compares the registry of images and of single hive files.
//
// An image has the addresses that people use, from HKEY_LOCAL_MACHINE down; a hive
// file has paths relative to its root. A delta hive by itself is shown as it is, with
// its deletions.
package reg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// Registry is what a target holds: the hives of an image, or one hive file. It is not
// safe for concurrent use.
type Registry struct {
	target string      // as the user named it
	view   *view.View  // nil for a hive file
	user   nt.SID      // the current one of an image
	files  []*os.File  // open
	hive   *hives.Hive // of the file
	roots  map[hives.Name]*named
	users  map[hives.UserHive]*named
}

// OfImage returns the registry of an image, with HKCU of one of its users. Hives are read
// when a path first leads into them.
func OfImage(target string, v *view.View, user nt.SID) *Registry {
	return &Registry{target: target, view: v, user: user, roots: map[hives.Name]*named{}, users: map[hives.UserHive]*named{}}
}

// OfLayer returns the registry of a View of one layer. What the layer deletes is shown.
func OfLayer(target string, v *view.View) *Registry {
	return OfImage(target, v, nt.ContainerAdministrator)
}

// IsHive tells whether a file is a hive: it begins like one, or has no bytes, as the base
// hives of older tools.
func IsHive(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	b := make([]byte, 4)
	n, err := io.ReadFull(f, b)
	return n == 0 && err == io.EOF || bytes.Equal(b, []byte("regf"))
}

// OpenFile opens a hive file, with what the transaction logs beside it hold. The caller
// closes it.
func OpenFile(path string) (*Registry, error) {
	r := &Registry{target: path}
	if err := r.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), r.Close())
	}
	return r, nil
}

func (r *Registry) open(path string) error {
	f, size, err := r.openFile(path)
	if err != nil {
		return err
	}
	logs, err := r.logs(path)
	if err != nil {
		return err
	}
	r.hive, err = hives.OpenWithLogs(f, size, logs...)
	return err
}

// logs opens the transaction logs of a hive, however their names are spelled.
func (r *Registry) logs(path string) ([]*io.SectionReader, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil // the hive can be read without its folder, and says itself whether it needs logs
	}
	var logs []*io.SectionReader
	for _, e := range entries {
		suffix, ok := cutPrefixFold(e.Name(), name)
		if !ok || !e.Type().IsRegular() || !slices.Contains([]string{".log", ".log1", ".log2"}, strings.ToLower(suffix)) {
			continue
		}
		f, size, err := r.openFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		logs = append(logs, io.NewSectionReader(f, 0, size))
	}
	return logs, nil
}

// openFile opens a file that Close closes.
func (r *Registry) openFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	r.files = append(r.files, f)
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// Close closes the files, if there are any.
func (r *Registry) Close() error {
	var err error
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	r.files = nil
	return err
}

// IsImage tells whether keys have the addresses of an image.
func (r *Registry) IsImage() bool { return r.view != nil }

// IsDelta tells whether this is a hive file with nothing but a layer's changes.
func (r *Registry) IsDelta() bool { return r.hive != nil && r.hive.IsDelta() }

// NotFoundError is that of a key or value which the target does not have.
type NotFoundError struct {
	What, Target string
	Why          error // how far the path led, nil for a value
}

func (e *NotFoundError) Error() string {
	if e.Why == nil {
		return fmt.Sprintf("%s is not in %s", e.What, e.Target)
	}
	return fmt.Sprintf("%s is not in %s: %v", e.What, e.Target, e.Why)
}

// Unwrap makes it match [fs.ErrNotExist].
func (e *NotFoundError) Unwrap() error { return fs.ErrNotExist }

// deadEnd is a key that lacks the next one of a path.
type deadEnd struct{ above, name string }

func (e *deadEnd) Error() string {
	if e.name == "" {
		return "two backslashes after " + e.above
	}
	return fmt.Sprintf("%s has no %s", e.above, Printable(e.name))
}

func (e *deadEnd) Unwrap() error { return fs.ErrNotExist }

// keyName is a key in an error.
func keyName(path string) string {
	if path == "" {
		return "the root key"
	}
	return "key " + Printable(path)
}

// Find finds a key in any case. In an image the path begins with a root, HKLM, HKU, HKCU,
// HKCR or HKCC or their long names, and the path "" stands for all of it; in a hive file that
// is its root key. The error is a [*NotFoundError] if there is none, which tells the last
// key on the way that there is.
func (r *Registry) Find(path string) (*Node, error) {
	path = strings.TrimSuffix(path, `\`)
	n, err := r.find(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &NotFoundError{keyName(path), r.target, err}
	case err != nil:
		return nil, fmt.Errorf("%s in %s: %w", keyName(path), r.target, err)
	}
	return n, nil
}

func (r *Registry) find(path string) (*Node, error) {
	if r.hive != nil {
		root, err := r.hive.Root()
		if err != nil {
			return nil, err
		}
		return newNode("", &named{Key: root}).descend(strings.TrimPrefix(path, `\`))
	}
	root, rest, _ := strings.Cut(path, `\`)
	switch nt.Fold(root) {
	case "":
		return newNode("", r.all()), nil
	case "HKLM", machine:
		return newNode(machine, r.machine()).descend(rest)
	case "HKU", users:
		return r.findUser(rest)
	case "HKCU", currentUser:
		return r.below(currentUser, hives.UserHive{SID: r.user}, rest)
	case "HKCR", "HKEY_CLASSES_ROOT":
		return r.alias("HKEY_CLASSES_ROOT", machine+`\SOFTWARE\Classes`, rest)
	case "HKCC", "HKEY_CURRENT_CONFIG":
		return r.alias("HKEY_CURRENT_CONFIG", machine+`\SYSTEM\CurrentControlSet\Hardware Profiles\0001`, rest)
	}
	return nil, errors.New("a key of an image begins with HKLM, HKU, HKCU, HKCR or HKCC, or their long names")
}

// Key32 returns where an image has the key that a 32-bit program means by a path.
func Key32(path string) string { return hives.WOW64(path) }

// alias finds a key below a root that stands for another key.
func (r *Registry) alias(root, target, rest string) (*Node, error) {
	n, err := r.find(target)
	if err != nil {
		return nil, err
	}
	n.Path = root
	return n.descend(rest)
}

// findUser finds a key below HKEY_USERS.
func (r *Registry) findUser(path string) (*Node, error) {
	first, rest, _ := strings.Cut(path, `\`)
	sid, err := nt.ParseSID(first)
	switch {
	case err != nil:
		return newNode(users, r.allUsers()).descend(path)
	case sid == nt.System:
		return newNode(users, r.allUsers()).descend(strings.TrimSuffix(`.DEFAULT\`+rest, `\`))
	}
	return r.below(users+`\`+sid.String(), hives.UserHive{SID: sid}, rest)
}

// below finds a key in the hives of a user: the classes are in one of their own.
func (r *Registry) below(root string, u hives.UserHive, path string) (*Node, error) {
	const classes = `Software\Classes`
	if n := len(classes); len(path) >= n && nt.EqualFold(path[:n], classes) && (len(path) == n || path[n] == '\\') {
		k, err := r.userRoot(hives.UserHive{SID: u.SID, Classes: true})
		if err == nil {
			return newNode(root+`\`+classes, k).descend(strings.TrimPrefix(path[n:], `\`))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	k, err := r.userRoot(u)
	if err != nil {
		return nil, err
	}
	return newNode(root, k).descend(path)
}
