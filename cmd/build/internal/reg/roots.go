package reg

import (
	"fmt"
	"io/fs"
	"iter"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// The long names of the roots that an image has.
const (
	machine = "HKEY_LOCAL_MACHINE"
	users   = "HKEY_USERS"
)

// group is a key that is in no hive: one of the roots, or what stands above them.
type group struct {
	name    string
	members []member // in order
}

// member is a key of a group and how to get it.
type member struct {
	name string
	open func() (hives.Key, error)
}

func (r *Registry) all() group {
	return group{"", []member{
		{machine, func() (hives.Key, error) { return r.machine(), nil }},
		{users, func() (hives.Key, error) { return r.users(), nil }},
	}}
}

func (r *Registry) machine() group {
	g := group{name: machine}
	for _, n := range hives.Names {
		if n != hives.Default {
			g.members = append(g.members, member{string(n), func() (hives.Key, error) { return r.root(n, string(n)) }})
		}
	}
	return g
}

func (r *Registry) users() group {
	const name = ".DEFAULT"
	return group{users, []member{{name, func() (hives.Key, error) { return r.root(hives.Default, name) }}}}
}

// Name returns the name.
func (g group) Name() string { return g.name }

// Info returns nothing.
func (g group) Info() (hives.Info, error) { return hives.Info{}, nil }

// Subkeys yields the members.
func (g group) Subkeys() iter.Seq2[hives.Key, error] {
	return func(yield func(hives.Key, error) bool) {
		for _, m := range g.members {
			k, err := m.open()
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

// Subkey finds a member.
func (g group) Subkey(name string) (hives.Key, error) {
	for _, m := range g.members {
		if nt.EqualFold(name, m.name) {
			return m.open()
		}
	}
	return nil, fs.ErrNotExist
}

// Values yields none.
func (g group) Values() iter.Seq2[hives.Value, error] { return func(func(hives.Value, error) bool) {} }

// Value finds none.
func (g group) Value(string) (hives.Value, error) { return hives.Value{}, fs.ErrNotExist }

// named is the root key of a hive under the name that it has in an image.
type named struct {
	hives.Key
	name   string
	layers []int // the image's layer for each hive of the stack
	system bool  // CurrentControlSet leads into one of the control sets
}

// Name returns the name in the image: that in the hive has no meaning.
func (k *named) Name() string { return k.name }

// root opens a hive of the image.
func (r *Registry) root(n hives.Name, name string) (*named, error) {
	if k := r.roots[n]; k != nil {
		return k, nil
	}
	list, err := r.view.Hives(n)
	if err != nil {
		return nil, fmt.Errorf("open hive %s: %w", n, err)
	}
	root, err := view.StackOf(list).Root()
	if err != nil {
		return nil, fmt.Errorf("open hive %s: %w", n, err)
	}
	k := &named{Key: root, name: name, layers: []int{0}, system: n == hives.System}
	for _, l := range list {
		if l.Hive.IsDelta() {
			k.layers = append(k.layers, l.Layer)
		}
	}
	r.roots[n] = k
	return k, nil
}

// controlSet finds the key that Windows links CurrentControlSet to at boot: the control
// set that Select names, else the first.
func controlSet(system hives.Key) (hives.Key, error) {
	number := uint64(1)
	if k, err := system.Subkey("Select"); err == nil {
		if v, err := k.Value("Current"); err == nil {
			if n, ok := v.Uint(); ok && n <= 999 {
				number = n
			}
		}
	}
	return system.Subkey(fmt.Sprintf("ControlSet%03d", number))
}
