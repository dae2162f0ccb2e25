package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/fixtures"
)

// The test binary stands for three others, by its first argument.
const (
	asProgram = "test-program" // argument: exit code, "sleep" or "thread" and an exit code
	asGuest   = "test-guest"   // argument: what the guest does
)

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case asProgram:
			testProgram(os.Args[2:])
		case asGuest:
			testGuest(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

func testProgram(args []string) {
	if args[0] == "tty" { // says the terminal's size and what is typed
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			os.Exit(98)
		}
		size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			os.Exit(97)
		}
		line := make([]byte, 64)
		n, _ := os.Stdin.Read(line)
		fmt.Printf("%dx%d %s", size.Row, size.Col, line[:n])
	}
	if args[0] == "sleep" {
		time.Sleep(time.Hour)
	}
	code, err := strconv.ParseUint(args[len(args)-1], 0, 32)
	if err != nil {
		os.Exit(99)
	}
	if args[0] == "thread" { // exits from a thread that is not the first
		done := make(chan struct{})
		go func() { unix.Exit(int(int32(uint32(code)))); close(done) }()
		<-done
	}
	unix.Exit(int(int32(uint32(code))))
}

// self launches the test binary as a program.
func self(t *testing.T, w *wine, args ...string) *program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.launch(append([]string{exe, asProgram}, args...), &syscall.ProcAttr{Env: w.env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAllBitsOfExitCodes(t *testing.T) {
	w := &wine{reaper: newReaper(), env: os.Environ()}
	for _, how := range []string{"main", "thread"} {
		for _, want := range []uint32{0, 1, 42, 255, 256, 3010, 0x8000FF00, 0xC0000135, 0xFFFFFFFF} {
			p := self(t, w, how, strconv.FormatUint(uint64(want), 10))
			if p.codes == nil {
				fixtures.Skip(t, "this kernel (or the sandbox around the test) has no seccomp notification")
			}
			exit := p.exit(<-p.done)
			if exit.Code != want || exit.Note != "" {
				t.Errorf("%s: exit code %#x, note %q; want %#x", how, exit.Code, exit.Note, want)
			}
		}
	}
	p := self(t, w, "sleep")
	p.kill()
	p.kill()
	if exit := p.exit(<-p.done); exit.Code != 137 {
		t.Errorf("exit code of a killed program: %d", exit.Code)
	}
	// Not a program in Go, which would take the signal for a panic, and not from here, where it may come before exec.
	p, err := w.launch([]string{"/bin/sh", "-c", "kill -SEGV $$"}, &syscall.ProcAttr{Env: w.env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if exit := p.exit(<-p.done); exit.Code != 139 || !strings.Contains(exit.Note, "SIGSEGV") {
		t.Errorf("exit of a crashed program: %+v", exit)
	}
	if _, err := w.launch([]string{"/no/such/program"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("launch of what is not there: %v", err)
	}
}

func TestExitWithoutListener(t *testing.T) {
	status := unix.WaitStatus(194 << 8)
	p := &program{}
	if exit := p.exit(status); exit.Code != 194 || !strings.Contains(exit.Note, "8 bits") {
		t.Errorf("without a listener: %+v", exit)
	}
	p.codes = &codes{code: 3011, ok: true}
	if exit := p.exit(status); exit.Code != 194 {
		t.Errorf("a notification that does not fit the status: %+v", exit)
	}
	p.codes = &codes{code: 3010, ok: true}
	if exit := p.exit(status); exit.Code != 3010 {
		t.Errorf("a notification that fits the status: %+v", exit)
	}
}

func TestWorkingDirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "App", "Data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for rel, want := range map[string]string{
		"": "", "App": "App", "app/DATA": "App/Data", "APP/New/Deep": "App/New/Deep", "../../App": "App", "x//y/.": "x/y",
	} {
		got, err := makeDir(root, rel)
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("%q: %q, %v; want %q", rel, got, err, want)
		}
		if info, err := os.Stat(got); err != nil || !info.IsDir() {
			t.Errorf("%q is not there: %v", rel, err)
		}
	}
	if _, err := makeDir(root, "file/below"); err == nil {
		t.Error("a directory was made below a file")
	} else if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
}

func TestProgramsAreWhatWineRuns(t *testing.T) {
	proc := t.TempDir()
	for pid, p := range map[string]struct{ exe, cmdline string }{
		"1":    {"/mullion/mullion-guest", "mullion-guest\x00"},
		"20":   {WineDir + "/wineserver64", "wineserver64\x00-p0\x00"},
		"31":   {WineDir + "/wine64", "C:\\app\\a.exe\x00two words\x00"},
		"4":    {WineDir + "/wine64-preloader", "C:\\b.exe\x00"},
		"50":   {WineDir + "/wine64", ""},
		"51":   {WineDir + "/wine64", "C:\\windows\\system32\\conhost.exe\x00--unix\x00"},
		"self": {WineDir + "/wine64", "x"},
	} {
		dir := filepath.Join(proc, pid)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(p.exe, filepath.Join(dir, "exe")),
			os.WriteFile(filepath.Join(dir, "cmdline"), []byte(p.cmdline), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want := []Process{{4, `C:\b.exe`}, {31, `C:\app\a.exe two words`}}
	if got := programs(proc); !slices.Equal(got, want) {
		t.Errorf("programs %v, want %v", got, want)
	}
	if got := programs(filepath.Join(proc, "none")); got == nil || len(got) != 0 {
		t.Errorf("without /proc: %v", got)
	}
}

func TestUserNames(t *testing.T) {
	for name, want := range map[string]bool{
		"ContainerAdministrator": true, "Network Service": true, "müller": true, "a-b_c.d": true,
		"a:b": false, "a/b": false, "a\\b": false, "a\nb": false, "..": false, strings.Repeat("x", 200): false,
	} {
		if plainName(name) != want {
			t.Errorf("plainName(%q) = %v", name, !want)
		}
	}
}

func TestMessages(t *testing.T) {
	var b bytes.Buffer
	for _, r := range []report{{Started: 7}, {Program: 2, Exit: &Exit{Code: 0xC0000135}}, {Processes: []Process{}}} {
		text, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	var r [3]report
	for i := range r {
		if err := decode(&b, &r[i]); err != nil {
			t.Fatal(err)
		}
	}
	if r[0].Started != 7 || r[1].Exit.Code != 0xC0000135 || r[1].Program != 2 || r[2].Processes == nil {
		t.Errorf("read %+v", r)
	}
	if err := decode(&b, &r[0]); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := encode(strings.Repeat("x", maxMessage)); err == nil {
		t.Error("a message beyond the bound was made")
	}
	for name, wire := range map[string]string{
		"half a head": "\x01\x00", "half a text": "\x05\x00\x00\x00{}", "too long": "\xff\xff\xff\xff{}", "no JSON": "\x01\x00\x00\x00{",
	} {
		if err := decode(strings.NewReader(wire), &r[0]); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReport: whatever a guest says, its supervisor reads it or refuses it.
func FuzzReport(f *testing.F) {
	for _, text := range []string{`{"started":1}`, `{"exit":{"code":3010},"program":4}`, `{"processes":[{"pid":4,"command":"x"}]}`, `null`, `[`} {
		f.Add(append([]byte{byte(len(text)), 0, 0, 0}, text...))
	}
	f.Add([]byte("\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		for range len(b) + 1 {
			var r report
			if err := decode(in, &r); err != nil {
				return
			}
			if _, err := encode(r); err != nil {
				t.Fatalf("%+v cannot be sent: %v", r, err)
			}
		}
		t.Fatal("more messages than bytes")
	})
}

func TestTerminal(t *testing.T) {
	w := &wine{reaper: newReaper(), env: os.Environ()}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s, err := NewTerminal(33, 111, strings.NewReader("typed\n"), &out)
	if err != nil {
		fixtures.Skip(t, err.Error())
	}
	attr := &syscall.ProcAttr{
		Env: w.env, Files: []uintptr{s.Child[0].Fd(), s.Child[1].Fd(), s.Child[2].Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}
	p, err := w.launch([]string{exe, asProgram, "tty", "5"}, attr)
	if err != nil {
		t.Fatal(err)
	}
	s.Carry()
	if exit := p.exit(<-p.done); exit.Code != 5 {
		t.Errorf("exit %+v", exit)
	}
	s.Finish()
	if got := out.String(); !strings.Contains(got, "33x111 typed") {
		t.Errorf("on the terminal: %q", got)
	}
}
