package guest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	p, err := w.launch(append([]string{exe, asProgram}, args...))
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
	p = self(t, w, "sleep")
	if err := unix.Kill(p.pid, unix.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if exit := p.exit(<-p.done); exit.Code != 139 || !strings.Contains(exit.Note, "SIGSEGV") {
		t.Errorf("exit of a crashed program: %+v", exit)
	}
	if _, err := w.launch([]string{"/no/such/program"}); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
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
	if err := errors.Join(send(&b, report{Started: 7}), send(&b, report{Exit: &Exit{Code: 0xC0000135}}), send(&b, report{Processes: []Process{}})); err != nil {
		t.Fatal(err)
	}
	in := newLines(&b)
	var r [3]report
	for i := range r {
		if err := in.next(&r[i]); err != nil {
			t.Fatal(err)
		}
	}
	if r[0].Started != 7 || r[1].Exit.Code != 0xC0000135 || r[2].Processes == nil {
		t.Errorf("read %+v", r)
	}
	if err := in.next(&r[0]); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := send(io.Discard, request{}); err != nil {
		t.Error(err)
	}
	if err := send(io.Discard, strings.Repeat("x", maxMessage)); err == nil {
		t.Error("a message beyond the bound was sent")
	}
	long := newLines(strings.NewReader(strings.Repeat("x", maxMessage+1)))
	if err := long.next(&r[0]); err == nil || err == io.EOF {
		t.Errorf("a message beyond the bound: %v", err)
	}
}

// FuzzReport: whatever a guest says, its supervisor reads it or refuses it.
func FuzzReport(f *testing.F) {
	f.Add([]byte("{\"started\":1}\n{\"exit\":{\"code\":3010}}\n"))
	f.Add([]byte("{\"processes\":[{\"pid\":4,\"command\":\"x\"}]}\n{\"error\":\"no\"}"))
	f.Add([]byte("null\n[]\n{\"started\":-1}\n\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := newLines(bytes.NewReader(b))
		for range len(b) + 1 {
			var r report
			if err := in.next(&r); err != nil {
				return
			}
			var again bytes.Buffer
			if err := send(&again, r); err != nil {
				t.Fatalf("%+v cannot be sent: %v", r, err)
			}
		}
		t.Fatal("more messages than bytes")
	})
}
