package nt

const (
	fileRX   = 0x1200A9 // read and execute
	dirMkDir = 0x4      // add a subdirectory
	dirMkFil = 0x2      // add a file
)

// DefaultFileSD returns the descriptor of a new file whose parent is unknown:
// Administrators and SYSTEM may do everything, Users read and execute, all marked as
// inherited. The owner is Administrators, the group SYSTEM.
func DefaultFileSD() []byte { return defaultSD(false).Marshal() }

// DefaultDirSD returns the same for a directory; Users may also add to it, and the
// creator of what they add owns it.
func DefaultDirSD() []byte { return defaultSD(true).Marshal() }

func defaultSD(dir bool) *SD {
	sd := &SD{
		Control: SelfRelative | DACLPresent | DACLAutoInherited,
		Owner:   Administrators,
		Group:   System,
		DACL: &ACL{Revision: 2, ACEs: []ACE{
			{Mask: fileRights.all, SID: Administrators},
			{Mask: fileRights.all, SID: System},
			{Mask: fileRX, SID: Users},
		}},
	}
	if dir {
		sd.DACL.ACEs = dirACEs()
	}
	for i := range sd.DACL.ACEs {
		sd.DACL.ACEs[i].Flags |= Inherited
	}
	return sd
}

func dirACEs() []ACE {
	const both = ObjectInherit | ContainerInherit
	return []ACE{
		{Flags: both, Mask: fileRights.all, SID: Administrators},
		{Flags: both, Mask: fileRights.all, SID: System},
		{Mask: fileRights.all, SID: Administrators},
		{Flags: both | InheritOnly, Mask: 0x10000000, SID: CreatorOwner},
		{Flags: both, Mask: fileRX, SID: Users},
		{Flags: ContainerInherit, Mask: dirMkDir, SID: Users},
		{Flags: ContainerInherit, Mask: dirMkFil, SID: Users},
	}
}

// RootDirSD returns the descriptor of C:\ in a generated base layer, with the grants
// that Windows Server gives it: Users add directories anywhere, files only below.
func RootDirSD() []byte {
	const both = ObjectInherit | ContainerInherit
	sd := &SD{
		Control: SelfRelative | DACLPresent | DACLProtected,
		Owner:   Administrators,
		Group:   System,
		DACL: &ACL{Revision: 2, ACEs: []ACE{
			{Flags: both, Mask: fileRights.all, SID: Administrators},
			{Flags: both, Mask: fileRights.all, SID: System},
			{Flags: both | InheritOnly, Mask: 0x10000000, SID: CreatorOwner},
			{Flags: both, Mask: fileRX, SID: Users},
			{Flags: ContainerInherit, Mask: dirMkDir, SID: Users},
			{Flags: ContainerInherit | InheritOnly, Mask: dirMkFil, SID: Users},
			{Mask: fileRX, SID: Everyone},
		}},
	}
	return sd.Marshal()
}
