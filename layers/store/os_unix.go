//go:build unix

package store

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"syscall"
)

// dataDir returns where the user's programs keep data, "" if that is not known.
func dataDir(getenv func(string) string) string {
	if id := getenv("SUDO_UID"); id != "" && id != "0" && os.Geteuid() == 0 {
		if u, err := user.LookupId(id); err == nil && u.HomeDir != "" {
			return filepath.Join(u.HomeDir, ".local", "share")
		}
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share")
	}
	return ""
}

// adopt gives what root made to the owner of the folder it lies in.
func adopt(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return os.Lchown(path, int(st.Uid), int(st.Gid))
	}
	return nil
}

// syncDir makes the names in dir survive a loss of power.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // some file systems cannot, and need not
	}
	return errors.Join(err, f.Close())
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// freeSpace returns the bytes that may still be written below dir, -1 if that is not known.
func freeSpace(dir string) int64 {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
