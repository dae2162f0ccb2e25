package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// Where hives of users are, below a profile.
const (
	userFile    = "NTUSER.DAT"
	classesFile = "AppData/Local/Microsoft/Windows/UsrClass.dat"
	template    = "Users/Default" // the profile that new ones are copies of
)

// profileList is the key of SOFTWARE that says where the profiles are.
const profileList = `Microsoft\Windows NT\CurrentVersion\ProfileList`

// source is what a View and a Scratch have in common.
type source interface {
	Resolve(path string) (*File, error)
	Open(f *File) (io.ReadCloser, error)
}

// UserHive opens a user's hive, which is a file and has no deltas, with the layer that holds the file. A user who never
// logged on to the image has what Windows would then copy, the hive of Users\Default. The error matches [fs.ErrNotExist]
// if the image has no such user, or no such hive.
func (v *View) UserHive(u hives.UserHive) (LayerHive, error) {
	profile, err := v.profile(u.SID)
	if err != nil {
		return LayerHive{}, err
	}
	h, layer, err := openUser(v, u, profile)
	return LayerHive{layer, h}, err
}

// Users lists the users whose profiles the image names and whose hives it holds, in the order of their keys.
func (v *View) Users() ([]nt.SID, error) {
	list, err := v.profiles()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var users []nt.SID
	for k, err := range list.Subkeys() {
		if err != nil {
			return nil, err
		}
		sid, err := nt.ParseSID(k.Name())
		if err != nil || sid == nt.System {
			continue // the system's is the hive DEFAULT
		}
		users = append(users, sid)
	}
	for _, sid := range []nt.SID{nt.ContainerAdministrator, nt.ContainerUser} {
		if !slices.Contains(users, sid) {
			users = append(users, sid)
		}
	}
	return slices.DeleteFunc(users, func(sid nt.SID) bool {
		profile, err := v.profile(sid)
		if err == nil {
			_, err = v.Resolve(profile + "/" + userFile)
		}
		return err != nil
	}), nil
}

// profiles finds the list of profiles in the merged registry.
func (v *View) profiles() (hives.Key, error) {
	s, err := v.Registry(hives.Software)
	if err != nil {
		return nil, err
	}
	root, err := s.Root()
	if err != nil {
		return nil, err
	}
	return hives.Find(root, profileList)
}

func (v *View) profile(sid nt.SID) (string, error) {
	list, err := v.profiles()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return profileOf(list, sid)
}

// profileOf says where a user's profile is, or will be: as the list says, which may be nil, and for the two users of
// containers where Windows makes them at their first logon.
func profileOf(list hives.Key, sid nt.SID) (string, error) {
	if list != nil {
		k, err := list.Subkey(sid.String())
		if err == nil {
			var image hives.Value
			if image, err = k.Value("ProfileImagePath"); err == nil {
				return nt.Rel(`C:\`, expandProfile(image.Text()))
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	switch sid {
	case nt.ContainerAdministrator:
		return "Users/ContainerAdministrator", nil
	case nt.ContainerUser:
		return "Users/ContainerUser", nil
	}
	return "", fmt.Errorf("profile of user %s: %w", sid, fs.ErrNotExist)
}

// expandProfile replaces the variables that paths of profiles begin with.
func expandProfile(path string) string {
	for name, value := range map[string]string{"%SystemDrive%": `C:`, "%SystemRoot%": `C:\Windows`, "%windir%": `C:\Windows`} {
		if len(path) >= len(name) && nt.EqualFold(path[:len(name)], name) {
			return value + path[len(name):]
		}
	}
	return path
}

func userPath(profile string, u hives.UserHive) string {
	if u.Classes {
		return profile + "/" + classesFile
	}
	return profile + "/" + userFile
}

// openUser opens the hive of a profile, or else that of the template, which has no classes.
func openUser(t source, u hives.UserHive, profile string) (*hives.Hive, int, error) {
	path := userPath(profile, u)
	f, err := t.Resolve(path)
	if errors.Is(err, fs.ErrNotExist) && !u.Classes {
		path = userPath(template, u)
		f, err = t.Resolve(path)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("hive of user %s: %w", u.SID, err)
	}
	b, err := readFile(t, f)
	if err != nil {
		return nil, 0, fmt.Errorf("hive of user %s: %w", u.SID, err)
	}
	h, err := hives.OpenBytes(b)
	if errors.Is(err, hives.ErrDirty) {
		h, err = openWithLogs(t, b, path)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", nt.Win(path), err)
	}
	return h, f.Layer, nil
}

// openWithLogs opens a hive that was left open, as that of a user who was logged on is.
func openWithLogs(t source, b []byte, path string) (*hives.Hive, error) {
	var logs []*io.SectionReader
	for _, suffix := range []string{".LOG", ".LOG1", ".LOG2"} {
		f, err := t.Resolve(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		log, err := readFile(t, f)
		if err != nil {
			return nil, err
		}
		logs = append(logs, io.NewSectionReader(bytes.NewReader(log), 0, int64(len(log))))
	}
	return hives.OpenWithLogs(bytes.NewReader(b), int64(len(b)), logs...)
}

func readFile(t source, f *File) (b []byte, err error) {
	if f.Size() > maxHive {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", nt.Win(f.Path), f.Size(), int64(maxHive))
	}
	r, err := t.Open(f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b = make([]byte, f.Size())
	_, err = io.ReadFull(r, b)
	return b, err
}

// UseUsers gives the Scratch's registry the hives of users as they are in its files now; HKCU is that of current. A user
// without a hive begins with that of Users\Default, or an empty one.
func (s *Scratch) UseUsers(current nt.SID) {
	s.reg.UseUsers(current, func(u hives.UserHive) (*hives.Stack, error) {
		profile, err := s.profile(u.SID)
		if err != nil {
			return nil, err
		}
		h, _, err := openUser(s, u, profile)
		if errors.Is(err, fs.ErrNotExist) {
			h, err = s.newUser(u.SID)
		}
		if err != nil {
			return nil, err
		}
		return hives.NewStack(h), nil
	})
}

func (s *Scratch) profile(sid nt.SID) (string, error) {
	list, err := s.reg.Key(`HKLM\SOFTWARE\` + profileList)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return profileOf(list, sid)
}

// newUser makes the first hive of a user, who owns all in it.
func (s *Scratch) newUser(sid nt.SID) (*hives.Hive, error) {
	sd, err := nt.ParseSDDL("O:BAG:SYD:(A;OICI;KA;;;" + sid.String() + ")(A;OICI;KA;;;SY)(A;OICI;KA;;;BA)(A;OICI;KR;;;RC)")
	if err != nil {
		return nil, err
	}
	t := hives.NewTree(hives.Options{Time: s.o.Time, Owner: s.o.Owner})
	if err := t.SetSD("", sd.Marshal()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := t.WriteTo(&b); err != nil {
		return nil, err
	}
	return hives.OpenBytes(b.Bytes())
}

// SaveUsers writes the hives of users that were changed since UseUsers to their files.
func (s *Scratch) SaveUsers() error {
	for _, u := range s.reg.ChangedUsers() {
		if err := s.saveUser(u); err != nil {
			return fmt.Errorf("save hive of user %s: %w", u.SID, err)
		}
	}
	return nil
}

func (s *Scratch) saveUser(u hives.UserHive) error {
	edit, err := s.reg.UserEdit(u)
	if err != nil {
		return err
	}
	t, err := edit.Merge()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := t.WriteTo(&b); err != nil {
		return err
	}
	profile, err := s.profile(u.SID)
	if err != nil {
		return err
	}
	path := userPath(profile, u)
	if err := s.MkdirAll(path[:strings.LastIndexByte(path, '/')]); err != nil {
		return err
	}
	return s.WriteFile(path, &b)
}
