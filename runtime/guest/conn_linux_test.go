package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// testGuest speaks for a guest that has started the program it was told.
func testGuest(what string) {
	sock := os.NewFile(socket, "supervisor")
	in := newLines(sock)
	var config Config
	if err := in.next(&config); err != nil {
		os.Exit(2)
	}
	say := func(r report) {
		if send(sock, r) != nil {
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
		fmt.Fprintln(sock, "{")
		os.Exit(0)
	}
	say(report{Started: 12})
	if what == "ends" {
		say(report{Exit: &Exit{Code: 3010, Note: config.Program}})
		os.Exit(0)
	}
	for {
		var r request
		if in.next(&r) != nil {
			os.Exit(0)
		}
		switch {
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
