package wine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

// The folders of a container's own folder (Spec.Dir).
const (
	// PrefixDir is the container's Wine prefix; guest.PrefixDir inside.
	PrefixDir = "wine"
	// UpperDir is the upper directory of the overlay that is drive C:.
	UpperDir = "upper"
	// WorkDir is that overlay's work directory.
	WorkDir = "work"

	composedFile = "wine-base" // holds the ID of the Base that the registry was composed from
)

// Prepare readies spec.Dir for a start.
// The registry is composed from the Wine base's and the image's at the first
// start only. A program that is not there gives a [*runtime.NotFoundError], one
// that cannot run an error matching [runtime.ErrCannotInvoke].
func (b *Base) Prepare(ctx context.Context, spec *runtime.Spec) (*Prepared, error) {
	cwd, err := nt.Rel("", spec.Cwd)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	prefix := filepath.Join(spec.Dir, PrefixDir)
	if err := b.makePrefix(prefix, spec); err != nil {
		return nil, fmt.Errorf("prepare the container's registry: %w", err)
	}
	for _, dir := range []string{UpperDir, WorkDir} {
		if err := os.MkdirAll(filepath.Join(spec.Dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	machine, err := machineVariables(prefix)
	if err != nil {
		return nil, err
	}
	user, err := readRegistry(filepath.Join(prefix, userFile))
	if err != nil {
		return nil, fmt.Errorf("read the user's registry: %w", err)
	}
	env := newEnvironment(machine, userEnvironment(user), spec)
	path, _ := env.all.Get("PATH")
	p, err := b.findProgram(spec, cwd, path)
	if err != nil {
		return nil, err
	}
	if err := env.save(prefix, user); err != nil {
		return nil, fmt.Errorf("write the container's environment: %w", err)
	}
	config := &guest.Config{
		Program: p.path,
		Args:    p.args,
		Env:     env.wine(),
		Cwd:     cwd,
		User:    userName(spec),
		TTY:     spec.TTY,
	}
	return &Prepared{Config: config, base: b, spec: spec, cwd: cwd, env: env}, ctx.Err()
}

// makePrefix makes the container's prefix at its first start. HKLM is written
// last: a prefix that has it is complete.
func (b *Base) makePrefix(prefix string, spec *runtime.Spec) error {
	_, err := os.Stat(filepath.Join(prefix, systemFile))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, dir := range []string{"dosdevices", "drive_c"} {
		if err := os.MkdirAll(filepath.Join(prefix, dir), 0o755); err != nil {
			return err
		}
	}
	err = os.Symlink(guest.CDir, filepath.Join(prefix, "dosdevices", "c:"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	user, err := b.user(spec)
	if err != nil {
		return err
	}
	other, err := readRegistry(filepath.Join(b.dir, userDefaultFile))
	if err != nil {
		return err
	}
	if err := errors.Join(writeRegistry(filepath.Join(prefix, userFile), user), writeRegistry(filepath.Join(prefix, userDefaultFile), other)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(spec.Dir, composedFile), []byte(b.ID), 0o644); err != nil {
		return err
	}
	file, err := b.machine(spec)
	if err != nil {
		return err
	}
	return writeRegistry(filepath.Join(prefix, systemFile), file)
}

// user composes the HKCU that a container begins with: Wine's, and what the image has for its user.
func (b *Base) user(spec *runtime.Spec) (*winereg.File, error) {
	file, err := readRegistry(filepath.Join(b.dir, userFile))
	if err != nil {
		return nil, err
	}
	sid, ok := nt.AccountSID(userName(spec))
	if !ok {
		return file, nil
	}
	h, err := spec.View.UserHive(hives.UserHive{SID: sid})
	if err != nil {
		return file, nil // there is none, or one that Windows could not load either: it logs on without
	}
	root, err := h.Hive.Root()
	if err != nil {
		return file, nil
	}
	c := newComposer(file)
	for k, err := range root.Subkeys() {
		if err != nil {
			return nil, fmt.Errorf("hive of user %s: %w", sid, err)
		}
		if nt.EqualFold(k.Name(), volatileKey) {
			continue
		}
		if err := c.tree(k, k.Name()); err != nil {
			return nil, fmt.Errorf("hive of user %s: %w", sid, err)
		}
	}
	return file, nil
}

// machine composes the HKLM that a container begins with.
func (b *Base) machine(spec *runtime.Spec) (*winereg.File, error) {
	file, err := readRegistry(filepath.Join(b.dir, systemFile))
	if err != nil {
		return nil, err
	}
	if err := compose(file, spec.View); err != nil {
		return nil, err
	}
	c := newComposer(file)
	name := hives.StringValue("ComputerName", computerName(spec))
	for _, key := range []string{"ComputerName", "ActiveComputerName"} {
		c.set(currentControl+`\Control\ComputerName\`+key, name)
	}
	for _, value := range []string{"Hostname", "NV Hostname"} {
		c.set(currentControl+`\Services\Tcpip\Parameters`, hives.StringValue(value, HostName(spec)))
	}
	return file, nil
}
