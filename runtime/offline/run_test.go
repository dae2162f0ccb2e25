package offline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline"
)

var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// TestMain makes the generated base layer once; every test has a Scratch of its
// own over it.
func TestMain(m *testing.M) {
	code, err := withBase(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var base *view.View

func withBase(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "offline")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	st, err := store.Open(dir)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	layer, err := image.WriteLayer(ctx, st, pack.None, func(w *pack.Writer) error { return image.ScratchBase(w, epoch) })
	if err != nil {
		return 0, err
	}
	if base, err = view.Open(ctx, st, []view.Layer{layer}); err != nil {
		return 0, err
	}
	return run(), nil
}

// newScratch is a Scratch over the generated base layer.
func newScratch(t testing.TB) *view.Scratch {
	t.Helper()
	s, err := view.NewScratch(base, t.TempDir(), view.ScratchOptions{Time: nt.FiletimeOf(epoch)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// result is what a command line came to; its text shows line ends.
type result struct {
	exit     uint32
	out, err string
}

// runLine runs a command line as a RUN in shell form does.
func runLine(t testing.TB, s *view.Scratch, line string, env ...string) (result, error) {
	t.Helper()
	e, err := offline.Environment(s.Registry(), "", env...)
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	exit, err := offline.Run(context.Background(), offline.Options{
		Scratch: s, Env: e, Stdout: &out, Stderr: &errOut, Pos: "Containerfile:7", Version: "10.0.20348.2700",
	}, line)
	return result{exit, out.String(), errOut.String()}, err
}

func content(t testing.TB, s *view.Scratch, path string) string {
	t.Helper()
	f, err := s.Resolve(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
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
	return string(b)
}

func TestCmd(t *testing.T) {
	const crlf = "\r\n"
	tests := []struct {
		line  string
		exit  uint32
		out   string
		err   string
		files map[string]string // content, or "-" for not there, or "/" for a directory
	}{
		{line: `echo hi`, out: "hi" + crlf},
		{line: `echo  "two  words"  `, out: ` "two  words"  ` + crlf},
		{line: `echo`, out: "ECHO is on." + crlf},
		{line: `echo.`, out: crlf},
		{line: `echo.a&echo:b&echo(c`, out: "a" + crlf + "b" + crlf + "c" + crlf},
		{line: `@echo a`, out: "a" + crlf},
		{line: `"echo quoted"`, out: "quoted" + crlf},
		{line: `echo "a & b" ^& c`, out: `"a & b" & c` + crlf},
		{line: `echo a^^b ^%OS^%`, out: `a^b %OS%` + crlf},
		{line: `echo %OS% %os% %nope% 100% %%`, out: "Windows_NT Windows_NT %nope% 100% %%" + crlf},
		{line: `echo %OS:Windows=Doors% %OS:~0,3% %OS:~-2% %OS:*_=x% %nope:a=b%`, out: "Doors_NT Win NT xNT %nope:a=b%" + crlf},
		{line: `set X=1& echo %X%`, out: "%X%" + crlf},
		{line: `set "X=a b"& set X`, out: "X=a b" + crlf},
		{line: `set X=1& set X=& set X`, exit: 1, err: "Environment variable X not defined" + crlf},
		{line: `echo a> f.txt`, files: map[string]string{"f.txt": "a" + crlf}},
		{line: `echo a > f.txt`, files: map[string]string{"f.txt": "a " + crlf}},
		{line: `echo a>f.txt& echo b>>F.TXT`, files: map[string]string{"f.txt": "a" + crlf + "b" + crlf}},
		{line: `>f.txt echo a`, files: map[string]string{"f.txt": "a" + crlf}},
		{line: `echo a 1>f.txt`, files: map[string]string{"f.txt": "a " + crlf}},
		{line: `echo a1>f.txt`, files: map[string]string{"f.txt": "a1" + crlf}},
		{line: `type nope 2>err.txt`, exit: 1, files: map[string]string{"err.txt": "The system cannot find the file specified." + crlf}},
		{line: `type nope >all.txt 2>&1`, exit: 1, files: map[string]string{"all.txt": "The system cannot find the file specified." + crlf}},
		{line: `(echo a & echo b)>f.txt`, files: map[string]string{"f.txt": "a " + crlf + "b" + crlf}},
		{line: `echo a>nul`},
		{line: `echo a>no\such\dir`, exit: 1, err: "The system cannot find the path specified." + crlf},
		{line: `type nul > empty.txt`, files: map[string]string{"empty.txt": ""}},
		{line: `echo x>a.txt&& type a.txt`, out: "x" + crlf},
		{line: `type nope || echo no`, out: "no" + crlf, err: "The system cannot find the file specified." + crlf},
		{line: `type nope && echo yes`, exit: 1, err: "The system cannot find the file specified." + crlf},
		{line: `type nope & echo yes`, out: "yes" + crlf, err: "The system cannot find the file specified." + crlf},
		{line: `exit 3 & echo no`, exit: 3},
		{line: `exit /b 3010`, exit: 3010},
		{line: `cmd /c "exit 5" || exit 6`, exit: 6},
		{line: `cmd /c exit 5`, exit: 5},
		{line: `echo a|sort.exe`, err: "error"},
		{line: `echo a|type nul`},
		{line: `mkdir a\b "c d"`, files: map[string]string{"a/b": "/", "c d": "/"}},
		{line: `mkdir "c:/x/y"`, files: map[string]string{"x/y": "/"}},
		{line: `mkdir c:/x/y`, exit: 1, err: "The syntax of the command is incorrect." + crlf},
		{line: `md a & md a`, exit: 1, err: "A subdirectory or file a already exists." + crlf},
		{line: `md app& cd app& echo x>f& cd ..& cd`, out: `C:\` + crlf, files: map[string]string{"app/f": "x" + crlf}},
		{line: `md "a b"& cd /d C:\a b& cd`, out: `C:\a b` + crlf},
		{line: `cd nope`, exit: 1, err: "The system cannot find the path specified." + crlf},
		{line: `cd windows\system32& cd`, out: `C:\Windows\System32` + crlf},
		{line: `pushd Windows& cd& popd& cd`, out: `C:\Windows` + crlf + `C:\` + crlf},
		{line: `rd nope`, exit: 2, err: "The system cannot find the file specified." + crlf},
		{line: `rd no\such`, exit: 3, err: "The system cannot find the path specified." + crlf},
		{line: `md a\b& rd a`, exit: 145, err: "The directory is not empty." + crlf},
		{line: `echo x>f& rd f`, exit: 267, err: "The directory name is invalid." + crlf},
		{line: `md a\b& rd/s/q a`, files: map[string]string{"a": "-"}},
		{line: `md a\b& echo x>a\f& rmdir /S /Q a`, files: map[string]string{"a": "-"}},
		{line: `md a& rd /s a`, out: "a, Are you sure (Y/N)? ", files: map[string]string{"a": "/"}},
		{line: `md a& echo y|rd /s a`, out: "a, Are you sure (Y/N)? ", files: map[string]string{"a": "-"}},
		{line: `rd nope & if errorlevel 1 (echo set) else echo kept`, out: "kept" + crlf, err: "The system cannot find the file specified." + crlf},
		{line: `echo x>f& del f`, files: map[string]string{"f": "-"}},
		{line: `del nope`, err: `Could Not Find C:\nope` + crlf},
		{line: `del no\such`, exit: 1, err: "The system cannot find the path specified." + crlf},
		{line: `md d& echo x>d\a.txt& echo x>d\b.log& del d\*.txt`, files: map[string]string{"d/a.txt": "-", "d/b.log": "x" + crlf}},
		{line: `md d\e& echo x>d\a& echo x>d\e\a& del /s /q d`, files: map[string]string{"d/a": "-", "d/e/a": "-", "d/e": "/"}},
		{line: `echo x>a& copy a b`, out: "        1 file(s) copied." + crlf, files: map[string]string{"b": "x" + crlf}},
		{line: `echo x>a& md d& copy /y a d`, out: "        1 file(s) copied." + crlf, files: map[string]string{"d/a": "x" + crlf}},
		{line: `md s d& echo x>s\a& echo y>s\b& copy s d`, out: `s\a` + crlf + `s\b` + crlf + "        2 file(s) copied." + crlf},
		{line: `copy nope b`, exit: 1, err: "The system cannot find the file specified." + crlf},
		{line: `echo x>a& copy a a`, exit: 1, out: "        0 file(s) copied." + crlf, err: "The file cannot be copied onto itself." + crlf},
		{line: `echo x>a& copy a nodir\`, exit: 1, err: "The system cannot find the path specified." + crlf},
		{line: `copy nul e`, out: "        1 file(s) copied." + crlf, files: map[string]string{"e": ""}},
		{line: `echo x>a& move a b`, out: "        1 file(s) moved." + crlf, files: map[string]string{"a": "-", "b": "x" + crlf}},
		{line: `md a d& move a d`, out: "        1 dir(s) moved." + crlf, files: map[string]string{"a": "-", "d/a": "/"}},
		{line: `echo x>a& ren a b`, files: map[string]string{"a": "-", "b": "x" + crlf}},
		{line: `echo x>a& echo y>b& ren a b`, exit: 1, err: "A duplicate file name exists, or the file cannot be found." + crlf},
		{line: `md a& mklink /d l a`, out: "symbolic link created for l <<===>> a" + crlf},
		{line: `ver`, out: crlf + "Microsoft Windows [Version 10.0.20348.2700]" + crlf},
		{line: `if exist Windows echo yes`, out: "yes" + crlf},
		{line: `if not exist "C:\no such" (echo no) else (echo yes)`, out: "no" + crlf},
		{line: `if exist nope echo a & echo b`},
		{line: `if "a"=="a" echo yes`, out: "yes" + crlf},
		{line: `if /i A==a echo yes`, out: "yes" + crlf},
		{line: `if A==a echo yes`},
		{line: `if 10 GTR 9 echo yes`, out: "yes" + crlf},
		{line: `if abc LSS abd echo yes`, out: "yes" + crlf},
		{line: `if defined PATH (if defined NOPE (echo a) else echo b)`, out: "b" + crlf},
		{line: `if "%ERRORLEVEL%"=="0" exit 4`, exit: 4},
		{line: `rem a & echo no`},
		{line: `rem& echo yes`, out: "yes" + crlf},
		{line: `( echo a`, exit: 1, err: "The syntax of the command is incorrect." + crlf},
		{line: `& echo a`, exit: 1, err: "& was unexpected at this time." + crlf},
		{line: `echo a &`, out: "a " + crlf},
		{line: `echo a) b`, out: "a) b" + crlf},
		{line: `d:`, exit: 1, err: "The system cannot find the drive specified." + crlf},
		{line: ``},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			s := newScratch(t)
			got, err := runLine(t, s, "cmd /S /C "+test.line)
			if test.err == "error" {
				if err == nil {
					t.Fatal("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := (result{test.exit, test.out, test.err}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			for path, want := range test.files {
				f, err := s.Lookup(path)
				switch {
				case want == "-" && err == nil:
					t.Errorf("%s is still there", path)
				case want == "-":
				case err != nil:
					t.Error(err)
				case want == "/" && !f.IsDir():
					t.Errorf("%s is no directory", path)
				case want != "/" && content(t, s, path) != want:
					t.Errorf("%s holds %q, want %q", path, content(t, s, path), want)
				}
			}
		})
	}
}

// What cannot be done is one line with the place, the command and the ways out.
func TestUnsupported(t *testing.T) {
	tests := []struct{ line, command string }{
		{`cmd /S /C powershell -Command "Get-Service x"`, "Get-Service x"},
		{`powershell -Command x`, "x"},
		{`cmd /S /C echo a & msiexec /i x.msi /qn`, "msiexec"},
		{`cmd /S /C call x.bat`, "x.bat"},
		{`cmd /S /C goto end`, "goto end"},
		{`cmd /S /C start app.exe`, "start app.exe"},
		{`cmd /S /C for %i in (a) do (echo %~ti)`, "%~t"},
		{`cmd /S /C .\setup.exe /S`, `.\setup.exe`},
		{`C:\tools\reg.exe query HKLM\SOFTWARE`, `C:\tools\reg.exe`},
		{`cmd /S /C echo %DATE%`, "%DATE%"},
		{`cmd /S /C reg add HKU\D\X /v a /d b /f`, `reg add HKU\D\X /v a /d b /f`},
		{`cmd /S /C reg delete HKCU /f`, `reg delete HKCU /f`},
		{`cmd /S /C reg save HKLM\SOFTWARE x.hiv`, `reg save HKLM\SOFTWARE x.hiv`},
		{"cmd /S /C echo a\necho b", "cmd"},
		{`cmd /S /C if exist x (echo a) & echo b`, `if exist x (echo a) & echo b`},
		{`cmd`, "cmd "},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			s := newScratch(t)
			_, err := runLine(t, s, test.line)
			var unsupported *offline.UnsupportedError
			if !errors.As(err, &unsupported) {
				t.Fatalf("error %v", err)
			}
			if unsupported.Command != test.command {
				t.Errorf("command %q, want %q", unsupported.Command, test.command)
			}
			text := err.Error()
			if !strings.HasPrefix(text, "Containerfile:7: RUN "+test.command) || strings.Contains(strings.TrimSpace(strings.ReplaceAll(text, test.line, "")), "\n") {
				t.Errorf("error %q", text)
			}
			if !strings.Contains(text, "COPY") {
				t.Errorf("no way out in %q", text)
			}
		})
	}
}

// A program of the image by the name of a known one is not the known one.
func TestProgramsOfTheImageWin(t *testing.T) {
	s := newScratch(t)
	if _, err := runLine(t, s, `cmd /c md tools & echo x> tools\reg.exe`); err != nil {
		t.Fatal(err)
	}
	if r, err := runLine(t, s, `reg query HKLM\SOFTWARE`, `PATH=C:\Windows\System32`); err != nil || r.exit != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err := runLine(t, s, `cmd /c reg query HKLM\SOFTWARE`, `PATH=C:\tools;C:\Windows\System32`)
	if err == nil || !strings.Contains(err.Error(), `C:\tools\reg.exe is a program of the image`) {
		t.Errorf("error %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	s := newScratch(t)
	if r, err := runLine(t, s, `setx /M GREETING hello`); err != nil || r.exit != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	e, err := offline.Environment(s.Registry(), "ContainerUser", "ARG=1", "Path=C:\\app")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"GREETING": "hello", "ARG": "1", "PATH": `C:\app`, "COMSPEC": `C:\Windows\system32\cmd.exe`, "SystemRoot": `C:\Windows`,
		"USERPROFILE": `C:\Users\ContainerUser`, "username": "ContainerUser",
	} {
		if got, _ := e.Get(name); !strings.EqualFold(got, want) {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	// What setx writes does not change the environment of what runs.
	if r, err := runLine(t, s, `cmd /c setx /M LATER x >nul & set LATER`); err != nil || r.exit != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// ContainerUser may read the machine's registry, not write it.
func TestContainerUser(t *testing.T) {
	s := newScratch(t)
	e, err := offline.Environment(s.Registry(), "ContainerUser")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`reg add HKLM\SOFTWARE\X /f`:                  "ERROR: Access is denied.\r\n",
		`reg delete HKLM\SOFTWARE\Classes /f`:         "ERROR: Access is denied.\r\n",
		`setx /M A b`:                                 "ERROR: Access to the registry path is denied.\r\n",
		`C:\Windows\System32\reg query HKLM\SOFTWARE`: "",
	} {
		var errOut bytes.Buffer
		exit, err := offline.Run(context.Background(), offline.Options{Scratch: s, Env: e, Stderr: &errOut, User: "ContainerUser"}, line)
		if err != nil || errOut.String() != want || (exit == 0) != (want == "") {
			t.Errorf("%s: exit code %d, %v, %q", line, exit, err, errOut.String())
		}
	}
	if s.Registry().Changed() {
		t.Error("the registry has changed")
	}
}

func TestReg(t *testing.T) {
	const ok = "The operation completed successfully.\r\n"
	tests := []struct {
		line      string
		exit      uint32
		key, name string
		want      *hives.Value // nil: not there
	}{
		{`reg add HKLM\SOFTWARE\Acme /v S /d "a b" /f`, 0, `HKLM\SOFTWARE\Acme`, "S", ptr(hives.StringValue("S", "a b"))},
		{`reg add HKLM\SOFTWARE\Acme /f`, 0, `HKLM\SOFTWARE\Acme`, "", ptr(hives.StringValue("", ""))},
		{`reg add HKEY_LOCAL_MACHINE\Software\Acme\ -v E -t reg_expand_sz -d %windir%\x -f`, 0, `HKLM\SOFTWARE\Acme`, "E", ptr(hives.ExpandValue("E", `%windir%\x`))},
		{`reg add HKLM\SOFTWARE\Acme /v D /t REG_DWORD /d 0x10 /f`, 0, `HKLM\SOFTWARE\Acme`, "D", ptr(hives.DWORDValue("D", 16))},
		{`reg add HKLM\SOFTWARE\Acme /v D /t REG_DWORD /f`, 1, `HKLM\SOFTWARE\Acme`, "D", nil},
		{`reg add HKLM\SOFTWARE\Acme /v D /t REG_DWORD /d 12x /f`, 1, `HKLM\SOFTWARE\Acme`, "D", nil},
		{`reg add HKLM\SOFTWARE\Acme /v D /t REG_DWORD /d -1 /f`, 1, `HKLM\SOFTWARE\Acme`, "D", nil},
		{`reg add HKLM\SOFTWARE\Acme /v Q /t REG_QWORD /d 5000000000 /f`, 0, `HKLM\SOFTWARE\Acme`, "Q", ptr(hives.QWORDValue("Q", 5000000000))},
		{`reg add HKLM\SOFTWARE\Acme /v B /t REG_BINARY /d 0aF /f`, 0, `HKLM\SOFTWARE\Acme`, "B", ptr(hives.BinaryValue("B", []byte{0, 0xaf}))},
		{`reg add HKLM\SOFTWARE\Acme /v B /t REG_BINARY /d 0g /f`, 1, `HKLM\SOFTWARE\Acme`, "B", nil},
		{`reg add HKLM\SOFTWARE\Acme /v M /t REG_MULTI_SZ /d a\0b /f`, 0, `HKLM\SOFTWARE\Acme`, "M", ptr(hives.MultiValue("M", "a", "b"))},
		{`reg add HKLM\SOFTWARE\Acme /v M /t REG_MULTI_SZ /s ; /d a;b; /f`, 0, `HKLM\SOFTWARE\Acme`, "M", ptr(hives.MultiValue("M", "a", "b"))},
		{`reg add HKLM\SOFTWARE\Acme /v M /t REG_MULTI_SZ /d a\0\0b /f`, 1, `HKLM\SOFTWARE\Acme`, "M", nil},
		{`reg add HKLM\SOFTWARE\Acme /v N /v N /f`, 1, `HKLM\SOFTWARE\Acme`, "N", nil},
		{`reg add HKLM\SOFTWARE\Acme /v N /ve /f`, 1, `HKLM\SOFTWARE\Acme`, "N", nil},
		{`reg add HKLM\SOFTWARE\Acme /v N /t REG_NOPE /f`, 1, `HKLM\SOFTWARE\Acme`, "N", nil},
		{`reg add HKXX\Acme /f`, 1, `HKLM\SOFTWARE\Acme`, "", nil},
		{`reg add HKLM\SOFTWARE\\Acme /f`, 1, `HKLM\SOFTWARE\Acme`, "", nil},
		{`reg add HKLM\SOFTWARE\Acme /v S /d x /f /reg:32`, 0, `HKLM\SOFTWARE\WOW6432Node\Acme`, "S", ptr(hives.StringValue("S", "x"))},
		{`reg add HKLM\SYSTEM\CurrentControlSet\Services\Acme /v Start /t REG_DWORD /d 2 /f`, 0, `HKLM\SYSTEM\ControlSet001\Services\Acme`, "Start", ptr(hives.DWORDValue("Start", 2))},
		{`reg delete HKLM\SOFTWARE\Old /f`, 0, `HKLM\SOFTWARE\Old`, "a", nil},
		{`reg delete HKLM\SOFTWARE\Old /v a /f`, 0, `HKLM\SOFTWARE\Old`, "a", nil},
		{`reg delete HKLM\SOFTWARE\Old /va /f`, 0, `HKLM\SOFTWARE\Old\Sub`, "b", ptr(hives.StringValue("b", "2"))},
		{`reg delete HKLM\SOFTWARE\Old /v zz /f`, 1, `HKLM\SOFTWARE\Old`, "a", ptr(hives.StringValue("a", "1"))},
		{`reg delete HKLM\SOFTWARE\Nope /f`, 1, `HKLM\SOFTWARE\Old`, "a", ptr(hives.StringValue("a", "1"))},
		{`reg delete HKLM\SOFTWARE\Old`, 1, `HKLM\SOFTWARE\Old`, "a", ptr(hives.StringValue("a", "1"))},
		{`cmd /c echo Yes|reg delete HKLM\SOFTWARE\Old`, 0, `HKLM\SOFTWARE\Old`, "a", nil},
		{`reg add HKLM\SOFTWARE\Old /v A /d new`, 1, `HKLM\SOFTWARE\Old`, "a", ptr(hives.StringValue("a", "1"))},
		{`reg add HKLM\SOFTWARE\Old /v A /d new /f`, 0, `HKLM\SOFTWARE\Old`, "a", ptr(hives.StringValue("a", "new"))},
		{`setx /m NAME value`, 0, `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "NAME", ptr(hives.StringValue("NAME", "value"))},
		{`setx PATH %X%;C:\app /M`, 0, `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "Path", ptr(hives.ExpandValue("Path", `%X%;C:\app`))},
		{`setx /M NAME`, 1, `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "NAME", nil},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			s := newScratch(t)
			r := s.Registry()
			for _, v := range []struct{ key, name, data string }{{`HKLM\SOFTWARE\Old`, "a", "1"}, {`HKLM\SOFTWARE\Old\Sub`, "b", "2"}} {
				if err := r.SetValue(v.key, hives.StringValue(v.name, v.data)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := runLine(t, s, test.line)
			if err != nil {
				t.Fatal(err)
			}
			if got.exit != test.exit {
				t.Errorf("exit code %d, want %d: %q %q", got.exit, test.exit, got.out, got.err)
			}
			if test.exit == 0 && strings.HasPrefix(test.line, "reg") && !strings.HasSuffix(got.out, ok) {
				t.Errorf("output %q", got.out)
			}
			var have *hives.Value
			if k, err := r.Key(test.key); err == nil {
				if v, err := k.Value(test.name); err == nil {
					have = &v
				}
			}
			switch {
			case (have == nil) != (test.want == nil):
				t.Errorf("value %+v, want %+v", have, test.want)
			case have != nil && (have.Name != test.want.Name || have.Type != test.want.Type || !bytes.Equal(have.Data, test.want.Data)):
				t.Errorf("value %+v, want %+v", have, test.want)
			}
		})
	}
}

func ptr(v hives.Value) *hives.Value { return &v }

func TestRegQuery(t *testing.T) {
	s := newScratch(t)
	for _, line := range []string{
		`reg add HKLM\SOFTWARE\Acme /v Name /d x /f`, `reg add HKLM\SOFTWARE\Acme /v N /t REG_DWORD /d 255 /f`, `reg add HKLM\SOFTWARE\Acme\Sub /v M /t REG_MULTI_SZ /d a\0b /f`,
	} {
		if r, err := runLine(t, s, line); err != nil || r.exit != 0 {
			t.Fatalf("%s: %+v, %v", line, r, err)
		}
	}
	const head = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Acme"
	values := head + "\r\n    Name    REG_SZ    x\r\n    N    REG_DWORD    0xff\r\n"
	for line, want := range map[string]result{
		`reg query HKLM\SOFTWARE\Acme`:         {0, values + head + "\\Sub\r\n\r\n", ""},
		`reg query HKLM\SOFTWARE\Acme /s`:      {0, values + head + "\\Sub\r\n    M    REG_MULTI_SZ    a\\0b\r\n\r\n", ""},
		`reg query HKLM\SOFTWARE\Acme /v n`:    {0, head + "\r\n    N    REG_DWORD    0xff\r\n\r\n", ""},
		`reg query HKLM\SOFTWARE\Acme /ve`:     {0, head + "\r\n    (Default)    REG_SZ    (value not set)\r\n\r\n", ""},
		`reg query HKLM\SOFTWARE\Acme /v Nope`: {1, "", "ERROR: The system was unable to find the specified registry key or value.\r\n"},
		`reg query HKLM\SOFTWARE\Nope`:         {1, "", "ERROR: The system was unable to find the specified registry key or value.\r\n"},
	} {
		if got, err := runLine(t, s, line); err != nil || got != want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

// Whatever the line, the shell comes back with an exit code or an error.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{`echo a`, `if exist x (echo a) else b`, `a & b && c || d | e`, `echo %OS:~1,2% %X:a=b%`, `"a" > b 2>&1 < c`, `reg add HKLM\SOFTWARE\X /v a`, `md a& rd/s/q a`, `((((a`, `copy * *`, `for`, "a\nb",
		`for /f "tokens=1,2* delims=," %a in ("a,b,c") do echo %~nxa !b!`, "@echo off;;setlocal enabledelayedexpansion;;:l;;set /a n+=1;;if !n! lss 3 goto l;;call :s %*;;:s;;echo %~dp0 %1 (", `set /a (1+2)*~3<<1`} {
		f.Add(seed)
	}
	s := newScratch(f)
	e, err := offline.Environment(s.Registry(), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		// A loop without end is right too; what matters is that it can be stopped.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.WriteFile("fuzz.bat", strings.NewReader(strings.ReplaceAll(line, ";;", "\r\n"))); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"cmd /S /C " + line, "fuzz.bat a b"} {
			_, _ = offline.Run(ctx, offline.Options{Scratch: s, Env: e}, line)
		}
	})
}

func (r result) String() string { return fmt.Sprintf("exit %d, out %q, err %q", r.exit, r.out, r.err) }
