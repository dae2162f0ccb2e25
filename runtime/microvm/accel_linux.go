package microvm

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/mullion/mullion/layers/store"
)

// kvmUsable tells whether KVM works here, and if not, why. Only the answer of a
// KVM that can be opened is kept, until the next boot; permissions may change.
func kvmUsable(st *store.Store) error {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no /dev/kvm")
	}
	if err != nil {
		return err
	}
	f.Close()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return tryKVM()
	}
	file := st.Derived("kvm", strings.TrimSpace(string(boot)))
	if b, err := os.ReadFile(file); err == nil {
		if len(b) == 0 {
			return nil
		}
		return errors.New(string(b))
	}
	why := tryKVM()
	// A note that cannot be kept only costs another probe.
	_ = store.WriteFile(file, func(f *os.File) error {
		if why == nil {
			return nil
		}
		_, err := f.WriteString(why.Error())
		return err
	})
	return why
}
