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
	Path string // from the root down, spelled as in the hive
	Key  hives.Key
	name string // the last of the path
	hive *hiveOf
}

// hiveOf is what the nodes of one hive share.
type hiveOf struct {
	*named
	left int64 // bytes of values that may still come: damaged lists can lead to one key on many ways
}

// Value is a value and the layer that set it last, nil where there are no layers.
type Value struct {
	hives.Value
	Layer *int
}

// newNode makes the node of a root.
func newNode(path string, k hives.Key) *Node {
	n := &Node{Path: path, Key: k, name: path[strings.LastIndexByte(path, '\\')+1:]}
	if root, ok := k.(*named); ok {
		n.Key, n.hive = root.Key, &hiveOf{root, hives.Bound(root.Key)}
	}
	return n
}

// child makes the node of a subkey.
func (n *Node) child(k hives.Key, name string) *Node {
	path := name
	if n.Path != "" {
		path = n.Path + `\` + name
	}
	c := newNode(path, k)
	if c.name = name; c.hive == nil {
		c.hive = n.hive
	}
	return c
}

// descend follows a path of names. The error is a [*deadEnd] if it leads nowhere.
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
		if n.hive != nil && n.hive.system && n.Key == n.hive.Key && errors.Is(err, fs.ErrNotExist) && nt.EqualFold(name, current) {
			if k, err = controlSet(n.Key); err == nil {
				n = n.child(k, current)
				continue
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &deadEnd{keyName(n.Path), name}
		}
		return nil, err
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

// Layer is the layer that made the key or changed it last, nil where that is not known.
func (n *Node) Layer() (*int, error) {
	if n.hive != nil && n.hive.file != nil {
		return n.hive.file, nil
	}
	o, ok := n.Key.(hives.Origin)
	if !ok {
		return nil, nil
	}
	i, err := o.Layer()
	return &i, err
}

// Values returns the values in stored order.
func (n *Node) Values() ([]Value, error) {
	var list []Value
	take := func(v hives.Value, layer *int) error {
		list = append(list, Value{v, layer})
		if n.hive == nil {
			return nil
		}
		if n.hive.left -= int64(len(v.Name)/2 + len(v.Data)); n.hive.left < 0 {
			return fmt.Errorf("%w: keys share the same values", hives.ErrFormat)
		}
		return nil
	}
	if o, ok := n.Key.(hives.Origin); ok {
		for v, err := range o.Origins() {
			if err == nil {
				err = take(v.Value, &v.Layer)
			}
			if err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	var file *int
	if n.hive != nil {
		file = n.hive.file
	}
	for v, err := range n.Key.Values() {
		if err == nil {
			err = take(v, file)
		}
		if err != nil {
			return nil, err
		}
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
		return fmt.Errorf("%s: %w", keyName(n.Path), err)
	}
	for c, err := range n.Subkeys() {
		if err != nil {
			return fmt.Errorf("%s: %w", keyName(n.Path), err)
		}
		if err := w.walk(c, depth+1, fn); err != nil {
			return err
		}
	}
	return nil
}
