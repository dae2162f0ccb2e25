package hives

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// ErrAddress is matched when the path of a key does not lead into one of the five hives.
var ErrAddress = errors.New("no such part of the registry in an image")

// Registry gives the hives of an image the addresses that people use, such as
// HKLM\SOFTWARE\X. Each hive is opened when it is first needed and edited on its own.
// A Registry is not safe for concurrent use.
type Registry struct {
	open  func(Name) (*Stack, error)
	o     Options
	edits map[Name]*Edit
	users users
}

// NewRegistry makes a registry of the stacks that open returns, each asked for once.
func NewRegistry(open func(Name) (*Stack, error), o Options) *Registry {
	return &Registry{open: open, o: o, edits: map[Name]*Edit{}}
}

// Edit returns the edit of one hive.
func (r *Registry) Edit(n Name) (*Edit, error) {
	if e := r.edits[n]; e != nil {
		return e, nil
	}
	s, err := r.open(n)
	if err != nil {
		return nil, fmt.Errorf("open hive %s: %w", n, err)
	}
	e := NewEdit(s, r.o)
	r.edits[n] = e
	return e, nil
}

// Changed reports whether any of the five hives was changed. Those of users are files:
// see ChangedUsers.
func (r *Registry) Changed() bool {
	for _, e := range r.edits {
		if e.Changed() {
			return true
		}
	}
	return false
}

// Key finds a key; an error matching [fs.ErrNotExist] if there is none.
func (r *Registry) Key(path string) (Key, error) {
	e, rest, err := r.resolve(path)
	if err != nil {
		return nil, err
	}
	root, err := e.Root()
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return Find(root, rest)
}

// CreateKey creates a key and all above it that do not exist yet.
func (r *Registry) CreateKey(path string) error {
	e, rest, err := r.resolve(path)
	if err != nil {
		return err
	}
	return e.CreateKey(rest)
}

// SetValue sets a value, creating its key if need be.
func (r *Registry) SetValue(path string, v Value) error {
	e, rest, err := r.resolve(path)
	if err != nil {
		return err
	}
	return e.SetValue(rest, v)
}

// DeleteValue deletes a value; an error matching [fs.ErrNotExist] if there is none.
func (r *Registry) DeleteValue(path, name string) error {
	e, rest, err := r.resolve(path)
	if err != nil {
		return err
	}
	return e.DeleteValue(rest, name)
}

// DeleteKey deletes a key and all below it; an error matching [fs.ErrNotExist] if there
// is none, and ErrRoot for the root of a hive.
func (r *Registry) DeleteKey(path string) error {
	e, rest, err := r.resolve(path)
	if err != nil {
		return err
	}
	if rest == "" {
		return fmt.Errorf("delete key %s: %w", path, ErrRoot)
	}
	return e.DeleteKey(rest)
}

// resolve turns an address into a hive and a path in it.
func (r *Registry) resolve(path string) (*Edit, string, error) {
	path = strings.TrimSuffix(path, `\`)
	if u, rest, ok := r.userAddress(path); ok {
		e, rest, err := r.user(u, rest)
		if err != nil {
			return nil, "", fmt.Errorf("key %s: %w", path, err)
		}
		return e, rest, nil
	}
	e, rest, err := r.ownClass(path)
	if err != nil {
		return nil, "", fmt.Errorf("key %s: %w", path, err)
	}
	if e != nil {
		return e, rest, nil
	}
	n, rest, err := address(path)
	if err != nil {
		return nil, "", fmt.Errorf("key %s: %w", path, err)
	}
	e, err = r.Edit(n)
	if err != nil {
		return nil, "", fmt.Errorf("key %s: %w", path, err)
	}
	if n == System {
		if rest, err = currentControlSet(e, rest); err != nil {
			return nil, "", fmt.Errorf("key %s: %w", path, err)
		}
	}
	return e, rest, nil
}

// address takes the root and the hive off a path.
func address(path string) (Name, string, error) {
	root, rest, _ := strings.Cut(path, `\`)
	first, below, _ := strings.Cut(rest, `\`)
	switch nt.Fold(root) {
	case "HKLM", "HKEY_LOCAL_MACHINE":
		for _, n := range Names {
			if n != Default && nt.EqualFold(first, string(n)) {
				return n, below, nil
			}
		}
		return "", "", fmt.Errorf(`%w: below HKLM it has SYSTEM, SOFTWARE, SAM and SECURITY`, ErrAddress)
	case "HKU", "HKEY_USERS":
		if nt.EqualFold(first, ".DEFAULT") || nt.EqualFold(first, nt.System.String()) {
			return Default, below, nil
		}
		return "", "", fmt.Errorf(`%w: below HKU it has .DEFAULT and users by their SID`, ErrAddress)
	case "HKCR", "HKEY_CLASSES_ROOT":
		return Software, strings.TrimSuffix(`Classes\`+rest, `\`), nil
	case "HKCC", "HKEY_CURRENT_CONFIG":
		return System, strings.TrimSuffix(`CurrentControlSet\Hardware Profiles\0001\`+rest, `\`), nil
	}
	return "", "", fmt.Errorf(`%w: a path begins with HKLM, HKU, HKCU, HKCR or HKCC, or their long names`, ErrAddress)
}

// currentControlSet replaces the link that Windows makes at boot by the control set it
// would lead to: the one that Select names, else the first.
func currentControlSet(e *Edit, path string) (string, error) {
	first, rest, deeper := strings.Cut(path, `\`)
	if !nt.EqualFold(first, "CurrentControlSet") {
		return path, nil
	}
	root, err := e.Root()
	if err != nil {
		return "", err
	}
	current := uint64(1)
	k, err := root.Subkey("Select")
	if err == nil {
		var v Value
		if v, err = k.Value("Current"); err == nil {
			if n, ok := v.Uint(); ok && n <= 999 {
				current = n
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	set := fmt.Sprintf("ControlSet%03d", current)
	if deeper {
		set += `\` + rest
	}
	return set, nil
}
