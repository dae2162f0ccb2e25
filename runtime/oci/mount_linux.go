package oci

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/layers/disk"
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

// mountAll mounts a container's parts below dir, its own folder. It runs on a
// private thread and changes that thread's working directory.
func mountAll(dir, tree string, d *disk.Disk, oneCgroupVersion bool) error {
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
	return nil
}
