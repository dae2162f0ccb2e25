package oci

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wine"
)

// The mount points in the bundle.
const (
	rootPoint  = "root"  // the runtime tree
	lowerPoint = "lower" // the Disk
	drivePoint = "c"     // the overlay
)

// hybridCgroups is where hosts with both cgroup versions have the second one.
const hybridCgroups = "/sys/fs/cgroup/unified"

// mountAll mounts a container's parts below its own folder. cwd is the program's
// working directory below C:. It runs on a private thread and changes that thread's
// working directory.
func mountAll(spec *runtime.Spec, cwd, tree string, d *disk.Disk, oneCgroupVersion bool) error {
	dir := spec.Dir
	if oneCgroupVersion {
		if err := unix.Unmount(hybridCgroups, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("hide the second cgroup version: %w", err)
		}
	}
	at := func(point string) string { return filepath.Join(dir, bundleDir, point) }
	if err := disk.MountTree(tree, at(rootPoint)); err != nil {
		return err
	}
	if err := d.Mount(at(lowerPoint)); err != nil {
		return err
	}
	// Relative names, because the options of overlayfs know no way to quote a comma.
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s/%s,upperdir=%s,workdir=%s,redirect_dir=on", bundleDir, lowerPoint, wine.UpperDir, wine.WorkDir)
	if err := unix.Mount("overlay", at(drivePoint), "overlay", unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return fmt.Errorf("mount drive C: (overlay over %s): %w", dir, err)
	}
	if err := bindFolders(at(drivePoint), spec.Mounts); err != nil {
		return err
	}
	if !spec.ReadOnly {
		return nil
	}
	// The program's own folder is the last that may be made.
	fd, err := openDir(at(drivePoint), cwd)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	return unix.Close(fd)
}
