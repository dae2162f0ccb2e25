package hives

import (
	"bytes"
	"iter"
)

// Origin is a key that knows which hives of its [Stack] it comes from; every key of a
// Stack that is not empty is an Origin. Hives count as they were given to NewStack, empty
// and nil ones too: 0 is the base, 1 the lowest delta.
type Origin interface {
	Key
	// Layer is the highest hive that made the key or changed its class, its security, its
	// flags or its values. Hives that only lead to keys below it do not count.
	Layer() (int, error)
	// Origins yields the values as Values does, each with the hive that set it last.
	Origins() iter.Seq2[ValueOrigin, error]
}

// ValueOrigin is a value and the number of the hive that set it last.
type ValueOrigin struct {
	Value
	Layer int
}

// Layer looks for the first node from the top that is more than a copy of the one
// below it. What deltas say of the root beside its values counts for nothing.
func (k *stackKey) Layer() (int, error) {
	for i, n := range k.tree[:len(k.tree)-1] {
		own := n.node.values() > 0
		if !own && k.depth > 0 {
			same, err := promoted(n, k.tree[i+1])
			if err != nil {
				return 0, k.wrap(err)
			}
			own = !same
		}
		if own {
			return n.h.pos, nil
		}
	}
	return k.tree[len(k.tree)-1].h.pos, nil
}

// promoted reports whether a node without values only repeats what is below it.
func promoted(n, below layerNode) (bool, error) {
	if n.h.layer(n.node) != layerMerge|layerInherit {
		return false, nil
	}
	a, err := n.h.sd(n.node)
	if err != nil {
		return false, err
	}
	b, err := below.h.sd(below.node)
	if err != nil {
		return false, err
	}
	const flags = keySymlink | keyVirtual
	return bytes.Equal(a, b) && n.flags()&flags == below.flags()&flags && n.b[nkUser] == below.b[nkUser], nil
}

func (k *stackKey) Origins() iter.Seq2[ValueOrigin, error] {
	return func(yield func(ValueOrigin, error) bool) {
		m, err := k.merged(false)
		if err != nil {
			yield(ValueOrigin{}, k.wrap(err))
			return
		}
		for _, s := range m.slots {
			if !s.Tombstone && !yield(ValueOrigin{s.Value, s.layer}, nil) {
				return
			}
		}
	}
}
