package container

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// setPrivateMounts: Windows has no mount namespaces.
func setPrivateMounts(*exec.Cmd) bool { return false }

// setDetached takes the process off the console, whose end would be its own.
func setDetached(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}

// terminate does nothing to an attached supervisor: Windows sends the console's
// control events to every process on it, and has no other polite request.
func terminate(*os.Process) error { return nil }
