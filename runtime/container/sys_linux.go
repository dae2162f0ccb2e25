package container

import (
	"os"
	"os/exec"
	"syscall"
)

// setPrivateMounts gives the process a mount namespace of its own, which takes
// root. Go makes its root private in it, so nothing mounted there is seen outside.
func setPrivateMounts(cmd *exec.Cmd) bool {
	if os.Geteuid() != 0 {
		return false
	}
	attr(cmd).Unshareflags = syscall.CLONE_NEWNS
	return true
}

// setDetached takes the process out of the terminal's session.
func setDetached(cmd *exec.Cmd) { attr(cmd).Setsid = true }

func attr(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	return cmd.SysProcAttr
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
