package hives

import (
	"iter"

	"github.com/mullion/mullion/internal/nt"
)

// Values yields the values of the lowest layer in its order, replaced or left out by
// the layers above, then those that these added.
func (k *stackKey) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if k.local == 1 {
			n := k.tree[0]
			err := n.h.eachValue(n.node, func(v Value) bool { return v.Tombstone || yield(v, nil) })
			if err != nil {
				yield(Value{}, k.wrap(err))
			}
			return
		}
		m, err := k.merged(false)
		if err != nil {
			yield(Value{}, k.wrap(err))
			return
		}
		for _, s := range m.slots {
			if !s.Tombstone && !yield(s.Value, nil) {
				return
			}
		}
	}
}

// merged lays the values of all local layers over each other.
func (k *stackKey) merged(inPlace bool) (*merged, error) {
	m := &merged{at: map[string]int{}, inPlace: inPlace}
	for i := k.local - 1; i >= 0; i-- {
		n := k.tree[i]
		m.layer = n.h.pos
		if err := n.h.eachValue(n.node, m.apply); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (k *stackKey) Value(name string) (Value, error) {
	folded := foldUnits(name)
	for _, n := range k.tree[:k.local] {
		v, ok, err := n.h.lookupValue(n.node, folded)
		if err != nil {
			return Value{}, k.wrap(err)
		}
		if ok {
			if v.Tombstone {
				break
			}
			return v, nil
		}
	}
	return Value{}, valueNotFound(name)
}

// merged lays the values of layers over each other, from the lowest up.
type merged struct {
	slots   []mergedValue
	at      map[string]int // folded name -> position
	layer   int
	inPlace bool // a value set again after a deletion takes its old position, not the last
}

type mergedValue struct {
	Value
	layer int // that set it
}

// apply adds a value of the current layer.
func (m *merged) apply(v Value) bool {
	key := nt.Fold(v.Name)
	i, ok := m.at[key]
	switch {
	case ok && (m.inPlace || v.Tombstone || !m.slots[i].Tombstone):
		m.slots[i] = mergedValue{v, m.layer}
	default:
		m.at[key] = len(m.slots)
		m.slots = append(m.slots, mergedValue{v, m.layer})
	}
	return true
}
