package view

import (
	"fmt"
	"strings"
	"sync"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// maxNames is NTFS's limit of names for one file, and so of the links on the way from one to the first.
const maxNames = 1024

// located is an item of a layer.
type located struct {
	layer int
	item  int32
}

// linked makes the node of a hard link: that of the file it leads to, in this layer or below. It returns nil, after a
// finding, if there is none.
func (m *merge) linked(layer int, i int32, item *pack.Item) *node {
	at, target := located{layer, i}, item.Target
	for range maxNames {
		path, ok := strings.CutPrefix(target, "Files/")
		if !ok {
			break
		}
		if at, ok = m.locate(at.layer, at.item, path); !ok {
			break
		}
		found := &m.layers[at.layer].items[at.item]
		if found.Kind != layers.HardLink {
			return m.node(at.layer, at.item, found)
		}
		target = found.Target
	}
	m.find(layer, i, "link-target", fmt.Sprintf("hard link to %q, which is no file of this or a lower layer", item.Target),
		"write the target before the link, or copy the file")
	return nil
}

// locate finds the file, symlink or hard link that a path below C:\ names at a moment of the import: when the layers
// below layer are there and the items of that layer before the item before; none means all of them.
func (m *merge) locate(layer int, before int32, path string) (located, bool) {
	names := strings.Split(nt.Fold(path), "/")
	for ; layer >= 0; layer, before = layer-1, none {
		item, hides := m.locateIn(layer, before, names)
		if item != none {
			return located{layer, item}, m.layers[layer].items[item].Kind != layers.Dir
		}
		if hides {
			break
		}
	}
	return located{}, false
}

// locateIn looks for a path in one layer alone. hides tells that what the layers below have there does not count.
func (m *merge) locateIn(layer int, before int32, names []string) (item int32, hides bool) {
	x := m.layers[layer]
	f := x.files
	for k, name := range names {
		hides = hides || f.opaque != none
		s, ok := m.spots.of(x, f)[name]
		if !ok || before != none && s.add >= before {
			s.add = none
		}
		hides = hides || s.gone
		if s.add != none {
			if k == len(names)-1 {
				return s.add, true
			}
			if x.items[s.add].Kind != layers.Dir {
				return none, true
			}
		}
		if f = f.subs[name]; f == nil {
			break
		}
	}
	return none, hides
}

// spotCache keeps what locate needs to know of the directories that hard links lead to.
type spotCache struct {
	mu       sync.Mutex
	byFolder map[*folder]map[string]spot
}

func (c *spotCache) of(x *index, f *folder) map[string]spot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.byFolder[f]
	if !ok {
		if s = x.spots(f); c.byFolder == nil {
			c.byFolder = map[*folder]map[string]spot{}
		}
		c.byFolder[f] = s
	}
	return s
}
