package hives

import (
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Key is a key of a hive, of a stack of hives or of a set of edits. Keys are views that
// read when asked. One found in an [Edit] or a [Tree] is good until the next change.
type Key interface {
	// Name is the key's own name in WTF-8. For the root of a hive it has no meaning.
	Name() string
	// Info returns what is stored beside the key's content.
	Info() (Info, error)
	// Subkeys yields the keys below in the order of [nt.Compare]. After an error it ends.
	Subkeys() iter.Seq2[Key, error]
	// Subkey finds one by name; an error matching [fs.ErrNotExist] if there is none.
	Subkey(name string) (Key, error)
	// Values yields the values in stored order. After an error it ends.
	Values() iter.Seq2[Value, error]
	// Value finds one by name; an error matching [fs.ErrNotExist] if there is none.
	Value(name string) (Value, error)
}

// Info is what a key holds beside its name, subkeys and values.
type Info struct {
	Class     string // WTF-8; seldom used
	SD        []byte // self-relative security descriptor; nil if the key has none
	LastWrite nt.Filetime
	Symlink   bool // the value SymbolicLinkValue names another key
	// Flags are the virtualisation bits of the node (0x80, 0x100, 0x200) and User the
	// byte of Wow64 and virtualisation control flags. Both are only carried along.
	Flags uint16
	User  uint8
	// Layer is the layer byte of a key read from a delta hive by itself: 0x80 if the
	// class is inherited, and 0 to merge with the layers below, 1 for a deleted key, 2 to
	// hide the lower layers' values, 3 to hide all of theirs. It is 0 in merged views.
	Layer uint8
}

// Find follows a path of names separated by backslashes from root. The path "" is
// root itself; a final backslash is ignored. Links are not followed.
func Find(root Key, path string) (Key, error) {
	names, err := split(path)
	if err != nil {
		return nil, err
	}
	k := root
	for _, name := range names {
		if k, err = k.Subkey(name); err != nil {
			return nil, fmt.Errorf("find key %s: %w", path, err)
		}
	}
	return k, nil
}

// split takes a path apart and refuses what cannot be one.
func split(path string) ([]string, error) {
	path = strings.TrimSuffix(path, `\`)
	if path == "" {
		return nil, nil
	}
	names := strings.Split(path, `\`)
	if len(names) > maxDepth {
		return nil, fmt.Errorf("key path of %d names: at most %d", len(names), maxDepth)
	}
	for _, name := range names {
		if err := checkKeyName(name); err != nil {
			return nil, fmt.Errorf("key %s: %w", path, err)
		}
	}
	return names, nil
}

// checkKeyName holds a name against what Windows lets a program create.
func checkKeyName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("empty name: %w", fs.ErrInvalid)
	case strings.ContainsAny(name, "\\\x00"):
		return fmt.Errorf("name %q holds a backslash or NUL: %w", name, fs.ErrInvalid)
	case unitCount(name) > maxKeyName:
		return fmt.Errorf("name of more than %d characters: %w", maxKeyName, fs.ErrInvalid)
	}
	return nil
}

func keyNotFound(name string) error   { return fmt.Errorf("key %s: %w", name, fs.ErrNotExist) }
func valueNotFound(name string) error { return fmt.Errorf("value %q: %w", name, fs.ErrNotExist) }
