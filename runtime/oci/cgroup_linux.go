package oci

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mullion/mullion/runtime"
)

// cpuPeriod is the time, in microseconds, in which a container may use its share
// of the processors.
const cpuPeriod = 100_000

// resources are limits as the OCI runtime takes them.
func resources(l runtime.Limits) *specs.LinuxResources {
	r := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
	if l.Memory > 0 {
		r.Memory = &specs.LinuxMemory{Limit: &l.Memory}
	}
	if l.NanoCPUs > 0 {
		period, quota := uint64(cpuPeriod), cpuQuota(l.NanoCPUs)
		r.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota}
	}
	if l.Pids > 0 {
		r.Pids = &specs.LinuxPids{Limit: &l.Pids}
	}
	return r
}

// cpuQuota is never below what the kernel takes, a millisecond.
func cpuQuota(nano int64) int64 { return max(1000, nano/(1_000_000_000/cpuPeriod)) }

// update changes the limits of a running container.
func (t *tool) update(id string, l runtime.Limits) error {
	args := []string{"--root", stateDir, "update"}
	if l.Memory > 0 {
		args = append(args, "--memory", strconv.FormatInt(l.Memory, 10))
	}
	if l.NanoCPUs > 0 {
		args = append(args, "--cpu-period", strconv.Itoa(cpuPeriod), "--cpu-quota", strconv.FormatInt(cpuQuota(l.NanoCPUs), 10))
	}
	if l.Pids > 0 {
		args = append(args, "--pids-limit", strconv.FormatInt(l.Pids, 10))
	}
	return t.command("change the container's limits", append(args, id)...)
}

// group reads the files of a container's control groups, wherever this host has
// them: one tree of the second version, or one for each controller of the first.
type group string // the container's ID

const cgroupRoot = "/sys/fs/cgroup"

// text returns the content of the file name of a controller (version one) or two
// (version two), "" if there is none.
func (g group) text(controller, one, two string) string {
	for _, name := range []string{
		filepath.Join(cgroupRoot, controller, cgroupPrefix+string(g), one),
		filepath.Join(cgroupRoot, cgroupPrefix+string(g), two),
	} {
		if b, err := os.ReadFile(name); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// keyed returns the number after the word key in a text of lines of two words.
func keyed(text, key string) uint64 {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == key {
			return number(words[1])
		}
	}
	return 0
}

// number is that of a text; 0 for "max" and for what is none.
func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// outOfMemory tells whether the kernel has ended a process of the group because the
// memory was used up.
func (g group) outOfMemory() bool {
	return keyed(g.text("memory", "memory.oom_control", "memory.events"), "oom_kill") > 0
}

// noLimit is above what the first version writes for none, a number near 2^63.
const noLimit = 1 << 62

func (g group) stats() runtime.Stats {
	s := runtime.Stats{
		CPU:         number(g.text("cpuacct", "cpuacct.usage", "")),
		Memory:      number(g.text("memory", "memory.usage_in_bytes", "memory.current")),
		MemoryLimit: number(g.text("memory", "memory.limit_in_bytes", "memory.max")),
		Pids:        number(g.text("pids", "pids.current", "pids.current")),
	}
	if s.CPU == 0 {
		s.CPU = 1000 * keyed(g.text("cpu", "", "cpu.stat"), "usage_usec")
	}
	if s.MemoryLimit >= noLimit {
		s.MemoryLimit = 0
	}
	return s
}
