package reg

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
)

// Apply carries out a .reg file. As with regedit it is no error to delete what is not
// there.
func Apply(r *hives.Registry, sections []regfile.Section) error {
	for _, s := range sections {
		if len(s.Values) == 0 && !s.Delete && !strings.Contains(s.Path, `\`) {
			continue // a root, as it stands in an export of all
		}
		if s.Delete {
			if err := r.DeleteKey(s.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("import: %w", err)
			}
			continue
		}
		if err := applyValues(r, s); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	return nil
}

func applyValues(r *hives.Registry, s regfile.Section) error {
	if err := r.CreateKey(s.Path); err != nil {
		return err
	}
	for _, v := range s.Values {
		if !v.Delete {
			if err := r.SetValue(s.Path, v.Value); err != nil {
				return err
			}
			continue
		}
		if err := r.DeleteValue(s.Path, v.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
