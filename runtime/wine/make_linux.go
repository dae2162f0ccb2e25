package wine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/disk"
)

// lockPoll is how often a waiting process looks whether the other one is done.
const lockPoll = 100 * time.Millisecond

// makeBase makes a base in a folder beside dir and renames it to dir when it is
// complete and on disk.
func makeBase(ctx context.Context, dir string, progress func(string)) (err error) {
	sweep(filepath.Dir(dir))
	tmp, err := os.MkdirTemp(filepath.Dir(dir), tmpPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0o755); err != nil { // the boot enters it as another user
		return err
	}
	out, tree, prefix := filepath.Join(tmp, "out"), filepath.Join(tmp, "tree"), filepath.Join(tmp, "prefix")
	for _, d := range []string{out, tree, prefix} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	progress("Wine base: copying the host's Wine")
	if err := makeTree(ctx, tree); err != nil {
		return err
	}
	progress("Wine base: starting Wine for the first time (10 to 60 seconds)")
	if err := boot(ctx, tree, prefix); err != nil {
		return err
	}
	progress("Wine base: packing it")
	if err := writeBase(ctx, out, tree, prefix); err != nil {
		return err
	}
	return os.Rename(out, dir)
}

// tmpPrefix starts the names of unfinished bases.
const tmpPrefix = "tmp-"

// sweep removes what a killed process has left. The caller holds the lock.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, tmpPrefix+"*"))
	for _, d := range left {
		_ = os.RemoveAll(d)
	}
}

// writeBase writes the base's files from a runtime tree and a booted prefix.
func writeBase(ctx context.Context, out, tree, prefix string) error {
	version, err := hostVersion(ctx)
	if err != nil {
		return err
	}
	data, err := os.Create(filepath.Join(out, dataFile))
	if err != nil {
		return err
	}
	defer data.Close()
	entries, err := collect(filepath.Join(prefix, "drive_c"), tree, data)
	if err != nil {
		return err
	}
	if err := data.Sync(); err != nil {
		return err
	}
	for _, name := range RegistryFiles() {
		if err := packRegistry(filepath.Join(out, name), filepath.Join(prefix, name)); err != nil {
			return fmt.Errorf("registry file %s: %w", name, err)
		}
	}
	// Only the boot needed this, and Wine updates a prefix when it finds a newer one.
	if err := os.Remove(filepath.Join(tree, infFile)); err != nil {
		return err
	}
	if err := disk.BuildTree(filepath.Join(out, runtimeFile), tree); err != nil {
		return err
	}
	b, err := json.Marshal(description{Version: version, Entries: entries})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, entriesFile), b, 0o644)
}

// packRegistry copies a registry file without what belongs to the boot alone.
func packRegistry(to, from string) error {
	file, err := readRegistry(from)
	if err != nil {
		return err
	}
	epoch := nt.FiletimeOf(time.Unix(315532800, 0))
	kept := file.Keys[:0]
	for _, k := range file.Keys {
		if under(k.Path, volatileKey) {
			continue
		}
		k.Modified = epoch
		kept = append(kept, k)
	}
	file.Keys = kept
	return writeRegistry(to, file)
}
