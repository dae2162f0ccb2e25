package hives

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Options is what new keys are made with.
type Options struct {
	// Time is the time of every change.
	Time nt.Filetime
	// Owner owns new keys; the zero SID stands for Administrators with the group SYSTEM.
	Owner nt.SID
}

// Tree is a hive in memory, built from nothing or by [Merge]. It is not safe for
// concurrent use while it is changed.
type Tree struct {
	o         Options
	root      *memKey
	inherited map[string][]byte // descriptor of a parent -> that of its new children
}

// memKey is a key in memory. Its subkeys are always in order.
type memKey struct {
	name   string
	info   Info
	values []Value
	kids   []*memKey
}

// NewTree makes a hive with nothing but a root key, which Administrators and SYSTEM
// control and Users may read.
func NewTree(o Options) *Tree {
	sd := nt.SD{
		Control: nt.SelfRelative | nt.DACLPresent,
		Owner:   nt.Administrators, Group: nt.System,
		DACL: &nt.ACL{Revision: 2, ACEs: []nt.ACE{
			{Flags: nt.ContainerInherit, Mask: 0xF003F, SID: nt.Administrators},
			{Flags: nt.ContainerInherit, Mask: 0xF003F, SID: nt.System},
			{Flags: nt.ContainerInherit, Mask: 0x20019, SID: nt.Users},
		}},
	}
	root := &memKey{name: "ROOT", info: Info{SD: sd.Marshal(), LastWrite: o.Time}}
	return &Tree{o: o, root: root, inherited: map[string][]byte{}}
}

// Root returns the root key.
func (t *Tree) Root() Key { return &memView{k: t.root} }

// CreateKey creates a key and all above it that do not exist yet.
func (t *Tree) CreateKey(path string) error {
	_, err := t.create(path)
	return err
}

// Set sets a value, creating its key if need be. The data is kept, not copied.
func (t *Tree) Set(path string, v Value) error {
	if err := checkValue(v); err != nil {
		return err
	}
	k, err := t.create(path)
	if err != nil {
		return err
	}
	k.info.LastWrite = t.o.Time
	k.set(v)
	return nil
}

// SetSD gives a key, which is created if need be, a self-relative security descriptor.
// Keys that exist below it keep theirs.
func (t *Tree) SetSD(path string, sd []byte) error {
	if err := checkSD(sd); err != nil {
		return fmt.Errorf("key %s: %w", path, err)
	}
	k, err := t.create(path)
	if err != nil {
		return err
	}
	k.info.SD = sd
	return nil
}

func checkSD(sd []byte) error {
	if len(sd) > maxSD {
		return fmt.Errorf("security descriptor of %d bytes: at most %d", len(sd), maxSD)
	}
	_, err := nt.ParseSD(sd)
	return err
}

// checkValue holds a value against what a hive can store and Windows can set.
func checkValue(v Value) error {
	switch {
	case unitCount(v.Name) > maxValueName:
		return fmt.Errorf("value name of more than %d characters", maxValueName)
	case strings.IndexByte(v.Name, 0) >= 0:
		return fmt.Errorf("value name %q holds a NUL", v.Name)
	case len(v.Data) > maxData:
		return fmt.Errorf("value %q: data of %d bytes: at most %d", v.Name, len(v.Data), maxData)
	case v.Tombstone:
		return fmt.Errorf("value %q: a tombstone cannot be set", v.Name)
	}
	return nil
}

func (t *Tree) create(path string) (*memKey, error) {
	names, err := split(path)
	if err != nil {
		return nil, err
	}
	k := t.root
	for _, name := range names {
		i, ok := k.find(name)
		if !ok {
			child := &memKey{name: name, info: Info{SD: t.inherit(k.info.SD), LastWrite: t.o.Time}}
			k.kids = slices.Insert(k.kids, i, child)
			k.info.LastWrite = t.o.Time
		}
		k = k.kids[i]
	}
	return k, nil
}

func (t *Tree) inherit(parent []byte) []byte {
	sd, ok := t.inherited[string(parent)]
	if !ok {
		sd = nt.InheritKey(parent, t.o.Owner)
		t.inherited[string(parent)] = sd
	}
	return sd
}

// find returns where a subkey is or would go.
func (k *memKey) find(name string) (int, bool) {
	return slices.BinarySearchFunc(k.kids, name, func(c *memKey, name string) int {
		return nt.Compare(c.name, name)
	})
}

// set replaces the value of that name, keeping its spelling, or appends it.
func (k *memKey) set(v Value) {
	for i := range k.values {
		if nt.EqualFold(k.values[i].Name, v.Name) {
			v.Name = k.values[i].Name
			k.values[i] = v
			return
		}
	}
	k.values = append(k.values, v)
}

// WriteTo writes the hive in version 1.5. The same tree always gives the same bytes.
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	return write(w, t.root, false)
}

// memView shows a memKey as a Key.
type memView struct{ k *memKey }

func (m *memView) Name() string        { return m.k.name }
func (m *memView) Info() (Info, error) { return m.k.info, nil }

func (m *memView) Subkeys() iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for _, c := range m.k.kids {
			if !yield(&memView{k: c}, nil) {
				return
			}
		}
	}
}

func (m *memView) Subkey(name string) (Key, error) {
	i, ok := m.k.find(name)
	if !ok {
		return nil, keyNotFound(name)
	}
	return &memView{k: m.k.kids[i]}, nil
}

func (m *memView) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for _, v := range m.k.values {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (m *memView) Value(name string) (Value, error) {
	for _, v := range m.k.values {
		if nt.EqualFold(v.Name, name) {
			return v, nil
		}
	}
	return Value{}, valueNotFound(name)
}
