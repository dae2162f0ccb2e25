package oci

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/wine"
)

const (
	idFile  = "id"
	logFile = "log.json"
	// cgroupPrefix starts the name of each container's cgroup. They have no parent of
	// their own: taking an empty one away would race with the next container's start.
	cgroupPrefix = "/mullion-"
)

// writeBundle writes the OCI bundle of a container in a network namespace, "" for
// the host's.
func writeBundle(spec *runtime.Spec, network string) error {
	bundle := filepath.Join(spec.Dir, bundleDir)
	for _, point := range []string{rootPoint, lowerPoint, drivePoint} {
		if err := os.MkdirAll(filepath.Join(bundle, point), 0o755); err != nil {
			return err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(ociSpec(spec, exe, network), "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"config.json": b, idFile: []byte(spec.ID), logFile: nil} {
		if err := os.WriteFile(filepath.Join(bundle, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ociSpec is the configuration by the OCI runtime specification, version 1.0.2.
func ociSpec(spec *runtime.Spec, exe, network string) *specs.Spec {
	s := &specs.Spec{
		Version:  "1.0.2",
		Hostname: wine.HostName(spec),
		Root:     &specs.Root{Path: rootPoint, Readonly: true},
		Process: &specs.Process{
			Args:            []string{guest.Name},
			Env:             []string{"PATH=" + filepath.Dir(guest.ExePath)},
			Cwd:             "/",
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{},
		},
		Mounts: mounts(spec, exe),
		Linux: &specs.Linux{
			CgroupsPath: cgroupPrefix + spec.ID,
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace},
			},
			Resources: resources(spec.Limits),
			Seccomp:   seccomp(),
			MaskedPaths: []string{
				"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
				"/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if network != "" {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: network})
		// Windows has no ports that only an administrator may listen on.
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
	}
	return s
}

func mounts(spec *runtime.Spec, exe string) []specs.Mount {
	access := "rw"
	if spec.ReadOnly {
		access = "ro"
	}
	tmpfs := func(at string, options ...string) specs.Mount {
		return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: append([]string{"nosuid"}, options...)}
	}
	bind := func(at, source string, options ...string) specs.Mount {
		return specs.Mount{Destination: at, Type: "bind", Source: source, Options: append([]string{"bind", "nosuid", "nodev"}, options...)}
	}
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
		tmpfs("/dev", "strictatime", "mode=755", "size=65536k"),
		tmpfs("/tmp", "nodev", "mode=1777"),
		tmpfs("/run", "nodev", "noexec", "mode=755", "size=1024k"),
		// With what is mounted on it.
		bind(guest.CDir, filepath.Join(spec.Dir, bundleDir, drivePoint), "rbind", access),
		bind(guest.PrefixDir, filepath.Join(spec.Dir, wine.PrefixDir), "rw", "noexec"),
		bind(guest.ExePath, exe, "ro"),
	}
}

// seccomp denies the calls that no Windows program makes through Wine and that
// have let processes out of containers. All others stay allowed: Wine needs
// unusual ones, and the container has no capabilities.
func seccomp() *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{{
			Action: specs.ActErrno,
			Names: []string{
				"acct", "add_key", "bpf", "delete_module", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
				"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "kexec_file_load", "kexec_load",
				"keyctl", "mount", "mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
				"perf_event_open", "pivot_root", "quotactl", "reboot", "request_key", "setns", "swapoff", "swapon",
				"umount2", "unshare", "userfaultfd",
			},
		}},
	}
}
