package guest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// launcherName is argv[0] of the process that turns into Wine. It takes Wine's
// arguments from a socket, so that they never are arguments of a process of ours.
const launcherName = "mullion-launch"

// What the launcher says before it turns into Wine.
const (
	withListener    = 'l' // the listener comes with it
	withoutListener = '-'
)

// direct tells the launcher what to run and waits until it does. The listener
// reports exit codes; it is -1 when the kernel has none.
func direct(conn *net.UnixConn, argv []string) (listener int, err error) {
	b, err := encode(argv)
	if err != nil {
		return -1, err
	}
	if _, err := conn.Write(b); err != nil {
		return -1, err
	}
	buf, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil || n != 1 {
		return -1, errors.Join(errors.New("the launcher ended early"), err)
	}
	listener = -1
	if buf[0] == withListener {
		if listener, err = receivedFD(oob[:oobn]); err != nil {
			return -1, err
		}
	}
	// The launcher's end closes by its exec; anything else it says is an error.
	text, err := io.ReadAll(io.LimitReader(conn, 4096))
	if err == nil && len(text) > 0 {
		err = errors.New(string(text))
	}
	if err != nil && listener >= 0 {
		unix.Close(listener)
	}
	return listener, err
}

func receivedFD(oob []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(errors.New("the launcher sent no listener"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(errors.New("the launcher sent no listener"), err)
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// launcherMain installs the filter, hands its listener over and becomes Wine.
func launcherMain() int {
	// The filter is this thread's alone; the exec makes it the process'.
	runtime.LockOSThread()
	unix.CloseOnExec(socket)
	sock := os.NewFile(socket, "guest")
	var argv []string
	err := decode(sock, &argv)
	if err == nil && len(argv) == 0 {
		err = errors.New("no program")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, launcherName+": it is started by the guest only:", err)
		return 1
	}
	listener, err := installFilter()
	if err != nil {
		_, err = unix.Write(socket, []byte{withoutListener})
	} else {
		err = unix.Sendmsg(socket, []byte{withListener}, unix.UnixRights(listener), nil, 0)
		unix.Close(listener)
	}
	if err != nil {
		return 1
	}
	err = syscall.Exec(argv[0], argv, os.Environ())
	fmt.Fprintf(sock, "%s: %v", argv[0], err)
	// The end of this process waits for an answer to the filter, and the guest, so
	// far, for the end of the message.
	sock.Close()
	return 1
}
