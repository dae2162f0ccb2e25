package hives

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// UserHive is a hive of one user. It is a whole file and has no deltas: NTUSER.DAT in
// the profile, or AppData\Local\Microsoft\Windows\UsrClass.dat for the classes.
type UserHive struct {
	SID     nt.SID
	Classes bool
}

// users is what a Registry knows of hives that are files.
type users struct {
	current nt.SID
	open    func(UserHive) (*Stack, error)
	edits   map[UserHive]*Edit
}

// UseUsers gives the registry users: HKU\<sid> and HKU\<sid>_Classes lead to the hives
// that open returns, an error matching [fs.ErrNotExist] standing for no such user, and
// HKCU to those of the current user. Software\Classes of a user leads to the classes.
// HKCR leads to a key of the current user's classes if they have it, which then hides that
// of the machine, and else to the machine's.
func (r *Registry) UseUsers(current nt.SID, open func(UserHive) (*Stack, error)) {
	r.users = users{current, open, map[UserHive]*Edit{}}
}

// ChangedUsers lists the user hives that were changed, ordered by SID in text form.
func (r *Registry) ChangedUsers() []UserHive {
	list := slices.Collect(maps.Keys(r.users.edits))
	list = slices.DeleteFunc(list, func(u UserHive) bool { return !r.users.edits[u].Changed() })
	slices.SortFunc(list, func(a, b UserHive) int {
		if a.SID == b.SID && a.Classes != b.Classes {
			if b.Classes {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.SID.String(), b.SID.String())
	})
	return list
}

// UserEdit returns the edit of a user's hive. The user's file is not layered: what its
// Merge gives takes the place of the whole file.
func (r *Registry) UserEdit(u UserHive) (*Edit, error) {
	if e := r.users.edits[u]; e != nil {
		return e, nil
	}
	if r.users.open == nil {
		return nil, fmt.Errorf(`%w: a user's hive is the file NTUSER.DAT, which is not edited here; for all users write below HKLM`, ErrAddress)
	}
	s, err := r.users.open(u)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: user %s has no profile: %w", ErrAddress, u.SID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open hive of user %s: %w", u.SID, err)
	}
	e := NewEdit(s, r.o)
	r.users.edits[u] = e
	return e, nil
}

// user returns the edit that a path below HKCU or HKU\<sid> leads to.
func (r *Registry) user(u UserHive, rest string) (*Edit, string, error) {
	const classes = `Software\Classes`
	if !u.Classes && under(rest, classes) {
		u.Classes, rest = true, strings.TrimPrefix(rest[len(classes):], `\`)
	}
	e, err := r.UserEdit(u)
	return e, rest, err
}

// ownClass returns the edit that a path below HKCR leads to if the classes of the current
// user have that key, nil if not.
func (r *Registry) ownClass(path string) (*Edit, string, error) {
	root, rest, _ := strings.Cut(path, `\`)
	if name := nt.Fold(root); name != "HKCR" && name != "HKEY_CLASSES_ROOT" || rest == "" || r.users.open == nil {
		return nil, "", nil
	}
	e, err := r.UserEdit(UserHive{SID: r.users.current, Classes: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	top, err := e.Root()
	if err == nil {
		_, err = Find(top, rest)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	return e, rest, err
}

// userAddress takes the root and the user off a path; ok is false if it leads elsewhere.
func (r *Registry) userAddress(path string) (u UserHive, rest string, ok bool) {
	root, rest, _ := strings.Cut(path, `\`)
	switch nt.Fold(root) {
	case "HKCU", "HKEY_CURRENT_USER":
		return UserHive{SID: r.users.current}, rest, true
	case "HKU", "HKEY_USERS":
		name, rest, _ := strings.Cut(rest, `\`)
		if n := len(name) - len("_Classes"); n > 0 && nt.EqualFold(name[n:], "_Classes") {
			name, u.Classes = name[:n], true
		}
		sid, err := nt.ParseSID(name)
		if err != nil || sid == nt.System && !u.Classes {
			return UserHive{}, "", false
		}
		u.SID = sid
		return u, rest, true
	}
	return UserHive{}, "", false
}
