// Package microvm is hyperv isolation on Linux: the Windows program runs under
// Wine in a utility VM of its own, made by QEMU.
//
// The VM is an ordinary PC without most of its parts. Its kernel is the host's or
// Debian's; its first process is Mullion itself (package runtime/microvm/guest).
// The Wine base and the image come in as read-only disks, the same files that
// process isolation mounts. What the container writes lives in the VM's memory
// and comes back to its folder on the host at the end of the program, so that the
// next start may be under the other isolation. Neither QEMU nor anything else here
// needs root.
package microvm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"time"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/microvm/guest"
	"github.com/mullion/mullion/runtime/wine"
)

// The memory of a VM: what it has by default, and what its kernel and Wine's
// server need beside a program with a limit of its own.
const (
	defaultMemory = 512 << 20
	ownMemory     = 256 << 20
)

// maxCPUs is how many processors a VM has at most. Emulated ones hinder each
// other, so that without KVM it has one.
const maxCPUs = 4

// Runtime starts programs in utility VMs.
type Runtime struct {
	st *store.Store
}

var (
	_ runtime.Runtime  = (*Runtime)(nil)
	_ runtime.Preparer = (*Runtime)(nil)
)

// New returns the Runtime that keeps its Disks, its kernel and its Wine base in st.
func New(st *store.Store) *Runtime { return &Runtime{st: st} }

// Name returns "microvm".
func (r *Runtime) Name() string { return "microvm" }

// Isolation returns hyperv.
func (r *Runtime) Isolation() runtime.Isolation { return runtime.HyperVIsolation }

// Probe implements [runtime.Runtime]. A kernel that is not there yet is no reason
// to refuse: Start fetches it.
func (r *Runtime) Probe(ctx context.Context) error {
	for _, need := range r.Requirements(ctx) {
		if !need.Found && need.Name != kernelRequirement {
			return fmt.Errorf("hyperv isolation needs %s: %s; %s", need.Name, need.Detail, need.Fix)
		}
	}
	return nil
}

// kernelRequirement is the name of the one requirement that Prepare can meet.
const kernelRequirement = "a kernel for utility VMs"

// Requirements implements [runtime.Runtime].
func (r *Runtime) Requirements(ctx context.Context) []runtime.Requirement {
	return []runtime.Requirement{r.processor(), qemuRequirement(ctx), r.kernel(), r.acceleration(), wine.Requirement(ctx)}
}

// processor tells whether our own binary can run in the VM.
func (r *Runtime) processor() runtime.Requirement {
	need := runtime.Requirement{Name: "Mullion for x86-64", Fix: "use the x86-64 build of Mullion, made with CGO_ENABLED=0"}
	exe, err := os.Executable()
	if err == nil {
		err = checkStaticFile(exe)
	}
	if err != nil {
		need.Detail = err.Error()
		return need
	}
	need.Found, need.Detail = true, "static binary"
	return need
}

func qemuRequirement(ctx context.Context) runtime.Requirement {
	need := runtime.Requirement{Name: "QEMU", Fix: "install it, on Debian with `apt-get install qemu-system-x86`"}
	path, err := exec.LookPath(qemuName)
	if err != nil {
		need.Detail = qemuName + " is not in the PATH"
		return need
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		need.Detail = fmt.Sprintf("%s --version: %v", path, err)
		return need
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	need.Found, need.Detail = true, string(line)
	return need
}

func (r *Runtime) kernel() runtime.Requirement {
	need := runtime.Requirement{Name: kernelRequirement, Fix: "`run setup` fetches Debian's with apt; nothing is installed"}
	k, err := haveKernel(r.st)
	if err != nil {
		need.Detail = err.Error()
		return need
	}
	need.Found, need.Detail = true, k.release
	return need
}

// acceleration is always found: without KVM a VM is only slower.
func (r *Runtime) acceleration() runtime.Requirement {
	need := runtime.Requirement{Name: "acceleration", Found: true, Detail: "KVM"}
	if err := kvmUsable(r.st); err != nil {
		need.Detail = "software emulation, about 15 times slower, because " + err.Error()
	}
	return need
}

// Prepare makes the Wine base and the initramfs, and finds or fetches a kernel;
// see [runtime.Preparer].
func (r *Runtime) Prepare(ctx context.Context, progress io.Writer) error {
	tell := func(line string) { fmt.Fprintln(progress, line) }
	if _, err := r.bootFiles(ctx, tell); err != nil {
		return err
	}
	_, err := wine.Open(ctx, r.st, tell)
	return err
}

// bootFiles are what a VM boots from.
type bootFiles struct{ kernel, initramfs string }

func (r *Runtime) bootFiles(ctx context.Context, tell func(string)) (*bootFiles, error) {
	k, err := getKernel(ctx, r.st, tell)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	initramfs, err := buildInitramfs(r.st, exe, k.modules)
	if err != nil {
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	return &bootFiles{kernel: k.image, initramfs: initramfs}, nil
}

// Start implements [runtime.Runtime].
func (r *Runtime) Start(ctx context.Context, spec *runtime.Spec) (runtime.Process, error) {
	if err := runtime.Plain(r.Isolation(), spec); err != nil {
		return nil, err
	}
	base, err := wine.Open(ctx, r.st, nil)
	if err != nil {
		return nil, err
	}
	prepared, err := base.Prepare(ctx, spec)
	if err != nil {
		return nil, err
	}
	d, err := disk.Build(ctx, r.st, spec.View, base.Under)
	if err != nil {
		return nil, err
	}
	if err := d.Verify(); err != nil {
		return nil, err
	}
	files, err := r.bootFiles(ctx, func(string) {})
	if err != nil {
		return nil, err
	}
	m := &machine{name: spec.ID, memory: memoryFor(spec), kernel: files.kernel, initramfs: files.initramfs}
	config := &guest.Config{Hostname: hostname(spec), Memory: spec.Memory, Program: prepared.Config}
	m.attach(config, base.Runtime, d)
	p, err := start(ctx, m, kvmUsable(r.st) == nil, spec, config)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// hostname is the same under both isolations.
func hostname(spec *runtime.Spec) string {
	if spec.Hostname != "" {
		return spec.Hostname
	}
	return spec.ID[:min(12, len(spec.ID))]
}

// memoryFor returns the VM's memory: whole MiB.
func memoryFor(spec *runtime.Spec) int64 {
	if spec.Memory <= 0 {
		return defaultMemory
	}
	return max(defaultMemory, (spec.Memory+ownMemory+1<<20-1)&^(1<<20-1))
}

// attach gives the VM its disks and tells it which is which.
func (m *machine) attach(config *guest.Config, runtimeTree string, d *disk.Disk) {
	config.Root = "root"
	m.disks = append(m.disks, vdisk{file: runtimeTree, serial: config.Root})
	for i, file := range append([]string{d.Meta}, d.Data...) {
		serial := "c" + strconv.Itoa(i)
		m.disks = append(m.disks, vdisk{file: file, serial: serial})
		config.Disk = append(config.Disk, serial)
	}
}

// start boots a VM and gives it its work. A VM that does not come up is tried
// once more, then without KVM.
func start(ctx context.Context, m *machine, kvm bool, spec *runtime.Spec, config *guest.Config) (*process, error) {
	qemu, err := exec.LookPath(qemuName)
	if err != nil {
		return nil, err
	}
	m.kvm = kvm
	v, err := boot(ctx, qemu, m)
	if err != nil && ctx.Err() == nil {
		first := err
		m.kvm = false
		if v, err = boot(ctx, qemu, m); err != nil {
			err = fmt.Errorf("%w\nbefore that: %w", err, first)
		}
	}
	if err != nil {
		return nil, err
	}
	config.Time = time.Now()
	return run(ctx, v, spec, config)
}

// boot starts the VM and waits until its first process says hello.
func boot(ctx context.Context, qemu string, m *machine) (*vm, error) {
	m.cpus = 1
	limit := bootLimitTCG
	if m.kvm {
		m.cpus, limit = min(goruntime.NumCPU(), maxCPUs), bootLimitKVM
	}
	v, err := startVM(qemu, m)
	if err != nil {
		return nil, err
	}
	if err := v.hello(ctx, limit); err != nil {
		v.kill()
		return nil, err
	}
	return v, nil
}

// checkStaticFile is checkStatic for a file of which only the beginning is read.
func checkStaticFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return checkStatic(f)
}
