package microvm

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/mullion/mullion/runtime/microvm/guest"
)

// PCI slots of the virtual machine. The serial ports' controller has one for
// itself; disks take the eight functions of each slot after that.
const (
	serialSlot    = 2
	firstDiskSlot = 3
	lastDiskSlot  = 0x1e // 0x1f is q35's own
	maxDisks      = (lastDiskSlot - firstDiskSlot + 1) * 8
)

// machine is a virtual machine as QEMU's command line says it. Nothing in it tells
// what runs there: everybody on the host can read a command line.
type machine struct {
	name      string // the container's ID
	kvm       bool
	cpus      int
	memory    int64 // bytes, a multiple of 1 MiB
	kernel    string
	initramfs string
	disks     []vdisk
	control   int // file descriptor of the socket behind the port guest.Port
	console   int // file descriptor of the socket behind the serial console
}

// vdisk is a file that the VM sees as a read-only disk with a serial number of at
// most 20 characters.
type vdisk struct{ file, serial string }

// args returns QEMU's arguments.
func (m *machine) args() ([]string, error) {
	if len(m.disks) > maxDisks {
		return nil, fmt.Errorf("%d disks, a utility VM can have %d; squash layers of the image", len(m.disks), maxDisks)
	}
	args := []string{
		"-name", m.name,
		"-nodefaults", "-no-user-config", "-nographic", "-display", "none", "-no-reboot",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35,usb=off,sata=off,smbus=off,vmport=off",
		"-m", strconv.FormatInt(m.memory>>20, 10) + "M",
		"-smp", strconv.Itoa(m.cpus),
		"-kernel", m.kernel,
		"-initrd", m.initramfs,
		"-append", "console=ttyS0 quiet panic=-1 reboot=t",
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d", m.console),
		"-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=control,fd=%d", m.control),
		"-device", fmt.Sprintf("virtio-serial-pci,addr=%#x", serialSlot),
		"-device", "virtserialport,chardev=control,name=" + guest.Port,
	}
	if m.kvm {
		args = append(args, "-accel", "kvm", "-cpu", "max")
	} else {
		// QEMU up to 9.0 emulates a return from user to user code by iretq with the
		// kernel's access rights; with SMAP the guest's kernel then dies of Wine.
		args = append(args, "-accel", "tcg,thread=multi", "-cpu", "max,smap=off")
	}
	for i, d := range m.disks {
		more, err := d.args(i)
		if err != nil {
			return nil, err
		}
		args = append(args, more...)
	}
	return args, nil
}

// args returns the arguments for the i-th disk. JSON is the one form in which a
// path may hold any character.
func (d vdisk) args(i int) ([]string, error) {
	node := "d" + strconv.Itoa(i)
	block, err := json.Marshal(map[string]any{
		"driver": "raw", "node-name": node, "read-only": true,
		"file": map[string]any{"driver": "file", "filename": d.file, "read-only": true},
	})
	if err != nil {
		return nil, err
	}
	device := fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s,addr=%#x.%d,multifunction=on",
		node, d.serial, firstDiskSlot+i/8, i%8)
	return []string{"-blockdev", string(block), "-device", device}, nil
}
