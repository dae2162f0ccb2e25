package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// puppet is a Runtime whose program does what its command line says.
type puppet struct{ removed *[]string }

func (puppet) Name() string                                       { return "puppet" }
func (puppet) Isolation() runtime.Isolation                       { return runtime.ProcessIsolation }
func (puppet) Probe(context.Context) error                        { return nil }
func (puppet) Requirements(context.Context) []runtime.Requirement { return nil }

func (r puppet) Remove(_ context.Context, dir string) error {
	if r.removed != nil {
		*r.removed = append(*r.removed, dir)
	}
	return nil
}

func (puppet) Start(_ context.Context, spec *runtime.Spec) (runtime.Process, error) {
	verb, arg, _ := strings.Cut(spec.CommandLine, " ")
	p := &puppetProcess{verb: verb, end: make(chan uint32, 1), killed: make(chan struct{})}
	switch verb {
	case "missing":
		return nil, &runtime.NotFoundError{Program: arg}
	case "broken":
		return nil, fmt.Errorf("%s: %w", arg, runtime.ErrCannotInvoke)
	case "exit":
		fmt.Fprint(spec.Stdout, "out\n")
		fmt.Fprint(spec.Stderr, "err\n")
		n, err := strconv.ParseUint(arg, 0, 32)
		if err != nil {
			return nil, err
		}
		p.end <- uint32(n)
	case "kill":
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return nil, err
		}
		if err := self.Kill(); err != nil {
			return nil, err
		}
	case "unclosable":
		p.end <- 7
	case "cat":
		if spec.Stdin != nil {
			if _, err := io.Copy(spec.Stdout, spec.Stdin); err != nil {
				return nil, err
			}
		}
		p.end <- 0
	case "count":
		f := filepath.Join(spec.Dir, "runs")
		b, _ := os.ReadFile(f)
		if err := os.WriteFile(f, append(b, '+'), 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintln(spec.Stdout, len(b)+1)
		p.end <- 0
	}
	return p, nil
}

type puppetProcess struct {
	verb   string
	end    chan uint32
	once   sync.Once
	killed chan struct{}
}

func (*puppetProcess) Pid() int { return os.Getpid() }
func (p *puppetProcess) Wait(context.Context) (uint32, error) {
	if p.verb == "lost" {
		return 0, errors.New("the VM is gone")
	}
	select {
	case exit := <-p.end:
		return exit, nil
	case <-p.killed:
		return 137, nil
	}
}
func (p *puppetProcess) Kill() error {
	p.once.Do(func() { close(p.killed) })
	return nil
}
func (*puppetProcess) Top(context.Context) ([]runtime.ProcessInfo, error) {
	return []runtime.ProcessInfo{{PID: 4, Command: "puppet.exe"}}, nil
}
func (p *puppetProcess) Close() error {
	if p.verb == "unclosable" {
		return errors.New("the registry cannot be saved")
	}
	return p.Kill()
}

func noView(context.Context, digest.Digest) (*view.View, error) { return nil, nil }

const storeVariable = "MULLION_TEST_CONTAINERS"

// TestMain makes this binary a supervisor when it is launched as one.
func TestMain(m *testing.M) {
	if id, ok := SupervisorID(os.Args); ok {
		set, err := Open(os.Getenv(storeVariable))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(runtime.ExitOurs)
		}
		s := &Supervisor{Set: set, Runtimes: []runtime.Runtime{puppet{}}, View: noView, Now: new(clock).now,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Attached: IsAttached(os.Getenv)}
		os.Exit(s.Run(context.Background(), id))
	}
	os.Exit(m.Run())
}

type result struct {
	code           int
	stdout, stderr bytes.Buffer
}

func supervise(t *testing.T, set *Set, c *Container, attached bool, stdin string) *result {
	t.Helper()
	r := new(result)
	s := &Supervisor{Set: set, Runtimes: []runtime.Runtime{puppet{}}, View: noView, Now: new(clock).now,
		Stdin: strings.NewReader(stdin), Stdout: &r.stdout, Stderr: &r.stderr, Attached: attached}
	r.code = s.Run(t.Context(), c.ID())
	return r
}

func TestSuperviseToTheEnd(t *testing.T) {
	tests := []struct {
		line   string
		code   int
		exit   uint32
		noExit bool
		stdout string
		stderr string
		failed string
	}{
		{line: "exit 0", stdout: "out\n", stderr: "err\n"},
		{line: "exit 42", code: 42, exit: 42, stdout: "out\n", stderr: "err\n"},
		{line: "exit 0xC0000135", code: 255, exit: 0xC0000135, stdout: "out\n", stderr: "0xC0000135 (3221225781)"},
		{line: "exit 3010", code: 255, exit: 3010, stdout: "out\n", stderr: "0x00000BC2 (3010)"},
		{line: "missing x.exe", code: 127, noExit: true, stderr: `"x.exe" not found`, failed: "not found"},
		{line: "broken x.txt", code: 126, noExit: true, stderr: "cannot be invoked", failed: "cannot be invoked"},
		{line: "lost", code: 125, noExit: true, stderr: "the VM is gone", failed: "the VM is gone"},
		{line: "cat", stdout: "from stdin"},
	}
	for _, test := range tests {
		set := newSet(t)
		c := create(t, set, Config{CommandLine: test.line, Stdin: true})
		r := supervise(t, set, c, true, "from stdin")
		if r.code != test.code || r.stdout.String() != test.stdout || !strings.Contains(r.stderr.String(), test.stderr) {
			t.Errorf("%s: code %d, stdout %q, stderr %q", test.line, r.code, &r.stdout, &r.stderr)
		}
		st := state(t, c)
		if st.Status != Exited || st.Pid != 0 || !strings.Contains(st.Error, test.failed) || (st.Error == "") != (test.failed == "") {
			t.Errorf("%s: state %+v", test.line, st)
		}
		if test.noExit != (st.Exit == nil) || st.Exit != nil && *st.Exit != test.exit {
			t.Errorf("%s: exit %v", test.line, st.Exit)
		}
		if !st.Finished.After(st.Started) {
			t.Errorf("%s: started %s, finished %s", test.line, st.Started, st.Finished)
		}
	}
}

func TestProgramThatCannotBeSaved(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "unclosable"})
	r := supervise(t, set, c, true, "")
	if r.code != runtime.ExitOurs || !strings.Contains(r.stderr.String(), "registry cannot be saved") {
		t.Errorf("code %d, stderr %q", r.code, &r.stderr)
	}
	if st := state(t, c); st.Exit == nil || *st.Exit != 7 || st.Error == "" {
		t.Errorf("state %+v, want the program's exit code and the error", st)
	}
}

func TestSuperviseNothing(t *testing.T) {
	set := newSet(t)
	if r := supervise(t, set, &Container{id: newID(), root: set.dir}, true, ""); r.code != runtime.ExitOurs {
		t.Errorf("code %d, stderr %q", r.code, &r.stderr)
	}
}

func TestLogsSayWhatWasPrinted(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "exit 1"})
	for range 2 {
		supervise(t, set, c, false, "")
	}
	var stdout, stderr bytes.Buffer
	if err := c.Logs(&stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "out\nout\n" || stderr.String() != "err\nerr\n" {
		t.Errorf("logs: %q, %q", &stdout, &stderr)
	}
}

func TestDetachedReportsOneLine(t *testing.T) {
	set := newSet(t)
	for line, want := range map[string]launchReport{
		"exit 3":    {},
		"missing x": {Code: 127},
	} {
		c := create(t, set, Config{CommandLine: line})
		r := supervise(t, set, c, false, "")
		var got launchReport
		if err := json.Unmarshal(r.stdout.Bytes(), &got); err != nil || got.Code != want.Code || (got.Error == "") != (want.Code == 0) {
			t.Errorf("%s: report %q, %v", line, &r.stdout, err)
		}
	}
}

func TestWorkSurvivesAStop(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "count"})
	for _, want := range []string{"1\n", "2\n"} {
		if r := supervise(t, set, c, true, ""); r.stdout.String() != want {
			t.Errorf("printed %q, want %q; stderr %q", &r.stdout, want, &r.stderr)
		}
	}
}

func TestRemoveAtTheEnd(t *testing.T) {
	for _, line := range []string{"exit 5", "missing x"} {
		set := newSet(t)
		c := create(t, set, Config{CommandLine: line, Remove: true})
		var removed []string
		s := &Supervisor{Set: set, Runtimes: []runtime.Runtime{puppet{&removed}}, View: noView, Now: new(clock).now,
			Stdout: io.Discard, Stderr: io.Discard, Attached: true}
		s.Run(t.Context(), c.ID())
		if all, err := set.All(); err != nil || len(all) != 0 {
			t.Errorf("%s: All = %v, %v", line, all, err)
		}
		if left := names(t, filepath.Join(set.dir, ".locks")); len(left) != 0 {
			t.Errorf("%s: locks left behind: %q", line, left)
		}
		if len(removed) != 1 || removed[0] != c.WorkDir() {
			t.Errorf("%s: the Runtime was asked to remove %q", line, removed)
		}
	}
}

func launcher(t *testing.T, set *Set) Launcher {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Launcher{Exe: exe, Environ: append(os.Environ(), storeVariable+"="+set.dir)}
}

func TestDetachedLife(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "sleep secret.exe"})
	l := launcher(t, set)
	if err := l.Detached(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	st := state(t, c)
	if st.Status != Running || st.Runtime != "puppet" || st.Isolation != runtime.ProcessIsolation || st.Pid == 0 || st.Why == "" {
		t.Errorf("state %+v", st)
	}
	if list, err := c.Top(t.Context()); err != nil || len(list) != 1 || list[0].Command != "puppet.exe" {
		t.Errorf("Top = %v, %v", list, err)
	}
	if err := l.Detached(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is running") {
		t.Errorf("second start: %v", err)
	}
	if got := state(t, c); got != st {
		t.Errorf("a refused start changed the state to %+v", got)
	}
	if err := c.Remove(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("Remove of a running container: %v", err)
	}
	end, err := c.Stop(t.Context())
	if err != nil || end.Status != Exited || end.Exit == nil || *end.Exit != 137 {
		t.Errorf("Stop = %+v, %v", end, err)
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDetachedStartThatFails(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "missing nowhere.exe"})
	err := launcher(t, set).Detached(t.Context(), c)
	var start *StartError
	if !errors.As(err, &start) || start.Code != runtime.ExitNotFound || !strings.Contains(start.Text, "nowhere.exe") {
		t.Errorf("Detached = %v", err)
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Errorf("the container is not free after a failed start: %v", err)
	}
}

func TestDetachedOfWhatIsNoSupervisor(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{})
	l := launcher(t, set)
	l.Environ = append(l.Environ, storeVariable+"=\x01/nowhere/\x01")
	if err := l.Detached(t.Context(), c); err == nil {
		t.Error("a supervisor that does not find its container has started it")
	}
}

func TestAttached(t *testing.T) {
	set := newSet(t)
	l := launcher(t, set)
	c := create(t, set, Config{CommandLine: "cat", Stdin: true})
	var stdout, stderr bytes.Buffer
	code, err := l.Attached(t.Context(), c, strings.NewReader("through and through"), &stdout, &stderr)
	if code != 0 || err != nil || stdout.String() != "through and through" {
		t.Errorf("Attached = %d, %v; stdout %q, stderr %q", code, err, &stdout, &stderr)
	}
	c = create(t, set, Config{CommandLine: "exit 0xC0000005"})
	code, err = l.Attached(t.Context(), c, nil, &stdout, &stderr)
	if code != 255 || err != nil || !strings.Contains(stderr.String(), "0xC0000005") {
		t.Errorf("Attached = %d, %v; stderr %q", code, err, &stderr)
	}
}

func TestSupervisorID(t *testing.T) {
	id := newID()
	for _, test := range []struct {
		args []string
		ok   bool
	}{
		{[]string{SupervisorName, id}, true},
		{[]string{"/usr/bin/" + SupervisorName, id}, true},
		{[]string{SupervisorName}, false},
		{[]string{SupervisorName, id, "more"}, false},
		{[]string{SupervisorName, "../../etc"}, false},
		{[]string{"run", id}, false},
	} {
		if got, ok := SupervisorID(test.args); ok != test.ok || ok && got != id {
			t.Errorf("SupervisorID(%q) = %q, %v", test.args, got, ok)
		}
	}
}
