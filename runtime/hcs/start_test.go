package hcs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mullion/mullion/runtime"
)

// recorder is a compute service that writes down what it is asked.
type recorder struct {
	steps  []string
	fail   map[string]uint32 // the code of a step
	times  map[string]int    // how often it fails; else always
	exists []string
	doc    *document
	exit   uint32
	stdin  bytes.Buffer
	done   chan struct{} // closed by Kill or Stop
}

func (r *recorder) step(name string) error {
	r.steps = append(r.steps, name)
	code, ok := r.fail[name]
	if !ok {
		return nil
	}
	if n, counted := r.times[name]; counted {
		if n == 0 {
			return nil
		}
		r.times[name]--
	}
	return syscall.Errno(code)
}

func (r *recorder) starter(iso runtime.Isolation) *starter {
	on := func(name string) func(string) error { return func(string) error { return r.step(name) } }
	with := func(name string) func(string, []string) error {
		return func(_ string, parents []string) error { return r.step(name + " over " + strings.Join(parents, " ")) }
	}
	return &starter{
		iso: iso,
		storage: storage{
			GUID:          func(name string) (string, error) { return "guid-" + name, nil },
			Exists:        func(path string) bool { return slices.Contains(r.exists, path) },
			CreateScratch: with("create scratch"),
			Activate:      on("activate"), Prepare: with("prepare"),
			MountPath: func(string) (string, error) { return `\\?\Volume{1}\`, r.step("mount path") },
			Unprepare: on("unprepare"), Deactivate: on("deactivate"), Destroy: on("destroy"),
		},
		compute: compute{
			Create: func(id string, d *document) (system, error) {
				r.doc = d
				if err := r.step("create"); err != nil {
					return nil, err
				}
				return recordedSystem{r}, nil
			},
			Sweep: on("sweep"),
		},
		layers: func(context.Context, *runtime.Spec) ([]string, error) {
			return []string{"base", "top"}, r.step("import")
		},
		pause: func(context.Context, time.Duration) error { return r.step("pause") },
	}
}

type recordedSystem struct{ r *recorder }

func (s recordedSystem) Start() error { return s.r.step("start") }
func (s recordedSystem) Exec(*process) (program, error) {
	if err := s.r.step("exec"); err != nil {
		return nil, err
	}
	return recordedProgram(s), nil
}
func (s recordedSystem) Processes() ([]runtime.ProcessInfo, error) {
	return []runtime.ProcessInfo{{PID: 8, Command: "hello.exe"}}, s.r.step("processes")
}
func (s recordedSystem) Stop(time.Duration) error { return s.r.step("stop") }

type recordedProgram struct{ r *recorder }

type writeCloser struct {
	io.Writer
	closed chan struct{}
}

func (w writeCloser) Close() error {
	close(w.closed)
	return nil
}

func (p recordedProgram) Pid() int { return 1234 }
func (p recordedProgram) Stdio() (io.WriteCloser, io.ReadCloser, io.ReadCloser, error) {
	return writeCloser{&p.r.stdin, p.r.done}, io.NopCloser(strings.NewReader("out")), io.NopCloser(strings.NewReader("err")), nil
}
func (p recordedProgram) Kill() error { return p.r.step("kill") }
func (p recordedProgram) Wait() (uint32, error) {
	<-p.r.done // the program ends with its input
	return p.r.exit, nil
}
func (p recordedProgram) Close() error { return p.r.step("close program") }

func newRecorder() *recorder {
	return &recorder{fail: map[string]uint32{}, times: map[string]int{}, done: make(chan struct{})}
}

func want(t *testing.T, r *recorder, steps ...string) {
	t.Helper()
	if !slices.Equal(r.steps, steps) {
		t.Errorf("steps\n  %s\nwant\n  %s", strings.Join(r.steps, "\n  "), strings.Join(steps, "\n  "))
	}
}

func TestProcessIsolationFromStartToEnd(t *testing.T) {
	r := newRecorder()
	r.exit = 0xC0000135
	spec := testSpec()
	spec.Dir = "dir"
	var stdout, stderr bytes.Buffer
	spec.Stdin, spec.Stdout, spec.Stderr = strings.NewReader("in"), &stdout, &stderr
	p, err := r.starter(runtime.ProcessIsolation).start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if p.Pid() != 1234 {
		t.Errorf("Pid = %d", p.Pid())
	}
	exit, err := p.Wait(t.Context())
	if exit != 0xC0000135 || err != nil {
		t.Errorf("Wait = %#x, %v", exit, err)
	}
	if stdout.String() != "out" || stderr.String() != "err" || r.stdin.String() != "in" {
		t.Errorf("streams: %q, %q, %q", &stdout, &stderr, &r.stdin)
	}
	if list, err := p.Top(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("Top = %v, %v", list, err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	want(t, r, "import", "sweep", "create scratch over top base", "activate", "prepare over top base", "mount path",
		"create", "start", "exec", "processes", "stop", "close program", "unprepare", "deactivate")
	if r.doc.VolumePath != `\\?\Volume{1}` || r.doc.LayerFolderPath != filepath.Join("dir", spec.ID) || r.doc.HvPartition {
		t.Errorf("document %+v", r.doc)
	}
}

func TestHyperVIsolationNeverMountsTheScratch(t *testing.T) {
	r := newRecorder()
	r.exists = []string{`base\UtilityVM`, filepath.Join("dir", testSpec().ID, "sandbox.vhdx")}
	spec := testSpec()
	spec.Dir = "dir"
	p, err := r.starter(runtime.HyperVIsolation).start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if p.Pid() != 0 {
		t.Errorf("Pid = %d, but the program is not in the host's list", p.Pid())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	want(t, r, "import", "sweep", "create", "start", "exec", "stop", "close program")
	if r.doc.VolumePath != "" || !r.doc.HvPartition {
		t.Errorf("document %+v", r.doc)
	}
}

func TestKilledProgram(t *testing.T) {
	r := newRecorder()
	r.exit = 0xffffffff
	spec := testSpec()
	p, err := r.starter(runtime.ProcessIsolation).start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(t.Context()); exit != 137 || err != nil {
		t.Errorf("Wait = %d, %v, want 137", exit, err)
	}
}

func TestPrepareIsTriedAgain(t *testing.T) {
	const step = "prepare over top base"
	tests := []struct {
		code   uint32
		times  int
		pauses int
		ok     bool
	}{
		{codeNotReady, 1, 1, true},
		{codeNotConnected, 4, 4, true},
		{codeNotReady, 5, 4, false},
		{0x5, 1, 0, false},
	}
	for _, test := range tests {
		r := newRecorder()
		r.fail[step], r.times[step] = test.code, test.times
		_, err := r.starter(runtime.ProcessIsolation).start(t.Context(), testSpec())
		pauses := 0
		for _, s := range r.steps {
			if s == "pause" {
				pauses++
			}
		}
		if (err == nil) != test.ok || pauses != test.pauses {
			t.Errorf("code %#x %d times: %v after %d pauses", test.code, test.times, err, pauses)
		}
	}
}

// Whatever step fails, what was done before it is undone, and only that.
func TestFailedStartIsUndone(t *testing.T) {
	tests := []struct {
		step string
		undo string
	}{
		{"import", ""},
		{"sweep", ""},
		{"create scratch over top base", ""},
		{"activate", ""},
		{"prepare over top base", "unprepare deactivate"},
		{"mount path", "unprepare deactivate"},
		{"create", "unprepare deactivate"},
		{"start", "stop unprepare deactivate"},
		{"exec", "stop unprepare deactivate"},
	}
	for _, test := range tests {
		r := newRecorder()
		r.fail[test.step] = 0x5
		_, err := r.starter(runtime.ProcessIsolation).start(t.Context(), testSpec())
		if !errors.Is(err, syscall.Errno(5)) {
			t.Errorf("%s fails: %v", test.step, err)
			continue
		}
		at := slices.Index(r.steps, test.step)
		if got := strings.Join(r.steps[at+1:], " "); got != test.undo {
			t.Errorf("after %s failed: %q, want %q", test.step, got, test.undo)
		}
	}
}

func TestUndoingGoesOnAfterAnError(t *testing.T) {
	r := newRecorder()
	p, err := r.starter(runtime.ProcessIsolation).start(t.Context(), testSpec())
	if err != nil {
		t.Fatal(err)
	}
	r.fail["stop"], r.fail["unprepare"], r.fail["close program"] = 0x5, 0x5, codeAlreadyStopped
	if err := p.Close(); !errors.Is(err, syscall.Errno(5)) || !strings.Contains(err.Error(), "unprepare") {
		t.Errorf("Close = %v", err)
	}
	if last := r.steps[len(r.steps)-1]; last != "deactivate" {
		t.Errorf("the last step is %s", last)
	}
}

func TestHalfMadeScratchIsMadeAnew(t *testing.T) {
	r := newRecorder()
	spec := testSpec()
	spec.Dir = "dir"
	r.exists = []string{filepath.Join("dir", spec.ID)}
	if _, err := r.starter(runtime.ProcessIsolation).start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	// What a killed supervisor left mounted goes first.
	if got := strings.Join(r.steps[:6], ", "); got != "import, sweep, unprepare, deactivate, destroy, create scratch over top base" {
		t.Errorf("steps %s", got)
	}
}
