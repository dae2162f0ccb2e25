package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Mounted is a Disk that is mounted.
type Mounted struct {
	Dir string // where
	ID  string // of the Disk
}

// Mounts lists the Disks that this process can see mounted, of any store, in the
// order in which they were mounted.
func Mounts() ([]Mounted, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	list, err := readMounts(f)
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return list, nil
}

// readMounts finds Disks in the form of proc_pid_mountinfo(5).
func readMounts(r io.Reader) ([]Mounted, error) {
	var list []Mounted
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // an overlay may have many lower directories
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if !ok || len(where) < 5 || len(what) < 2 {
			continue
		}
		from := unescape(where[3]) // of a bind mount
		if what[0] == "erofs" {
			from = backing(unescape(what[1]))
		}
		if id, ok := diskID(from); ok {
			list = append(list, Mounted{unescape(where[4]), id})
		}
	}
	return list, lines.Err()
}

// unescape undoes the octal escapes of blanks in mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// backing returns the file behind a loop device, and other paths as they are.
func backing(source string) string {
	loop, ok := strings.CutPrefix(source, "/dev/loop")
	if !ok {
		return source
	}
	b, err := os.ReadFile("/sys/block/loop" + loop + "/loop/backing_file")
	if err != nil {
		return source
	}
	return strings.TrimSuffix(string(b), "\n")
}

// diskID tells by its path that a file or directory is a Disk, also after it was
// deleted under the mount.
func diskID(path string) (string, bool) {
	path = strings.TrimSuffix(strings.TrimSuffix(path, " (deleted)"), "//deleted")
	name := filepath.Base(path)
	id := strings.TrimSuffix(strings.TrimSuffix(name, metaSuffix), unpackedSuffix)
	return id, len(id) == 64 && id != name && filepath.Base(filepath.Dir(path)) == metaFolder
}

// Unmount ends the mount of a Disk on the directory dir. It refuses to touch a
// mount of anything else.
func Unmount(dir string) error {
	full, err := filepath.Abs(dir)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	list, err := Mounts()
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Dir != full {
			continue
		}
		err := unix.Unmount(full, unix.UMOUNT_NOFOLLOW)
		switch {
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("unmount %s: %w: a program or a shell still uses it", dir, err)
		case errors.Is(err, unix.EPERM):
			return fmt.Errorf("unmount %s: %w: unmounting needs root", dir, err)
		case err != nil:
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
		return nil
	}
	return fmt.Errorf("unmount %s: no image is mounted there", dir)
}
