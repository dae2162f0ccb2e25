package hives

import (
	"fmt"

	"github.com/mullion/mullion/internal/nt"
)

// node is a key node: its cell offset and its payload up to the end of the name.
type node struct {
	off uint32
	b   []byte
}

// node reads the key node at off.
func (h *Hive) node(off uint32) (node, error) {
	b, err := h.named(off, nkName, nkNameLen, "nk")
	if err != nil {
		return node{}, err
	}
	if n := len(b) - nkName; n > 2*(maxKeyName+1) {
		return node{}, fmt.Errorf("%w: key at %#x has a name of %d bytes", ErrFormat, off, n)
	}
	return node{off: off, b: b}, nil
}

func (n node) flags() uint16 { return u16(n.b, nkFlags) }
func (n node) subkeys() uint32 {
	if u32(n.b, nkList) == noCell {
		return 0
	}
	return u32(n.b, nkSubkeys)
}

func (n node) values() uint32 {
	if n.flags()&keyHandle != 0 || u32(n.b, nkValueList) == noCell {
		return 0
	}
	return u32(n.b, nkValues)
}

func (n node) time() nt.Filetime { return nt.Filetime(u64(n.b, nkTime)) }

func (n node) name() rawName {
	return rawName{b: n.b[nkName:], latin: n.flags()&keyLatin != 0}
}

// layer returns the layer byte, which only means something in a delta.
func (h *Hive) layer(n node) uint8 {
	if !h.layered {
		return 0
	}
	return n.b[nkLayer]
}

func (h *Hive) semantics(n node) uint8 { return h.layer(n) & layerMask }

// class reads the class name.
func (h *Hive) class(n node) (string, error) {
	size, off := uint32(u16(n.b, nkClassLen)), u32(n.b, nkClass)
	if size == 0 || off == noCell {
		return "", nil
	}
	b, err := h.cell(off, size)
	if err != nil {
		return "", fmt.Errorf("class: %w", err)
	}
	return nt.FromUTF16Bytes(b), nil
}

// sd reads the security descriptor, nil if the node has none.
func (h *Hive) sd(n node) ([]byte, error) {
	off := u32(n.b, nkSecurity)
	if off == noCell {
		return nil, nil
	}
	b, err := h.signed(off, skSD, "sk")
	if err != nil {
		return nil, fmt.Errorf("security: %w", err)
	}
	size := u32(b, skSize)
	if size > maxSD {
		return nil, fmt.Errorf("%w: security descriptor of %d bytes", ErrFormat, size)
	}
	if b, err = h.cell(off, skSD+size); err != nil {
		return nil, fmt.Errorf("security: %w", err)
	}
	return b[skSD:], nil
}

func (h *Hive) info(n node) (Info, error) {
	class, err := h.class(n)
	if err != nil {
		return Info{}, err
	}
	sd, err := h.sd(n)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Class: class, SD: sd, LastWrite: n.time(), Symlink: n.flags()&keySymlink != 0,
		Flags: n.flags() & keyVirtual, User: n.b[nkUser], Layer: h.layer(n),
	}, nil
}
