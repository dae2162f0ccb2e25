package wine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/store"
)

// maxRegistry bounds a registry text. A Windows SOFTWARE hive gives 100 MB.
const maxRegistry = 1 << 30

func readRegistry(name string) (*winereg.File, error) {
	f, err := openRegistry(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return winereg.Read(f)
}

// openRegistry opens a registry text of a prefix. The container can write there:
// whatever it may have put in the file's place is not followed.
func openRegistry(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxRegistry) {
		err = fmt.Errorf("%s is no registry text: %v, %d bytes", name, info.Mode(), info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// writeRegistry replaces a registry file at once and whole.
func writeRegistry(name string, file *winereg.File) error {
	return store.WriteFile(name, func(f *os.File) error { return winereg.Write(f, file) })
}

// under tells whether the registry path key is dir or below it.
func under(key, dir string) bool {
	key, dir = nt.Fold(key), nt.Fold(dir)
	return key == dir || strings.HasPrefix(key, dir+`\`)
}
