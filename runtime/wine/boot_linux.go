package wine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime/guest"
)

// bootTime bounds Wine's first start, which takes ten seconds on a fast machine.
const bootTime = 4 * time.Minute

// boot makes a prefix: it starts Wine with the tree at dir as its root, in
// namespaces of its own, so that nothing of the host gets into the prefix (its
// fonts, printers, devices, names). Wine then is told to be Windows 10, which the
// programs of container images expect.
func boot(ctx context.Context, dir, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	root := &guest.Root{Dir: dir, Prefix: prefix}
	for _, step := range []*guest.Config{
		{Program: "wineboot.exe", Args: []string{"--init"}, Root: root},
		{Program: "winecfg.exe", Args: []string{"/v", "win10"}, Root: root},
	} {
		if err := bootStep(ctx, step); err != nil {
			return fmt.Errorf("first start of wine, %s: %w", step.Program, err)
		}
	}
	return nil
}

// bootStep runs one program in a root of its own.
func bootStep(ctx context.Context, config *guest.Config) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{guest.Name}
	cmd.Env = []string{}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = ownNamespaces()

	conn, err := guest.Start(cmd, config)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("this host lets only root make namespaces (run `run setup` once as root with the same store): %w", err)
	}
	if err != nil {
		return err
	}
	exit, err := conn.Wait(ctx)
	err = errors.Join(err, conn.Close(), waited(cmd.Wait()))
	switch {
	case err != nil:
		return fmt.Errorf("%w%s", err, tail(output.Bytes()))
	case exit.Code != 0:
		return fmt.Errorf("exit code %d%s", exit.Code, tail(output.Bytes()))
	case exit.Note != "":
		return errors.New(exit.Note)
	}
	return nil
}

// ownNamespaces separates a process from the host. Who is not root gets a user
// namespace too, in which it is.
func ownNamespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// waited forgives a stream that a straggler holds open: the guest has reported.
func waited(err error) error {
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}

// tail gives the end of what the guest printed, for an error message.
func tail(b []byte) string {
	b = bytes.TrimSpace(b)
	if len(b) > 500 {
		b = b[len(b)-500:]
	}
	if len(b) == 0 {
		return ""
	}
	return ": " + string(b)
}
