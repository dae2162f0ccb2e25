package reg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// Node is a key and where it is.
type Node struct {
	Path   string // from the root down, spelled as in the hive
	Key    hives.Key
	name   string // the last of the path
	layers []int  // the image's layer for each hive of the stack; nil for a hive file
	system bool   // the root key of the SYSTEM hive
}

// Value is a value and the layer that set it last, nil where there are no layers.
type Value struct {
	hives.Value
	Layer *int
}

// child makes the node of a subkey.
func (n *Node) child(k hives.Key, name string) *Node {
	c := &Node{Path: name, Key: k, name: name, layers: n.layers}
	if n.Path != "" {
		c.Path = n.Path + `\` + name
	}
	if root, ok := k.(*named); ok {
		c.Key, c.layers, c.system = root.Key, root.layers, root.system
	}
	return c
}

// descend follows a path of names; an error matching [fs.ErrNotExist] if it leads nowhere.
func (n *Node) descend(path string) (*Node, error) {
	if path == "" {
		return n, nil
	}
	for name := range strings.SplitSeq(path, `\`) {
		k, err := n.Key.Subkey(name)
		if err == nil {
			n = n.child(k, k.Name())
			continue
		}
		const current = "CurrentControlSet"
		if !n.system || !errors.Is(err, fs.ErrNotExist) || !nt.EqualFold(name, current) {
			return nil, err
		}
		if k, err = controlSet(n.Key); err != nil {
			return nil, err
		}
		n = n.child(k, current)
	}
	return n, nil
}

// Subkeys yields the keys below in order. After an error it ends.
func (n *Node) Subkeys() iter.Seq2[*Node, error] {
	return func(yield func(*Node, error) bool) {
		for k, err := range n.Key.Subkeys() {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(n.child(k, k.Name()), nil) {
				return
			}
		}
	}
}

// Layer is the layer that made the key or changed it last, nil where there are none.
func (n *Node) Layer() (*int, error) {
	o, ok := n.Key.(hives.Origin)
	if !ok {
		return nil, nil
	}
	i, err := o.Layer()
	if err != nil {
		return nil, err
	}
	return n.layer(i), nil
}

// layer translates the number of a hive in its stack.
func (n *Node) layer(hive int) *int {
	if hive < 0 || hive >= len(n.layers) {
		return nil
	}
	return &n.layers[hive]
}

// Values returns the values in stored order.
func (n *Node) Values() ([]Value, error) {
	var list []Value
	if o, ok := n.Key.(hives.Origin); ok {
		for v, err := range o.Origins() {
			if err != nil {
				return nil, err
			}
			list = append(list, Value{v.Value, n.layer(v.Layer)})
		}
		return list, nil
	}
	for v, err := range n.Key.Values() {
		if err != nil {
			return nil, err
		}
		list = append(list, Value{Value: v})
	}
	return list, nil
}

// value returns the value of a name, in any case.
func (n *Node) value(name string) (v Value, ok bool, err error) {
	list, err := n.Values()
	for _, v := range list {
		if nt.EqualFold(v.Name, name) {
			return v, true, nil
		}
	}
	return Value{}, false, err
}

const (
	maxKeys  = 8 << 20 // that one command goes through: damaged lists can lead to one key on many ways
	maxDepth = 520     // of the 512 that a hive may have and the roots above
)

// walker goes through keys within bounds.
type walker struct {
	ctx  context.Context
	keys int
}

func (w *walker) enter(n *Node, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.keys++; w.keys > maxKeys || depth > maxDepth {
		return fmt.Errorf("%s: more than %d keys, or more than %d inside each other", keyName(n.Path), maxKeys, maxDepth)
	}
	return nil
}

// Walk calls fn for n and all below it, each key before those in it.
func Walk(ctx context.Context, n *Node, fn func(*Node) error) error {
	w := &walker{ctx: ctx}
	return w.walk(n, 0, fn)
}

func (w *walker) walk(n *Node, depth int, fn func(*Node) error) error {
	if err := w.enter(n, depth); err != nil {
		return err
	}
	if err := fn(n); err != nil {
		return err
	}
	for c, err := range n.Subkeys() {
		if err != nil {
			return err
		}
		if err := w.walk(c, depth+1, fn); err != nil {
			return err
		}
	}
	return nil
}
