package wine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
)

// Base is the Wine base.
type Base struct {
	// ID changes whenever the base's content may.
	ID string
	// Version is the host's Wine version, such as "8.0".
	Version string
	// Runtime is the erofs image that is the guest's root, read-only.
	Runtime string
	// Under is the prefix's drive C:, for disk.Build.
	Under *disk.Under

	dir string
}

// The files of a base's folder.
const (
	runtimeFile = "runtime.erofs"
	dataFile    = "prefix.data"
	entriesFile = "base.json"
)

// description is what entriesFile holds.
type description struct {
	Version string            `json:"version"`
	Entries []disk.UnderEntry `json:"entries"`
}

// Open returns the base made from the host's Wine, making it first when the
// store has none, which takes up to a minute and is told on progress (nil: not
// told) line by line. Processes that do so at the same time wait for one another.
func Open(ctx context.Context, st *store.Store, progress func(string)) (*Base, error) {
	id, err := hostID()
	if err != nil {
		return nil, err
	}
	dir := st.Derived("wine", id)
	if b, err := load(id, dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	lock := flock.New(filepath.Join(filepath.Dir(dir), "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another process that makes the wine base: %w", err)
	}
	defer lock.Unlock()
	if b, err := load(id, dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	if err := makeBase(ctx, dir, progress); err != nil {
		return nil, fmt.Errorf("make the wine base: %w", err)
	}
	return load(id, dir)
}

// load opens a base that is there as a whole: it appeared by a rename.
func load(id, dir string) (*Base, error) {
	b, err := os.ReadFile(filepath.Join(dir, entriesFile))
	if err != nil {
		return nil, err
	}
	var d description
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("wine base %s is damaged, delete that folder: %w", dir, err)
	}
	return &Base{
		ID: id, Version: d.Version, dir: dir,
		Runtime: filepath.Join(dir, runtimeFile),
		Under:   &disk.Under{ID: "wine-" + id, Data: filepath.Join(dir, dataFile), Entries: d.Entries},
	}, nil
}
