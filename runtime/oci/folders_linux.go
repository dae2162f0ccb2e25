package oci

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
)

// bindFolders mounts the folders of the host that the container is given on its
// drive, which is mounted at drive.
func bindFolders(drive string, mounts []runtime.Mount) error {
	for _, m := range mounts {
		if err := bindFolder(drive, m); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
		}
	}
	return nil
}

func bindFolder(drive string, m runtime.Mount) error {
	cpath, err := nt.Rel("", m.Target)
	if err != nil {
		return err
	}
	target, err := openDir(drive, cpath)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	source, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	defer unix.Close(source)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if m.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(source, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return os.NewSyscallError("mount_setattr", err)
	}
	return os.NewSyscallError("move_mount", unix.MoveMount(source, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// openDir opens the folder cpath below drive, in whatever case its names are, and
// makes what is missing of it. It follows no symlink: the container may have made
// one that leads out of its drive.
func openDir(drive, cpath string) (fd int, err error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if fd, err = unix.Open(drive, flags, 0); err != nil {
		return -1, err
	}
	for name := range strings.SplitSeq(cpath, "/") {
		if name == "" {
			continue
		}
		next, err := unix.Openat(fd, name, flags, 0)
		if err == unix.ENOENT {
			name = spelling(fd, name)
			if err = unix.Mkdirat(fd, name, 0o755); err == nil || err == unix.EEXIST {
				next, err = unix.Openat(fd, name, flags, 0)
			}
		}
		unix.Close(fd)
		if err != nil {
			return -1, fmt.Errorf("folder %s: %w", name, err)
		}
		fd = next
	}
	return fd, nil
}

// spelling is the name in the folder fd that differs from name in case only, or
// name.
func spelling(fd int, name string) string {
	dir, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return name // the caller's next step tells what is wrong
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, have := range names {
		if nt.EqualFold(have, name) {
			return have
		}
	}
	return name
}
