package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// codes learns the main program's exit code from the argument of its exit_group
// call: the kernel hands parents only 8 of the 32 bits that Windows programs
// exit with. A seccomp filter makes the kernel ask before that one call (see
// seccomp_unotify(2)); the answer is always to go on.
type codes struct {
	listener int
	main     int

	mu   sync.Mutex
	code uint32
	ok   bool
}

// installFilter puts the filter on the calling thread and what it becomes or
// starts, and returns the listener.
func installFilter() (listener int, err error) {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return -1, fmt.Errorf("no filter for %s", runtime.GOARCH)
	}
	// The offsets are those of struct seccomp_data: nr at 0, arch at 4.
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_EXIT_GROUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// watchCodes answers the listener until no process has the filter any more. It
// must go on as long: without an answer no such process can end.
func watchCodes(listener, main int) *codes {
	c := &codes{listener: listener, main: main}
	go c.loop()
	return c
}

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

func (c *codes) loop() {
	defer unix.Close(c.listener)
	for {
		poll := []unix.PollFd{{Fd: int32(c.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		switch {
		case poll[0].Revents&unix.POLLIN != 0:
			c.answer()
		case poll[0].Revents != 0: // POLLHUP: the filter's last process has ended
			return
		}
	}
}

func (c *codes) answer() {
	var n notification
	if ioctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != 0 {
		return // the process was killed meanwhile
	}
	if processOf(int(n.pid)) == c.main {
		c.mu.Lock()
		c.code, c.ok = uint32(n.args[0]), true
		c.mu.Unlock()
	}
	r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	ioctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

func (c *codes) get() (uint32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.ok
}

func ioctl(fd int, op uint, p unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(op), uintptr(p))
	return errno
}

// processOf returns the process of a thread, which need not be its first; 0 when
// it is gone.
func processOf(thread int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if v, ok := strings.CutPrefix(string(line), "Tgid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(v))
			return n
		}
	}
	return 0
}
