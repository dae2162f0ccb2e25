package cache

import (
	"os"
	"syscall"
)

// IDOf returns the identity of a regular file, and whether the system has one to give.
func IDOf(info os.FileInfo) (FileID, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return FileID{}, false
	}
	return FileID{Size: s.Size, Modified: s.Mtimespec.Nano(), Changed: s.Ctimespec.Nano(), Inode: s.Ino, Device: uint64(s.Dev)}, true
}
