package hives

import (
	"fmt"
	"iter"
)

// WalkKey is a key of one hive as [Hive.Walk] comes to it, and RawValue one of its values.
// Both refer to the hive's own bytes and make nothing but what is asked for. A WalkKey is
// good until the next step.
type WalkKey struct {
	h     *Hive
	n     node
	depth int
	left  int64 // bytes that the values of this key may have
	rest  int64 // what they leave for those of the keys to come
}

// RawValue is a value whose name is not decoded yet. Its data must not be changed.
type RawValue struct {
	Type      Type
	Data      []byte
	Tombstone bool
	name      rawName
}

// Walk yields every key of the hive, each before those below it, the root first. Unlike
// iterating over keys it allocates nothing for each of them. After an error it ends. Keys
// that claim the same values are an error, so that a walk takes time in proportion to the
// size of the file.
func (h *Hive) Walk() iter.Seq2[*WalkKey, error] {
	return func(yield func(*WalkKey, error) bool) {
		if h.empty() {
			return
		}
		if err := h.walk(func(k *WalkKey) bool { return yield(k, nil) }); err != nil {
			yield(nil, fmt.Errorf("walk hive: %w", err))
		}
	}
}

func (h *Hive) walk(yield func(*WalkKey) bool) error {
	k := &WalkKey{h: h, left: int64(h.bins), rest: int64(h.bins)}
	var err error
	if k.n, err = h.node(h.root); err != nil {
		return err
	}
	levels := make([]children, 0, 16)
	for {
		if !yield(k) {
			return nil
		}
		if k.n.subkeys() > 0 {
			c, err := h.children(k.n)
			if err != nil {
				return err
			}
			levels = append(levels, c)
		}
		for {
			if len(levels) == 0 {
				return nil
			}
			n, ok, err := levels[len(levels)-1].next()
			if err != nil {
				return err
			}
			if ok {
				k.n, k.left = n, k.rest
				break
			}
			levels = levels[:len(levels)-1]
		}
		if k.depth = len(levels); k.depth > maxDepth {
			return errTooDeep
		}
	}
}

// Depth is the number of keys above, 0 for the root.
func (k *WalkKey) Depth() int { return k.depth }

// Name is the key's name in WTF-8.
func (k *WalkKey) Name() string { return k.n.name().String() }

// Info returns what is stored beside the key's content.
func (k *WalkKey) Info() (Info, error) { return k.h.info(k.n) }

// Values yields the values in stored order, all of them even if two have one name. After an
// error it ends.
func (k *WalkKey) Values() iter.Seq2[RawValue, error] {
	return func(yield func(RawValue, error) bool) {
		list, err := k.h.valueList(k.n)
		left := k.left
		for ; err == nil && len(list) > 0; list = list[4:] {
			var v vk
			if v, err = k.h.vk(u32(list, 0)); err != nil {
				break
			}
			if left -= k.h.cost(v); left < 0 {
				err = errShared
				break
			}
			var r RawValue
			if r, err = k.h.raw(v); err == nil && !yield(r, nil) {
				break
			}
		}
		k.rest = min(k.rest, left)
		if err != nil {
			yield(RawValue{}, fmt.Errorf("key %s: %w", k.Name(), err))
		}
	}
}

// Name is the value's name in WTF-8.
func (v RawValue) Name() string { return v.name.String() }
