package oci

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mullion/mullion/fixtures/runtimetest"
	"github.com/mullion/mullion/runtime"
)

// asleep starts a container whose program sleeps, changed by set.
func asleep(t *testing.T, set func(*runtime.Spec)) runtime.Process {
	t.Helper()
	r, st := requireOCI(t)
	out, in := io.Pipe()
	spec := &runtime.Spec{ID: testID, View: runtimetest.Image(t, st), Dir: t.TempDir(), CommandLine: sleeper, Stdout: in}
	set(spec)
	p, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs one more program in the container and returns its exit code and output.
func run(t *testing.T, p runtime.Process, e runtime.Exec) (uint32, string) {
	t.Helper()
	var out bytes.Buffer
	e.Stdout, e.Stderr = &out, &out
	x, err := p.(runtime.Executor).Exec(t.Context(), &e)
	if err != nil {
		t.Fatalf("exec %s: %v", e.CommandLine, err)
	}
	exit, err := x.Wait(t.Context())
	if err != nil {
		t.Fatalf("exec %s: %v", e.CommandLine, err)
	}
	return exit, out.String()
}

func TestMoreProgramsBesideTheFirst(t *testing.T) {
	p := asleep(t, func(s *runtime.Spec) {
		s.Env, s.Cwd = []string{"GREETING=first"}, `C:\app`
		s.Limits = runtime.Limits{Memory: 512 << 20, Pids: 500}
	})
	if exit, out := run(t, p, runtime.Exec{CommandLine: "probe.exe report 3010 GREETING", Env: []string{"greeting=second"}}); exit != 3010 || !strings.Contains(out, "GREETING=second\nC:\\app\n") {
		t.Errorf("exit %d, output %q", exit, out)
	}
	if exit, out := run(t, p, runtime.Exec{CommandLine: "probe.exe cat", Stdin: strings.NewReader("through")}); exit != 0 || out != "through" {
		t.Errorf("exit %d, output %q", exit, out)
	}
	if exit, out := run(t, p, runtime.Exec{CommandLine: "probe.exe report 7 X", TTY: true, Size: runtime.Size{Rows: 30, Columns: 90}}); exit != 7 || !strings.Contains(out, "on the standard error") {
		t.Errorf("on a terminal: exit %d, output %q", exit, out)
	}
	e := p.(runtime.Executor)
	if _, err := e.Exec(t.Context(), &runtime.Exec{CommandLine: "missing.exe"}); runtime.ExitCode(err) != runtime.ExitNotFound {
		t.Errorf("a missing program: %v", err)
	}
	if _, err := e.Exec(t.Context(), &runtime.Exec{CommandLine: "probe.exe sleep", User: "Somebody"}); err == nil {
		t.Error("a program of another user was started")
	}
	if err := p.(runtime.Updater).Update(t.Context(), runtime.Limits{Memory: 600 << 20}); err != nil {
		t.Error(err)
	}
	if s, err := p.(runtime.Meter).Stats(t.Context()); err != nil || s.MemoryLimit != 600<<20 || s.Memory == 0 || s.Pids == 0 || s.CPU == 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
	if err := p.(runtime.Interrupter).Interrupt(t.Context()); err != nil {
		t.Error(err)
	}
	if exit := exitOf(t, p); exit == killed {
		t.Errorf("an interrupted program ended with %d, as a killed one", exit)
	}
}

func exitOf(t *testing.T, p runtime.Process) uint32 {
	t.Helper()
	exit, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func TestFoldersOfTheHost(t *testing.T) {
	shared, fixed := t.TempDir(), t.TempDir()
	for _, dir := range []string{shared, fixed} {
		if err := os.WriteFile(filepath.Join(dir, "host.txt"), []byte("from the host"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := asleep(t, func(s *runtime.Spec) {
		s.ReadOnly, s.Cwd = true, `C:\made\for it`
		s.Mounts = []runtime.Mount{{Source: shared, Target: `C:\APP\Shared`}, {Source: fixed, Target: `C:\Fixed`, ReadOnly: true}}
	})
	for line, want := range map[string]bool{
		`cmd /c type C:\app\shared\host.txt`: true,
		`cmd /c type C:\fixed\HOST.TXT`:      true,
		`cmd /c echo x>C:\app\shared\new`:    true,
		`cmd /c mkdir C:\fixed\new`:          false,
		`cmd /c mkdir C:\app\new`:            false,
	} {
		if exit, out := run(t, p, runtime.Exec{CommandLine: line}); (exit == 0) != want {
			t.Errorf("%s: exit %d, output %q", line, exit, out)
		}
	}
	if _, err := os.Stat(filepath.Join(shared, "new")); err != nil {
		t.Errorf("what the container wrote is not on the host: %v", err)
	}
	if _, err := os.Stat(filepath.Join(fixed, "new")); err == nil {
		t.Error("the container wrote to a read-only folder")
	}
}

// A container that makes a symlink where a folder is to be mounted leads nowhere.
func TestMountsFollowNoLinks(t *testing.T) {
	drive, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(drive, "Data")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"Data", "data/deep"} {
		if fd, err := openDir(drive, at); err == nil {
			t.Errorf("%s was opened through a link, as %d", at, fd)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside of the drive there is %v, %v", left, err)
	}
}

func TestPortsLeadInside(t *testing.T) {
	inside, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for {
			conn, err := inside.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b, _ := io.ReadAll(conn) // to the client's half of a close
				fmt.Fprintf(conn, "got %s", b)
			}()
		}
	}()
	port := uint16(inside.Addr().(*net.TCPAddr).Port)
	loopback := netip.MustParseAddr("127.0.0.1")
	f, err := forward([]runtime.Port{{Address: loopback, Container: port}, {Address: loopback, Container: 1}}, dialLoopback)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, f.ports[0].Host)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); string(b) != "got hello" || err != nil {
		t.Errorf("through the port: %q, %v", b, err)
	}
	if refused, err := net.Dial("tcp4", netip.AddrPortFrom(loopback, f.ports[1].Host).String()); err == nil {
		if _, err := refused.Read(make([]byte, 1)); err == nil {
			t.Error("a port where nobody listens answers")
		}
		refused.Close()
	}
	if _, err := forward([]runtime.Port{f.ports[0]}, dialLoopback); err == nil {
		t.Error("a port was published twice")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp4", netip.AddrPortFrom(loopback, f.ports[0].Host).String()); err == nil {
		conn.Close()
		t.Error("a port is open after Close")
	}
}
