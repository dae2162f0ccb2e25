package hives

import (
	"iter"
	"slices"

	"github.com/mullion/mullion/internal/nt"
)

// Root returns the root key of the stack with all changes made so far.
func (e *Edit) Root() (Key, error) {
	top, err := e.top()
	if err != nil {
		return nil, err
	}
	return &editView{e: e, k: top}, nil
}

// editView shows an editKey as a Key. Keys without changes are shown by the stack.
type editView struct {
	e *Edit
	k *editKey
}

func (v *editView) Name() string {
	if v.k == v.e.root && v.k.below != nil {
		return v.k.below.Name()
	}
	return v.k.name
}

func (v *editView) Info() (Info, error) {
	if v.k.state != overlay {
		return *v.k.info, nil
	}
	info, err := v.k.below.Info()
	if v.k.info != nil {
		info.SD, info.Class = v.k.info.SD, v.k.info.Class
	}
	// A stack takes the time of its root from deltas only if they set values there.
	if err == nil && v.k.touched() && (v.k != v.e.root || len(v.k.values) > 0) {
		info.LastWrite = max(info.LastWrite, v.e.o.Time)
	}
	return info, err
}

func (v *editView) Subkey(name string) (Key, error) {
	if i, ok := v.k.find(name); ok {
		if c := v.k.kids[i]; c.state != deleted {
			return &editView{v.e, c}, nil
		}
		return nil, keyNotFound(name)
	}
	if below := v.k.visible(); below != nil {
		return below.Subkey(name)
	}
	return nil, keyNotFound(name)
}

func (v *editView) Subkeys() iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		kids := v.k.kids
		// emit yields the changed keys up to and including name; true to go on.
		emit := func(name string, all bool) (found, more bool) {
			for len(kids) > 0 {
				order := nt.Compare(kids[0].name, name)
				if !all && order > 0 {
					return false, true
				}
				c := kids[0]
				kids = kids[1:]
				if c.state != deleted && !yield(&editView{v.e, c}, nil) {
					return false, false
				}
				if !all && order == 0 {
					return true, true
				}
			}
			return false, true
		}
		if below := v.k.visible(); below != nil {
			for b, err := range below.subkeys() {
				if err != nil {
					yield(nil, err)
					return
				}
				found, more := emit(b.Name(), false)
				if !more || !found && !yield(b, nil) {
					return
				}
			}
		}
		emit("", true)
	}
}

func (v *editView) Value(name string) (Value, error) {
	if i := v.k.index(name); i >= 0 {
		if v.k.values[i].Tombstone {
			return Value{}, valueNotFound(name)
		}
		return v.k.values[i], nil
	}
	if below := v.k.visible(); below != nil {
		return below.Value(name)
	}
	return Value{}, valueNotFound(name)
}

// Values yields those below, replaced or left out, and then the new ones.
func (v *editView) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		rest := slices.Clone(v.k.values)
		if below := v.k.visible(); below != nil {
			for b, err := range below.Values() {
				if err != nil {
					yield(Value{}, err)
					return
				}
				i := slices.IndexFunc(rest, func(v Value) bool { return nt.EqualFold(v.Name, b.Name) })
				if i >= 0 {
					b = rest[i]
					rest = slices.Delete(rest, i, i+1)
				}
				if !b.Tombstone && !yield(b, nil) {
					return
				}
			}
		}
		for _, v := range rest {
			if !v.Tombstone && !yield(v, nil) {
				return
			}
		}
	}
}
