package guest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// testGuest speaks for a guest that has started the program it was told.
func testGuest(what string) {
	l, err := openLink(os.NewFile(socket, "supervisor"))
	if err != nil {
		os.Exit(2)
	}
	var config Config
	if _, err := l.receive(&config); err != nil {
		os.Exit(2)
	}
	say := func(r report) {
		if l.send(r) != nil {
			os.Exit(3)
		}
	}
	switch what {
	case "dies":
		os.Exit(0)
	case "fails":
		say(report{Error: "no such luck"})
		os.Exit(1)
	case "babbles":
		_, _ = l.conn.Write([]byte("\x01\x00\x00\x00{"))
		os.Exit(0)
	}
	say(report{Started: 12})
	if what == "ends" {
		say(report{Exit: &Exit{Code: 3010, Note: config.Program}})
		os.Exit(0)
	}
	for {
		var r request
		fds, err := l.receive(&r)
		if err != nil {
			os.Exit(0)
		}
		switch {
		case r.Exec != nil:
			if r.Exec.Program == "" {
				say(report{Program: r.Program, Error: "no such program"})
				continue
			}
			say(report{Program: r.Program, Started: 100 + r.Program})
			_, _ = unix.Write(fds[1], []byte(r.Exec.Program))
			closeAll(fds)
			say(report{Program: r.Program, Exit: &Exit{Code: uint32(r.Program)}})
		case r.Interrupt:
			say(report{Exit: &Exit{Code: 0xC000013A}})
			os.Exit(0)
		case r.Top:
			say(report{Processes: []Process{{12, config.Program}}})
		case r.Kill:
			say(report{Exit: &Exit{Code: 137}})
			os.Exit(0)
		}
	}
}

func startTestGuest(t *testing.T, what string) (*Conn, *exec.Cmd) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, asGuest, what)
	cmd.Stderr = os.Stderr
	c, err := Start(cmd, &Config{Program: `C:\app\x.exe`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		_ = cmd.Wait()
	})
	return c, cmd
}

func TestSupervisorOfAnEnd(t *testing.T) {
	c, _ := startTestGuest(t, "ends")
	if pid, err := c.Started(t.Context()); pid != 12 || err != nil {
		t.Errorf("started %d, %v", pid, err)
	}
	for range 2 {
		exit, err := c.Wait(t.Context())
		if err != nil || exit.Code != 3010 || exit.Note != `C:\app\x.exe` {
			t.Errorf("exit %+v, %v", exit, err)
		}
	}
	if err := c.Kill(); err != nil {
		t.Errorf("kill after the end: %v", err)
	}
	if _, err := c.Top(t.Context()); err == nil {
		t.Error("a list of processes after the end")
	}
}

func TestSupervisorAsks(t *testing.T) {
	c, _ := startTestGuest(t, "stays")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Wait(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("wait with a canceled context: %v", err)
	}
	for range 3 {
		list, err := c.Top(t.Context())
		if err != nil || len(list) != 1 || list[0].PID != 12 {
			t.Errorf("top %v, %v", list, err)
		}
	}
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	if exit, err := c.Wait(t.Context()); err != nil || exit.Code != 137 {
		t.Errorf("exit %+v, %v", exit, err)
	}
}

func TestSupervisorOfFailures(t *testing.T) {
	for what, want := range map[string]string{"dies": "gone", "fails": "no such luck", "babbles": "not what was agreed"} {
		c, _ := startTestGuest(t, what)
		if _, err := c.Started(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: started %v, want %q", what, err, want)
		}
		if _, err := c.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: wait %v, want %q", what, err, want)
		}
	}
}

func TestGuestEndsWithItsSupervisor(t *testing.T) {
	c, cmd := startTestGuest(t, "stays")
	if _, err := c.Started(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the guest ended with %v", err)
	}
}

func TestStartOfWhatIsNotThere(t *testing.T) {
	if _, err := Start(exec.Command("/no/such/file"), &Config{}); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("start: %v", err)
	}
}

func TestSupervisorStartsMore(t *testing.T) {
	c, _ := startTestGuest(t, "stays")
	for i := 1; i <= 3; i++ {
		var out bytes.Buffer
		s, err := NewStreams(nil, &out, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Exec(t.Context(), &Config{Program: "second"}, s.Child)
		if err != nil {
			t.Fatal(err)
		}
		s.Carry()
		exit, err := p.Wait(t.Context())
		if err != nil || exit.Code != uint32(i) {
			t.Errorf("program %d: exit %+v, %v", i, exit, err)
		}
		s.Finish()
		if out.String() != "second" {
			t.Errorf("program %d printed %q", i, &out)
		}
	}
	s, err := NewStreams(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), &Config{}, s.Child); err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Errorf("a program that does not start: %v", err)
	}
	if err := c.Interrupt(); err != nil {
		t.Error(err)
	}
	if exit, err := c.Wait(t.Context()); err != nil || exit.Code != 0xC000013A {
		t.Errorf("after an interrupt: %+v, %v", exit, err)
	}
	if _, err := c.Exec(t.Context(), &Config{Program: "late"}, s.Child); err == nil {
		t.Error("a program was started after the end")
	}
	s.Carry()
	s.Finish()
}
