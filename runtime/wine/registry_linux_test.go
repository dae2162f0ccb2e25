package wine

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
)

const wineText = `WINE REGISTRY Version 2
;; All keys relative to REGISTRY\\Machine

#arch=win64

[Software\\Classes\\CLSID\\{1}\\InprocServer32] 315532800
@="wine.dll"

[Software\\Microsoft\\Windows NT\\CurrentVersion] 315532800
"CurrentBuild"="18362"

[System\\CurrentControlSet\\Control\\Session Manager\\Environment] 315532800
"NUMBER_OF_PROCESSORS"="2"
"PATH"="wine's"

[System\\CurrentControlSet\\Services\\MountMgr] 315532800
"Start"=dword:00000000
`

func wineFile(t *testing.T) *winereg.File {
	t.Helper()
	f, err := winereg.Read(strings.NewReader(wineText))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// text gives a value of the composed registry, and whether it is there.
func text(f *winereg.File, path, name string) (string, bool) {
	for _, k := range f.Keys {
		if !nt.EqualFold(k.Path, path) {
			continue
		}
		for _, v := range k.Values {
			if nt.EqualFold(v.Name, name) {
				return v.Text(), true
			}
		}
	}
	return "", false
}

func TestComposeShowsTheImagesRegistry(t *testing.T) {
	v := testView(t, nil, func(r *hives.Registry) error {
		return errors.Join(
			r.SetValue(`HKLM\SOFTWARE\Acme\Deep`, hives.StringValue("Name", "grüße")),
			r.CreateKey(`HKLM\SOFTWARE\Empty`),
			r.SetValue(`HKLM\SOFTWARE\Classes\CLSID\{1}\InProcServer32`, hives.StringValue("", "image.dll")),
			r.SetValue(`HKLM\SOFTWARE\Classes\CLSID\{1}\InProcServer32`, hives.StringValue("ThreadingModel", "Both")),
			r.SetValue(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, hives.StringValue("CurrentBuild", "20348")),
			r.SetValue(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Fonts`, hives.StringValue("Arial", "arial.ttf")),
			r.SetValue(`HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, hives.StringValue("Path", "the image's")),
			r.SetValue(`HKLM\SYSTEM\CurrentControlSet\Services\MountMgr`, hives.DWORDValue("Start", 3)),
			r.SetValue(`HKLM\SYSTEM\CurrentControlSet\Services\Acme`, hives.StringValue("ImagePath", `C:\acme.exe`)),
			r.SetValue(`HKLM\SYSTEM\Setup`, hives.StringValue("Mode", "no")),
		)
	})
	f := wineFile(t)
	if err := compose(f, v); err != nil {
		t.Fatal(err)
	}
	const env = `System\CurrentControlSet\Control\Session Manager\Environment`
	for _, c := range []struct{ path, name, want string }{
		{`Software\Acme\Deep`, "Name", "grüße"},
		{`Software\Classes\CLSID\{1}\InprocServer32`, "", "wine.dll"},
		{`Software\Classes\CLSID\{1}\InprocServer32`, "ThreadingModel", "Both"},
		{`Software\Microsoft\Windows NT\CurrentVersion`, "CurrentBuild", "18362"},
		{`Software\Microsoft\Windows NT\CurrentVersion\Fonts`, "Arial", "arial.ttf"},
		{env, "Path", "the image's"},
		{env, "NUMBER_OF_PROCESSORS", "2"},
		{`System\CurrentControlSet\Services\Acme`, "ImagePath", `C:\acme.exe`},
		{`System\Setup`, "Mode", "no"},
		{`System\ControlSet001`, "SymbolicLinkValue", `\Registry\Machine\System\CurrentControlSet`},
	} {
		if got, ok := text(f, c.path, c.name); !ok || got != c.want {
			t.Errorf(`%s\%s is %q (there: %v), want %q`, c.path, c.name, got, ok, c.want)
		}
	}
	seen := map[string]bool{}
	for _, k := range f.Keys {
		folded := nt.Fold(k.Path)
		if seen[folded] {
			t.Errorf("key %s is there twice", k.Path)
		}
		seen[folded] = true
		if under(k.Path, `System\CurrentControlSet\Services\MountMgr`) && !bytes.Equal(k.Values[0].Data, []byte{0, 0, 0, 0}) {
			t.Errorf("the image's start type of Wine's driver won: %v", k.Values)
		}
	}
	if !seen[nt.Fold(`Software\Empty`)] {
		t.Error("a key without values is lost")
	}
	var again bytes.Buffer
	if err := winereg.Write(&again, f); err != nil {
		t.Fatal(err)
	}
	if _, err := winereg.Read(&again); err != nil {
		t.Errorf("what was composed cannot be read: %v", err)
	}
}

func TestReadSection(t *testing.T) {
	long := "[Software\\\\Long]\n\"x\"=\"" + strings.Repeat("y", 600_000) + "[System\\\\fake]\"\n\n"
	f, err := readSection(strings.NewReader(long+wineText+"\n[Zzz]\n\"a\"=\"b\"\n"), environmentKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Keys) != 1 || len(f.Keys[0].Values) != 2 {
		t.Errorf("read %+v", f.Keys)
	}
	if f, err := readSection(strings.NewReader(wineText), `No\Such\Key`); err != nil || len(f.Keys) != 0 {
		t.Errorf("a key that is not there: %+v, %v", f, err)
	}
	huge := "[System\\\\CurrentControlSet\\\\Control\\\\Session Manager\\\\Environment]\n" + strings.Repeat("\"a\"=\"b\"\n", 200_000)
	if _, err := readSection(strings.NewReader(huge), environmentKey); err == nil {
		t.Error("a section beyond the bound was read")
	}
}

func TestEnvironment(t *testing.T) {
	machine := []hives.Value{
		hives.StringValue("MODE", "machine"), hives.StringValue("KEEP", "kept"),
		hives.ExpandValue("Path", `%SystemRoot%\system32;%KEEP%`), hives.DWORDValue("NUMBER", 1),
	}
	spec := &runtime.Spec{ID: strings.Repeat("0", 64), User: `DOMAIN\ContainerUser`, Hostname: "a-long-host-name-indeed",
		Env: []string{"mode=container", "EMPTY=", "EQ=a=b", "=C:=x"}}
	user := []hives.Value{hives.StringValue("MINE", "user"), hives.StringValue("KEEP", "kept")}
	spec.Env = append(spec.Env, "mine=container", "LD_PRELOAD=x.so")
	e := newEnvironment(machine, user, spec)
	for name, want := range map[string]string{
		"MODE": "container", "KEEP": "kept", "PATH": `C:\Windows\system32;kept`, "EQ": "a=b", "EMPTY": "",
		"USERNAME": "ContainerUser", "userprofile": `C:\Users\ContainerUser`, "COMPUTERNAME": "A-LONG-HOST-NAM",
	} {
		if got, ok := e.all.Get(name); !ok || got != want {
			t.Errorf("%s=%q (there: %v), want %q", name, got, ok, want)
		}
	}
	names := map[string]bool{}
	for _, v := range e.volatile {
		names[v.Name] = true
	}
	if !names["mode"] || !names["mine"] || !names["LD_PRELOAD"] || names["EMPTY"] || names["KEEP"] || names["Path"] || names[""] {
		t.Errorf("volatile variables %v", names)
	}
	if want := []string{"EMPTY=", "EQ=a=b"}; !slices.Equal(e.wine(), want) {
		t.Errorf("Wine is told %q, want %q", e.wine(), want)
	}
	env, path, err := e.with([]string{"eq=other", "NEW=1", `Path=C:\x`})
	if want := []string{"EMPTY=", "EQ=other", "NEW=1", `WINEPATH=C:\x`}; err != nil || path != `C:\x` || !slices.Equal(env, want) {
		t.Errorf("one program's variables %q, PATH %q, %v; want %q", env, path, err, want)
	}
	for _, kv := range []string{"mode=x", "USERNAME=x", "LD_PRELOAD=x", "KEEP=x"} {
		if _, _, err := e.with([]string{kv}); err == nil {
			t.Errorf("%s for one program is taken", kv)
		}
	}
	for path, want := range map[string][]string{
		`C:\x`:                            {`WINEPATH=C:\x`},
		`C:\x;c:\windows\system32;KEPT`:   {`WINEPATH=C:\x`},
		`C:\x;y;C:\Windows\system32;kept`: {`WINEPATH=C:\x;y`},
	} {
		spec.Env = []string{"PATH=" + path}
		if got := newEnvironment(machine, user, spec).wine(); !slices.Equal(got, want) {
			t.Errorf("PATH=%s: Wine is told %q, want %q", path, got, want)
		}
	}
}
