package microvm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func value(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func TestCommandLine(t *testing.T) {
	m := &machine{name: "0123abcd", cpus: 1, memory: 512 << 20, kernel: "/k", initramfs: "/i", control: 3, console: 4}
	for i := range 10 {
		m.disks = append(m.disks, vdisk{file: fmt.Sprintf(`/store/a,b "%d".data`, i), serial: fmt.Sprintf("c%d", i)})
	}
	args, err := m.args()
	if err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"-name": "0123abcd", "-m": "512M", "-smp": "1", "-cpu": "max,smap=off", "-accel": "tcg,thread=multi"} {
		if got := value(args, flag); got != want {
			t.Errorf("%s is %q, not %q", flag, got, want)
		}
	}
	var block struct {
		ReadOnly bool   `json:"read-only"`
		Node     string `json:"node-name"`
		File     struct{ Filename string }
	}
	if err := json.Unmarshal([]byte(value(args, "-blockdev")), &block); err != nil {
		t.Fatal(err)
	}
	if !block.ReadOnly || block.Node != "d0" || block.File.Filename != m.disks[0].file {
		t.Errorf("the first disk is %+v", block)
	}
	if !slices.Contains(args, "virtio-blk-pci,drive=d9,serial=c9,addr=0x4.1,multifunction=on") {
		t.Errorf("the tenth disk is not in\n%s", strings.Join(args, "\n"))
	}
	m.kvm = true
	if args, err = m.args(); err != nil || value(args, "-cpu") != "max" || value(args, "-accel") != "kvm" {
		t.Errorf("with KVM: %v, %v", args, err)
	}
	m.disks = make([]vdisk, maxDisks+1)
	if _, err := m.args(); err == nil {
		t.Error("more disks than slots")
	}
}
