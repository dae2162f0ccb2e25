package nt

// Generic rights, the four top bits of a mask, and what they stand for.
const genericMask = 0xF0000000

type genericRights struct{ read, write, execute, all uint32 }

var (
	fileRights = genericRights{read: 0x120089, write: 0x120116, execute: 0x1200A0, all: 0x1F01FF}
	keyRights  = genericRights{read: 0x20019, write: 0x20006, execute: 0x20019, all: 0xF003F}
)

func (g genericRights) apply(mask uint32) uint32 {
	m := mask &^ genericMask
	for _, r := range []struct{ bit, rights uint32 }{
		{0x80000000, g.read}, {0x40000000, g.write}, {0x20000000, g.execute}, {0x10000000, g.all},
	} {
		if mask&r.bit != 0 {
			m |= r.rights
		}
	}
	return m
}

// InheritFile computes the security descriptor that NTFS gives a new file, or a new
// directory if dir, below a directory whose descriptor is parent: the parent's
// entries for children, generic rights spelled out, CREATOR OWNER replaced by owner,
// everything marked as inherited. Owner and group are owner; the zero SID stands for
// Administrators with the group SYSTEM. If parent is nil, malformed or has no DACL,
// the result is DefaultFileSD or DefaultDirSD with that owner.
func InheritFile(parent []byte, dir bool, owner SID) []byte {
	p, err := ParseSD(parent)
	if err != nil || p.DACL == nil {
		return ownedBy(defaultSD(dir), owner).Marshal()
	}
	sd := inherit(p, dir, owner, fileRights)
	sd.Control |= DACLAutoInherited
	return sd.Marshal()
}

// InheritKey computes the security descriptor of a new registry key below one whose
// descriptor is parent, by the same rules with the rights of keys. If parent is nil,
// malformed or has no DACL, the result grants SYSTEM and Administrators everything and
// Users reading.
func InheritKey(parent []byte, owner SID) []byte {
	p, err := ParseSD(parent)
	if err != nil || p.DACL == nil {
		p = &SD{DACL: &ACL{Revision: 2, ACEs: []ACE{
			{Flags: ContainerInherit, Mask: keyRights.all, SID: Administrators},
			{Flags: ContainerInherit, Mask: keyRights.all, SID: System},
			{Flags: ContainerInherit, Mask: keyRights.read, SID: Users},
		}}}
	}
	sd := inherit(p, true, owner, keyRights)
	sd.Control |= DACLAutoInherited | SACLAutoInherited
	return sd.Marshal()
}

// ownedBy sets owner and group unless owner is the zero SID.
func ownedBy(sd *SD, owner SID) *SD {
	if owner != "" {
		sd.Owner, sd.Group = owner, owner
	}
	return sd
}

func inherit(p *SD, container bool, owner SID, g genericRights) *SD {
	sd := ownedBy(&SD{Control: SelfRelative | DACLPresent, Owner: Administrators, Group: System}, owner)
	sd.DACL = inheritACL(p.DACL, container, sd, g)
	if len(sd.DACL.ACEs) == 0 {
		// Windows falls back on the default DACL of the creator's token.
		sd.DACL.ACEs = []ACE{{Mask: g.all, SID: sd.Owner}, {Mask: g.all, SID: System}}
	}
	if p.SACL != nil {
		if l := inheritACL(p.SACL, container, sd, g); len(l.ACEs) > 0 {
			sd.SACL = l
		}
	}
	return sd
}

func inheritACL(parent *ACL, container bool, child *SD, g genericRights) *ACL {
	l := &ACL{Revision: parent.Revision}
	for _, a := range parent.ACEs {
		l.ACEs = append(l.ACEs, inheritACE(a, container, child, g)...)
	}
	return l
}

// inheritACE gives what one entry of a parent becomes in a child: nothing, one entry,
// or an effective entry with the child's own owner and rights and a second one that
// hands the original on to the child's children.
func inheritACE(a ACE, container bool, child *SD, g genericRights) []ACE {
	pass := a.Flags & (ObjectInherit | ContainerInherit)
	if a.Flags&NoPropagate != 0 {
		pass = 0
	}
	rest := a.Flags &^ (ObjectInherit | ContainerInherit | NoPropagate | InheritOnly | Inherited)
	handOn := a
	handOn.Flags = rest | pass | InheritOnly | Inherited

	switch {
	case container && a.Flags&ContainerInherit == 0:
		if a.Flags&ObjectInherit == 0 || pass == 0 {
			return nil
		}
		return []ACE{handOn}
	case !container && a.Flags&ObjectInherit == 0:
		return nil
	case !container:
		pass = 0
	}
	eff := a
	eff.SID, eff.Mask = effective(a, child, g)
	eff.Flags = rest | Inherited
	if eff.SID == a.SID && eff.Mask == a.Mask {
		eff.Flags |= pass
		return []ACE{eff}
	}
	if pass == 0 {
		return []ACE{eff}
	}
	return []ACE{eff, handOn}
}

func effective(a ACE, child *SD, g genericRights) (SID, uint32) {
	s := a.SID
	switch s {
	case CreatorOwner:
		s = child.Owner
	case CreatorGroup:
		s = child.Group
	}
	if a.SID == "" || a.Type == LabelACE {
		return s, a.Mask
	}
	return s, g.apply(a.Mask)
}
