package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// withLoops gives each file a read-only loop device while f mounts them. The
// devices free themselves when nothing uses them any more: at the unmount, or at
// once if f did not mount them. Direct I/O spares a second copy in the page cache.
func withLoops(files []string, f func(loops []string) error) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: this kernel needs loop devices to mount erofs; load them with `modprobe loop`", err)
	}
	defer control.Close()
	var loops []string
	for _, file := range files {
		loop, err := attach(control, file)
		if err != nil {
			return fmt.Errorf("loop device for %s: %w", file, err)
		}
		defer loop.Close()
		loops = append(loops, loop.Name())
	}
	return f(loops)
}

// attach binds file to a free loop device. Another process may take the device
// that the kernel said was free, then the next one is tried.
func attach(control *os.File, file string) (*os.File, error) {
	data, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, os.NewSyscallError("LOOP_CTL_GET_FREE", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{
			Fd:   uint32(data.Fd()),
			Size: BlockSize,
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, os.NewSyscallError("LOOP_CONFIGURE", err)
		}
	}
	return nil, errors.New("every free loop device was taken by others")
}
