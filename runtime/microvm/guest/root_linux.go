package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime/guest"
)

// Where things are in the VM's own root.
const (
	scratchDir = "/scratch" // the container's state and the overlay's work folder, in memory
	diskDir    = "/disk"    // the image's files
	rootDir    = "/root"    // the root of the program
	cgroupDir  = "/sys/fs/cgroup"
)

// The folders of the state, as package runtime/wine names them.
const (
	prefixState = "wine"
	upperState  = "upper"
)

// StateFolders are the folders that travel between host and VM.
func StateFolders() []string { return []string{prefixState, upperState} }

// compose puts the root of the program together.
func compose(config *Config) error {
	root, err := diskBySerial(config.Root)
	if err != nil {
		return err
	}
	if err := mount(root, rootDir, "erofs", unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := mountC(config.Disk); err != nil {
		return err
	}
	if err := bind(filepath.Join(scratchDir, prefixState), rootDir+guest.PrefixDir); err != nil {
		return err
	}
	if err := bind(InitName, rootDir+guest.ExePath); err != nil {
		return err
	}
	for _, dir := range []string{"/tmp", "/run"} {
		if err := unix.Mount("tmpfs", rootDir+dir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=1777"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return devices(rootDir + "/dev")
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	return nil
}

// mountC mounts the image's disks and, over them, drive C:. The options have to
// fit in a page: that is enough for the disks a VM can have.
func mountC(serials []string) error {
	var disks []string
	for _, serial := range serials {
		disk, err := diskBySerial(serial)
		if err != nil {
			return err
		}
		disks = append(disks, disk)
	}
	if len(disks) == 0 {
		return fmt.Errorf("the configuration names no disks")
	}
	var devices []string
	for _, disk := range disks[1:] {
		devices = append(devices, "device="+disk)
	}
	if err := mount(disks[0], diskDir, "erofs", unix.MS_RDONLY, strings.Join(devices, ",")); err != nil {
		return err
	}
	upper, work := filepath.Join(scratchDir, upperState), filepath.Join(scratchDir, "work")
	for _, dir := range []string{upper, work, filepath.Join(scratchDir, prefixState)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// Without redirect_dir a folder of the image could not be renamed.
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=on,index=off,metacopy=off", diskDir, upper, work)
	if err := unix.Mount("c", rootDir+guest.CDir, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount drive C: %w", err)
	}
	return nil
}

// devices makes a /dev with nothing in it of the VM's disks or of the port to the host.
func devices(dir string) error {
	if err := unix.Mount("dev", dir, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		name := filepath.Join(dir, d.name)
		if err := unix.Mknod(name, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return &os.PathError{Op: "mknod", Path: name, Err: err}
		}
		if err := os.Chmod(name, 0o666); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := mount("shm", filepath.Join(dir, "shm"), "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=1777"); err != nil {
		return err
	}
	return mount("devpts", filepath.Join(dir, "pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
}

// identity gives the VM its name and a loopback network.
func identity(config *Config) error {
	if config.Hostname != "" {
		if err := unix.Sethostname([]byte(config.Hostname)); err != nil {
			return os.NewSyscallError("sethostname", err)
		}
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("bring up lo", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
}

// limitMemory puts this process, and so all it starts, into a group with that
// much memory. The kernel never kills process 1 to free memory.
func limitMemory(bytes int64) error {
	if bytes == 0 {
		return nil
	}
	if err := mount("cgroup2", cgroupDir, "cgroup2", 0, ""); err != nil {
		return err
	}
	group := filepath.Join(cgroupDir, "container")
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{
		{cgroupDir + "/cgroup.subtree_control", "+memory"},
		{group + "/memory.max", strconv.FormatInt(bytes, 10)},
		{group + "/cgroup.procs", "1"},
	} {
		if err := os.WriteFile(f.name, []byte(f.value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// enterName is argv[0] of the process that becomes the guest: process 1 of new
// PID and mount namespaces, still in the VM's root.
const enterName = "mullion-vm-enter"

// enter goes into the program's root and becomes the guest.
func enter() error {
	if err := unix.Mount("proc", rootDir+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Chroot(rootDir); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return os.NewSyscallError("execve", unix.Exec(guest.ExePath, []string{guest.Name}, os.Environ()))
}
