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
	machine     = "HKEY_LOCAL_MACHINE"
	users       = "HKEY_USERS"
	currentUser = "HKEY_CURRENT_USER"
)

// group is a key that is in no hive: one of the roots, or what stands above them.
type group struct {
	name    string
	members []member                 // in order
	more    func() ([]member, error) // that come after them; nil if there are none
}

// member is a key of a group and how to get it.
type member struct {
	name string
	open func() (hives.Key, error)
}

func (r *Registry) all() group {
	return group{members: []member{
		{machine, func() (hives.Key, error) { return r.machine(), nil }},
		{users, func() (hives.Key, error) { return r.allUsers(), nil }},
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

// allUsers has those whose hives the image holds. Their classes are part of them here.
func (r *Registry) allUsers() group {
	const system = ".DEFAULT"
	return group{name: users, members: []member{{system, func() (hives.Key, error) { return r.root(hives.Default, system) }}},
		more: func() ([]member, error) {
			list, err := r.view.Users()
			var members []member
			for _, sid := range list {
				members = append(members, member{sid.String(), func() (hives.Key, error) { return r.userRoot(hives.UserHive{SID: sid}) }})
			}
			return members, err
		}}
}

// Name returns the name.
func (g group) Name() string { return g.name }

// Info returns nothing.
func (g group) Info() (hives.Info, error) { return hives.Info{}, nil }

// Subkeys yields the members.
func (g group) Subkeys() iter.Seq2[hives.Key, error] {
	return func(yield func(hives.Key, error) bool) {
		members := g.members
		if g.more != nil {
			more, err := g.more()
			if err != nil {
				yield(nil, err)
				return
			}
			members = append(members[:len(members):len(members)], more...)
		}
		for _, m := range members {
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
	file   *int // the layer of the file, if the hive is one that has no deltas
	system bool // CurrentControlSet leads into one of the control sets
}

// Name returns the name in the image: that in the hive has no meaning.
func (k *named) Name() string { return k.name }

// root opens a hive of the image. A delta without anything below it is shown by itself,
// with what it deletes.
func (r *Registry) root(n hives.Name, name string) (*named, error) {
	if k := r.roots[n]; k != nil {
		return k, nil
	}
	list, err := r.view.Hives(n)
	if err != nil {
		return nil, fmt.Errorf("open hive %s: %w", n, err)
	}
	k := &named{name: name, system: n == hives.System}
	if len(list) == 1 && list[0].Layer == 0 && list[0].Hive.IsDelta() {
		k.Key, err = list[0].Hive.Root()
	} else {
		k.Key, err = view.StackOf(list).Root()
	}
	if err != nil {
		return nil, fmt.Errorf("open hive %s: %w", n, err)
	}
	r.roots[n] = k
	return k, nil
}

// userRoot opens a hive of a user of the image.
func (r *Registry) userRoot(u hives.UserHive) (*named, error) {
	if k := r.users[u]; k != nil {
		return k, nil
	}
	h, err := r.view.UserHive(u)
	if err != nil {
		return nil, err
	}
	root, err := h.Hive.Root()
	if err != nil {
		return nil, fmt.Errorf("hive of user %s: %w", u.SID, err)
	}
	k := &named{Key: root, name: u.SID.String(), file: &h.Layer}
	r.users[u] = k
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
