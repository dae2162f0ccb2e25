package reg

import (
	"fmt"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
	"github.com/mullion/mullion/layers/view"
)

// DiffReg writes the .reg file that makes b of a: its keys and values, for a .reg file
// holds nothing else. Hives of users are not compared.
func DiffReg(w io.Writer, version regfile.Version, a, b *Registry) error {
	if err := alike(a, b); err != nil {
		return err
	}
	if !a.IsImage() {
		root, err := b.hive.Root()
		if err != nil {
			return err
		}
		changes, err := changesOf(hives.NewStack(a.hive), root)
		if err != nil {
			return fmt.Errorf("%s and %s: %w", a.target, b.target, err)
		}
		if changes == nil {
			return regfile.Write(w, version)
		}
		return regfile.Write(w, version, regfile.Root{Key: changes})
	}
	var roots []regfile.Root
	for _, n := range hives.Names {
		path := machine + `\` + string(n)
		if n == hives.Default {
			path = users + `\.DEFAULT`
		}
		list, err := a.view.Hives(n)
		if err != nil {
			return err
		}
		after, err := b.find(path)
		if err != nil {
			return err
		}
		changes, err := changesOf(view.StackOf(list), after.Key)
		if err != nil {
			return fmt.Errorf("%s of %s and %s: %w", path, a.target, b.target, err)
		}
		if changes != nil {
			roots = append(roots, regfile.Root{Path: path, Key: changes})
		}
	}
	return regfile.Write(w, version, roots...)
}

// changesOf is the root of a delta hive, or nil if there is no difference.
func changesOf(base *hives.Stack, next hives.Key) (hives.Key, error) {
	d, err := hives.Diff(base, next, hives.Options{})
	if err != nil || d.Empty() {
		return nil, err
	}
	h, err := d.Hive()
	if err != nil {
		return nil, err
	}
	return h.Root()
}
