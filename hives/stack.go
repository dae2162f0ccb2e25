package hives

import (
	"fmt"
	"iter"
)

// Stack is a base hive with the deltas of the layers over it, seen as one registry.
// It is read only and as safe for concurrent use as its hives.
type Stack struct {
	hives []layerHive // top first; without empty ones
	count int         // of the hives given, empty ones too
}

// layerHive is a hive and its number in the stack: 0 for the base.
type layerHive struct {
	*Hive
	pos int
}

// NewStack stacks deltas, the lowest first, on base, which may be nil for a hive
// without keys; so may a delta, for a layer that changes nothing. At most 126 deltas are
// allowed, as in Windows; Root says so if there are more.
func NewStack(base *Hive, deltas ...*Hive) *Stack {
	s := &Stack{count: 1}
	if !base.empty() {
		s.hives = []layerHive{{base, 0}}
	}
	return s.Apply(deltas...)
}

// Apply returns a stack of the same hives with more deltas on top, the lowest first.
func (s *Stack) Apply(deltas ...*Hive) *Stack {
	t := &Stack{count: s.count + len(deltas)}
	for i := len(deltas) - 1; i >= 0; i-- {
		if !deltas[i].empty() {
			t.hives = append(t.hives, layerHive{deltas[i], s.count + i})
		}
	}
	t.hives = append(t.hives, s.hives...)
	return t
}

// Root returns the root key of the merged view.
func (s *Stack) Root() (Key, error) {
	if len(s.hives) == 0 {
		return NewTree(Options{}).Root(), nil
	}
	k, err := s.root()
	if err != nil {
		return nil, err
	}
	return k, nil
}

// root returns nil for a stack without hives. The roots of all hives correspond,
// whatever their names and layer bytes.
func (s *Stack) root() (*stackKey, error) {
	if len(s.hives) == 0 {
		return nil, nil
	}
	if len(s.hives) > maxOverlays+1 {
		return nil, fmt.Errorf("stack of %d hives: at most %d", len(s.hives), maxOverlays+1)
	}
	k := &stackKey{}
	for _, h := range s.hives {
		n, err := h.node(h.Hive.root)
		if err != nil {
			return nil, fmt.Errorf("root key: %w", err)
		}
		k.tree = append(k.tree, layerNode{h, n})
	}
	k.local = len(k.tree)
	return k, nil
}

// layerNode is a key in one layer.
type layerNode struct {
	h layerHive
	node
}

// stackKey is a key of the merged view.
type stackKey struct {
	tree  []layerNode // the layers whose subkeys merge, top first; never empty
	local int         // the first local of them give values, class and security
	depth int
}

// resolve decides what a key is, given its nodes in the layers that have it, top first.
// It returns nil if the key is deleted.
func resolve(nodes []layerNode, depth int) *stackKey {
	k := &stackKey{depth: depth}
	open := true
	for _, n := range nodes {
		semantics := n.h.semantics(n.node)
		if semantics == layerTombstone {
			break
		}
		k.tree = append(k.tree, n)
		if open {
			k.local++
		}
		if semantics == layerTree {
			break
		}
		open = open && semantics != layerLocal
	}
	if len(k.tree) == 0 {
		return nil
	}
	return k
}

// Name is that of the lowest layer: an overlay does not rename what it overlays.
func (k *stackKey) Name() string { return k.tree[len(k.tree)-1].name().String() }

func (k *stackKey) wrap(err error) error { return fmt.Errorf("key %s: %w", k.Name(), err) }

// top is the node whose security and flags count. Promotion copies them upwards, but
// not those of the root: there the lowest hive knows best.
func (k *stackKey) top() layerNode {
	if k.depth == 0 {
		return k.tree[len(k.tree)-1]
	}
	return k.tree[0]
}

func (k *stackKey) Info() (Info, error) {
	n := k.top()
	i, err := n.h.info(n.node)
	if err != nil {
		return Info{}, k.wrap(err)
	}
	i.Layer = 0
	if k.depth == 0 {
		for _, n := range k.tree {
			if n.node.values() > 0 {
				i.LastWrite = max(i.LastWrite, n.time())
			}
		}
		return i, nil
	}
	for _, n := range k.tree {
		i.LastWrite = max(i.LastWrite, n.time())
	}
	if i.Class, err = k.class(); err != nil {
		return Info{}, k.wrap(err)
	}
	return i, nil
}

// class is that of the first layer that does not inherit it.
func (k *stackKey) class() (string, error) {
	for _, n := range k.tree[:k.local] {
		if n.h.layer(n.node)&layerInherit == 0 {
			return n.h.class(n.node)
		}
	}
	return "", nil
}

func (k *stackKey) Subkey(name string) (Key, error) {
	c, err := k.subkey(name)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, keyNotFound(name)
	}
	return c, nil
}

// subkey returns nil if there is none.
func (k *stackKey) subkey(name string) (*stackKey, error) {
	folded := foldUnits(name)
	var found []layerNode
	for _, t := range k.tree {
		n, ok, err := t.h.lookup(t.node, folded)
		if err != nil {
			return nil, k.wrap(err)
		}
		if ok {
			found = append(found, layerNode{t.h, n})
		}
	}
	c := resolve(found, k.depth+1)
	if c != nil && c.depth > maxDepth {
		return nil, k.wrap(errTooDeep)
	}
	return c, nil
}

func (k *stackKey) Subkeys() iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for c, err := range k.subkeys() {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// subkeys merges the sorted lists of all layers.
func (k *stackKey) subkeys() iter.Seq2[*stackKey, error] {
	return func(yield func(*stackKey, error) bool) {
		for nodes, err := range k.groups() {
			if err != nil {
				yield(nil, err)
				return
			}
			if c := resolve(nodes, k.depth+1); c != nil && !yield(c, nil) {
				return
			}
		}
	}
}

// groups yields, for each name below the key, the nodes of all layers that have it, top
// first, deleted keys among them. The slice is good until the next one.
func (k *stackKey) groups() iter.Seq2[[]layerNode, error] {
	return func(yield func([]layerNode, error) bool) {
		heads, err := k.heads()
		var same []layerNode
		for err == nil && len(heads) > 0 {
			if same, heads, err = lowest(heads, same[:0]); err != nil {
				break
			}
			if k.depth >= maxDepth {
				err = errTooDeep
				break
			}
			if !yield(same, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, k.wrap(err))
		}
	}
}

// head is one layer's list of subkeys and the first of them not yet merged.
type head struct {
	children
	layerNode
}

func (k *stackKey) heads() ([]head, error) {
	var heads []head
	for _, t := range k.tree {
		c, err := t.h.children(t.node)
		if err != nil {
			return nil, err
		}
		n, ok, err := c.next()
		if err != nil {
			return nil, err
		}
		if ok {
			heads = append(heads, head{c, layerNode{t.h, n}})
		}
	}
	return heads, nil
}

// lowest takes the lowest name off all heads that have it, appending their nodes to
// same, and drops the heads that are at their end.
func lowest(heads []head, same []layerNode) ([]layerNode, []head, error) {
	low := heads[0].name()
	for i := 1; i < len(heads); i++ {
		if n := heads[i].name(); n.compare(low) < 0 {
			low = n
		}
	}
	kept := heads[:0]
	for i := range heads {
		h := heads[i]
		if h.name().compare(low) == 0 {
			same = append(same, h.layerNode)
			n, ok, err := h.children.next()
			if err != nil {
				return nil, nil, err
			}
			if !ok {
				continue
			}
			h.node = n
		}
		kept = append(kept, h)
	}
	return same, kept, nil
}
