// Package guest is the first process of the utility VM, and the frames that it
// and the host speak.
//
// The VM's initramfs holds Mullion's own binary as /init and the kernel modules it
// needs. The process loads the modules, says hello on a virtio-serial port, gets a
// [Config] and the container's state, puts the root together from the VM's disks
// and starts the program through package runtime/guest, the same way as process
// isolation does. When the program has ended, it sends the state back.
package guest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Main is called first thing in main of every binary that may be a VM's /init. In
// any other process it returns at once.
func Main() {
	switch {
	case os.Getpid() == 1 && os.Args[0] == InitName:
		fmt.Fprintln(os.Stderr, "mullion:", boot())
		powerOff()
	case os.Getpid() == 1 && os.Args[0] == enterName:
		fmt.Fprintln(os.Stderr, "mullion:", enter())
		os.Exit(125)
	}
}

// powerOff never returns: the end of process 1 would be a panic.
func powerOff() {
	unix.Sync()
	for {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		_ = unix.Pause()
	}
}
