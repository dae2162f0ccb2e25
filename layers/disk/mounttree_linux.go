package disk

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// MountTree mounts an image of [BuildTree], read-only, on the directory dir, the
// way [Disk.Mount] does. It needs root.
func MountTree(image, dir string) error {
	files := []string{image}
	err := mountErofs(dir, files)
	if errors.Is(err, unix.ENOTBLK) {
		err = withLoops(files, func(loops []string) error { return mountErofs(dir, loops) })
	}
	if err != nil {
		return fmt.Errorf("mount image %s: %w", image, explain(err))
	}
	return nil
}
