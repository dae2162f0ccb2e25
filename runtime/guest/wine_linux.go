package guest

import (
	"fmt"
	"net"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// linger is how long processes that the program leaves behind may still run:
	// enough for those that are about to end, such as an installer's helpers.
	linger = 2 * time.Second
	// flushTime is what Wine's server may take to end them and to write a registry
	// of 100 MB in an emulated machine.
	flushTime = 60 * time.Second
)

// wine is the one Wine session that the guest runs.
type wine struct {
	reaper *reaper
	env    []string // that every program and the server start with
}

func newWine(config *Config) *wine {
	overrides := "wineboot.exe=d"
	if config.Root != nil {
		overrides = "mscoree,mshtml=;winemenubuilder.exe=d" // no offers to download the two
	}
	env := []string{
		"LC_CTYPE=C.UTF-8", // else Wine takes arguments for ASCII
		"HOME=/run", "PATH=" + WineDir, "WINESERVER=" + path.Join(WineDir, "wineserver64"), "WINEPREFIX=" + PrefixDir,
		"WINEDEBUG=-all,err+seh,err+virtual,err+thread,err+process,err+server,err+module", "WINEDLLOVERRIDES=" + overrides,
	}
	return &wine{reaper: newReaper(), env: env}
}

// server runs Wine's server program; it is done when that has ended, which the
// server itself, a process of its own by then, need not have.
func (w *wine) server(args ...string) (<-chan unix.WaitStatus, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	// The server outlives the program: it must not hold the program's streams open.
	_, done, err := w.reaper.start(path.Join(WineDir, "wineserver64"), append([]string{"wineserver64"}, args...),
		&syscall.ProcAttr{Dir: "/", Env: w.env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}})
	return done, err
}

// startServer starts Wine's server so that it saves the registry and ends as soon
// as its last client has ended.
func (w *wine) startServer() error {
	done, err := w.server("-p0")
	if err != nil {
		return fmt.Errorf("wine's server: %w", err)
	}
	if status := <-done; status != 0 {
		return fmt.Errorf("wine's server did not start (status %#x)", uint32(status))
	}
	return nil
}

// stopServer waits until all Windows processes have ended and the registry is
// saved. Processes that stay are ended, at once if now is true. The note says what
// went wrong.
func (w *wine) stopServer(now bool) (note string) {
	const lost = "wine's server did not end: registry changes may be lost"
	waited, err := w.server("-w")
	if err != nil {
		return lost
	}
	if !now && within(waited, linger) {
		return ""
	}
	if _, err := w.server("-k"); err != nil || !within(waited, flushTime) {
		return lost
	}
	return ""
}

func within(done <-chan unix.WaitStatus, d time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// program is one of the programs that the guest started.
type program struct {
	pid    int
	done   <-chan unix.WaitStatus
	codes  *codes // nil when the kernel does not tell
	killed bool
}

// startProgram starts a program under Wine. files are its standard streams.
func (w *wine) startProgram(config *Config, dir string, files [streams]uintptr) (*program, error) {
	argv := append([]string{path.Join(WineDir, "wine64"), config.Program}, config.Args...)
	attr := &syscall.ProcAttr{Dir: dir, Env: append(slices.Clip(w.env), config.Env...), Files: files[:]}
	if config.TTY {
		attr.Sys = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	return w.launch(argv, attr)
}

// launch returns when the launcher has turned into the program argv[0].
func (w *wine) launch(argv []string, attr *syscall.ProcAttr) (*program, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("meet the launcher: %w", err)
	}
	defer ours.Close()
	attr.Files = append(attr.Files, theirs.Fd())
	pid, done, err := w.reaper.start("/proc/self/exe", []string{launcherName}, attr)
	theirs.Close()
	if err != nil {
		return nil, err
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("meet the launcher: %w", err)
	}
	defer conn.Close()
	listener, err := direct(conn.(*net.UnixConn), argv)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		return nil, fmt.Errorf("start wine: %w", err)
	}
	p := &program{pid: pid, done: done}
	if listener >= 0 {
		p.codes = watchCodes(listener, pid)
	}
	return p, nil
}

// kill ends the program; what it started ends with Wine's server.
func (p *program) kill() {
	if !p.killed {
		p.killed = true
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

// exit makes the program's exit code of what the kernel says (8 bits) and what
// the program said (32).
func (p *program) exit(status unix.WaitStatus) *Exit {
	switch {
	case p.killed:
		return &Exit{Code: 128 + uint32(unix.SIGKILL)}
	case status.Signaled():
		return &Exit{Code: 128 + uint32(status.Signal()), Note: "the program was ended by the signal " + unix.SignalName(status.Signal())}
	case p.codes == nil:
		return &Exit{Code: uint32(status.ExitStatus()), Note: "this kernel tells only the last 8 bits of exit codes"}
	}
	if code, ok := p.codes.get(); ok && code&0xff == uint32(status.ExitStatus()) {
		return &Exit{Code: code}
	}
	return &Exit{Code: uint32(status.ExitStatus())}
}

func socketpair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}
