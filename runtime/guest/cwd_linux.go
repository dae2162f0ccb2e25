package guest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// makeDir returns the directory rel below root, which it finds whatever the case
// of its names, as Windows does, and makes where it is missing. Like the program
// itself, it is held below root only by the root that the guest lives in.
func makeDir(root, rel string) (string, error) {
	dir := root
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" || name == "." || name == ".." {
			continue
		}
		next := filepath.Join(dir, name)
		_, err := os.Stat(next)
		if errors.Is(err, fs.ErrNotExist) {
			next = filepath.Join(dir, spelling(dir, name))
			if err = os.Mkdir(next, 0o755); errors.Is(err, fs.ErrExist) {
				err = nil
			}
		}
		if err != nil {
			return "", err
		}
		dir = next
	}
	return dir, nil
}

// spelling is the name in dir that differs from name in case only, or name.
func spelling(dir, name string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return name // the caller's next step tells what is wrong
	}
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return e.Name()
		}
	}
	return name
}
