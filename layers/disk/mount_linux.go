package disk

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount verifies d and mounts it, read-only, on the directory dir. It needs root.
// Kernels from 6.12 mount the files as they are; older ones, from 5.16, through
// loop devices, which vanish with the mount. Where the kernel can do neither, the
// files are unpacked first.
func (d *Disk) Mount(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("mount disk %.12s: %s is no directory", d.ID, dir)
	}
	if err := d.Verify(); err != nil {
		return err
	}
	err := mountFiles(dir, append([]string{d.Meta}, d.Data...))
	if unable(err) {
		if unpackErr := d.mountUnpacked(dir); unpackErr != nil {
			err = errors.Join(err, unpackErr)
		} else {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("mount disk %.12s: %w", d.ID, err)
	}
	return nil
}

// unable tells an error of a kernel that has no erofs with devices, or no loop
// devices for it, from one that a mount by other means would meet, too.
func unable(err error) bool {
	for _, e := range []error{unix.ENODEV, unix.ENOSYS, unix.EINVAL, unix.ENOENT, unix.ENXIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mountUnpacked shows the unpacked files of d at dir.
func (d *Disk) mountUnpacked(dir string) error {
	from, err := d.Unpacked()
	if err != nil {
		return err
	}
	if err := unix.Mount(from, dir, "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("bind mount", err)
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NODEV | unix.MS_NOSUID
	if err := unix.Mount("", dir, "", flags, ""); err != nil {
		return errors.Join(os.NewSyscallError("mount read-only", err), unix.Unmount(dir, unix.MNT_DETACH))
	}
	return nil
}

// MountTree mounts an image that [BuildTree] made, read-only, on the directory
// dir, by the same means as [Disk.Mount].
func MountTree(image, dir string) error {
	if err := mountFiles(dir, []string{image}); err != nil {
		return fmt.Errorf("mount image %s: %w", image, err)
	}
	return nil
}

// mountFiles mounts files[0] with the others as its devices.
func mountFiles(dir string, files []string) error {
	err := mountErofs(dir, files)
	if errors.Is(err, unix.ENOTBLK) {
		err = withLoops(files, func(loops []string) error { return mountErofs(dir, loops) })
	}
	return explain(err)
}

// mountErofs is mountFiles for what the kernel takes as it is. It uses the mount
// API of Linux 5.2: the options of mount(2) have to fit in a page, a hundred paths do not.
func mountErofs(dir string, files []string) error {
	ctx, err := unix.Fsopen("erofs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen erofs", err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigSetString(ctx, "source", files[0]); err != nil {
		return os.NewSyscallError("fsconfig source", err)
	}
	if err := unix.FsconfigSetFlag(ctx, "ro"); err != nil {
		return os.NewSyscallError("fsconfig ro", err)
	}
	for _, file := range files[1:] {
		if err := unix.FsconfigSetString(ctx, "device", file); err != nil {
			return os.NewSyscallError("fsconfig device", err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return fmt.Errorf("%w%s", os.NewSyscallError("fsconfig create", err), kernelSays(ctx))
	}
	mnt, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return os.NewSyscallError("fsmount", err)
	}
	defer unix.Close(mnt)
	return os.NewSyscallError("move_mount", unix.MoveMount(mnt, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// kernelSays reads what the kernel logged about a mount that it refused.
func kernelSays(ctx int) string {
	var said []string
	buf := make([]byte, 1024)
	for len(said) < 8 {
		n, err := unix.Read(ctx, buf)
		if err != nil || n == 0 {
			break
		}
		said = append(said, strings.TrimSpace(string(buf[:n])))
	}
	if len(said) == 0 {
		return ""
	}
	return " (" + strings.Join(said, "; ") + ")"
}

// explain adds what a person can do about an error of mounting.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: mounting needs root", err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: this kernel has no erofs file system; load it with `modprobe erofs`, or use a kernel from 5.16 on that has it", err)
	}
	return err
}
