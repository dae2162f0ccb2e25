//go:build !linux

package container

import (
	"os"
	"path/filepath"
)

// socketPath names the control socket of the container in dir. A socket's address
// has room for about a hundred bytes, less than a store's path with an ID in it
// may need, so the socket lies in the user's own temporary folder.
func socketPath(dir string) (path string, release func() error, err error) {
	name := "mullion-" + Short(filepath.Base(dir)) + ".sock"
	return filepath.Join(os.TempDir(), name), func() error { return nil }, nil
}
