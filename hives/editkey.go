package hives

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/mullion/mullion/internal/nt"
)

// SetSD gives a key, which must exist, a self-relative security descriptor. Keys below
// it keep theirs. The root has that of the base hive, whatever a delta says: ErrRoot.
func (e *Edit) SetSD(path string, sd []byte) error {
	if err := checkSD(sd); err != nil {
		return fmt.Errorf("set security of key %s: %w", path, err)
	}
	if err := e.setInfo(path, func(i *Info) { i.SD = sd }); err != nil {
		return fmt.Errorf("set security of key %s: %w", path, err)
	}
	return nil
}

// SetClass gives a key, which must exist and not be the root, a class name; "" is none.
func (e *Edit) SetClass(path, class string) error {
	if n := unitCount(class); 2*n > maxClass {
		return fmt.Errorf("set class of key %s: %d characters: at most %d", path, n, maxClass/2)
	}
	if err := e.setInfo(path, func(i *Info) { i.Class = class }); err != nil {
		return fmt.Errorf("set class of key %s: %w", path, err)
	}
	return nil
}

// setInfo changes what a key holds beside its content.
func (e *Edit) setInfo(path string, change func(*Info)) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrRoot
	}
	k, err := e.open(names)
	if err != nil {
		return err
	}
	if k.state != overlay {
		change(k.info)
		return nil
	}
	below, err := k.below.Info()
	if err != nil {
		return err
	}
	now := below
	if k.info != nil {
		now = *k.info
	}
	change(&now)
	k.info, k.class = nil, now.Class != below.Class
	if k.class || !bytes.Equal(now.SD, below.SD) {
		k.info = &now
	}
	return nil
}

// Rename gives a key another name below the same parent, as RegRenameKey does: all it
// holds stays as it is, times too. A delta can say that only as a deletion and a copy.
// The error matches [fs.ErrNotExist] if there is no such key and [fs.ErrExist] if the
// name is taken by another.
func (e *Edit) Rename(path, name string) error {
	if err := e.rename(path, name); err != nil {
		return fmt.Errorf("rename key %s: %w", path, err)
	}
	return nil
}

func (e *Edit) rename(path, name string) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	if err := checkKeyName(name); err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrRoot
	}
	old := names[len(names)-1]
	parent, err := e.open(names[:len(names)-1])
	if err != nil {
		return err
	}
	if !nt.EqualFold(old, name) {
		if c, err := parent.child(name); err != nil {
			return err
		} else if c != nil {
			return fmt.Errorf("key %s: %w", name, fs.ErrExist)
		}
	}
	from, err := parent.child(old)
	if err != nil {
		return err
	}
	if from == nil {
		return keyNotFound(old)
	}
	if from.name == name {
		return nil
	}
	c := &copier{}
	for _, h := range e.stack.hives {
		c.budget += int64(h.bins)
	}
	to, err := c.copy(&editView{e, from})
	if err != nil {
		return err
	}
	if err := parent.drop(old); err != nil {
		return err
	}
	to.name = name
	parent.place(to)
	return nil
}

// copier makes new keys of what others show.
type copier struct{ budget int64 }

// copy is as deep as the keys are, which is bounded. Only what comes from hives counts
// against the budget: the rest is in memory already.
func (c *copier) copy(k Key) (*editKey, error) {
	info, err := k.Info()
	if err != nil {
		return nil, err
	}
	if info.SD == nil {
		return nil, fmt.Errorf("%w: key %s has no security descriptor", ErrFormat, k.Name())
	}
	_, stored := k.(*stackKey)
	out := &editKey{name: k.Name(), state: fresh, info: &info}
	for v, err := range k.Values() {
		if err != nil {
			return nil, err
		}
		if stored {
			if c.budget -= int64(vkName + len(v.Name)/2 + len(v.Data)); c.budget < 0 {
				return nil, fmt.Errorf("%w: keys share the same values", ErrFormat)
			}
		}
		out.values = append(out.values, v)
	}
	for s, err := range k.Subkeys() {
		if err != nil {
			return nil, err
		}
		kid, err := c.copy(s)
		if err != nil {
			return nil, err
		}
		out.kids = append(out.kids, kid)
	}
	return out, nil
}
