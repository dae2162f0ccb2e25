package microvm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/fixtures/runtimetest"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	program "github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/microvm/guest"
)

// fakeWine is what stands in for Wine in the VM: it does what its arguments say,
// one after the other.
func fakeWine() int {
	if os.Args[0] == "wineserver64" {
		return 0
	}
	fmt.Println("runs", strings.Join(os.Args[1:], " "))
	for _, arg := range os.Args[2:] {
		verb, rest, _ := strings.Cut(arg, "=")
		switch verb {
		case "exit":
			n, _ := strconv.ParseUint(rest, 0, 32)
			unix.Exit(int(int32(uint32(n))))
		case "cat":
			_, _ = io.Copy(os.Stdout, os.Stdin)
		case "read":
			b, err := os.ReadFile(program.CDir + "/" + rest)
			fmt.Printf("%s: %q %v\n", rest, b, err)
		case "write":
			_ = os.MkdirAll(filepath.Dir(program.CDir+"/"+rest), 0o755)
			fmt.Println("wrote", os.WriteFile(program.CDir+"/"+rest, []byte(rest), 0o644))
		case "remove":
			fmt.Println("removed", os.RemoveAll(program.CDir+"/"+rest))
		case "rename":
			from, to, _ := strings.Cut(rest, ",")
			fmt.Println("renamed", os.Rename(program.CDir+"/"+from, program.CDir+"/"+to))
		case "reg":
			fmt.Println("reg", os.WriteFile(program.PrefixDir+"/system.reg", []byte(rest), 0o644))
		case "time":
			fmt.Println("time", time.Now().UTC().Format("2006-01-02"))
		case "name":
			name, err := os.Hostname()
			fmt.Println("name", name, err)
		case "dev":
			list, err := os.ReadDir("/dev")
			for _, e := range list {
				if strings.HasPrefix(e.Name(), "vd") || strings.HasPrefix(e.Name(), "vport") {
					err = fmt.Errorf("%s is there", e.Name())
				}
			}
			fmt.Println("dev", err)
		case "err":
			fmt.Fprintln(os.Stderr, rest)
		case "big":
			n, _ := strconv.Atoi(rest)
			_, _ = os.Stdout.Write(bytes.Repeat([]byte("x"), n))
		case "eat":
			n, _ := strconv.Atoi(rest)
			b := bytes.Repeat([]byte("x"), n)
			fmt.Println("ate", len(b))
		case "sleep":
			time.Sleep(time.Hour)
		}
	}
	return 0
}

// host is what a test of whole VMs needs.
type host struct {
	st    *store.Store
	root  string // the image of the fake runtime tree
	files *bootFiles
}

// newHost readies a kernel, a first root with this test binary in it, and a
// runtime tree where it stands for Wine. It skips where a VM cannot be had.
func newHost(t *testing.T) *host {
	t.Helper()
	if testing.Short() {
		t.Skip("boots virtual machines")
	}
	fixtures.Tool(t, qemuName, "qemu-system-x86")
	kernels, err := store.Open(fixtures.StoreDir(t))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kernels.Close(); st.Close() })
	k, err := getKernel(t.Context(), kernels, func(line string) { t.Log(line) })
	if err != nil {
		fixtures.Skip(t, err.Error())
	}
	exe := staticSelf(t)
	initramfs, err := buildInitramfs(st, exe, k.modules)
	if err != nil {
		t.Fatal(err)
	}
	return &host{st: st, root: fakeRoot(t, exe), files: &bootFiles{kernel: k.image, initramfs: initramfs}}
}

// staticSelf returns this test binary as one that runs without libraries.
func staticSelf(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if checkStaticFile(exe) == nil {
		return exe
	}
	exe = filepath.Join(t.TempDir(), "microvm.test")
	cmd := exec.Command("go", "test", "-c", "-o", exe, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fixtures.Skip(t, fmt.Sprintf("this test binary is dynamically linked and could not be made again: %v\n%s", err, out))
	}
	return exe
}

// fakeRoot makes the image of a runtime tree with the test binary as Wine.
func fakeRoot(t *testing.T, exe string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{program.CDir, program.PrefixDir, "/proc", "/dev", "/tmp", "/run", "/etc", "/mullion", program.WineDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, program.ExePath), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wine64", "wineserver64"} {
		if err := os.Link(exe, filepath.Join(dir, program.WineDir, name)); err != nil {
			b, err := os.ReadFile(exe)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, program.WineDir, name), b, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	image := filepath.Join(t.TempDir(), "root.erofs")
	if err := disk.BuildTree(image, dir); err != nil {
		t.Fatal(err)
	}
	return image
}

// image makes a Disk of two layers.
func (h *host) image(t *testing.T) *disk.Disk {
	t.Helper()
	var chain []view.Layer
	for _, files := range []map[string]string{
		{"base.txt": "base", "dir/old.txt": "old"},
		{"top.txt": strings.Repeat("top", 3000)},
	} {
		chain = append(chain, h.layer(t, files))
	}
	v, err := view.Open(t.Context(), h.st, chain)
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Build(t.Context(), h.st, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (h *host) layer(t *testing.T, files map[string]string) view.Layer {
	t.Helper()
	in, err := h.st.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := pack.NewWriter(in, pack.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string, kind layers.Kind, text string) {
		e := &layers.Entry{Name: name, Kind: kind, Size: int64(len(text)), Attributes: layers.DefaultFile}
		if kind == layers.Dir {
			e.Attributes = layers.DefaultDir
		}
		at := nt.Filetime(133485408000000000)
		e.Created, e.Modified, e.Accessed, e.Changed = at, at, at, at
		if err := w.WriteEntry(e, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	add("Files", layers.Dir, "")
	done := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir, _, ok := strings.Cut(name, "/"); ok && !done[dir] {
			add("Files/"+dir, layers.Dir, "")
			done[dir] = true
		}
		add("Files/"+name, layers.File, files[name])
	}
	add("Hives", layers.Dir, "")
	r, toc, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.st.PutTOC(toc); err != nil {
		t.Fatal(err)
	}
	desc, err := in.Commit(ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size})
	if err != nil {
		t.Fatal(err)
	}
	return view.Layer{Desc: desc, DiffID: r.DiffID}
}

// start starts the fake Wine with args in a VM over the container's folder dir.
func (h *host) start(t *testing.T, d *disk.Disk, spec *runtime.Spec, args ...string) *process {
	t.Helper()
	m := &machine{name: spec.ID, memory: memoryFor(spec), kernel: h.files.kernel, initramfs: h.files.initramfs}
	config := &guest.Config{
		Hostname: hostname(spec), Memory: spec.Memory,
		Program: &program.Config{Program: `C:\fake.exe`, Args: args},
	}
	m.attach(config, h.root, d)
	p, err := start(t.Context(), m, kvmUsable(h.st) == nil, spec, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs under Wine in virtual machines")
	}
	st, err := store.Open(fixtures.StoreDir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	runtimetest.Run(t, New(st), st)
}

func newSpec(t *testing.T, out, errs io.Writer) *runtime.Spec {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "wine"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &runtime.Spec{ID: strings.Repeat("0123456789abcdef", 4), Dir: dir, Stdout: out, Stderr: errs}
}

func wait(t *testing.T, p *process) uint32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	exit, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func TestAProgramInAVM(t *testing.T) {
	h := newHost(t)
	d := h.image(t)
	var out, errs bytes.Buffer
	spec := newSpec(t, &out, &errs)
	spec.Stdin = strings.NewReader(strings.Repeat("input ", 20000))
	p := h.start(t, d, spec, "read=base.txt", "name", "time", "dev", "write=new.txt", "remove=dir", "write=dir/fresh.txt",
		"err=to stderr", "reg=registry", "cat", "exit=3221225781")
	if exit := wait(t, p); exit != 0xC0000135 {
		t.Errorf("the exit code is %#x", exit)
	}
	want := fmt.Sprintf("runs C:\\fake.exe read=base.txt name time dev write=new.txt remove=dir write=dir/fresh.txt "+
		"err=to stderr reg=registry cat exit=3221225781\n"+
		"base.txt: \"base\" <nil>\nname 0123456789ab <nil>\ntime %s\ndev <nil>\nwrote <nil>\nremoved <nil>\nwrote <nil>\nreg <nil>\n",
		time.Now().UTC().Format("2006-01-02"))
	text, cat := out.String(), strings.Repeat("input ", 20000)
	if !strings.HasSuffix(text, cat) || strings.TrimSuffix(text, cat) != want {
		t.Errorf("the output is\n%.1000s\nnot\n%s", text, want)
	}
	if errs.String() != "to stderr\n" {
		t.Errorf("standard error is %q", errs.String())
	}
	if b, err := os.ReadFile(filepath.Join(spec.Dir, "upper/new.txt")); string(b) != "new.txt" {
		t.Errorf("the new file is %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(spec.Dir, "wine/system.reg")); string(b) != "registry" {
		t.Errorf("the registry is %q, %v", b, err)
	}

	// The next start sees what the first one wrote.
	out.Reset()
	spec.Stdin = nil
	p = h.start(t, d, spec, "read=new.txt", "read=dir/old.txt", "read=dir/fresh.txt", "rename=dir,moved", "exit=3010")
	if exit := wait(t, p); exit != 3010 {
		t.Errorf("the exit code is %d", exit)
	}
	for _, line := range []string{
		"new.txt: \"new.txt\" <nil>\n", "dir/old.txt: \"\" open /c/dir/old.txt: no such file or directory\n",
		"dir/fresh.txt: \"dir/fresh.txt\" <nil>\n", "renamed <nil>\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
}

func TestTopAndKill(t *testing.T) {
	h := newHost(t)
	out, w := io.Pipe()
	spec := newSpec(t, w, nil)
	p := h.start(t, h.image(t), spec, "write=kept.txt", "sleep")
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "wrote <nil>" {
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	list, err := p.Top(t.Context())
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Command, "fake.exe write=kept.txt sleep") {
		t.Errorf("the process list is %v, %v", list, err)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid()))
	if err != nil || bytes.Contains(cmdline, []byte("fake")) || !bytes.Contains(cmdline, []byte(spec.ID)) {
		t.Errorf("the host sees %q, %v", cmdline, err)
	}
	hidden(t, "fake.exe")
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if exit := wait(t, p); exit != killed {
		t.Errorf("the exit code is %d", exit)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing it again: %v", err)
	}
	if _, err := os.Stat(filepath.Join(spec.Dir, "upper/kept.txt")); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(p.Pid(), 0); err == nil {
		t.Error("the VM is still there")
	}
}

// hidden checks that no process of the host shows word in its arguments.
func hidden(t *testing.T, word string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(word)) {
			t.Errorf("%s says %q", name, b)
		}
	}
}

func TestMuchOutputAndAMemoryLimit(t *testing.T) {
	h := newHost(t)
	out := &counter{}
	spec := newSpec(t, out, nil)
	spec.Memory = 100 << 20
	p := h.start(t, h.image(t), spec, "big=8000000", "eat=300000000")
	if exit := wait(t, p); exit != killed {
		t.Errorf("a program beyond its memory ends with %d", exit)
	}
	if out.n < 8000000 || out.n > 8000100 {
		t.Errorf("%d bytes of output", out.n)
	}
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

func TestAVMThatDoesNotBootIsExplained(t *testing.T) {
	h := newHost(t)
	empty := filepath.Join(t.TempDir(), "empty.cpio")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	qemu, err := exec.LookPath(qemuName)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{name: "x", memory: defaultMemory, kernel: h.files.kernel, initramfs: empty}
	v, err := boot(t.Context(), qemu, m)
	if err == nil {
		v.kill()
		t.Fatal("a VM without a first process says hello")
	}
	if !strings.Contains(err.Error(), "panic") {
		t.Errorf("the error does not show the console: %v", err)
	}
	m.kernel = empty
	if _, err := boot(t.Context(), qemu, m); err == nil || !strings.Contains(err.Error(), "could not load kernel") {
		t.Errorf("QEMU's own words are not in %v", err)
	}
}

func TestAVMDiesWithItsParent(t *testing.T) {
	h := newHost(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVM+"="+h.files.kernel+"\n"+h.files.initramfs)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 30000); n != 1 || err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		t.Errorf("the VM outlives the process that started it: %d, %v", n, err)
	}
}

func TestACanceledStart(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &machine{name: "x", memory: defaultMemory, kernel: h.files.kernel, initramfs: h.files.initramfs}
	if _, err := start(ctx, m, false, newSpec(t, nil, nil), &guest.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAGuestThatFailsIsExplained(t *testing.T) {
	h := newHost(t)
	m := &machine{name: "x", memory: defaultMemory, kernel: h.files.kernel, initramfs: h.files.initramfs}
	m.disks = []vdisk{{file: h.root, serial: "root"}}
	spec := newSpec(t, nil, nil)
	_, err := start(t.Context(), m, false, spec, &guest.Config{Root: "root", Program: &program.Config{}})
	if err == nil || !strings.Contains(err.Error(), "names no disks") {
		t.Errorf("got %v", err)
	}
}
