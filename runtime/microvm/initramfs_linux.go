package microvm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/microvm/guest"
)

// initramfsVersion changes with the layout of the initramfs.
const initramfsVersion = "initramfs v1"

// buildInitramfs returns the path of the first root of a VM: exe as /init and the
// kernel's modules. It is cached by content.
func buildInitramfs(st *store.Store, exe string, modules []module) (string, error) {
	content, err := os.ReadFile(exe)
	if err != nil {
		return "", err
	}
	if err := checkStatic(bytes.NewReader(content)); err != nil {
		return "", fmt.Errorf("%s cannot be the first process of a VM: %w", exe, err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%d\n", initramfsVersion, len(content))
	sum.Write(content)
	for _, m := range modules {
		fmt.Fprintf(sum, "%s %d\n", m.name, len(m.content))
		sum.Write(m.content)
	}
	file := st.Derived("initramfs", hex.EncodeToString(sum.Sum(nil))+".cpio")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	sweep(filepath.Dir(file))
	return file, store.WriteFile(file, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<20)
		return errors.Join(writeInitramfs(w, content, modules), w.Flush())
	})
}

// sweep removes what older builds of Mullion have left. What is younger than a day
// may be about to boot.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

func writeInitramfs(w *bufio.Writer, exe []byte, modules []module) error {
	c := &cpioWriter{w: w}
	if err := c.file(strings.TrimPrefix(guest.InitName, "/"), exe); err != nil {
		return err
	}
	if err := c.dir(strings.TrimPrefix(filepath.Dir(guest.ModulesFile), "/")); err != nil {
		return err
	}
	var list strings.Builder
	for i, m := range modules {
		name := fmt.Sprintf("%s/%02d-%s.ko", filepath.Dir(guest.ModulesFile), i, m.name)
		if err := c.file(name[1:], m.content); err != nil {
			return err
		}
		list.WriteString(name + "\n")
	}
	if err := c.file(guest.ModulesFile[1:], []byte(list.String())); err != nil {
		return err
	}
	return c.close()
}

// checkStatic refuses a binary that would need a dynamic loader: there is none in
// the initramfs.
func checkStatic(exe io.ReaderAt) error {
	f, err := elf.NewFile(exe)
	if err != nil {
		return err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it is dynamically linked; build it with CGO_ENABLED=0")
		}
	}
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("it is for %s, the VM is x86-64", f.Machine)
	}
	return nil
}
