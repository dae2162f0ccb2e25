//go:build !linux

package disk

import (
	"errors"
	"fmt"
)

// Mount needs Linux; elsewhere its error matches [errors.ErrUnsupported].
func (d *Disk) Mount(dir string) error {
	return fmt.Errorf("mount disk %.12s on %s: %w: erofs needs Linux", d.ID, dir, errors.ErrUnsupported)
}
