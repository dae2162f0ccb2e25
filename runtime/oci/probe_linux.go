package oci

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wine"
)

// Probe implements [runtime.Runtime].
func (r *Runtime) Probe(ctx context.Context) error {
	for _, q := range r.Requirements(ctx) {
		if !q.Found {
			return fmt.Errorf("%s; %s", q.Detail, q.Fix)
		}
	}
	return nil
}

// Requirements implements [runtime.Runtime].
func (r *Runtime) Requirements(ctx context.Context) []runtime.Requirement {
	return []runtime.Requirement{root(), wine.Requirement(ctx), ociTool(), fileSystems()}
}

func root() runtime.Requirement {
	q := runtime.Requirement{Name: "root", Found: os.Geteuid() == 0, Detail: "running as root"}
	if !q.Found {
		q.Detail, q.Fix = "process isolation needs root", "run it with sudo, or use --isolation=hyperv"
	}
	return q
}

func ociTool() runtime.Requirement {
	t, err := findTool()
	if err != nil {
		return runtime.Requirement{Name: "runc", Detail: "neither runc nor crun is installed", Fix: howToInstall}
	}
	return runtime.Requirement{Name: "runc", Found: true, Detail: t.path}
}

// fileSystems tries what Start does: a mount namespace with the two file systems
// in it.
func fileSystems() runtime.Requirement {
	const name = "erofs and overlay"
	if os.Geteuid() != 0 {
		return runtime.Requirement{Name: name, Detail: "only root can find out whether the kernel mounts erofs and overlay", Fix: "run it with sudo"}
	}
	err := onPrivateThread(func() error {
		for _, fs := range []string{"erofs", "overlay"} {
			fd, err := unix.Fsopen(fs, unix.FSOPEN_CLOEXEC)
			if err != nil {
				return fmt.Errorf("%s: %w", fs, err)
			}
			unix.Close(fd)
		}
		return nil
	})
	switch {
	case errors.Is(err, unix.ENODEV):
		return runtime.Requirement{
			Name: name, Detail: fmt.Sprintf("this kernel lacks a file system (%v)", err),
			Fix: "load it with: modprobe -a erofs overlay",
		}
	case err != nil:
		return runtime.Requirement{
			Name: name, Detail: fmt.Sprintf("this host lets even root not mount (%v)", err),
			Fix: "outside of containers, or in a privileged one, it works",
		}
	}
	return runtime.Requirement{Name: name, Found: true, Detail: "the kernel has both"}
}
