package regfile

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/mullion/mullion/hives"
)

// Target is what a .reg file can be applied to, such as a [hives.Registry] or, for
// paths in one hive, a [hives.Edit].
type Target interface {
	CreateKey(path string) error
	SetValue(path string, v hives.Value) error
	DeleteValue(path, name string) error
	DeleteKey(path string) error
}

// Apply carries out the sections of a file in their order. As with regedit it is no error
// to delete what is not there.
func Apply(t Target, sections []Section) error {
	for _, s := range sections {
		if err := s.apply(t); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	return nil
}

func (s Section) apply(t Target) error {
	if s.Delete {
		return unlessGone(t.DeleteKey(s.Path))
	}
	if err := t.CreateKey(s.Path); err != nil {
		return err
	}
	for _, e := range s.Values {
		if e.Delete {
			if err := unlessGone(t.DeleteValue(s.Path, e.Name)); err != nil {
				return err
			}
		} else if err := t.SetValue(s.Path, e.Value); err != nil {
			return err
		}
	}
	return nil
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
