package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// config is the part of a container's configuration that the flags decide.
func (o *runOptions) config(env *cli.Env) (cfg container.Config, err error) {
	cfg = container.Config{
		Name: o.name, Cwd: o.cwd, User: o.user, Hostname: o.hostname, TTY: o.tty, ReadOnly: o.readOnly,
		Stdin: o.stdin, Remove: o.remove, Created: time.Now().UTC(),
	}
	if cfg.Isolation, err = runtime.ParseIsolation(o.isolation); err != nil {
		return cfg, cli.Usagef("%w", err)
	}
	if cfg.Limits, err = o.limits(); err != nil {
		return cfg, err
	}
	if cfg.Env, err = o.variables(env); err != nil {
		return cfg, err
	}
	if cfg.Restart, err = container.ParseRestart(o.restart); err != nil {
		return cfg, cli.Usagef("--restart: %w", err)
	}
	if o.remove && cfg.Restart != (container.Restart{}) {
		return cfg, cli.Usagef("--rm and --restart exclude each other")
	}
	cfg.Network, err = o.networkOf()
	return cfg, err
}

// limitOptions are the flags that run, create and update share.
type limitOptions struct {
	memory, cpus string
	pids         int64
}

func (o *limitOptions) limits() (l runtime.Limits, err error) {
	if l.Memory, err = parseSize(o.memory); err != nil {
		return l, cli.Usagef("--memory %s: %w", o.memory, err)
	}
	if l.NanoCPUs, err = parseCPUs(o.cpus); err != nil {
		return l, cli.Usagef("--cpus %s: %w", o.cpus, err)
	}
	l.Pids = max(0, o.pids) // docker's -1 is no limit
	return l, nil
}

// parseCPUs reads a number of processors, in decimals.
func parseCPUs(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0.01) || n > 1<<16 {
		return 0, fmt.Errorf("want a number of processors such as 0.5 or 2")
	}
	return int64(math.Round(n * 1e9)), nil
}

func (o *runOptions) networkOf() (n runtime.Network, err error) {
	if n.Mode, err = runtime.ParseNetwork(o.network); err != nil {
		return n, cli.Usagef("--network: %w", err)
	}
	for _, s := range o.publish {
		p, err := runtime.ParsePort(s)
		if err != nil {
			return n, cli.Usagef("--publish: %w", err)
		}
		n.Ports = append(n.Ports, p)
	}
	for _, s := range o.dns {
		if _, err := netip.ParseAddr(s); err != nil {
			return n, cli.Usagef("--dns %s: want an address", s)
		}
	}
	for _, s := range o.hosts {
		name, address, _ := strings.Cut(s, ":")
		if _, err := netip.ParseAddr(address); err != nil || name == "" || strings.ContainsAny(name, " \t\n") {
			return n, cli.Usagef("--add-host %s: want NAME:ADDRESS", s)
		}
	}
	n.DNS, n.Hosts = o.dns, o.hosts
	return n, nil
}

// variables gives names without a value that of our own environment, and leaves
// them out where that has none, as docker does. Flags win over files.
func (o *runOptions) variables(env *cli.Env) ([]string, error) {
	var all, vars []string
	for _, name := range o.envFiles {
		list, err := readEnvFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	for _, kv := range append(all, o.env...) {
		name, _, hasValue := strings.Cut(kv, "=")
		if name == "" {
			return nil, cli.Usagef("--env %q: want NAME=VALUE", kv)
		}
		if !hasValue {
			value, ok := env.Lookup(name)
			if !ok {
				continue
			}
			kv = name + "=" + value
		}
		vars = append(vars, kv)
	}
	return vars, nil
}

// readEnvFile reads NAME=VALUE lines; empty ones and those that begin with # are
// passed over.
func readEnvFile(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimLeft(lines.Text(), " \t"); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--env-file %s: %w", name, err)
	}
	return list, nil
}

// fill adds what the image decides.
func fill(cfg *container.Config, img *image.Image, entrypoint, args []string) (err error) {
	cfg.Digest = img.Desc.Digest
	if cfg.CommandLine, err = img.Config.CommandLine(entrypoint, args); err != nil {
		return err
	}
	cfg.Env = img.Config.Environ(cfg.Env...).List()
	cfg.Health = img.Config.Healthcheck
	if cfg.User == "" {
		cfg.User = img.Config.Config.User
	}
	if cfg.Cwd == "" {
		cfg.Cwd = img.Config.Config.WorkingDir
	}
	// BuildKit writes \app or /app; the container has one spelling.
	cpath, err := nt.Rel(`C:\`, orRoot(cfg.Cwd))
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	cfg.Cwd = nt.Win(cpath)
	return nil
}

// mounts makes the mounts that flags and image ask for, and the volumes they name.
func (o *runOptions) mounts(ctx context.Context, set *container.Set, cfg *container.Config, img *image.Image) error {
	taken := map[string]bool{}
	add := func(m runtime.Mount) error {
		cpath, err := nt.Rel(`C:\`, m.Target)
		if err != nil || cpath == "" {
			return cli.Usagef("mount on %q: want a folder below C:\\", m.Target)
		}
		if m.Target = nt.Win(cpath); taken[nt.Fold(cpath)] {
			return cli.Usagef("two mounts on %s", m.Target)
		}
		taken[nt.Fold(cpath)] = true
		cfg.Mounts = append(cfg.Mounts, m)
		return nil
	}
	var asked []mountOption
	for _, s := range o.volumes {
		m, err := parseVolume(s)
		if err != nil {
			return err
		}
		asked = append(asked, m)
	}
	for _, s := range o.mount {
		m, err := parseMount(s)
		if err != nil {
			return err
		}
		asked = append(asked, m)
	}
	for _, m := range asked {
		if err := m.provide(ctx, set, cfg); err != nil {
			return err
		}
		if err := add(m.Mount); err != nil {
			return err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(img.Config.Config.Volumes)) {
		cpath, err := nt.Rel(`C:\`, target)
		if err != nil || taken[nt.Fold(cpath)] {
			continue // the flags have their own there, or it is no folder of C:
		}
		m := mountOption{Mount: runtime.Mount{Target: target, ByImage: true}}
		if err := m.provide(ctx, set, cfg); err != nil {
			return err
		}
		if err := add(m.Mount); err != nil {
			return err
		}
	}
	return nil
}

// mountOption is a mount as it was asked for: without a Source it is of the volume
// of that name, or of an anonymous one.
type mountOption struct{ runtime.Mount }

// provide makes the volume, or makes sure that the folder is there.
func (m *mountOption) provide(ctx context.Context, set *container.Set, cfg *container.Config) error {
	if m.Source != "" {
		info, err := os.Stat(m.Source)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder, and Windows mounts nothing else", m.Source)
		}
		if err != nil {
			return fmt.Errorf("mount on %s: %w", m.Target, err)
		}
		m.Source, err = filepath.Abs(m.Source)
		return err
	}
	v, err := set.CreateVolume(ctx, m.Volume, time.Now())
	if err != nil {
		return err
	}
	if v.Anonymous {
		cfg.Anonymous = append(cfg.Anonymous, v.Name)
	}
	m.Volume, m.Source = v.Name, v.Dir
	return nil
}

// parseVolume reads [SOURCE:]TARGET[:ro|rw], the value of -v. SOURCE is a folder
// of the host when it has a slash, else the name of a volume; TARGET has a drive.
func parseVolume(s string) (mountOption, error) {
	var m mountOption
	rest := s
	if r, ok := strings.CutSuffix(rest, ":ro"); ok {
		m.ReadOnly, rest = true, r
	} else {
		rest = strings.TrimSuffix(rest, ":rw")
	}
	// The last colon but one is that of TARGET's drive.
	colon := strings.LastIndexByte(rest, ':')
	if colon < 1 || colon+1 >= len(rest) || !strings.ContainsRune(`\/`, rune(rest[colon+1])) {
		return m, cli.Usagef(`-v %q: want [SOURCE:]C:\FOLDER[:ro]`, s)
	}
	m.Target = rest[colon-1:]
	source := strings.TrimSuffix(rest[:colon-1], ":")
	if source != "" && rest[colon-2] != ':' {
		return m, cli.Usagef(`-v %q: want [SOURCE:]C:\FOLDER[:ro]`, s)
	}
	if strings.ContainsAny(source, `\/`) || strings.HasPrefix(source, ".") {
		m.Source = source
	} else {
		m.Volume = source
	}
	return m, nil
}

// parseMount reads type=bind|volume,source=..,target=..[,readonly], the value of
// --mount.
func parseMount(s string) (mountOption, error) {
	var m mountOption
	kind, source := "volume", ""
	for field := range strings.SplitSeq(s, ",") {
		key, value, has := strings.Cut(field, "=")
		switch {
		case key == "type":
			kind = value
		case key == "source" || key == "src":
			source = value
		case key == "target" || key == "dst" || key == "destination":
			m.Target = value
		case (key == "readonly" || key == "ro") && (!has || value == "true" || value == "1"):
			m.ReadOnly = true
		case (key == "readonly" || key == "ro") && (value == "false" || value == "0"):
		default:
			return m, cli.Usagef("--mount %q: unknown field %q", s, field)
		}
	}
	switch {
	case m.Target == "":
		return m, cli.Usagef("--mount %q: no target", s)
	case kind == "bind" && source != "":
		m.Source = source
	case kind == "volume":
		m.Volume = source
	default:
		return m, cli.Usagef("--mount %q: want type=volume, or type=bind with a source", s)
	}
	return m, nil
}

func commandLine(args []string) string { return nt.CommandLine(args) }

func orRoot(dir string) string {
	if dir == "" {
		return `C:\`
	}
	return dir
}

// parseSize reads a number of bytes with docker's suffixes.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits, shift := strings.ToLower(s), 0
	for suffix, bits := range map[string]int{"k": 10, "m": 20, "g": 30} {
		if d, ok := strings.CutSuffix(strings.TrimSuffix(digits, "b"), suffix); ok {
			digits, shift = d, bits
			break
		}
	}
	digits = strings.TrimSuffix(digits, "b")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)>>shift {
		return 0, fmt.Errorf("want a number of bytes such as 512m or 2g")
	}
	return n << shift, nil
}
