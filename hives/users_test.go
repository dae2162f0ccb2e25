package hives

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/mullion/mullion/internal/nt"
)

func TestUsers(t *testing.T) {
	ntuser := treeBytes(t, sampleTree(t))
	r := NewRegistry(func(Name) (*Stack, error) { return NewStack(nil), nil }, Options{Time: newTime})
	if _, err := r.Key(`HKCU\Software`); !errors.Is(err, ErrAddress) {
		t.Errorf("HKCU without users: %v", err)
	}
	opened := 0
	r.UseUsers(nt.ContainerAdministrator, func(u UserHive) (*Stack, error) {
		if opened++; u.SID != nt.ContainerAdministrator {
			return nil, fs.ErrNotExist
		}
		if u.Classes {
			return NewStack(nil), nil
		}
		return newStack(t, ntuser), nil
	})
	me := `HKEY_USERS\` + nt.ContainerAdministrator.String()
	if _, err := r.Key(`hkcu\acme`); err != nil || len(r.ChangedUsers()) != 0 {
		t.Errorf("reading: %v, changed %v", err, r.ChangedUsers())
	}
	do(t,
		r.SetValue(`HKCU\Environment`, StringValue("A", "1")),
		r.SetValue(me+`\Environment`, StringValue("B", "2")),
		r.SetValue(`HKEY_CURRENT_USER\Software\CLASSES\.x`, StringValue("", "x")),
		r.SetValue(`HKU\.DEFAULT\Environment`, StringValue("C", "3")),
		r.SetValue(`HKCU\Software\ClassesNot`, StringValue("", "n")),
	)
	do(t, r.SetValue(`HKCR\.X\Shell`, StringValue("", "machine")), r.SetValue(`HKEY_CLASSES_ROOT\.X`, StringValue("", "own")))
	for path, want := range map[string]string{
		`HKCU\Software\Classes\.x`: "own", `HKCR\.x`: "own", `HKLM\SOFTWARE\Classes\.x\Shell`: "machine", `HKCR\.x\shell`: "machine",
	} {
		k, err := r.Key(path)
		do(t, err)
		if v, err := k.Value(""); err != nil || v.Text() != want {
			t.Errorf("%s is %q, %v; want %q", path, v.Text(), err, want)
		}
	}
	for _, path := range []string{me + `_classes\.X`, me + `\software\classes\.x`, me + `\Software\classesnot`, `HKCU`} {
		if _, err := r.Key(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := r.Key(`HKU\S-1-5-21-1-2-3-1000\x`); !errors.Is(err, ErrAddress) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a user who is not there: %v", err)
	}
	want := []UserHive{{nt.ContainerAdministrator, false}, {nt.ContainerAdministrator, true}}
	if got := r.ChangedUsers(); !slices.Equal(got, want) || opened != 3 {
		t.Errorf("changed %v after opening %d", got, opened)
	}
	e, err := r.UserEdit(want[0])
	do(t, err)
	flat, err := e.Merge()
	do(t, err)
	b := treeBytes(t, flat)
	sound(t, b)
	if got, want := dump(t, rootOf(t, openBytes(t, b)), true), dump(t, rootOf(t, e), true); got != want {
		t.Errorf("the new file shows\n%s\nwant\n%s", got, want)
	}
}

func TestWOW64(t *testing.T) {
	for path, want := range map[string]string{
		`HKLM\SOFTWARE`:                                                   `HKLM\SOFTWARE\WOW6432Node`,
		`hklm\software\Acme\X`:                                            `hklm\software\WOW6432Node\Acme\X`,
		`HKLM\SOFTWARE\wow6432node\Acme`:                                  `HKLM\SOFTWARE\wow6432node\Acme`,
		`HKLM\SOFTWARE\Microsoft\Windows`:                                 `HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows`,
		`HKLM\SOFTWARE\microsoft\OLE\x`:                                   `HKLM\SOFTWARE\microsoft\OLE\x`,
		`HKLM\SOFTWARE\Microsoft\OLEx`:                                    `HKLM\SOFTWARE\WOW6432Node\Microsoft\OLEx`,
		`HKLM\SOFTWARE\Policies\Acme`:                                     `HKLM\SOFTWARE\Policies\Acme`,
		`HKLM\SOFTWARE\Classes\.txt`:                                      `HKLM\SOFTWARE\Classes\.txt`,
		`HKLM\SOFTWARE\Classes\CLSID\{1}`:                                 `HKLM\SOFTWARE\Classes\WOW6432Node\CLSID\{1}`,
		`HKCR\clsid\`:                                                     `HKCR\WOW6432Node\clsid`,
		`HKCR\TypeLib`:                                                    `HKCR\TypeLib`,
		`HKCU\Software\Classes\Interface\{1}`:                             `HKCU\Software\Classes\WOW6432Node\Interface\{1}`,
		`HKCU\Software\Classes\MediaFoundation`:                           `HKCU\Software\Classes\WOW6432Node\MediaFoundation`,
		`HKCU\Software\Classes\AppID\{1}`:                                 `HKCU\Software\Classes\AppID\{1}`,
		`HKU\S-1-5-18\Software\Classes\CLSID`:                             `HKU\S-1-5-18\Software\Classes\WOW6432Node\CLSID`,
		`HKU\S-1-5-18_Classes\Interface`:                                  `HKU\S-1-5-18_Classes\WOW6432Node\Interface`,
		`HKU\S-1-5-18\Software\Acme`:                                      `HKU\S-1-5-18\Software\Acme`,
		`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\x.exe`:  `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\x.exe`,
		`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\x`:      `HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\x`,
		`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones`:    `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones`,
		`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Language Pack`: `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Language Pack`,
		`HKLM\SOFTWARE\Microsoft\Cryptography`:                            `HKLM\SOFTWARE\WOW6432Node\Microsoft\Cryptography`,
		`HKLM\SOFTWARE\Microsoft\Cryptography\Calais\Readers\x`:           `HKLM\SOFTWARE\Microsoft\Cryptography\Calais\Readers\x`,
		`HKCU\Software\Acme`:                                              `HKCU\Software\Acme`,
		`HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\x\`:                      `HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\x`,
	} {
		if got := WOW64(path); got != want {
			t.Errorf("WOW64(%s) = %s, want %s", path, got, want)
		}
	}
}
