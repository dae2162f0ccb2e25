package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
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
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		os.Exit(s.Run(context.Background(), id))
	}
	os.Exit(m.Run())
}

type result struct {
	end            Ending
	err            error
	code           int
	stdout, stderr bytes.Buffer
}

// supervise runs a supervisor in this process, attached to it.
func supervise(t *testing.T, set *Set, c *Container, stdin string, runtimes ...runtime.Runtime) *result {
	t.Helper()
	if runtimes == nil {
		runtimes = []runtime.Runtime{puppet{}}
	}
	r := new(result)
	ours, theirs := net.Pipe()
	s := &Supervisor{Set: set, Runtimes: runtimes, View: noView, Now: new(clock).now,
		Stdin: theirs, Stdout: theirs, Stderr: io.Discard}
	done := make(chan int)
	go func() { done <- s.Run(t.Context(), c.ID()); theirs.Close() }()
	conn := wire.NewConn(ours)
	term := &Terminal{Stdin: strings.NewReader(stdin), Stdout: &r.stdout, Stderr: &r.stderr}
	if err := conn.SendJSON(kindRequest, term.request(opAttach)); err != nil {
		t.Fatal(err)
	}
	r.end, r.err = term.converse(t.Context(), conn, false)
	go func() { _, _ = io.Copy(io.Discard, ours) }()
	r.code = <-done
	ours.Close()
	return r
}

func TestSuperviseToTheEnd(t *testing.T) {
	tests := []struct {
		line   string
		exit   uint32
		code   int // of what went wrong
		stdout string
		stderr string
		failed string
	}{
		{line: "exit 0", stdout: "out\n", stderr: "err\n"},
		{line: "exit 42", exit: 42, stdout: "out\n", stderr: "err\n"},
		{line: "exit 0xC0000135", exit: 0xC0000135, stdout: "out\n", stderr: "err\n"},
		{line: "missing x.exe", code: 127, failed: `"x.exe" not found`},
		{line: "broken x.txt", code: 126, failed: "cannot be invoked"},
		{line: "lost", code: 125, failed: "the VM is gone"},
		{line: "cat", stdout: "from stdin"},
	}
	for _, test := range tests {
		set := newSet(t)
		c := create(t, set, Config{CommandLine: test.line, Stdin: true})
		r := supervise(t, set, c, "from stdin")
		if r.stdout.String() != test.stdout || r.stderr.String() != test.stderr {
			t.Errorf("%s: stdout %q, stderr %q", test.line, &r.stdout, &r.stderr)
		}
		var start *StartError
		code, said := r.end.Code, r.end.Error
		if errors.As(r.err, &start) {
			code, said = start.Code, start.Text
		} else if r.err != nil {
			t.Errorf("%s: %v", test.line, r.err)
		}
		if code != test.code || r.code != test.code || !strings.Contains(said, test.failed) {
			t.Errorf("%s: code %d and %d, said %q", test.line, code, r.code, said)
		}
		st := state(t, c)
		if st.Status != Exited || st.Pid != 0 || !strings.Contains(st.Error, test.failed) || (st.Error == "") != (test.failed == "") {
			t.Errorf("%s: state %+v", test.line, st)
		}
		if (test.failed != "") != (st.Exit == nil) || st.Exit != nil && (*st.Exit != test.exit || *r.end.Exit != test.exit) {
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
	r := supervise(t, set, c, "")
	if r.code != runtime.ExitOurs || !strings.Contains(r.end.Error, "registry cannot be saved") {
		t.Errorf("code %d, ending %+v", r.code, r.end)
	}
	if st := state(t, c); st.Exit == nil || *st.Exit != 7 || st.Error == "" {
		t.Errorf("state %+v, want the program's exit code and the error", st)
	}
}

func TestSuperviseNothing(t *testing.T) {
	set := newSet(t)
	if r := supervise(t, set, &Container{id: newID(), root: set.dir}, ""); r.code != runtime.ExitOurs || r.err == nil {
		t.Errorf("code %d, %v", r.code, r.err)
	}
}

func TestLogsSayWhatWasPrinted(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "exit 1"})
	for range 2 {
		supervise(t, set, c, "")
	}
	var stdout, stderr bytes.Buffer
	if err := c.Logs(t.Context(), LogOptions{Tail: -1}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "out\nout\n" || stderr.String() != "err\nerr\n" {
		t.Errorf("logs: %q, %q", &stdout, &stderr)
	}
}

func TestWorkSurvivesAStop(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "count"})
	for _, want := range []string{"1\n", "2\n"} {
		if r := supervise(t, set, c, ""); r.stdout.String() != want {
			t.Errorf("printed %q, want %q; stderr %q", &r.stdout, want, &r.stderr)
		}
	}
}

func TestRemoveAtTheEnd(t *testing.T) {
	for _, line := range []string{"exit 5", "missing x"} {
		set := newSet(t)
		c := create(t, set, Config{CommandLine: line, Remove: true})
		var removed []string
		supervise(t, set, c, "", puppet{&removed})
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
	if got := state(t, c); !reflect.DeepEqual(got, st) {
		t.Errorf("a refused start changed the state to %+v", got)
	}
	if err := c.Remove(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("Remove of a running container: %v", err)
	}
	end, err := c.Stop(t.Context(), time.Second)
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
	end, err := l.Attached(t.Context(), c, &Terminal{Stdin: strings.NewReader("through and through"), Stdout: &stdout, Stderr: &stderr})
	if err != nil || end.Exit == nil || *end.Exit != 0 || stdout.String() != "through and through" {
		t.Errorf("Attached = %+v, %v; stdout %q, stderr %q", end, err, &stdout, &stderr)
	}
	c = create(t, set, Config{CommandLine: "exit 0xC0000005"})
	end, err = l.Attached(t.Context(), c, &Terminal{Stdout: &stdout, Stderr: &stderr})
	if err != nil || end.Exit == nil || *end.Exit != 0xC0000005 {
		t.Errorf("Attached = %+v, %v; stderr %q", end, err, &stderr)
	}
}

// A terminal may leave a program, come back, and interrupt it.
func TestDetachAndAttach(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "sleep", Stdin: true})
	keys, err := ParseDetachKeys("ctrl-p,ctrl-q")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	typed := io.MultiReader(strings.NewReader("abc\x10"), strings.NewReader("\x11"))
	end, err := launcher(t, set).Attached(t.Context(), c, &Terminal{Stdin: typed, Stdout: &out, Stderr: &out, DetachKeys: keys})
	if err != nil || !end.Detached {
		t.Fatalf("Attached = %+v, %v", end, err)
	}
	if st := state(t, c); st.Status != Running {
		t.Fatalf("after detaching: %+v", st)
	}
	signals := make(chan Signal, 1)
	signals <- Interrupt // the puppet knows none, and is killed
	end, err = c.Attach(t.Context(), &Terminal{Stdout: &out, Stderr: &out, Signals: signals})
	if err != nil || end.Exit == nil || *end.Exit != 137 {
		t.Errorf("Attach = %+v, %v", end, err)
	}
}

func TestRestarts(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{CommandLine: "exit 3", Restart: Restart{Policy: restartOnFailure, Most: 2}})
	r := supervise(t, set, c, "")
	if st := state(t, c); st.Restarts != 2 || st.Exit == nil || *st.Exit != 3 || r.stdout.String() != "out\nout\nout\n" {
		t.Errorf("state %+v, stdout %q", st, &r.stdout)
	}
	c = create(t, set, Config{CommandLine: "exit 0", Restart: Restart{Policy: restartOnFailure}})
	if supervise(t, set, c, ""); state(t, c).Restarts != 0 {
		t.Errorf("a program that did well was started again: %+v", state(t, c))
	}
	c = create(t, set, Config{CommandLine: "missing x", Restart: Restart{Policy: restartAlways}})
	if supervise(t, set, c, ""); state(t, c).Restarts != 0 {
		t.Errorf("a program that cannot be started was tried again: %+v", state(t, c))
	}
	c = create(t, set, Config{CommandLine: "sleep", Restart: Restart{Policy: restartAlways}})
	if err := launcher(t, set).Detached(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Stop(t.Context(), 0); err != nil || st.Status != Exited || st.Restarts != 0 {
		t.Errorf("stopped: %+v, %v", st, err)
	}
}

func TestParseRestart(t *testing.T) {
	for in, want := range map[string]Restart{
		"": {}, "no": {}, "always": {Policy: "always"}, "unless-stopped": {Policy: "always"}, "on-failure": {Policy: "on-failure"}, "on-failure:3": {"on-failure", 3},
	} {
		if got, err := ParseRestart(in); got != want || err != nil {
			t.Errorf("ParseRestart(%q) = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"sometimes", "always:3", "on-failure:x", "on-failure:-1"} {
		if got, err := ParseRestart(in); err == nil {
			t.Errorf("ParseRestart(%q) = %+v", in, got)
		}
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
