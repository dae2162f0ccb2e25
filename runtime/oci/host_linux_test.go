package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/fixtures/runtimetest"
	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wine"
)

const (
	testID  = "00000000000000000000000000000000000000000000000000000000000000f5"
	sleeper = `C:\app\probe.exe sleep`
)

func requireOCI(t *testing.T) (*Runtime, *store.Store) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs programs under Wine")
	}
	st := testStore(t)
	r := New(st)
	if err := r.Probe(t.Context()); err != nil {
		fixtures.Skip(t, err.Error())
	}
	return r, st
}

// withRegistry adds a layer of registry values to the suite's image.
func withRegistry(t *testing.T, st *store.Store, set func(*hives.Registry) error) *view.View {
	t.Helper()
	v := runtimetest.Image(t, st)
	s, err := view.NewScratch(v, t.TempDir(), view.ScratchOptions{Time: nt.FiletimeOf(time.Unix(315532800, 0)), Owner: nt.Administrators})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := set(s.Registry()); err != nil {
		t.Fatal(err)
	}
	layer, err := image.Commit(t.Context(), st, s, pack.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	v, err = view.Open(t.Context(), st, append(v.Layers(), layer))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The program sees the registry that the image's layers wrote, through Windows'
// own names for it, and the machine's environment; what it writes is in Spec.Dir.
func TestImageRegistry(t *testing.T) {
	r, st := requireOCI(t)
	v := withRegistry(t, st, func(reg *hives.Registry) error {
		if err := reg.SetValue(`HKLM\SOFTWARE\Acme`, hives.StringValue("Message", "written by a layer")); err != nil {
			return err
		}
		if err := reg.SetValue(`HKLM\SYSTEM\CurrentControlSet\Control\Acme`, hives.DWORDValue("N", 7)); err != nil {
			return err
		}
		return reg.SetValue(`HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, hives.StringValue("MACHINE_MODE", "production"))
	})
	dir := t.TempDir()
	for _, c := range []struct {
		line, out string
		exit      uint32
	}{
		{`reg query HKLM\SOFTWARE\Acme /v Message`, "written by a layer", 0},
		{`reg query HKLM\SYSTEM\CurrentControlSet\Control\Acme`, "0x7", 0},
		{`reg query HKLM\SYSTEM\ControlSet001\Control\Acme`, "0x7", 0},
		{`reg query HKLM\SOFTWARE\NoSuchKey`, "", 1},
		{`cmd /c echo %MACHINE_MODE% %CONTAINER_MODE% %USERNAME%`, "production mine ContainerAdministrator", 0},
		{`cmd /c ver`, "10.0", 0},
		{`reg add HKLM\SOFTWARE\Acme /v Later /d "by the container" /f`, "", 0},
		{`reg query HKLM\SOFTWARE\Acme /v Later`, "by the container", 0},
		{`cmd /c mkdir C:\app\new&& echo x>C:\app\new\file.txt`, "", 0},
		{`cmd /c ren C:\app renamed&& type C:\renamed\new\file.txt`, "x", 0},
		{`C:\renamed\probe.exe report 0xC0000135 X`, "X=", 0xC0000135},
	} {
		var out bytes.Buffer
		p, err := r.Start(t.Context(), &runtime.Spec{ID: testID, View: v, Dir: dir, CommandLine: c.line, Stdout: &out, Stderr: &out,
			Env: []string{"CONTAINER_MODE=mine"}})
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		exit, err := p.Wait(t.Context())
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || exit != c.exit || !strings.Contains(out.String(), c.out) {
			t.Errorf("%s: exit code %#x, %v, want %#x and %q in\n%s", c.line, exit, err, c.exit, c.out, &out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, wine.PrefixDir, "system.reg"))
	if err != nil || !bytes.Contains(text, []byte(`"Later"="by the container"`)) {
		t.Errorf("the container's registry text lacks what it wrote (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(dir, wine.UpperDir, "renamed", "new", "file.txt")); err != nil {
		t.Errorf("the container's file: %v", err)
	}
}

// The host sees the program as a process like any other, nothing of the image in
// the arguments of ours, and nothing at all afterwards.
func TestWhatTheHostSees(t *testing.T) {
	r, st := requireOCI(t)
	dir := t.TempDir()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p, err := r.Start(t.Context(), &runtime.Spec{ID: testID, View: runtimetest.Image(t, st), Dir: dir, CommandLine: sleeper, Stdout: in, Limits: runtime.Limits{Memory: 256 << 20}})
	defer in.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	awaitOutput(t, out)
	if got := commandOf(p.Pid()); !strings.Contains(got, "probe.exe") {
		t.Errorf("process %d is %q", p.Pid(), got)
	}
	if info, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.Pid())); err != nil || filepath.Base(info) != "wine64" {
		t.Errorf("it runs %s, %v", info, err)
	}
	if got := memoryLimit(t); got != "268435456" {
		t.Errorf("its memory limit is %s", got)
	}
	for pid := parentOf(p.Pid()); pid != os.Getpid() && pid > 1; pid = parentOf(pid) {
		if got := commandOf(pid); strings.Contains(got, "probe") || strings.Contains(got, dir) {
			t.Errorf("process %d, above the program, shows %q", pid, got)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("the host has mounts of the container: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(stateDir, testID)); err == nil {
		t.Error("state of the container is left")
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", p.Pid())); err == nil {
		t.Error("the program is left")
	}
}

// TestOrphan is what TestTheProgramEndsWithItsSupervisor kills: a supervisor.
func TestOrphan(t *testing.T) {
	dir := os.Getenv("MULLION_TEST_ORPHAN")
	if dir == "" {
		t.Skip("part of another test")
	}
	r, st := requireOCI(t)
	p, err := r.Start(t.Context(), &runtime.Spec{ID: testID, View: runtimetest.Image(t, st), Dir: dir, CommandLine: sleeper})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "pid %d\n", p.Pid())
	_, _ = p.Wait(t.Context())
}

func TestTheProgramEndsWithItsSupervisor(t *testing.T) {
	r, st := requireOCI(t)
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOrphan$", "-test.v")
	cmd.Env = append(os.Environ(), "MULLION_TEST_ORPHAN="+dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, scanErr := fmt.Fscanf(stderr, "pid %d\n", &pid)
	var died int
	if scanErr == nil {
		died, err = unix.PidfdOpen(pid, 0)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if scanErr != nil || err != nil {
		t.Fatalf("the supervisor says no pid: %v, %v", scanErr, err)
	}
	defer unix.Close(died)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(died), Events: unix.POLLIN}}, 30_000)
	if n != 1 {
		t.Fatalf("the program outlives its supervisor: %v", err)
	}
	// The same container starts again over what is left.
	p, err := r.Start(t.Context(), &runtime.Spec{ID: testID, View: runtimetest.Image(t, st), Dir: dir, CommandLine: `C:\app\probe.exe report 7 X`})
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(t.Context()); exit != 7 || err != nil {
		t.Errorf("after a supervisor's death: exit code %d, %v", exit, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestBundle(t *testing.T) {
	spec := &runtime.Spec{ID: testID, Dir: "/store/containers/x", CommandLine: "secret.exe", Env: []string{"SECRET=1"}, Limits: runtime.Limits{Memory: 1 << 30, NanoCPUs: 1_500_000_000, Pids: 64}, ReadOnly: true}
	s := ociSpec(spec, "/usr/bin/run", "/proc/1/fd/9")
	if *s.Linux.Resources.Memory.Limit != 1<<30 || s.Hostname != testID[:12] || !s.Root.Readonly || !s.Process.NoNewPrivileges {
		t.Errorf("bundle %+v", s)
	}
	if cpu := s.Linux.Resources.CPU; *cpu.Quota != 150_000 || *cpu.Period != 100_000 || *s.Linux.Resources.Pids.Limit != 64 {
		t.Errorf("resources %+v", s.Linux.Resources)
	}
	for _, m := range s.Mounts {
		if m.Destination == "/c" && !slices.Contains(m.Options, "ro") {
			t.Errorf("drive C: of a read-only container is mounted with %q", m.Options)
		}
	}
	if n := s.Linux.Namespaces; n[len(n)-1].Path != "/proc/1/fd/9" {
		t.Errorf("namespaces %+v", n)
	}
	if n := ociSpec(spec, "", "").Linux.Namespaces; slices.ContainsFunc(n, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace }) {
		t.Errorf("with the host's network the namespaces are %+v", n)
	}
	if c := s.Process.Capabilities; len(c.Bounding)+len(c.Effective)+len(c.Permitted)+len(c.Inheritable)+len(c.Ambient) != 0 {
		t.Errorf("capabilities %+v", c)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(bytes.ToLower(b), []byte("secret")) {
		t.Errorf("the bundle tells of the program: %s", b)
	}
	spec.Hostname, spec.Limits = "pane", runtime.Limits{}
	if s := ociSpec(spec, "/usr/bin/run", "/proc/1/fd/9"); s.Hostname != "pane" || s.Linux.Resources.Memory != nil {
		t.Errorf("host name %s, memory %v", s.Hostname, s.Linux.Resources.Memory)
	}
}

func awaitOutput(t *testing.T, out *os.File) {
	t.Helper()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the program says nothing: %v", err)
	}
}

// memoryLimit is what either version of cgroups has for the test's container.
func memoryLimit(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"memory" + cgroupPrefix + testID + "/memory.limit_in_bytes", cgroupPrefix + testID + "/memory.max"} {
		if b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", name)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return "not to be found"
}

func commandOf(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

func parentOf(pid int) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return field(b, "PPid:")
}
