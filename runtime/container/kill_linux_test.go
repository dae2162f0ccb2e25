package container

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The puppet's program lives in the supervisor, so its pid is the supervisor's.
func TestSupervisorIsKilled(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "sleep"})
	l := launcher(t, set)
	for range 3 {
		if err := l.Detached(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(state(t, c).Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		st, err := c.Wait(t.Context())
		if err != nil || st.Status != Exited || st.Exit != nil || st.Error != lostError {
			t.Fatalf("after the kill: %+v, %v", st, err)
		}
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Errorf("remove after a kill: %v", err)
	}
}

func TestAttachedSupervisorIsKilled(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "kill me"})
	var stdout, stderr bytes.Buffer
	end, err := launcher(t, set).Attached(t.Context(), c, &Terminal{Stdout: &stdout, Stderr: &stderr})
	if err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("Attached = %+v, %v", end, err)
	}
}

// What the host's process list shows of a container is its ID.
func TestSupervisorArguments(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: `sleep C:\app\secret-program.exe`, Image: "secret-image", Name: "secret-name"})
	if err := launcher(t, set).Detached(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	pid := state(t, c).Pid
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	if want := SupervisorName + "\x00" + c.ID() + "\x00"; string(cmdline) != want {
		t.Errorf("the supervisor's command line is %q, want %q", cmdline, want)
	}
	if os.Geteuid() == 0 {
		ours, err := os.Readlink("/proc/self/ns/mnt")
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt")); err != nil || theirs == ours {
			t.Errorf("the supervisor's mount namespace is %s, ours %s, %v", theirs, ours, err)
		}
	}
	if _, err := c.Stop(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
