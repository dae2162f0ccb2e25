//go:build !linux && !windows

package container

import (
	"os"
	"os/exec"
	"syscall"
)

// setPrivateMounts: only Linux has mount namespaces.
func setPrivateMounts(*exec.Cmd) bool { return false }

// setDetached takes the process out of the terminal's session.
func setDetached(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
