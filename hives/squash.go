package hives

import "fmt"

// Squash makes one delta of several, the lowest first, which over any base shows what
// they show together. It is associative. Only the order of a key's values, which means
// nothing to Windows, may come out otherwise.
func Squash(deltas ...*Hive) (*Delta, error) {
	for i, h := range deltas {
		if !h.empty() && !h.layered {
			return nil, fmt.Errorf("squash: hive %d is a whole hive, not a delta: %w", i, ErrFormat)
		}
	}
	top, err := NewStack(nil, deltas...).root()
	if err != nil {
		return nil, fmt.Errorf("squash: %w", err)
	}
	root := &memKey{name: "ROOT", info: Info{SD: deltaRootSD()}}
	if top == nil {
		return &Delta{root: root}, nil
	}
	q := squasher{differ{tree: NewTree(Options{}), budget: budget(top)}}
	if root.values, err = q.values(top, layerMerge); err != nil {
		return nil, fmt.Errorf("squash: %w", err)
	}
	// Stacks take the time of their root from deltas that set values there.
	for _, n := range top.tree {
		if len(root.values) == 0 || n.node.values() > 0 {
			root.info.LastWrite = max(root.info.LastWrite, n.time())
		}
	}
	if err := q.kids(root, top); err != nil {
		return nil, fmt.Errorf("squash: %w", err)
	}
	return &Delta{root: root}, nil
}

// squasher resolves keys among deltas only, keeping what must still hide things in
// layers below them.
type squasher struct{ differ }

// kids makes the subkeys of one key. Recursion is as deep as the hives, which is bounded.
func (q *squasher) kids(dst *memKey, src *stackKey) error {
	hidden := dst.info.Layer&layerMask == layerTree
	for nodes, err := range src.groups() {
		if err != nil {
			return err
		}
		k := resolve(nodes, src.depth+1)
		if k == nil && hidden {
			continue
		}
		if k == nil {
			c, err := q.deleted(nodes[0], dst.info.SD)
			if err != nil {
				return err
			}
			dst.kids = append(dst.kids, c)
			continue
		}
		semantics := together(nodes, k)
		if hidden {
			semantics = layerTree
		}
		c, err := q.key(k, semantics, dst.info.SD)
		if err != nil {
			return err
		}
		if err := q.kids(c, k); err != nil {
			return err
		}
		dst.kids = append(dst.kids, c)
	}
	return nil
}

// together is what the nodes of a key, of which k was resolved, do to layers below them.
func together(nodes []layerNode, k *stackKey) uint8 {
	last := k.tree[len(k.tree)-1]
	local := k.tree[k.local-1]
	switch {
	case len(k.tree) < len(nodes) || last.h.semantics(last.node) == layerTree:
		return layerTree // something deleted the key, and it was made again
	case local.h.semantics(local.node) == layerLocal:
		return layerLocal
	}
	return layerMerge
}

func (q *squasher) deleted(n layerNode, parentSD []byte) (*memKey, error) {
	sd, err := n.h.sd(n.node)
	if err != nil {
		return nil, err
	}
	if len(sd) == 0 {
		sd = q.tree.inherit(parentSD)
	}
	return &memKey{name: n.name().String(), info: Info{SD: sd, Layer: layerTombstone}}, nil
}

func (q *squasher) key(k *stackKey, semantics uint8, parentSD []byte) (*memKey, error) {
	info, err := k.Info()
	if err != nil {
		return nil, err
	}
	if len(info.SD) == 0 {
		info.SD = q.tree.inherit(parentSD)
	}
	info.Layer = semantics | layerInherit
	for _, n := range k.tree[:k.local] {
		info.Layer &= n.h.layer(n.node) | layerMask
	}
	c := &memKey{name: k.Name(), info: info}
	c.values, err = q.values(k, semantics)
	return c, err
}

// values lays the values of all layers over each other, in place. Where nothing below
// shows through, deleted ones need no mark.
func (q *squasher) values(k *stackKey, semantics uint8) ([]Value, error) {
	m, err := k.merged(true)
	if err != nil {
		return nil, err
	}
	var out []Value
	for _, s := range m.slots {
		if s.Tombstone && semantics != layerMerge {
			continue
		}
		if err := q.take(s.Value); err != nil {
			return nil, err
		}
		out = append(out, s.Value)
	}
	return out, nil
}
