package microvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime/microvm/guest"
	"github.com/mullion/mullion/runtime/wire"
)

// qemuName is the program that makes the VM.
const qemuName = "qemu-system-x86_64"

// How long a VM may take from its start to its first frame. Emulated ones take
// two seconds on an idle host.
const (
	bootLimitKVM = 20 * time.Second
	bootLimitTCG = 90 * time.Second
)

// vm is a running QEMU.
type vm struct {
	cmd     *exec.Cmd
	conn    *wire.Conn
	port    *os.File
	console *tail         // the serial console
	stderr  *tail         // what QEMU itself says
	gone    chan struct{} // closed when the process has ended
}

// startVM starts QEMU and returns at once. The VM lives no longer than this
// process: the kernel kills QEMU with it.
func startVM(qemu string, m *machine) (*vm, error) {
	control, controlVM, err := socketPair("control")
	if err != nil {
		return nil, err
	}
	defer controlVM.Close()
	console, consoleVM, err := socketPair("console")
	if err != nil {
		return nil, errors.Join(err, control.Close())
	}
	defer consoleVM.Close()
	const firstExtra = 3
	m.control, m.console = firstExtra, firstExtra+1
	args, err := m.args()
	if err != nil {
		return nil, errors.Join(err, control.Close(), console.Close())
	}
	v := &vm{port: control, conn: wire.NewConn(control), console: &tail{}, stderr: &tail{}, gone: make(chan struct{})}
	v.cmd = exec.Command(qemu, args...)
	v.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	v.cmd.Stderr = v.stderr
	v.cmd.ExtraFiles = []*os.File{controlVM, consoleVM}
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	if err := v.start(console); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", qemuName, err), control.Close(), console.Close())
	}
	return v, nil
}

// start starts the process from a thread that lives as long as it does, because
// the parent whose death counts is the thread.
func (v *vm) start(console *os.File) error {
	started := make(chan error)
	go func() {
		goruntime.LockOSThread()
		err := v.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		read := make(chan struct{})
		go func() {
			_, _ = io.Copy(v.console, console)
			close(read)
		}()
		_ = v.cmd.Wait() // a VM that was killed is the usual end
		<-read
		console.Close()
		close(v.gone)
	}()
	return <-started
}

func socketPair(name string) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// hello waits for the VM's first frame.
func (v *vm) hello(ctx context.Context, limit time.Duration) error {
	stop := context.AfterFunc(ctx, v.kill)
	defer stop()
	var late atomic.Bool
	watchdog := time.AfterFunc(limit, func() {
		late.Store(true)
		v.kill()
	})
	defer watchdog.Stop()
	k, content, err := v.conn.Receive()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case late.Load():
		return v.failure(fmt.Errorf("it did not boot within %v", limit))
	case err != nil:
		return v.failure(fmt.Errorf("it ended before it was up: %w", err))
	}
	var h guest.Hello
	if err := decode(k, guest.KindHello, content, &h); err != nil {
		return v.failure(err)
	}
	if h.Version != guest.Version {
		return v.failure(fmt.Errorf("its first process speaks version %d, not %d", h.Version, guest.Version))
	}
	return nil
}

// failure adds to err the last that the VM and QEMU had to say.
func (v *vm) failure(err error) error {
	v.kill()
	var said []string
	for _, t := range []*tail{v.console, v.stderr} {
		if s := t.lines(lastWords); s != "" {
			said = append(said, s)
		}
	}
	if len(said) == 0 {
		return fmt.Errorf("utility VM: %w", err)
	}
	return fmt.Errorf("utility VM: %w; its last words:\n%s", err, strings.Join(said, "\n"))
}

// kill ends QEMU and returns when it is gone. All disks of a VM are read-only, so
// that nothing is lost by it.
func (v *vm) kill() {
	_ = v.cmd.Process.Kill()
	<-v.gone
	v.port.Close()
}

// lastWords is how many lines of a dead VM's console an error shows: a kernel's
// panic and most of what follows it.
const lastWords = 20

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append([]byte(nil), t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

// lines returns the last n lines that say anything, without control characters.
func (t *tail) lines(n int) string {
	t.mu.Lock()
	text := string(bytes.ToValidUTF8(t.b, []byte("?")))
	t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' || r == 0x7f {
				return -1
			}
			return r
		}, line))
		if line != "" {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
