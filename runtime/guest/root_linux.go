package guest

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// enter makes r the root of this process. The namespaces it was started with
// vanish with it, and all mounts with them.
func (r *Root) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	if err := unix.Sethostname([]byte("mullion")); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	for _, m := range []struct{ source, target, kind string }{
		{r.Prefix, PrefixDir, "bind"},
		{"proc", "/proc", "proc"},
		{"tmpfs", "/dev", "tmpfs"},
		{"tmpfs", "/run", "tmpfs"},
		{"tmpfs", "/tmp", "tmpfs"},
	} {
		var flags uintptr = unix.MS_NOSUID
		if m.kind == "bind" {
			flags |= unix.MS_BIND
		}
		if err := unix.Mount(m.source, filepath.Join(r.Dir, m.target), m.kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		target := filepath.Join(r.Dir, "dev", name)
		if err := os.WriteFile(target, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /dev/%s: %w", name, err)
		}
	}
	if err := unix.Chroot(r.Dir); err != nil {
		return fmt.Errorf("enter %s: %w", r.Dir, err)
	}
	return os.Chdir("/")
}
