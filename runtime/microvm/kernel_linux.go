package microvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/layers/store"
)

// kernelPackage is Debian's package that depends on the current kernel for VMs.
const kernelPackage = "linux-image-cloud-amd64"

// lockPoll is how often a wait for another process looks again.
const lockPoll = 100 * time.Millisecond

// kernel is a kernel for utility VMs.
type kernel struct {
	release string
	image   string // path of the bzImage
	modules []module
}

// findKernel returns the newest usable kernel below root, the one that runs here
// first. The error says why the last one looked at is of no use.
func findKernel(root string) (*kernel, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil {
		return nil, err
	}
	running := runningRelease()
	slices.SortFunc(images, func(a, b string) int {
		ra, rb := release(a), release(b)
		if (ra == running) != (rb == running) {
			return map[bool]int{true: -1, false: 1}[ra == running]
		}
		return compareReleases(rb, ra)
	})
	why := errors.New("no kernel in /boot")
	for _, image := range images {
		k, err := openKernel(root, image)
		if err == nil {
			return k, nil
		}
		why = fmt.Errorf("kernel %s: %w", release(image), err)
	}
	return nil, why
}

func release(image string) string {
	return strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
}

func runningRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// openKernel checks that a kernel can serve: that it is new enough to mount erofs
// with several devices (5.16), that we may read it, and that it has the drivers.
func openKernel(root, image string) (*kernel, error) {
	k := &kernel{release: release(image), image: image}
	if compareReleases(k.release, "5.16") < 0 {
		return nil, errors.New("it is older than 5.16")
	}
	f, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	f.Close()
	var tree *moduleTree
	for _, lib := range []string{"lib/modules", "usr/lib/modules"} {
		if tree, err = openModules(filepath.Join(root, lib, k.release)); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if k.modules, err = tree.load(neededModules()); err != nil {
		return nil, err
	}
	return k, nil
}

// compareReleases orders kernel releases by their numbers, so that 6.12 comes
// after 6.9; the rest decides between equal numbers.
func compareReleases(a, b string) int {
	na, nb := numbers(a), numbers(b)
	if c := slices.Compare(na, nb); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func numbers(release string) []int {
	var list []int
	for _, s := range strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(s)
		if err != nil {
			break
		}
		list = append(list, n)
	}
	return list
}

// getKernel returns the host's own kernel or, if that cannot serve, Debian's
// kernel for VMs, which is fetched when there is none yet. Nothing is installed.
func getKernel(ctx context.Context, st *store.Store, tell func(string)) (*kernel, error) {
	k, why := findKernel("/")
	if why == nil {
		return k, nil
	}
	dir := st.Derived("kernel", "root")
	if k, err := findKernel(dir); err == nil {
		return k, nil
	}
	lock := flock.New(st.Derived("kernel", "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another process that fetches a kernel: %w", err)
	}
	defer lock.Close()
	if k, err := findKernel(dir); err == nil { // by another process, meanwhile
		return k, nil
	}
	tell("fetching a kernel for utility VMs with apt: " + kernelPackage)
	if err := fetchKernel(ctx, dir); err != nil {
		return nil, fmt.Errorf("no kernel for the utility VM: %w; and Debian's could not be had: %w; "+
			"run `apt-get update` as root, or install a kernel from 5.16 on with its modules and make /boot/vmlinuz-* readable", why, err)
	}
	return findKernel(dir)
}

// haveKernel tells which kernel getKernel would use without fetching one.
func haveKernel(st *store.Store) (*kernel, error) {
	k, why := findKernel("/")
	if why == nil {
		return k, nil
	}
	if k, err := findKernel(st.Derived("kernel", "root")); err == nil {
		return k, nil
	}
	return nil, why
}

// fetchKernel unpacks Debian's current kernel for VMs into dir. No step needs
// root: apt-get only downloads, dpkg-deb only unpacks.
func fetchKernel(ctx context.Context, dir string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "tmp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	depends, err := output(ctx, tmp, "apt-cache", "depends", kernelPackage)
	if err != nil {
		return err
	}
	name, err := dependency(depends)
	if err != nil {
		return err
	}
	if _, err := output(ctx, tmp, "apt-get", "download", name); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download %s left %d packages", name, len(debs))
	}
	root := filepath.Join(tmp, "root")
	if _, err := output(ctx, tmp, "dpkg-deb", "-x", debs[0], root); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(root, dir)
}

// dependency reads the name of the kernel's own package from what apt-cache says
// of kernelPackage.
func dependency(depends string) (string, error) {
	for line := range strings.Lines(depends) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: ")
		if ok && strings.HasPrefix(name, "linux-image-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("apt knows no package %s", kernelPackage)
}

// output runs one of the host's package tools.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, lines[len(lines)-1])
	}
	return string(out), nil
}
