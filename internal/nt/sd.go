package nt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Control bits of a security descriptor.
const (
	DACLPresent       = 0x0004
	SACLPresent       = 0x0010
	DACLAutoInherited = 0x0400
	SACLAutoInherited = 0x0800
	DACLProtected     = 0x1000
	SACLProtected     = 0x2000
	SelfRelative      = 0x8000

	daclInheritReq = 0x0100
	saclInheritReq = 0x0200
)

// Flags of an access control entry.
const (
	ObjectInherit    = 0x01
	ContainerInherit = 0x02
	NoPropagate      = 0x04
	InheritOnly      = 0x08
	Inherited        = 0x10
)

// Types of access control entries that consist of a mask and a SID.
const (
	AllowACE = 0
	DenyACE  = 1
	AuditACE = 2
	LabelACE = 0x11 // integrity level

	alarmACE    = 3
	policyACE   = 0x13 // central access policy
	trustACE    = 0x14 // process trust level
	claimACE    = 0x12 // resource attribute: mask, SID, a claim
	filterACE   = 0x15 // access filter: mask, SID, a condition
	firstObject = 5    // allow, deny, audit, alarm: mask, flags, up to two GUIDs, SID
	firstCond   = 9    // allow, deny; objects of both; audit, alarm; objects of both: as above, then a condition
)

// What the body of an entry has besides a mask and a SID, MS-DTYP 2.4.4.
const (
	formObject = 1 << iota // flags and GUIDs between them
	formData               // a condition or claim behind them
	formOther              // nothing that is known here
)

func formOf(t uint8) int {
	switch t {
	case AllowACE, DenyACE, AuditACE, alarmACE, LabelACE, policyACE, trustACE:
		return 0
	case firstObject, firstObject + 1, firstObject + 2, firstObject + 3:
		return formObject
	case firstCond, firstCond + 1, firstCond + 4, firstCond + 5, claimACE, filterACE:
		return formData
	case firstCond + 2, firstCond + 3, firstCond + 6, firstCond + 7:
		return formObject | formData
	}
	return formOther
}

// maxSD bounds what ParseSD reads: a size field of a list has 16 bits, and nothing
// Windows stores comes near two full lists.
const maxSD = 1 << 17

var errSD = errors.New("malformed security descriptor")

// SD is a security descriptor taken apart. A list that is nil is absent if its
// Present bit is unset in Control, else it is a NULL list, which for a DACL grants
// everything; an ACL without entries grants nothing.
type SD struct {
	Control      uint16
	Owner, Group SID // "" if absent
	SACL, DACL   *ACL
}

// ACL is an access control list.
type ACL struct {
	Revision uint8 // 2, or 4 if it holds object entries
	ACEs     []ACE
}

// Canonical reports whether the entries are in the order that Windows' tools write and expect: an object's own entries
// before inherited ones, and among its own those that deny before those that allow. Inherited ones are in the order of
// the ancestors that they come from, which nothing here tells, so that any order of them will do.
func (l *ACL) Canonical() bool {
	place := 0
	for _, a := range l.ACEs {
		p := aceOrder(a)
		if p < place {
			return false
		}
		place = p
	}
	return true
}

// aceOrder gives own denials 0, other own entries 1 and inherited ones 2.
func aceOrder(a ACE) int {
	switch {
	case a.Flags&Inherited != 0:
		return 2
	case a.Type == DenyACE, a.Type == firstObject+1, a.Type == firstCond+1, a.Type == firstCond+3:
		return 0
	}
	return 1
}

// ACE is one entry. Object is what object entries have between Mask and SID: flags and
// up to two GUIDs. Data is what follows the SID: a condition or a claim. Entries of
// unknown types, and malformed ones, keep what follows their header in Body; all else
// but Type and Flags is then unset.
type ACE struct {
	Type, Flags  uint8
	Mask         uint32
	SID          SID
	Object, Data []byte
	Body         []byte
}

// ParseSD reads a self-relative security descriptor. Bytes that nothing refers to
// are ignored.
func ParseSD(b []byte) (*SD, error) {
	if len(b) < 20 || len(b) > maxSD || b[0] != 1 {
		return nil, fmt.Errorf("%w: header", errSD)
	}
	sd := &SD{Control: binary.LittleEndian.Uint16(b[2:])}
	if sd.Control&SelfRelative == 0 {
		return nil, fmt.Errorf("%w: not self-relative", errSD)
	}
	var err error
	if sd.Owner, err = sidAt(b, 4); err != nil {
		return nil, fmt.Errorf("owner: %w", err)
	}
	if sd.Group, err = sidAt(b, 8); err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	if sd.Control&SACLPresent != 0 {
		if sd.SACL, err = aclAt(b, 12); err != nil {
			return nil, fmt.Errorf("SACL: %w", err)
		}
	}
	if sd.Control&DACLPresent != 0 {
		if sd.DACL, err = aclAt(b, 16); err != nil {
			return nil, fmt.Errorf("DACL: %w", err)
		}
	}
	return sd, nil
}

// tail returns the bytes from the offset stored at field, nil if that is 0.
func tail(b []byte, field int) ([]byte, error) {
	off := binary.LittleEndian.Uint32(b[field:])
	if off == 0 {
		return nil, nil
	}
	if off < 20 || uint64(off) >= uint64(len(b)) {
		return nil, fmt.Errorf("%w: offset %d", errSD, off)
	}
	return b[off:], nil
}

func sidAt(b []byte, field int) (SID, error) {
	t, err := tail(b, field)
	if t == nil {
		return "", err
	}
	s, ok := readSID(t)
	if !ok {
		return "", fmt.Errorf("%w: SID", errSD)
	}
	return s, nil
}

func aclAt(b []byte, field int) (*ACL, error) {
	t, err := tail(b, field)
	if t == nil {
		return nil, err
	}
	if len(t) < 8 {
		return nil, fmt.Errorf("%w: list header", errSD)
	}
	size, count := int(binary.LittleEndian.Uint16(t[2:])), int(binary.LittleEndian.Uint16(t[4:]))
	if size < 8 || size > len(t) {
		return nil, fmt.Errorf("%w: list of %d bytes", errSD, size)
	}
	acl := &ACL{Revision: t[0]}
	t = t[8:size]
	for range count {
		if len(t) < 4 {
			return nil, fmt.Errorf("%w: more entries than bytes", errSD)
		}
		n := int(binary.LittleEndian.Uint16(t[2:]))
		if n < 4 || n > len(t) || n%4 != 0 {
			return nil, fmt.Errorf("%w: entry of %d bytes", errSD, n)
		}
		acl.ACEs = append(acl.ACEs, readACE(t[:n]))
		t = t[n:]
	}
	return acl, nil
}

func readACE(b []byte) ACE {
	a := ACE{Type: b[0], Flags: b[1]}
	if !a.split(b[4:]) {
		a.Body = append([]byte{}, b[4:]...)
	}
	return a
}

// split takes the body of an entry apart, if it is well formed.
func (a *ACE) split(body []byte) bool {
	form := formOf(a.Type)
	if form == formOther || len(body) < 8 {
		return false
	}
	rest, object := body[4:], 0
	if form&formObject != 0 {
		object = 4 + 16*bits.OnesCount8(rest[0]&3)
	}
	if len(rest) < object {
		return false
	}
	sid, ok := readSID(rest[object:])
	if !ok {
		return false
	}
	data := rest[object+len(sid):]
	if len(data) > 0 && form&formData == 0 {
		return false
	}
	a.Mask, a.SID = binary.LittleEndian.Uint32(body), sid
	if object > 0 {
		a.Object = bytes.Clone(rest[:object])
	}
	if len(data) > 0 {
		a.Data = bytes.Clone(data)
	}
	return true
}

// body is what follows the header of the entry.
func (a *ACE) body() []byte {
	if a.SID == "" {
		return a.Body
	}
	b := binary.LittleEndian.AppendUint32(nil, a.Mask)
	b = append(b, a.Object...)
	b = append(b, a.SID...)
	return append(b, a.Data...)
}

// Marshal returns the self-relative form: header, owner, group, SACL, DACL. Lists
// that would pass 64 KiB, which ParseSD cannot have produced, lose their last entries.
func (sd *SD) Marshal() []byte {
	b := make([]byte, 20, 256)
	b[0] = 1
	control := sd.Control | SelfRelative
	if sd.SACL != nil {
		control |= SACLPresent
	}
	if sd.DACL != nil {
		control |= DACLPresent
	}
	binary.LittleEndian.PutUint16(b[2:], control)
	put := func(field int, content []byte) {
		if len(content) > 0 {
			binary.LittleEndian.PutUint32(b[field:], uint32(len(b)))
			b = append(b, content...)
		}
	}
	put(4, []byte(sd.Owner))
	put(8, []byte(sd.Group))
	put(12, sd.SACL.marshal())
	put(16, sd.DACL.marshal())
	return b
}

func (l *ACL) marshal() []byte {
	if l == nil {
		return nil
	}
	b := []byte{l.Revision, 0, 0, 0, 0, 0, 0, 0}
	count := 0
	for _, a := range l.ACEs {
		e := append([]byte{a.Type, a.Flags, 0, 0}, a.body()...)
		if len(b)+len(e) > 0xFFFC {
			break
		}
		binary.LittleEndian.PutUint16(e[2:], uint16(len(e)))
		b = append(b, e...)
		count++
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	binary.LittleEndian.PutUint16(b[4:], uint16(count))
	return b
}
