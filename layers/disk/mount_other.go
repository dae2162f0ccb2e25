//go:build !linux

package disk

import "errors"

var errLinux = errors.New("only Linux can mount images")

// Mounted is a Disk that is mounted.
type Mounted struct {
	Dir string // where
	ID  string // of the Disk
}

// Mount needs Linux.
func (d *Disk) Mount(string) error { return errLinux }

// Mounts needs Linux.
func Mounts() ([]Mounted, error) { return nil, errLinux }

// Unmount needs Linux.
func Unmount(string) error { return errLinux }
