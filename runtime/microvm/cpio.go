package microvm

import (
	"fmt"
	"io"
	"math"
)

// The file types of cpio's mode field.
const (
	cpioDir  = 0o040000
	cpioFile = 0o100000
)

// cpioWriter writes the "newc" archives that Linux unpacks as its first root:
// headers of 13 hexadecimal numbers, names and contents padded to 4 bytes
// (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
type cpioWriter struct {
	w   io.Writer
	pos int64
	ino uint32
}

// dir adds a directory. Parents have to be added first.
func (c *cpioWriter) dir(name string) error { return c.entry(name, cpioDir|0o755, nil) }

// file adds an executable file.
func (c *cpioWriter) file(name string, content []byte) error {
	return c.entry(name, cpioFile|0o755, content)
}

func (c *cpioWriter) entry(name string, mode uint32, content []byte) error {
	if len(content) > math.MaxUint32 {
		return fmt.Errorf("%s: %d bytes are too many for cpio", name, len(content))
	}
	c.ino++
	const links, header = 1, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00"
	err := c.write(fmt.Appendf(nil, header, c.ino, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name))
	if err != nil {
		return err
	}
	return c.write(content)
}

// close ends the archive.
func (c *cpioWriter) close() error {
	c.ino = 0
	return c.entry("TRAILER!!!", 0, nil)
}

// write adds b and fills up to a multiple of 4 bytes.
func (c *cpioWriter) write(b []byte) error {
	n, err := c.w.Write(b)
	c.pos += int64(n)
	if err != nil {
		return err
	}
	pad := make([]byte, -c.pos&3)
	n, err = c.w.Write(pad)
	c.pos += int64(n)
	return err
}
