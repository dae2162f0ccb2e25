package reg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// difference is a key that is not the same on both sides.
type difference struct {
	before, after *Node // nil where there is none
	values        []valueDifference
	info          [2]hives.Info // before, after
}

// valueDifference is a value that is not the same on both sides.
type valueDifference struct{ before, after *Value }

// comparer walks two registries side by side.
type comparer struct {
	walker
	emit func(*difference) error
}

// compare calls emit for every key below key that differs: by a value's type or data,
// by class, security or being a link. Times, spelling and order do not count.
func compare(ctx context.Context, a, b *Registry, key string, emit func(*difference) error) error {
	if err := alike(a, b); err != nil {
		return err
	}
	before, err := a.Find(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	after, err := b.Find(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if before == nil && after == nil {
		return &NotFoundError{What: keyName(key), Target: "either of " + a.target + " and " + b.target}
	}
	c := comparer{walker{ctx: ctx}, emit}
	return c.compare(before, after, 0)
}

// alike holds that keys of both have the same kind of addresses.
func alike(a, b *Registry) error {
	if a.IsImage() != b.IsImage() {
		return fmt.Errorf("%s and %s: an image cannot be compared with a hive file", a.target, b.target)
	}
	return nil
}

func (c *comparer) compare(before, after *Node, depth int) error {
	n := after
	if n == nil {
		n = before
	}
	if err := c.enter(n, depth); err != nil {
		return err
	}
	d, err := differ(before, after)
	if err != nil {
		return fmt.Errorf("%s: %w", keyName(n.Path), err)
	}
	if d != nil {
		if err := c.emit(d); err != nil {
			return err
		}
	}
	return c.below(before, after, depth)
}

// below compares the subkeys of two keys, of which one may not be there.
func (c *comparer) below(before, after *Node, depth int) error {
	left, stopLeft := pull(before)
	defer stopLeft()
	right, stopRight := pull(after)
	defer stopRight()
	a, err := left()
	if err != nil {
		return err
	}
	b, err := right()
	if err != nil {
		return err
	}
	for a != nil || b != nil {
		order := 0
		switch {
		case a == nil:
			order = 1
		case b == nil:
			order = -1
		default:
			order = nt.Compare(a.name, b.name)
		}
		var before, after *Node
		if order <= 0 {
			before = a
			if a, err = left(); err != nil {
				return err
			}
		}
		if order >= 0 {
			after = b
			if b, err = right(); err != nil {
				return err
			}
		}
		if err := c.compare(before, after, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// pull gives the subkeys of a key one after the other, nil after the last. n may be nil.
func pull(n *Node) (next func() (*Node, error), stop func()) {
	if n == nil {
		return func() (*Node, error) { return nil, nil }, func() {}
	}
	get, stop := iter.Pull2(n.Subkeys())
	return func() (*Node, error) {
		c, err, _ := get()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keyName(n.Path), err)
		}
		return c, nil
	}, stop
}

// differ compares two keys without those below, nil if they are the same.
func differ(before, after *Node) (*difference, error) {
	d := &difference{before: before, after: after}
	var err error
	for i, n := range []*Node{before, after} {
		if n == nil {
			continue
		}
		if d.info[i], err = n.Key.Info(); err != nil {
			return nil, err
		}
	}
	if d.values, err = differentValues(before, after); err != nil {
		return nil, err
	}
	if before != nil && after != nil && len(d.values) == 0 && !d.ownDiffers() {
		return nil, nil
	}
	return d, nil
}

// ownDiffers tells whether a key on both sides differs in more than values.
func (d *difference) ownDiffers() bool {
	a, b := d.info[0], d.info[1]
	return !a.Same(b) || a.Layering() != b.Layering()
}

// differentValues pairs the values that differ: those of before in its order, then what
// only after has.
func differentValues(before, after *Node) ([]valueDifference, error) {
	old, err := valuesOf(before)
	if err != nil {
		return nil, err
	}
	now, err := valuesOf(after)
	if err != nil {
		return nil, err
	}
	at := make(map[string]*Value, len(now))
	for i := range now {
		at[nt.Fold(now[i].Name)] = &now[i]
	}
	var list []valueDifference
	seen := make(map[string]bool, len(old))
	for i := range old {
		key := nt.Fold(old[i].Name)
		seen[key] = true
		if v := at[key]; v == nil || !old[i].Same(v.Value) {
			list = append(list, valueDifference{&old[i], v})
		}
	}
	for i := range now {
		if !seen[nt.Fold(now[i].Name)] {
			list = append(list, valueDifference{nil, &now[i]})
		}
	}
	return list, nil
}

func valuesOf(n *Node) ([]Value, error) {
	if n == nil {
		return nil, nil
	}
	return n.Values()
}
