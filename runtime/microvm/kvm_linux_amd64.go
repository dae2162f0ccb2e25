package microvm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// KVM's ioctls and exits for x86 (include/uapi/linux/kvm.h of the kernel).
const (
	kvmGetAPIVersion       = 0xae00
	kvmCreateVM            = 0xae01
	kvmGetVCPUMmapSize     = 0xae04
	kvmCreateVCPU          = 0xae41
	kvmSetUserMemoryRegion = 0x4020ae46
	kvmRun                 = 0xae80
	kvmSetRegs             = 0x4090ae82
	kvmGetSregs            = 0x8138ae83
	kvmSetSregs            = 0x4138ae84

	kvmAPI           = 12
	kvmExitHLT       = 5
	kvmExitReasonOff = 8
	kvmImmediateExit = 1 // offset of the byte that makes KVM_RUN return
)

// The memory of the probe's VM.
const (
	kvmMemory = 64 << 10
	kvmCode   = 0x1000
	kvmTables = 0x2000 // and the two pages after it
)

// Limits of the probe. Its loop takes some 10 microseconds on a processor, and 14
// milliseconds where a nested KVM emulates each instruction.
const (
	kvmPatience  = 200 * time.Millisecond
	kvmLoopLimit = 5 * time.Millisecond
)

// kvmProgram uses an SSE register and its memory operand, then counts down from
// 20,000. Host kernels whose KVM can only run guests made for them (KVM-PVM)
// emulate everything else: they pass simpler tests, fail at the first instruction
// here or are much too slow at the loop.
var kvmProgram = [...]byte{
	0x66, 0x0f, 0xef, 0xc0, // pxor xmm0, xmm0
	0x0f, 0x29, 0x04, 0x25, 0x00, 0x60, 0x00, 0x00, // movaps [0x6000], xmm0
	0xb9, 0x20, 0x4e, 0x00, 0x00, // mov ecx, 20000
	0xff, 0xc9, // dec ecx
	0x75, 0xfc, // jnz -4
	0xf4, // hlt
}

// tryKVM returns nil if KVM runs ordinary 64-bit guests at a processor's speed.
func tryKVM() error {
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer kvm.Close()
	if v, err := ioctl(int(kvm.Fd()), kvmGetAPIVersion, 0); err != nil || v != kvmAPI {
		return fmt.Errorf("KVM_GET_API_VERSION gives %d, not %d", v, kvmAPI)
	}
	vm, err := ioctl(int(kvm.Fd()), kvmCreateVM, 0)
	if err != nil {
		return fmt.Errorf("KVM_CREATE_VM: %w", err)
	}
	defer unix.Close(vm)
	mem, err := unix.Mmap(-1, 0, kvmMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	fillMemory(mem)
	region := struct {
		slot, flags                uint32
		guest, size, userspaceAddr uint64
	}{size: kvmMemory, userspaceAddr: uint64(uintptr(unsafe.Pointer(&mem[0])))}
	if err := ioctlPtr(vm, kvmSetUserMemoryRegion, unsafe.Pointer(&region)); err != nil {
		return fmt.Errorf("KVM_SET_USER_MEMORY_REGION: %w", err)
	}
	size, err := ioctl(int(kvm.Fd()), kvmGetVCPUMmapSize, 0)
	if err != nil || size < 4096 {
		return fmt.Errorf("KVM_GET_VCPU_MMAP_SIZE gives %d: %w", size, err)
	}
	cpu, err := ioctl(vm, kvmCreateVCPU, 0)
	if err != nil {
		return fmt.Errorf("KVM_CREATE_VCPU: %w", err)
	}
	defer unix.Close(cpu)
	run, err := unix.Mmap(cpu, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap vcpu", err)
	}
	defer func() { _ = unix.Munmap(run) }()
	return runThrice(cpu, run)
}

func ioctl(fd int, request, arg uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ioctlPtr is ioctl with a pointer, which must not become a number before the call.
func ioctlPtr(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// fillMemory writes the program and page tables that map the first 2 MiB to
// themselves.
func fillMemory(mem []byte) {
	const present, writable, large = 1, 2, 0x80
	le := binary.LittleEndian
	copy(mem[kvmCode:], kvmProgram[:])
	le.PutUint64(mem[kvmTables:], kvmTables+0x1000|present|writable)
	le.PutUint64(mem[kvmTables+0x1000:], kvmTables+0x2000|present|writable)
	le.PutUint64(mem[kvmTables+0x2000:], present|writable|large)
}

// runThrice takes the best of three runs, since the host may be busy.
func runThrice(cpu int, run []byte) error {
	if err := longMode(cpu); err != nil {
		return err
	}
	best := time.Hour
	for range 3 {
		took, err := runOnce(cpu, run)
		if err != nil {
			return err
		}
		best = min(best, took)
	}
	if best > kvmLoopLimit {
		return fmt.Errorf("KVM here emulates each instruction: a loop of microseconds took %v", best.Round(time.Millisecond))
	}
	return nil
}

// kvmSegment and kvmSregs are the kernel's struct kvm_segment and kvm_sregs.
type kvmSegment struct {
	base                                              uint64
	limit                                             uint32
	selector                                          uint16
	typ, present, dpl, db, s, l, g, avl, unusable, _p uint8
}

type kvmSregs struct {
	cs, ds, es, fs, gs, ss, tr, ldt        kvmSegment
	gdt, idt                               [2]uint64
	cr0, cr2, cr3, cr4, cr8, efer, apicBas uint64
	interrupts                             [4]uint64
}

// longMode brings the processor into 64-bit mode with SSE switched on.
func longMode(cpu int) error {
	var s kvmSregs
	if err := ioctlPtr(cpu, kvmGetSregs, unsafe.Pointer(&s)); err != nil {
		return fmt.Errorf("KVM_GET_SREGS: %w", err)
	}
	s.cr3 = kvmTables
	s.cr4 = 1<<5 | 1<<9 | 1<<10                       // PAE, OSFXSR, OSXMMEXCPT
	s.cr0 = 1<<0 | 1<<1 | 1<<4 | 1<<5 | 1<<16 | 1<<31 // PE, MP, ET, NE, WP, PG
	s.efer = 1<<8 | 1<<10                             // LME, LMA
	code := kvmSegment{limit: 0xffffffff, selector: 8, typ: 11, present: 1, s: 1, l: 1, g: 1}
	data := code
	data.selector, data.typ, data.l, data.db = 16, 3, 0, 1
	s.cs, s.ds, s.es, s.fs, s.gs, s.ss = code, data, data, data, data, data
	if err := ioctlPtr(cpu, kvmSetSregs, unsafe.Pointer(&s)); err != nil {
		return fmt.Errorf("KVM_SET_SREGS: %w", err)
	}
	return nil
}

// runOnce runs the program from its start to hlt. A watchdog ends a run that
// never exits: it sets the flag that KVM looks at and interrupts the thread.
func runOnce(cpu int, run []byte) (time.Duration, error) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var regs [18]uint64 // struct kvm_regs: 16 general registers, rip, rflags
	regs[16], regs[17] = kvmCode, 2
	if err := ioctlPtr(cpu, kvmSetRegs, unsafe.Pointer(&regs)); err != nil {
		return 0, fmt.Errorf("KVM_SET_REGS: %w", err)
	}
	var late atomic.Bool
	pid, tid := os.Getpid(), unix.Gettid()
	over := make(chan struct{})
	watchdog := time.AfterFunc(kvmPatience, func() {
		defer close(over)
		late.Store(true)
		run[kvmImmediateExit] = 1
		_ = unix.Tgkill(pid, tid, unix.SIGURG) // which Go's runtime takes for its own
	})
	defer func() {
		if !watchdog.Stop() {
			<-over // it must not touch run after this
		}
	}()
	start := time.Now()
	for {
		_, err := ioctl(cpu, kvmRun, 0)
		if late.Load() {
			return 0, errors.New("KVM does not come back from running a guest")
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("KVM_RUN: %w", err)
		}
		if exit := binary.LittleEndian.Uint32(run[kvmExitReasonOff:]); exit != kvmExitHLT {
			return 0, fmt.Errorf("KVM cannot run an ordinary 64-bit guest (exit %d)", exit)
		}
		return time.Since(start), nil
	}
}
