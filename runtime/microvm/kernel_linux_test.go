package microvm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/fixtures"
)

// ko makes a kernel module that has nothing but a section .modinfo.
func ko(info ...string) []byte {
	text := strings.Join(info, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	head := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1,
		Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2, Shoff: uint64(64 + len(text) + len(names)),
	}
	copy(head.Ident[:], "\x7fELF\x02\x01\x01")
	sections := [3]elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(len(text))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + len(text)), Size: uint64(len(names))},
	}
	for _, v := range []any{head, []byte(text), []byte(names), sections} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}

func put(t *testing.T, root, name string, content []byte) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// addKernel makes the files of a kernel that has the modules that are named.
func addKernel(t *testing.T, root, release string, modules map[string][]byte) {
	t.Helper()
	put(t, root, "boot/vmlinuz-"+release, []byte("kernel"))
	dir := "lib/modules/" + release
	var order strings.Builder
	for name, content := range modules {
		file := "kernel/drivers/" + name + ".ko"
		order.WriteString(file + "\n")
		put(t, root, filepath.Join(dir, file), content)
	}
	put(t, root, dir+"/modules.order", []byte(order.String()))
	put(t, root, dir+"/modules.builtin", []byte("kernel/fs/overlayfs/overlay.ko\n"))
}

func modules() map[string][]byte {
	return map[string][]byte{
		"virtio": ko("depends=virtio_ring"), "virtio_ring": ko("depends="), "virtio_pci": ko("license=GPL", "depends=virtio,virtio_ring"),
		"virtio_blk": ko("depends=virtio"), "virtio-console": ko("depends=virtio"), "erofs": ko("depends=libcrc32c"),
		"libcrc32c": ko("softdep=pre: crc32c post: other", "depends="), "crc32c_generic": ko("depends="),
	}
}

func TestModulesComeAfterWhatTheyNeed(t *testing.T) {
	root := t.TempDir()
	addKernel(t, root, "6.1.0-1-amd64", modules())
	k, err := findKernel(root)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range k.modules {
		order = append(order, m.name)
	}
	want := []string{"virtio_ring", "virtio", "virtio_pci", "virtio_blk", "virtio_console", "crc32c_generic", "libcrc32c", "erofs"}
	if !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
}

func TestModulesMayBeCompressed(t *testing.T) {
	xz := fixtures.Tool(t, "xz", "xz-utils")
	root := t.TempDir()
	addKernel(t, root, "6.12.1", modules())
	file := filepath.Join(root, "lib/modules/6.12.1/kernel/drivers/erofs.ko")
	if out, err := exec.Command(xz, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k, err := findKernel(root)
	if err != nil {
		t.Fatal(err)
	}
	if last := k.modules[len(k.modules)-1]; last.name != "erofs" || !bytes.Equal(last.content, modules()["erofs"]) {
		t.Errorf("the last is %s with %d bytes", last.name, len(last.content))
	}
}

func TestTheNewestKernelThatServesIsTaken(t *testing.T) {
	root := t.TempDir()
	if _, err := findKernel(root); err == nil {
		t.Error("a kernel without /boot")
	}
	addKernel(t, root, "5.10.0-3-amd64", modules())
	if _, err := findKernel(root); err == nil || !strings.Contains(err.Error(), "older than 5.16") {
		t.Errorf("a kernel of 2021 gives %v", err)
	}
	addKernel(t, root, "6.9.0-1", modules())
	addKernel(t, root, "6.12.0-1", modules())
	without := modules()
	delete(without, "virtio_blk")
	addKernel(t, root, "6.13.0-1", without)
	k, err := findKernel(root)
	if err != nil || k.release != "6.12.0-1" {
		t.Errorf("got %+v, %v", k, err)
	}
}

func TestBadModulesAreRefused(t *testing.T) {
	for name, content := range map[string][]byte{
		"not ELF": []byte("x"),
		"a loop":  ko("depends=virtio_pci"),
		"absent":  ko("depends=nosuch"),
	} {
		root := t.TempDir()
		all := modules()
		all["virtio"] = content
		addKernel(t, root, "6.1", all)
		if _, err := findKernel(root); err == nil {
			t.Errorf("a module that is %s was accepted", name)
		}
	}
}

func TestReleasesAreOrderedByNumber(t *testing.T) {
	list := []string{"6.12.0-2", "6.9.10", "6.12.0-10", "5.16.0", "6.1.0-56-cloud-amd64", "6.1.0-9-amd64"}
	slices.SortFunc(list, compareReleases)
	want := []string{"5.16.0", "6.1.0-9-amd64", "6.1.0-56-cloud-amd64", "6.9.10", "6.12.0-2", "6.12.0-10"}
	if !slices.Equal(list, want) {
		t.Errorf("got %v", list)
	}
}

func TestDependencyOfTheKernelPackage(t *testing.T) {
	got, err := dependency("linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Suggests: x\n")
	if err != nil || got != "linux-image-6.1.0-56-cloud-amd64" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := dependency("N: Unable to locate package\n"); err == nil {
		t.Error("no package gives no error")
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add(ko("depends=a,b", "softdep=pre: c"))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := readModinfo(b)
		if err == nil && len(info.depends)+len(info.before) > len(b) {
			t.Error("more names than bytes")
		}
	})
}

func TestTail(t *testing.T) {
	var c tail
	for range 100 {
		_, _ = c.Write(bytes.Repeat([]byte("noise\n"), 1000))
	}
	_, _ = c.Write([]byte("\x1b[31mpanic\xff\r\n\n"))
	if got := c.lines(2); got != "  noise\n  [31mpanic?" {
		t.Errorf("got %q", got)
	}
	if len(c.b) > 3*tailSize {
		t.Errorf("it keeps %d bytes", len(c.b))
	}
}
