package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Volume is a folder that containers mount by its name and that outlives them.
type Volume struct {
	Name string `json:"name"`
	// Dir is the folder on the host.
	Dir string `json:"dir"`
	// Anonymous says that it was made for one container, and goes with that.
	Anonymous bool      `json:"anonymous,omitempty"`
	Created   time.Time `json:"created"`
}

// The folder of the volumes beside the containers, and what each has in its own.
const (
	volumesDir = ".volumes"
	volumeData = "data"
	volumeFile = "volume.json"
)

func (s *Set) volume(name string) string { return filepath.Join(s.dir, volumesDir, name) }

// CreateVolume makes a volume, or returns the one of that name. "" gives an
// anonymous one a name.
func (s *Set) CreateVolume(ctx context.Context, name string, now time.Time) (Volume, error) {
	v := Volume{Name: name, Created: now.UTC()}
	if name == "" {
		v.Name, v.Anonymous = newID(), true
	}
	if !namePattern.MatchString(v.Name) {
		return Volume{}, fmt.Errorf("volume name %q: want letters, digits, _ . - (at most 128, the first a letter or digit)", v.Name)
	}
	l, err := s.lock(ctx)
	if err != nil {
		return Volume{}, err
	}
	v, err = s.createVolume(v)
	return v, errors.Join(err, l.Close())
}

func (s *Set) createVolume(v Volume) (Volume, error) {
	have, err := s.Volume(v.Name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return have, err
	}
	v.Dir = filepath.Join(s.volume(v.Name), volumeData)
	if err := os.MkdirAll(v.Dir, 0o755); err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	// The last: a folder without it is none.
	if err := writeJSON(filepath.Join(s.volume(v.Name), volumeFile), v); err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	return v, nil
}

// Volume returns the volume of a name; the error of none matches fs.ErrNotExist.
func (s *Set) Volume(name string) (Volume, error) {
	if !namePattern.MatchString(name) {
		return Volume{}, fmt.Errorf("no volume %q: %w", name, fs.ErrNotExist)
	}
	var v Volume
	err := readJSON(filepath.Join(s.volume(name), volumeFile), &v)
	if errors.Is(err, fs.ErrNotExist) {
		return Volume{}, fmt.Errorf("no volume %q: %w", name, fs.ErrNotExist)
	}
	v.Dir = filepath.Join(s.volume(name), volumeData)
	return v, err
}

// Volumes returns all volumes by name.
func (s *Set) Volumes() ([]Volume, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, volumesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	list := []Volume{}
	for _, e := range entries {
		v, err := s.Volume(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// VolumeUsers returns the names of the containers that mount each volume.
func (s *Set) VolumeUsers() (map[string][]string, error) {
	all, err := s.All()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		cfg, err := c.Config()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, m := range cfg.Mounts {
			if m.Volume != "" && !slices.Contains(users[m.Volume], cfg.Name) {
				users[m.Volume] = append(users[m.Volume], cfg.Name)
			}
		}
	}
	return users, nil
}

// RemoveVolume deletes a volume that no container mounts.
func (s *Set) RemoveVolume(ctx context.Context, name string) error {
	l, err := s.lock(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.removeVolume(name), l.Close())
}

func (s *Set) removeVolume(name string) error {
	if _, err := s.Volume(name); err != nil {
		return err
	}
	users, err := s.VolumeUsers()
	if err != nil {
		return err
	}
	if by := users[name]; len(by) > 0 {
		return fmt.Errorf("volume %s is mounted by %s: remove that container first", name, by[0])
	}
	return s.deleteVolume(name)
}

func (s *Set) deleteVolume(name string) error {
	err := os.Remove(filepath.Join(s.volume(name), volumeFile))
	if err := errors.Join(ignoreMissing(err), os.RemoveAll(s.volume(name))); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// removeVolumes deletes the anonymous volumes of a container that has gone.
func (s *Set) removeVolumes(names []string) error {
	var errs []error
	for _, name := range names {
		if namePattern.MatchString(name) {
			errs = append(errs, s.deleteVolume(name))
		}
	}
	return errors.Join(errs...)
}

// RemoveAnonymous deletes the anonymous volumes of a removed container whose
// configuration was cfg.
func (s *Set) RemoveAnonymous(cfg Config) error { return s.removeVolumes(cfg.Anonymous) }

// Rename gives a container another name; whether it runs does not matter.
func (s *Set) Rename(ctx context.Context, c *Container, name string) error {
	if !namePattern.MatchString(name) {
		return nameError(name)
	}
	l, err := s.lock(ctx)
	if err != nil {
		return err
	}
	err = s.free(name)
	if err == nil {
		err = c.rewrite(func(cfg *Config) { cfg.Name = name })
	}
	return errors.Join(err, l.Close())
}
