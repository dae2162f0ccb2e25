package hives

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/mullion/mullion/internal/nt"
)

// WriteDelta writes the changes as a delta hive: version 1.6 with layered keys, its
// root alone if there are none. It can be written again after further changes.
func (e *Edit) WriteDelta(w io.Writer) (int64, error) {
	top, err := e.top()
	if err != nil {
		return 0, err
	}
	root := &memKey{name: "ROOT", info: Info{SD: deltaRootSD(), LastWrite: e.o.Time}}
	root.values = top.values
	todo := []deltaPair{{root, top}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, c := range p.src.kids {
			if !c.changed() {
				continue
			}
			k, err := e.layered(c, p.dst.info)
			if err != nil {
				return 0, fmt.Errorf("write delta: key %s: %w", c.name, err)
			}
			p.dst.kids = append(p.dst.kids, k)
			todo = append(todo, deltaPair{k, c})
		}
	}
	return write(w, root, true)
}

// Merge flattens the stack and the changes into one hive.
func (e *Edit) Merge() (*Tree, error) {
	var b bytes.Buffer
	if _, err := e.WriteDelta(&b); err != nil {
		return nil, err
	}
	h, err := OpenBytes(b.Bytes())
	if err != nil {
		return nil, err
	}
	return Merge(e.stack.Apply(h), e.o)
}

type deltaPair struct {
	dst *memKey
	src *editKey
}

// deltaRootSD is what the roots of Windows' own deltas carry. It means nothing: in the
// merged view the base hive's descriptor counts.
func deltaRootSD() []byte {
	sd := nt.SD{
		Control: nt.SelfRelative | nt.DACLPresent,
		Owner:   nt.Administrators, Group: nt.Administrators,
		DACL: &nt.ACL{Revision: 2, ACEs: []nt.ACE{
			{Flags: nt.ContainerInherit, Mask: 0xF003F, SID: nt.System},
			{Flags: nt.ContainerInherit, Mask: 0xF003F, SID: nt.Administrators},
			{Flags: nt.ContainerInherit, Mask: 0x20019, SID: nt.Everyone},
			{Flags: nt.ContainerInherit, Mask: 0x20019, SID: nt.Restricted},
		}},
	}
	return sd.Marshal()
}

// layered makes the node of one key, without its subkeys. An overlay is a copy of the
// key below with its descriptor and, unless its values or the set of its subkeys
// change, its time. A deleted key keeps the descriptor and nothing else.
func (e *Edit) layered(k *editKey, parent Info) (*memKey, error) {
	out := &memKey{name: k.name, values: k.values}
	if k.state == fresh || k.state == replaced {
		out.info = *k.info
		out.info.Layer = layerMerge
		if k.state == replaced || parent.Layer == layerTree {
			out.info.Layer = layerTree
		}
		return out, nil
	}
	below, err := k.below.Info()
	if err != nil {
		return nil, err
	}
	if below.SD == nil {
		below.SD = nt.InheritKey(parent.SD, e.o.Owner)
	}
	if k.state == deleted {
		out.info = Info{SD: below.SD, Layer: layerTombstone}
		return out, nil
	}
	out.info = below
	out.info.Class, out.info.Layer = "", layerMerge|layerInherit
	if k.info != nil {
		out.info.SD = k.info.SD
	}
	if k.class {
		out.info.Class, out.info.Layer = k.info.Class, layerMerge
	}
	if k.touched() {
		out.info.LastWrite = e.o.Time
	}
	return out, nil
}

// touched reports whether what a key holds itself or the set of its subkeys changes.
func (k *editKey) touched() bool {
	return k.info != nil || len(k.values) > 0 || slices.ContainsFunc(k.kids, func(c *editKey) bool { return c.state != overlay })
}
