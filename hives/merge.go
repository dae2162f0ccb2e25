package hives

import "fmt"

// Merge flattens a stack into one hive with nothing layered about it. Times, classes
// and security stay; o is what later changes to the tree are made with.
func Merge(s *Stack, o Options) (*Tree, error) {
	t := NewTree(o)
	top, err := s.root()
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	if top == nil {
		return t, nil
	}
	m := merger{tree: t}
	for _, h := range s.hives {
		m.budget += int64(h.bins)
	}
	if err := m.copy(t.root, top, t.root.info.SD); err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	if t.root.name = top.Name(); t.root.name == "" {
		t.root.name = "ROOT"
	}
	todo := []mergePair{{t.root, top}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for c, err := range p.src.subkeys() {
			if err != nil {
				return nil, fmt.Errorf("merge: %w", err)
			}
			k := &memKey{name: c.Name()}
			if err := m.copy(k, c, p.dst.info.SD); err != nil {
				return nil, fmt.Errorf("merge: %w", err)
			}
			p.dst.kids = append(p.dst.kids, k)
			todo = append(todo, mergePair{k, c})
		}
	}
	return t, nil
}

type mergePair struct {
	dst *memKey
	src *stackKey
}

// merger counts what it copies: in sound hives every byte belongs to one key only, so
// that all keys together are no larger than the files.
type merger struct {
	tree   *Tree
	budget int64
}

func (m *merger) copy(dst *memKey, src *stackKey, parentSD []byte) error {
	info, err := src.Info()
	if err != nil {
		return err
	}
	if len(info.SD) == 0 {
		info.SD = m.tree.inherit(parentSD)
	}
	dst.info = info
	m.budget -= nkName
	for v, err := range src.Values() {
		if err != nil {
			return err
		}
		if m.budget -= int64(vkName + len(v.Name)/2 + len(v.Data)); m.budget < 0 {
			return fmt.Errorf("%w: keys share the same values", ErrFormat)
		}
		dst.values = append(dst.values, v)
	}
	return nil
}
