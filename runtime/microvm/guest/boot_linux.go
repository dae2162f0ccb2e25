package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime/microvm/state"
	"github.com/mullion/mullion/runtime/wire"
)

// deviceWait is how long a device may take to appear after its driver is loaded.
const deviceWait = 10 * time.Second

// boot is the life of process 1. It returns only when something went wrong: why
// goes to the serial console, and to the host if that can be reached.
func boot() error {
	if err := firstMounts(); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	c := wire.NewConn(port)
	if err := c.SendJSON(KindHello, Hello{Version: Version}); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	err = serve(c)
	// The host ends the VM when it has read this; what is under way in the port
	// would not survive an end by ourselves.
	if serr := c.Send(KindFailed, []byte(err.Error())); serr == nil {
		time.Sleep(deviceWait)
	}
	return err
}

func firstMounts() error {
	for _, m := range []struct{ fs, dir string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := mount(m.fs, m.dir, m.fs, 0, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, dir, fs string, flags uintptr, data string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, dir, fs, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, dir, err)
	}
	return nil
}

// loadModules loads what the host has put into the initramfs, in its order.
func loadModules() error {
	list, err := os.ReadFile(ModulesFile)
	if err != nil {
		return err
	}
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSpace(name)
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
		_ = os.Remove(name) // the initramfs is memory
	}
	return nil
}

// waitFor calls find until it finds something. Devices appear a moment after their
// drivers, and this root has nobody who tells.
func waitFor(what string, find func() (string, error)) (string, error) {
	for end := time.Now().Add(deviceWait); ; time.Sleep(2 * time.Millisecond) {
		found, err := find()
		if found != "" || err != nil {
			return found, err
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("no %s in this VM", what)
		}
	}
}

func openPort() (*os.File, error) {
	name, err := waitFor("port "+Port, func() (string, error) {
		return findBy("/sys/class/virtio-ports/*/name", Port)
	})
	if err != nil {
		return nil, err
	}
	return os.OpenFile("/dev/"+name, os.O_RDWR, 0)
}

// findBy returns the device whose attribute, one of the files that pattern
// matches, is want; "" if there is none.
func findBy(pattern, want string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		got, err := os.ReadFile(file)
		if err == nil && string(bytes.TrimRight(got, "\n\x00")) == want {
			return filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// diskBySerial returns the path of the disk that the host gave the serial number.
func diskBySerial(serial string) (string, error) {
	name, err := waitFor("disk "+serial, func() (string, error) {
		return findBy("/sys/block/vd*/serial", serial)
	})
	return "/dev/" + name, err
}

// receive takes the Config and unpacks the state that follows.
func receive(c *wire.Conn) (*Config, error) {
	k, content, err := c.Receive()
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var config Config
	if k != KindConfig {
		return nil, fmt.Errorf("read the configuration: got a frame %q", k)
	}
	if err := json.Unmarshal(content, &config); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	now := unix.NsecToTimespec(config.Time.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		return nil, os.NewSyscallError("clock_settime", err)
	}
	// The host's own user owns the state; it is bounded by the VM's memory.
	if err := mount("scratch", scratchDir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=755,size=90%"); err != nil {
		return nil, err
	}
	limits := state.Limits{Bytes: 1 << 40, Entries: 1 << 30}
	return &config, state.Unpack(&Incoming{Conn: c}, scratchDir, limits)
}
