package guest

import (
	"time"

	"github.com/mullion/mullion/runtime/guest"
)

// InitName is argv[0] of the VM's first process, its path in the initramfs.
const InitName = "/init"

// Port is the name of the virtio-serial port that carries the frames.
const Port = "mullion"

// ModulesFile lists, in the initramfs, the kernel modules to load: one path a
// line, in the order that they need.
const ModulesFile = "/modules/list"

// Config is what the host tells a VM that has booted.
type Config struct {
	// Time is the host's clock, which the VM's follows.
	Time time.Time `json:"time"`
	// Hostname is the name of the computer; "" leaves the kernel's.
	Hostname string `json:"hostname,omitempty"`
	// Memory limits the program and its children, in bytes; 0 means no limit.
	Memory int64 `json:"memory,omitempty"`
	// Root is the serial number of the disk with the Wine runtime tree.
	Root string `json:"root"`
	// Disk holds the serial numbers of the disks that are drive C:, the metadata
	// image first, then its data in device order.
	Disk []string `json:"disk"`
	// Program is what to run.
	Program *guest.Config `json:"program"`
}
