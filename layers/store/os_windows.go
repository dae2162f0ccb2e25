package store

import (
	"errors"

	"golang.org/x/sys/windows"
)

// dataDir returns where the user's programs keep data, "" if that is not known.
func dataDir(getenv func(string) string) string { return getenv("LOCALAPPDATA") }

// adopt has nothing to do: what an elevated process makes inherits the rights of its folder.
func adopt(string) error { return nil }

// syncDir has nothing to do: NTFS writes its journal before the rename returns, and cannot open a folder for this.
func syncDir(string) error { return nil }

func isReadOnly(error) bool { return false }

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// freeSpace returns the bytes that may still be written below dir, -1 if that is not known.
func freeSpace(dir string) int64 {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return -1
	}
	var free uint64
	if windows.GetDiskFreeSpaceEx(name, &free, nil, nil) != nil {
		return -1
	}
	return int64(free)
}
