package hives

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mullion/mullion/internal/nt"
)

// ErrRoot is matched when the root key of a hive is to be deleted.
var ErrRoot = errors.New("the root key of a hive cannot be deleted")

// Edit collects changes to the merged view of a stack. It is not safe for concurrent
// use. What is set to what it already was is no change.
type Edit struct {
	stack     *Stack
	o         Options
	root      *editKey
	inherited map[string][]byte
}

// editState is how a key that an Edit knows relates to the stack below.
type editState uint8

const (
	overlay  editState = iota // lies over a key below and changes it, or only leads on
	fresh                     // nothing below
	deleted                   // hides a key below
	replaced                  // hides a key below and stands in its place
)

// editKey is a key that was changed or leads to one that was.
type editKey struct {
	name   string
	state  editState
	below  *stackKey  // nil if fresh
	info   *Info      // of a fresh or replaced key; of an overlay if it differs from that below
	class  bool       // an overlay's class is its own, not inherited
	values []Value    // set, and deleted as tombstones, in the order of first change
	kids   []*editKey // in order
}

// NewEdit begins an edit of the registry that s shows.
func NewEdit(s *Stack, o Options) *Edit {
	return &Edit{stack: s, o: o, inherited: map[string][]byte{}}
}

// top returns the root, looking at the stack at first need.
func (e *Edit) top() (*editKey, error) {
	if e.root == nil {
		below, err := e.stack.root()
		if err != nil {
			return nil, err
		}
		e.root = &editKey{name: "ROOT", below: below}
		if below == nil {
			e.root.state = fresh
			e.root.info = &Info{SD: NewTree(e.o).root.info.SD, LastWrite: e.o.Time}
		}
	}
	return e.root, nil
}

// visible is the key below as far as this one shows it, nil if it does not.
func (k *editKey) visible() *stackKey {
	if k.state == overlay {
		return k.below
	}
	return nil
}

func (k *editKey) find(name string) (int, bool) {
	return slices.BinarySearchFunc(k.kids, name, func(c *editKey, name string) int {
		return nt.Compare(c.name, name)
	})
}

// child returns the named subkey, making an overlay for one that so far only exists
// below. It returns nil if there is none, or it was deleted.
func (k *editKey) child(name string) (*editKey, error) {
	i, ok := k.find(name)
	if ok {
		if k.kids[i].state == deleted {
			return nil, nil
		}
		return k.kids[i], nil
	}
	below := k.visible()
	if below == nil {
		return nil, nil
	}
	b, err := below.subkey(name)
	if err != nil || b == nil {
		return nil, err
	}
	c := &editKey{name: b.Name(), below: b}
	k.kids = slices.Insert(k.kids, i, c)
	return c, nil
}

// open finds a key to change; it must exist.
func (e *Edit) open(names []string) (*editKey, error) {
	return e.follow(names, func(_ *editKey, name string) (*editKey, error) { return nil, keyNotFound(name) })
}

// make finds a key to change, creating what is missing.
func (e *Edit) make(names []string) (*editKey, error) { return e.follow(names, e.add) }

// follow goes down from the root; missing gives the key below k that is not there.
func (e *Edit) follow(names []string, missing func(k *editKey, name string) (*editKey, error)) (*editKey, error) {
	k, err := e.top()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c, err := k.child(name)
		if err == nil && c == nil {
			c, err = missing(k, name)
		}
		if err != nil {
			return nil, err
		}
		k = c
	}
	return k, nil
}

// add creates a subkey that does not exist, perhaps in the place of a deleted one.
func (e *Edit) add(parent *editKey, name string) (*editKey, error) {
	above, err := parent.shown()
	if err != nil {
		return nil, err
	}
	inherited, ok := e.inherited[string(above.SD)]
	if !ok {
		inherited = nt.InheritKey(above.SD, e.o.Owner)
		e.inherited[string(above.SD)] = inherited
	}
	c := &editKey{name: name, info: &Info{SD: inherited, LastWrite: e.o.Time, User: inheritUser(above.User)}}
	parent.place(c)
	return c, nil
}

// place puts a key that is all new among the subkeys, perhaps where one was deleted.
func (k *editKey) place(c *editKey) {
	c.state = fresh
	i, ok := k.find(c.name)
	if !ok {
		k.kids = slices.Insert(k.kids, i, c)
		return
	}
	c.state, c.below = replaced, k.kids[i].below
	k.kids[i] = c
}

// shown returns what a key shows beside its content, but for its time.
func (k *editKey) shown() (Info, error) {
	if k.info != nil {
		return *k.info, nil
	}
	return k.below.Info()
}

// inheritUser gives a new key the virtualisation controls of the key above, if they are
// for all below it.
func inheritUser(above uint8) uint8 {
	const recurse, controls = 0x8, 0xF
	if above&recurse == 0 {
		return 0
	}
	return above & controls
}

// CreateKey creates a key and all above it that do not exist yet. Security is
// inherited. That the key exists is no error.
func (e *Edit) CreateKey(path string) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	if _, err := e.make(names); err != nil {
		return fmt.Errorf("create key %s: %w", path, err)
	}
	return nil
}

// SetValue sets a value, creating its key if need be. The spelling of a value's name
// that exists is kept, and so is the data, which is not copied.
func (e *Edit) SetValue(path string, v Value) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	if err := checkValue(v); err != nil {
		return fmt.Errorf("set value in %s: %w", path, err)
	}
	k, err := e.make(names)
	if err == nil {
		err = k.set(v)
	}
	if err != nil {
		return fmt.Errorf("set value in %s: %w", path, err)
	}
	return nil
}

// belowValue looks a value up in what this key shows of the stack.
func (k *editKey) belowValue(name string) (Value, bool, error) {
	below := k.visible()
	if below == nil {
		return Value{}, false, nil
	}
	v, err := below.Value(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Value{}, false, nil
	}
	return v, err == nil, err
}

func (k *editKey) index(name string) int {
	return slices.IndexFunc(k.values, func(v Value) bool { return nt.EqualFold(v.Name, name) })
}

func (k *editKey) set(v Value) error {
	old, had, err := k.belowValue(v.Name)
	if err != nil {
		return err
	}
	i := k.index(v.Name)
	switch {
	case had && old.Type == v.Type && bytes.Equal(old.Data, v.Data):
		if i >= 0 {
			k.values = slices.Delete(k.values, i, i+1)
		}
		return nil
	case had:
		v.Name = old.Name
	case i >= 0:
		v.Name = k.values[i].Name
	}
	if i >= 0 {
		k.values[i] = v
	} else {
		k.values = append(k.values, v)
	}
	return nil
}

// DeleteValue deletes a value; an error matching [fs.ErrNotExist] if there is none.
func (e *Edit) DeleteValue(path, name string) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	k, err := e.open(names)
	if err == nil {
		err = k.unset(name)
	}
	if err != nil {
		return fmt.Errorf("delete value in %s: %w", path, err)
	}
	return nil
}

func (k *editKey) unset(name string) error {
	old, had, err := k.belowValue(name)
	if err != nil {
		return err
	}
	i := k.index(name)
	if i >= 0 && k.values[i].Tombstone || i < 0 && !had {
		return valueNotFound(name)
	}
	if i >= 0 {
		k.values = slices.Delete(k.values, i, i+1)
	}
	if had {
		k.values = append(k.values, Value{Name: old.Name, Tombstone: true})
	}
	return nil
}

// DeleteKey deletes a key and all below it; an error matching [fs.ErrNotExist] if there
// is none, and ErrRoot for the root.
func (e *Edit) DeleteKey(path string) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrRoot
	}
	parent, err := e.open(names[:len(names)-1])
	if err == nil {
		err = parent.drop(names[len(names)-1])
	}
	if err != nil {
		return fmt.Errorf("delete key %s: %w", path, err)
	}
	return nil
}

func (k *editKey) drop(name string) error {
	c, err := k.child(name)
	if err != nil {
		return err
	}
	if c == nil {
		return keyNotFound(name)
	}
	i, _ := k.find(name)
	if c.state == fresh {
		k.kids = slices.Delete(k.kids, i, i+1)
		return nil
	}
	k.kids[i] = &editKey{name: c.below.Name(), state: deleted, below: c.below}
	return nil
}

// changed reports whether this key or any below it differs from the stack. Overlays
// that only lead nowhere do not count.
func (k *editKey) changed() bool {
	if k.state != overlay || k.info != nil || len(k.values) > 0 {
		return true
	}
	return slices.ContainsFunc(k.kids, (*editKey).changed)
}

// Changed reports whether WriteDelta would write anything but a root key.
func (e *Edit) Changed() bool {
	if e.root == nil {
		return false
	}
	return len(e.root.values) > 0 || slices.ContainsFunc(e.root.kids, (*editKey).changed)
}
