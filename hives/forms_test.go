package hives

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// other rewrites parts of a hive in forms that our writer does not use.
type other struct {
	spot
	alloc
}

func newOther(t *testing.T, file []byte) *other {
	bins := bytes.Clone(file[baseSize:])
	return &other{spot: spot{t, file, openBytes(t, file)}, alloc: alloc{bins: bins, next: uint32(len(bins))}}
}

// node returns a key's node among the new bins.
func (o *other) node(path string) []byte {
	k, err := Find(rootOf(o.t, o.hive), path)
	do(o.t, err)
	return o.payload(k.(*hiveKey).node.off)
}

// free gives a cell back.
func (o *other) free(off uint32) { put32(o.bins, int(off), -u32(o.bins, int(off))) }

// finish returns the new file, of another version. The root must have one key.
func (o *other) finish(minor uint32) []byte {
	copy(o.payload(u32(o.node(""), nkList)), "li")
	o.close()
	file := append(bytes.Clone(o.file[:baseSize]), o.bins...)
	put32(file, offBins, uint32(len(o.bins)))
	put32(file, offMinor, minor)
	return mend(file)
}

// leaf makes a list of keys, of any kind.
func leaf(kind string, keys []uint32, names []string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte(kind), uint16(len(keys)))
	for i, k := range keys {
		b = binary.LittleEndian.AppendUint32(b, k)
		switch kind {
		case "lf":
			b = binary.LittleEndian.AppendUint32(b, encode(names[i]).hint())
		case "lh":
			b = binary.LittleEndian.AppendUint32(b, encode(names[i]).hash())
		}
	}
	return b
}

// TestListForms reads every form of list, also those of Windows NT, and lists of them.
func TestListForms(t *testing.T) {
	names := []string{"Alpha", "b", "Gamma Delta", "Ж", "ЖЖ"}
	slices.Sort(names)
	tree := NewTree(Options{})
	for _, n := range names {
		do(t, tree.Set(`top\`+n, StringValue("name", n)))
	}
	names = nil // in order
	for _, k := range tree.root.kids[0].kids {
		names = append(names, k.name)
	}
	file := treeBytes(t, tree)
	for _, tt := range []struct {
		kinds []string // of the leaves, two keys each, the last with the rest
		minor uint32
	}{
		{[]string{"li"}, 3}, {[]string{"lf"}, 3}, {[]string{"lh"}, 5}, {[]string{"li"}, 6}, {[]string{"lf"}, 5},
		{[]string{"li", "li"}, 3}, {[]string{"lf", "lf"}, 4}, {[]string{"lh", "lf", "li"}, 5}, {[]string{"li", "lh"}, 6},
	} {
		o := newOther(t, file)
		old := u32(o.node("top"), nkList)
		var keys, leaves []uint32
		for i := range names {
			keys = append(keys, u32(o.payload(old), 4+8*i))
		}
		for i, kind := range tt.kinds {
			from, to := 2*i, 2*i+2
			if i == len(tt.kinds)-1 {
				to = len(names)
			}
			leaves = append(leaves, o.put(leaf(kind, keys[from:to], names[from:to])))
		}
		list := leaves[0]
		if len(leaves) > 1 {
			list = o.put(leaf("ri", leaves, nil))
		}
		put32(o.node("top"), nkList, list)
		o.free(old)
		b := o.finish(tt.minor)
		sound(t, b)
		top, err := Find(rootOf(t, openBytes(t, b)), "TOP")
		do(t, err)
		if got := walkNames(t, top); !slices.Equal(got[1:], names) {
			t.Errorf("%v: keys %q", tt.kinds, got)
		}
		for _, n := range names {
			k, err := top.Subkey(n)
			do(t, err)
			if v, err := k.Value("NAME"); err != nil || v.Text() != n {
				t.Errorf("%v: key %s has %v, %v", tt.kinds, n, v, err)
			}
		}
	}
}

// TestDataForms reads data as older versions stored it: more than 16 KB in one cell, and
// little of it outside of its value.
func TestDataForms(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), 5000)
	for _, tt := range []struct {
		data  []byte
		minor uint32
	}{{big, 3}, {big, 5}, {[]byte{1, 2, 3}, 3}, {[]byte{1, 2, 3, 4}, 5}} {
		tree := NewTree(Options{})
		do(t, tree.Set("k", BinaryValue("v", make([]byte, 8))))
		o := newOther(t, treeBytes(t, tree))
		v := u32(o.payload(u32(o.node("k"), nkValueList)), 0)
		o.free(u32(o.payload(v), vkData))
		at := o.put(tt.data)
		put32(o.payload(v), vkData, at)
		put32(o.payload(v), vkSize, uint32(len(tt.data)))
		put32(o.node("k"), nkMaxData, uint32(len(tt.data)))
		b := o.finish(tt.minor)
		sound(t, b)
		k, err := Find(rootOf(t, openBytes(t, b)), "k")
		do(t, err)
		if got, err := k.Value("v"); err != nil || !bytes.Equal(got.Data, tt.data) {
			t.Errorf("%d bytes in version 1.%d: read %d, %v", len(tt.data), tt.minor, len(got.Data), err)
		}
	}
}
