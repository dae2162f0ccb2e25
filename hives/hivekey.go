package hives

import (
	"fmt"
	"iter"
)

// hiveKey is a key of one hive.
type hiveKey struct {
	h     *Hive
	node  node
	depth int
}

func (k *hiveKey) Name() string { return k.node.name().String() }

func (k *hiveKey) wrap(err error) error { return fmt.Errorf("key %s: %w", k.Name(), err) }

func (k *hiveKey) Info() (Info, error) {
	i, err := k.h.info(k.node)
	if err != nil {
		return Info{}, k.wrap(err)
	}
	return i, nil
}

func (k *hiveKey) Subkeys() iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		c, err := k.h.children(k.node)
		for err == nil {
			var n node
			var ok bool
			if n, ok, err = c.next(); err != nil || !ok {
				break
			}
			if k.depth >= maxDepth {
				err = errTooDeep
				break
			}
			if !yield(&hiveKey{h: k.h, node: n, depth: k.depth + 1}, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, k.wrap(err))
		}
	}
}

var errTooDeep = fmt.Errorf("%w: keys are nested deeper than %d", ErrFormat, maxDepth)

func (k *hiveKey) Subkey(name string) (Key, error) {
	n, ok, err := k.h.lookup(k.node, foldUnits(name))
	switch {
	case err != nil:
		return nil, k.wrap(err)
	case !ok:
		return nil, keyNotFound(name)
	case k.depth >= maxDepth:
		return nil, k.wrap(errTooDeep)
	}
	return &hiveKey{h: k.h, node: n, depth: k.depth + 1}, nil
}

func (k *hiveKey) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		err := k.h.eachValue(k.node, func(v Value) bool { return yield(v, nil) })
		if err != nil {
			yield(Value{}, k.wrap(err))
		}
	}
}

func (k *hiveKey) Value(name string) (Value, error) {
	v, ok, err := k.h.lookupValue(k.node, foldUnits(name))
	switch {
	case err != nil:
		return Value{}, k.wrap(err)
	case !ok:
		return Value{}, valueNotFound(name)
	}
	return v, nil
}
