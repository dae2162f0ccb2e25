package container

import (
	"fmt"
	"os"
)

// socketPath names the control socket of the container in dir. A socket's address
// has room for 107 bytes, less than a store's path with an ID in it may need, so
// the folder is addressed through an open descriptor. The path is good until
// release is called.
func socketPath(dir string) (path string, release func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/control", f.Fd()), f.Close, nil
}
