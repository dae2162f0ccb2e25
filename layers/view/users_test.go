package view

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// readAll returns a file of a Scratch.
func readAll(t *testing.T, s *Scratch, path string) []byte {
	t.Helper()
	f, err := s.Resolve(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// textAt is a string in a Scratch's registry, or why there is none.
func textAt(s *Scratch, path, name string) string {
	k, err := s.Registry().Key(path)
	if err != nil {
		return err.Error()
	}
	v, err := k.Value(name)
	if err != nil {
		return err.Error()
	}
	return v.Text()
}

func TestUsersOfAScratch(t *testing.T) {
	s := newScratch(t, viewOf(toc("d .", "d Users")))
	s.UseUsers(nt.ContainerAdministrator)
	sid, err := nt.ParseSID("S-1-5-21-1-2-3-1000") // of an account that the image's list of profiles has
	if err != nil {
		t.Fatal(err)
	}
	set := func(path, data string) {
		t.Helper()
		if err := s.Registry().SetValue(path, hives.StringValue("v", data)); err != nil {
			t.Fatal(err)
		}
	}
	list := `HKLM\SOFTWARE\` + profileList + `\` + sid.String()
	if err := s.Registry().SetValue(list, hives.ExpandValue("ProfileImagePath", `%systemdrive%\Profiles\app`)); err != nil {
		t.Fatal(err)
	}
	set(`HKCU\Software\Acme`, "mine")
	set(`HKCU\Software\Classes\.x`, "class")
	set(`HKU\S-1-5-21-1-2-3-1000\Acme`, "app's")
	if len(s.Changes()) != 0 {
		t.Error("files changed before the hives were saved")
	}
	if err := s.SaveUsers(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"Users/ContainerAdministrator/NTUSER.DAT", "Profiles/app/NTUSER.DAT",
		"Users/ContainerAdministrator/AppData/Local/Microsoft/Windows/UsrClass.dat"} {
		b := readAll(t, s, path)
		if f := hives.Check(bytes.NewReader(b), int64(len(b))); len(f) > 0 {
			t.Errorf("%s: %v", path, f)
		}
	}
	s.UseUsers(nt.ContainerAdministrator) // from the files
	if got := textAt(s, `HKCU\Software\Acme`, "v") + textAt(s, `HKCU\Software\Classes\.x`, "v") + textAt(s, `HKU\`+sid.String()+`\Acme`, "v"); got != "mineclassapp's" {
		t.Errorf("read back: %s", got)
	}
	if len(s.Registry().ChangedUsers()) != 0 {
		t.Error("reading changed a user")
	}
	if _, err := s.Registry().Key(`HKU\S-1-5-21-1-2-3-1001`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a user who is not there: %v", err)
	}
}

// A user without a hive begins with that of Users\Default, and a hive without its logs is not taken for whole.
func TestFirstHiveOfAUser(t *testing.T) {
	s := newScratch(t, viewOf(toc("d .", "d Users", "d Users/Default")))
	tree := hives.NewTree(hives.Options{})
	if err := tree.Set("Default", hives.StringValue("v", "default's")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteFile("Users/Default/ntuser.dat", bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	s.UseUsers(nt.ContainerUser)
	if got := textAt(s, `HKCU\Default`, "v"); got != "default's" {
		t.Errorf("the first hive: %s", got)
	}
	raw := b.Bytes()
	raw[4]++
	raw[508] ^= raw[4] ^ (raw[4] - 1)
	if err := s.WriteFile("Users/ContainerUser/NTUSER.DAT", bytes.NewReader(raw)); err == nil {
		t.Fatal("a file without its folder")
	}
	if err := errors.Join(s.MkdirAll("Users/ContainerUser"), s.WriteFile("Users/ContainerUser/NTUSER.DAT", bytes.NewReader(raw))); err != nil {
		t.Fatal(err)
	}
	s.UseUsers(nt.ContainerUser)
	if _, err := s.Registry().Key(`HKCU\Default`); !errors.Is(err, hives.ErrDirty) || !strings.Contains(err.Error(), `C:\Users\ContainerUser\NTUSER.DAT`) {
		t.Errorf("a hive that was left open: %v", err)
	}
}
