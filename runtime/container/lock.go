package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// How long a lock is waited for that is held for a moment only, and how often it
// is asked for.
const (
	lockPatience = 10 * time.Second
	lockPoll     = 10 * time.Millisecond
)

// The lock lies beside the container's folder, not in it: Windows does not rename
// a folder with an open file inside. IDs are never used twice, so whoever still
// waits for the lock of a removed container finds no folder, never another one.
func (c *Container) lockPath() string { return filepath.Join(c.root, ".locks", c.id) }

// locked tells whether somebody holds the container.
func (c *Container) locked() (bool, error) {
	l := flock.New(c.lockPath())
	free, err := l.TryRLock()
	if err != nil {
		return false, fmt.Errorf("look at lock of container %s: %w", Short(c.id), err)
	}
	return !free, l.Close()
}

// lock takes the container. It gives up with ErrRunning when the container runs.
func (c *Container) lock(ctx context.Context) (*flock.Flock, error) {
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	if st.Status.Alive() {
		return nil, fmt.Errorf("%w: stop %s first", ErrRunning, Short(c.id))
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	l := flock.New(c.lockPath())
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = ErrRunning
		}
		return nil, fmt.Errorf("lock container %s: %w", Short(c.id), err)
	}
	return l, nil
}

// Wait waits until nobody holds the container any more, and returns its state. A
// container that was never started has none to wait for.
func (c *Container) Wait(ctx context.Context) (State, error) {
	l := flock.New(c.lockPath())
	if _, err := l.TryRLockContext(ctx, lockPoll); err != nil {
		return State{}, fmt.Errorf("wait for container %s: %w", Short(c.id), err)
	}
	if err := l.Close(); err != nil {
		return State{}, err
	}
	return c.State()
}

// Update changes the configuration of a container that does not run.
func (c *Container) Update(ctx context.Context, change func(*Config)) error {
	l, err := c.lock(ctx)
	if err != nil {
		return err
	}
	cfg, err := c.Config()
	if err == nil {
		change(&cfg)
		err = writeJSON(c.file("config.json"), cfg)
	}
	return errors.Join(err, l.Close())
}

// Hold calls do for a container that does not run and that nobody else changes or
// starts meanwhile.
func (c *Container) Hold(ctx context.Context, do func(Config, State) error) error {
	l, err := c.lock(ctx)
	if err != nil {
		return err
	}
	cfg, err := c.Config()
	if err == nil {
		var st State
		if st, err = c.State(); err == nil {
			err = do(cfg, st)
		}
	}
	return errors.Join(err, l.Close())
}

// Remove deletes a container that does not run. Before the folder goes, each of
// removers takes its part of it apart.
func (c *Container) Remove(ctx context.Context, removers ...Remover) error {
	l, err := c.lock(ctx)
	if err != nil {
		return err
	}
	err = c.remove(ctx, removers)
	return errors.Join(err, l.Close(), ignoreMissing(os.Remove(c.lockPath())))
}

// remove deletes the folder; the caller holds the lock. The folder is renamed
// first, so that a kill leaves either the whole container or rubbish that the
// next Create sweeps.
func (c *Container) remove(ctx context.Context, removers []Remover) error {
	for _, r := range removers {
		if err := r.Remove(ctx, c.WorkDir()); err != nil {
			return fmt.Errorf("remove container %s: %w", Short(c.id), err)
		}
	}
	rubbish := filepath.Join(c.root, rubbishPrefix+c.id)
	if err := os.Rename(c.Dir(), rubbish); err != nil {
		return fmt.Errorf("remove container %s: %w", Short(c.id), err)
	}
	if err := os.RemoveAll(rubbish); err != nil {
		return fmt.Errorf("remove container %s: %w", Short(c.id), err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
