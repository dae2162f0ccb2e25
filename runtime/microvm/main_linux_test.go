package microvm

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	program "github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/microvm/guest"
)

// TestMain lets the test binary be what Mullion's own is: a VM's first process,
// the guest around a program and, in place of Wine, the program.
func TestMain(m *testing.M) {
	guest.Main()
	program.Main()
	if os.Args[0] == program.WineDir+"/wine64" || os.Args[0] == "wineserver64" {
		os.Exit(fakeWine())
	}
	if files := os.Getenv(childVM); files != "" {
		startForParent(files)
	}
	os.Exit(m.Run())
}

// childVM is the variable that makes the test binary start a VM from the kernel
// and the initramfs that it names, tell the VM's process id and live on.
const childVM = "MULLION_TEST_CHILD_VM"

func startForParent(files string) {
	kernel, initramfs, _ := strings.Cut(files, "\n")
	qemu, err := exec.LookPath(qemuName)
	if err == nil {
		var v *vm
		if v, err = startVM(qemu, &machine{name: "x", cpus: 1, memory: defaultMemory, kernel: kernel, initramfs: initramfs}); err == nil {
			fmt.Println(v.cmd.Process.Pid)
			<-v.gone
		}
	}
	fmt.Println(err)
	os.Exit(1)
}
