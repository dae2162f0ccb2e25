package container

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/mullion/mullion/runtime"
)

// Remover is a Runtime that must take its part of a container apart.
type Remover = runtime.Remover

// Folders that are not containers: being made, and being removed.
const (
	newPrefix     = ".new-"
	rubbishPrefix = ".rm-"
)

var (
	idPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)
)

// NotFoundError reports a container that does not exist. It matches
// fs.ErrNotExist.
type NotFoundError struct {
	// Name is the name, ID or beginning of an ID that was asked for.
	Name string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no container %q (run ps -a lists them)", e.Name)
}

// Is makes the error match fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// Set is the folder of all containers of a store.
type Set struct{ dir string }

// Open opens, and makes where it is not there yet, the folder of containers dir.
func Open(dir string) (*Set, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open containers: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".locks"), 0o700); err != nil {
		return nil, fmt.Errorf("open containers: %w", err)
	}
	return &Set{dir: dir}, nil
}

// Create makes a container of cfg, whose ID is chosen here; without a Name it
// gets one made of the image's and the ID.
func (s *Set) Create(ctx context.Context, cfg Config) (*Container, error) {
	cfg.ID = newID()
	if cfg.Name == "" {
		cfg.Name = defaultName(cfg.Image, cfg.ID)
	}
	if !namePattern.MatchString(cfg.Name) {
		return nil, nameError(cfg.Name)
	}
	l, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.create(cfg)
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	return c, nil
}

// lock makes names unique: who makes a container holds it.
func (s *Set) lock(ctx context.Context) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	l := flock.New(filepath.Join(s.dir, ".lock"))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("lock containers in %s: %w", s.dir, err)
	}
	return l, nil
}

func (s *Set) create(cfg Config) (*Container, error) {
	if err := s.sweep(); err != nil {
		return nil, err
	}
	if err := s.free(cfg.Name); err != nil {
		return nil, err
	}
	tmp := filepath.Join(s.dir, newPrefix+cfg.ID)
	if err := s.fill(tmp, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("create container %s: %w", cfg.Name, err), os.RemoveAll(tmp))
	}
	return &Container{id: cfg.ID, root: s.dir}, nil
}

func nameError(name string) error {
	return fmt.Errorf("container name %q: want letters, digits, _ . - (at most 128, the first a letter or digit)", name)
}

// free tells whether no container has the name; the caller holds the lock.
func (s *Set) free(name string) error {
	all, err := s.All()
	if err != nil {
		return err
	}
	for _, other := range all {
		if have, err := other.Config(); err == nil && have.Name == name {
			return fmt.Errorf("container name %q is in use by %s: choose another or remove that one", name, Short(have.ID))
		}
	}
	return nil
}

func (s *Set) fill(tmp string, cfg Config) error {
	if err := os.MkdirAll(filepath.Join(tmp, "work"), 0o700); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(tmp, "config.json"), cfg); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(tmp, "state.json"), State{Status: Created}); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.dir, cfg.ID))
}

// sweep deletes what killed commands left half made or half removed.
func (s *Set) sweep() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), newPrefix) || strings.HasPrefix(e.Name(), rubbishPrefix) {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return fmt.Errorf("sweep containers: %w", err)
			}
		}
	}
	return s.sweepLocks()
}

// sweepLocks deletes the locks of containers that are no more: who waited for
// one's end may have made the file anew.
func (s *Set) sweepLocks() error {
	locks := filepath.Join(s.dir, ".locks")
	entries, err := os.ReadDir(locks)
	if err != nil {
		return fmt.Errorf("sweep containers: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Lstat(filepath.Join(s.dir, e.Name())); errors.Is(err, fs.ErrNotExist) {
			// Windows does not delete one that is just looked at: another time then.
			_ = os.Remove(filepath.Join(locks, e.Name()))
		}
	}
	return nil
}

// All returns all containers, the newest first.
func (s *Set) All() ([]*Container, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	type dated struct {
		c       *Container
		created int64
	}
	var found []dated
	for _, e := range entries {
		if !idPattern.MatchString(e.Name()) {
			continue
		}
		c := &Container{id: e.Name(), root: s.dir}
		cfg, err := c.Config()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since the folder was read
		}
		if err != nil {
			return nil, err
		}
		found = append(found, dated{c, cfg.Created.UnixNano()})
	}
	slices.SortStableFunc(found, func(a, b dated) int { return int(max(-1, min(1, b.created-a.created))) })
	all := make([]*Container, len(found))
	for i, d := range found {
		all[i] = d.c
	}
	return all, nil
}

// Find returns the container with the ID or name given, or the only one whose ID
// begins so.
func (s *Set) Find(name string) (*Container, error) {
	all, err := s.All()
	if err != nil {
		return nil, err
	}
	var begin []*Container
	for _, c := range all {
		cfg, err := c.Config()
		if err != nil {
			continue
		}
		if cfg.ID == name || cfg.Name == name {
			return c, nil
		}
		if name != "" && strings.HasPrefix(cfg.ID, name) {
			begin = append(begin, c)
		}
	}
	switch len(begin) {
	case 0:
		return nil, &NotFoundError{Name: name}
	case 1:
		return begin[0], nil
	}
	return nil, fmt.Errorf("container %q: %d IDs begin so; give more digits", name, len(begin))
}

func newID() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// defaultName makes a name such as "hello-3f2a1b" from 127.0.0.1:5000/hello:v1.
func defaultName(image, id string) string {
	base := image[strings.LastIndexByte(image, '/')+1:]
	base, _, _ = strings.Cut(base, "@")
	base, _, _ = strings.Cut(base, ":")
	if !namePattern.MatchString(base) || len(base) > 64 {
		base = "container"
	}
	return base + "-" + id[:6]
}
