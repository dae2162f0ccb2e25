package hives

import (
	"bytes"
	"fmt"
	"io"

	"github.com/mullion/mullion/internal/nt"
)

// Delta is the change of a hive from one layer to the next, made by [Diff] or [Squash]
// and not written yet.
type Delta struct{ root *memKey }

// Empty reports whether the delta changes nothing.
func (d *Delta) Empty() bool { return len(d.root.kids) == 0 && len(d.root.values) == 0 }

// WriteTo writes the delta as a hive of version 1.6 with layered keys, its root alone
// if it changes nothing.
func (d *Delta) WriteTo(w io.Writer) (int64, error) { return write(w, d.root, true) }

// Hive writes the delta to memory and opens it, to be stacked.
func (d *Delta) Hive() (*Hive, error) {
	var b bytes.Buffer
	if _, err := d.WriteTo(&b); err != nil {
		return nil, err
	}
	return OpenBytes(b.Bytes())
}

// Diff compares two states and returns the delta that leads from base to next, which
// is the root of anything but a delta hive. Values differ by type or data, keys also by
// class, security and flags; differences of spelling, of time or of the order of values
// alone are none. Keys that changed get the time they have in next, so that
// the result shows it where it is the later one. Two things cannot be said by a delta and
// are not compared: class and security of the root belong to the base hive. o completes
// keys that have no security descriptor.
func Diff(base *Stack, next Key, o Options) (*Delta, error) {
	if k, ok := next.(*hiveKey); ok && k.h.layered {
		return nil, fmt.Errorf("diff: a delta is no state of a registry: %w", ErrFormat)
	}
	below, err := base.root()
	if err != nil {
		return nil, fmt.Errorf("diff: %w", err)
	}
	d := differ{tree: NewTree(o), budget: budget(next)}
	root := &memKey{name: "ROOT", info: Info{SD: deltaRootSD(), LastWrite: o.Time}}
	if below == nil {
		err = d.content(root, next, d.tree.root.info.SD, 0)
	} else {
		root, err = d.both(below, next, nil)
		if root == nil && err == nil {
			root = &memKey{name: "ROOT", info: Info{LastWrite: o.Time}}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("diff: %w", err)
	}
	root.name, root.info = "ROOT", Info{SD: deltaRootSD(), LastWrite: root.info.LastWrite}
	return &Delta{root: root}, nil
}

// differ makes the nodes of a delta. The tree is there for what it knows of inheritance.
type differ struct {
	tree   *Tree
	budget int64
}

// budget is how many bytes the keys below a root can have altogether if its hives are
// sound, for every byte then belongs to one key only.
func budget(root Key) (n int64) {
	switch k := root.(type) {
	case *hiveKey:
		return int64(k.h.bins)
	case *stackKey:
		for _, t := range k.tree {
			n += int64(t.h.bins)
		}
		return n
	}
	return maxFile
}

// take counts a value against the budget.
func (d *differ) take(v Value) error {
	if d.budget -= int64(vkName + len(v.Name)/2 + len(v.Data)); d.budget < 0 {
		return fmt.Errorf("%w: keys share the same values", ErrFormat)
	}
	return nil
}

// both compares a key that exists on both sides, nil if nothing differs. The parent's
// descriptor serves a key without one.
func (d *differ) both(below *stackKey, next Key, parentSD []byte) (*memKey, error) {
	old, err := below.Info()
	if err != nil {
		return nil, err
	}
	now, err := next.Info()
	if err != nil {
		return nil, err
	}
	if len(old.SD) == 0 {
		old.SD = d.tree.inherit(parentSD)
	}
	if len(now.SD) == 0 {
		now.SD = old.SD
	}
	k := &memKey{name: below.Name(), info: now}
	changed := below.depth > 0 && d.ownInfo(k, old, now)
	if k.values, err = d.changedValues(below, next); err != nil {
		return nil, err
	}
	set, err := d.kids(k, below, next)
	if err != nil {
		return nil, err
	}
	if changed = changed || set || len(k.values) > 0; !changed {
		if len(k.kids) == 0 {
			return nil, nil
		}
		k.info.LastWrite = old.LastWrite
	}
	return k, nil
}

// ownInfo decides how a key that exists below is promoted, and whether what is stored
// beside its content differs.
func (d *differ) ownInfo(k *memKey, old, now Info) bool {
	k.info.Layer = layerMerge
	if now.Class == old.Class {
		k.info.Class, k.info.Layer = "", layerMerge|layerInherit
	}
	return !now.Same(old)
}

// kids compares the subkeys of a key that exists on both sides. It returns whether some
// came or went.
func (d *differ) kids(k *memKey, below *stackKey, next Key) (changed bool, err error) {
	for p, err := range pairs(below, next) {
		if err != nil {
			return false, err
		}
		var c *memKey
		switch {
		case p.next == nil:
			c, err = d.tombstone(p.below, k.info.SD)
		case p.below == nil:
			c = &memKey{name: p.next.Name()}
			err = d.content(c, p.next, k.info.SD, below.depth+1)
		default:
			c, err = d.both(p.below, p.next, k.info.SD)
		}
		if err != nil {
			return false, err
		}
		changed = changed || p.next == nil || p.below == nil
		if c != nil {
			k.kids = append(k.kids, c)
		}
	}
	return changed, nil
}

// tombstone hides a key: its node holds nothing but the descriptor of what it hides.
func (d *differ) tombstone(below *stackKey, parentSD []byte) (*memKey, error) {
	info, err := below.Info()
	if err != nil {
		return nil, err
	}
	if len(info.SD) == 0 {
		info.SD = d.tree.inherit(parentSD)
	}
	return &memKey{name: below.Name(), info: Info{SD: info.SD, Layer: layerTombstone}}, nil
}

// content copies a key that has nothing below it, with all it holds.
func (d *differ) content(k *memKey, next Key, parentSD []byte, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	info, err := next.Info()
	if err != nil {
		return err
	}
	if len(info.SD) == 0 {
		info.SD = d.tree.inherit(parentSD)
	}
	info.Layer = layerMerge
	k.info = info
	for v, err := range next.Values() {
		if err == nil {
			err = d.take(v)
		}
		if err != nil {
			return err
		}
		k.values = append(k.values, v)
	}
	for n, err := range next.Subkeys() {
		if err != nil {
			return err
		}
		c := &memKey{name: n.Name()}
		if err := d.content(c, n, info.SD, depth+1); err != nil {
			return err
		}
		k.kids = append(k.kids, c)
	}
	return nil
}

// changedValues returns the values of next that below has not or has otherwise, and
// tombstones for those that are gone.
func (d *differ) changedValues(below *stackKey, next Key) ([]Value, error) {
	old := map[string]Value{}
	var order []string
	for v, err := range below.Values() {
		if err != nil {
			return nil, err
		}
		key := nt.Fold(v.Name)
		if _, twin := old[key]; !twin {
			old[key] = v
			order = append(order, key)
		}
	}
	seen := map[string]bool{}
	var out []Value
	for v, err := range next.Values() {
		if err == nil {
			err = d.take(v)
		}
		if err != nil {
			return nil, err
		}
		key := nt.Fold(v.Name)
		if seen[key] {
			continue
		}
		seen[key] = true
		if o, ok := old[key]; !ok || !o.Same(v) {
			out = append(out, v)
		}
	}
	for _, key := range order {
		if !seen[key] {
			out = append(out, Value{Name: old[key].Name, Tombstone: true})
		}
	}
	return out, nil
}
