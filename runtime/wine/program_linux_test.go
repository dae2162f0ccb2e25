package wine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/runtime"
)

func TestFindProgram(t *testing.T) {
	program := exe(amd64, 2)
	v := testView(t, map[string]string{
		"app/hello.exe": program, "app/readme.txt": "text", "app/run.cmd": "@echo", "app/tool.v2.exe": program,
		"tools/other.exe": program, "Windows/System32/cmd.exe": "the image's, which Wine's hides", "app/lib.dll": exe(amd64, 0x2000),
		"bin/both.exe": program, "app/old.exe": exe(0x14c, 2),
	}, nil)
	for _, c := range []struct {
		line, cwd string
		path      string
		args      []string
		err       string // part of the error
	}{
		{line: `C:\app\hello.exe a "b c"`, path: `C:\app\hello.exe`, args: []string{"a", "b c"}},
		{line: `c:/APP/HELLO`, path: `C:\APP\HELLO.exe`},
		{line: `hello`, cwd: "app", path: `C:\app\hello.exe`},
		{line: `.\hello.exe`, cwd: "app", path: `C:\app\hello.exe`},
		{line: `\app\hello`, cwd: "tools", path: `C:\app\hello.exe`},
		{line: `tool.v2`, cwd: "app", path: `C:\app\tool.v2.exe`},
		{line: `other`, path: `C:\tools\other.exe`},
		{line: `cmd /c ver`, path: `C:\Windows\System32\cmd.exe`, args: []string{"/c", "ver"}},
		{line: `ping`, path: `C:\Windows\System32\ping.exe`},
		{line: `C:\app\run.cmd x`, path: `C:\Windows\System32\cmd.exe`, args: []string{"/c", `C:\app\run.cmd`, "x"}},
		{line: `hello`, err: `"hello" not found`},
		{line: `C:\app\none.exe x`, err: `looked for C:\app\none.exe`},
		{line: `C:\app`, err: "not found"},
		{line: `C:\app\readme.txt`, err: "not a Windows program"},
		{line: `C:\app\lib.dll`, err: "library"},
		{line: `C:\app\old.exe`, err: "32-bit"},
		{line: `D:\x.exe`, err: "system drive"},
		{line: ``, err: "empty"},
	} {
		p, err := testBase().findProgram(testSpec(v, t.TempDir(), c.line), c.cwd, `D:\x;C:\tools\;"C:\bin";;relative`)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want an error with %q", c.line, err, c.err)
			}
			var missing *runtime.NotFoundError
			if notFound := strings.Contains(c.err, "found") || strings.Contains(c.err, "looked"); notFound != errors.As(err, &missing) || notFound == errors.Is(err, runtime.ErrCannotInvoke) {
				t.Errorf("%s: %v is of the wrong kind", c.line, err)
			}
			continue
		}
		if err != nil || p.path != c.path || !slices.Equal(p.args, c.args) {
			t.Errorf("%s: %+v, %v; want %s %q", c.line, p, err, c.path, c.args)
		}
	}
}

// What the container itself made, removed or renamed counts at its next start.
func TestFindProgramInTheUpperDirectory(t *testing.T) {
	program := exe(amd64, 2)
	v := testView(t, map[string]string{"app/hello.exe": program, "app/gone.exe": program, "old/tool.exe": program, "covered/x.exe": program}, nil)
	dir := t.TempDir()
	upper := filepath.Join(dir, UpperDir)
	for _, d := range []string{"app", "moved", "covered"} {
		if err := os.MkdirAll(filepath.Join(upper, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(upper, "app", "New.exe"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(upper, "app", "link.exe")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{`C:\app\new.exe`: true, `C:\app\hello.exe`: true, `C:\app\link.exe`: false}
	if os.Geteuid() == 0 {
		err := errors.Join(
			unix.Mknod(filepath.Join(upper, "app", "gone.exe"), unix.S_IFCHR, 0),
			unix.Setxattr(filepath.Join(upper, "moved"), "trusted.overlay.redirect", []byte("/old"), 0),
			unix.Setxattr(filepath.Join(upper, "covered"), "trusted.overlay.opaque", []byte("y"), 0),
		)
		if err != nil {
			fixtures.Skip(t, "no overlay marks here: "+err.Error())
		}
		cases[`C:\app\gone.exe`], cases[`C:\MOVED\tool.exe`], cases[`C:\covered\x.exe`] = false, true, false
	}
	for line, want := range cases {
		_, err := testBase().findProgram(testSpec(v, dir, line), "", "")
		var missing *runtime.NotFoundError
		if want && err != nil || !want && !errors.As(err, &missing) {
			t.Errorf("%s: %v, want found %v", line, err, want)
		}
	}
}
