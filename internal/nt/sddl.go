package nt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// sddlSIDs are the two-letter names of the security descriptor definition language
// that do not depend on a domain, MS-DTYP 2.5.1.1.
var sddlSIDs = [...]struct {
	name string
	sid  SID
}{
	{"BA", Administrators}, {"BU", Users}, {"SY", System}, {"CO", CreatorOwner}, {"CG", CreatorGroup},
	{"WD", Everyone}, {"AU", AuthenticatedUsers}, {"RC", Restricted}, {"AC", AllAppPackages},
	{"OW", OwnerRights}, {"LS", LocalService}, {"NS", NetworkService}, {"AN", sid(5, 7)}, {"IU", sid(5, 4)},
	{"NU", sid(5, 2)}, {"SU", sid(5, 6)}, {"ED", sid(5, 9)}, {"PS", sid(5, 10)}, {"WR", sid(5, 33)},
	{"BG", sid(5, 32, 546)}, {"PU", sid(5, 32, 547)}, {"AO", sid(5, 32, 548)}, {"SO", sid(5, 32, 549)},
	{"PO", sid(5, 32, 550)}, {"BO", sid(5, 32, 551)}, {"RE", sid(5, 32, 552)}, {"RU", sid(5, 32, 554)},
	{"RD", sid(5, 32, 555)}, {"NO", sid(5, 32, 556)}, {"MU", sid(5, 32, 558)}, {"LU", sid(5, 32, 559)},
	{"IS", sid(5, 32, 568)}, {"CY", sid(5, 32, 569)}, {"ER", sid(5, 32, 573)}, {"CD", sid(5, 32, 574)},
	{"RA", sid(5, 32, 575)}, {"ES", sid(5, 32, 576)}, {"MS", sid(5, 32, 577)}, {"HA", sid(5, 32, 578)},
	{"AA", sid(5, 32, 579)}, {"RM", sid(5, 32, 580)}, {"UD", sid(5, 84, 0, 0, 0, 0, 0)},
	{"AS", sid(18, 1)}, {"SS", sid(18, 2)},
	{"LW", sid(16, 4096)}, {"ME", sid(16, 8192)}, {"MP", sid(16, 8448)}, {"HI", sid(16, 12288)}, {"SI", sid(16, 16384)},
}

// sddlRights are the names of access rights. Those of sets[] are only written for
// exactly that mask, the others may be combined.
var (
	sddlSets = [...]right{
		{"FA", 0x1F01FF}, {"FR", 0x120089}, {"FW", 0x120116}, {"FX", 0x1200A0},
		{"KA", 0xF003F}, {"KR", 0x20019}, {"KW", 0x20006},
	}
	sddlBits = [...]right{
		{"GA", 0x10000000}, {"GX", 0x20000000}, {"GW", 0x40000000}, {"GR", 0x80000000},
		{"CC", 1}, {"DC", 2}, {"LC", 4}, {"SW", 8}, {"RP", 0x10}, {"WP", 0x20}, {"DT", 0x40}, {"LO", 0x80}, {"CR", 0x100},
		{"SD", 0x10000}, {"RC", 0x20000}, {"WD", 0x40000}, {"WO", 0x80000},
	}
	sddlLabel = [...]right{{"NW", 1}, {"NR", 2}, {"NX", 4}}
	sddlFlags = [...]right{
		{"OI", ObjectInherit}, {"CI", ContainerInherit}, {"NP", NoPropagate}, {"IO", InheritOnly}, {"ID", Inherited},
		{"SA", 0x40}, {"FA", 0x80},
	}
	sddlTypes = [...]sddlType{
		{"A", AllowACE}, {"D", DenyACE}, {"AU", AuditACE}, {"AL", alarmACE}, {"ML", LabelACE}, {"SP", policyACE}, {"TL", trustACE},
		{"OA", firstObject}, {"OD", firstObject + 1}, {"OU", firstObject + 2}, {"OL", firstObject + 3},
		{"XA", firstCond}, {"XD", firstCond + 1}, {"ZA", firstCond + 2}, {"XU", firstCond + 4}, {"FL", filterACE},
	}
)

type sddlType struct {
	name string
	typ  uint8
}

type right struct {
	name string
	bits uint32
}

// SDDL returns the text form, such as O:BAG:SYD:(A;CI;KA;;;BA). Entries that have no
// text form here (resource attributes, and what is malformed) are written as
// (0xTYPE;flags;#HEX), which ParseSDDL reads back and Windows does not know.
func (sd *SD) SDDL() string {
	var b strings.Builder
	if sd.Owner != "" {
		b.WriteString("O:" + sddlSID(sd.Owner))
	}
	if sd.Group != "" {
		b.WriteString("G:" + sddlSID(sd.Group))
	}
	if sd.Control&DACLPresent != 0 || sd.DACL != nil {
		writeACL(&b, "D:", sd.DACL, sd.Control&DACLProtected, sd.Control&daclInheritReq, sd.Control&DACLAutoInherited)
	}
	if sd.Control&SACLPresent != 0 || sd.SACL != nil {
		writeACL(&b, "S:", sd.SACL, sd.Control&SACLProtected, sd.Control&saclInheritReq, sd.Control&SACLAutoInherited)
	}
	return b.String()
}

func writeACL(b *strings.Builder, head string, l *ACL, protected, req, auto uint16) {
	b.WriteString(head)
	for _, f := range []struct {
		name string
		on   uint16
	}{{"P", protected}, {"AR", req}, {"AI", auto}} {
		if f.on != 0 {
			b.WriteString(f.name)
		}
	}
	if l == nil {
		b.WriteString("NO_ACCESS_CONTROL")
		return
	}
	for _, a := range l.ACEs {
		b.WriteString("(" + sddlACE(a) + ")")
	}
}

func sddlACE(a ACE) string {
	if text, ok := sddlWords(a); ok {
		return text
	}
	return fmt.Sprintf("0x%x;0x%x;#%x", a.Type, a.Flags, a.body())
}

// sddlWords writes an entry in words, if they say all that it holds.
func sddlWords(a ACE) (string, bool) {
	flags := names(sddlFlags[:], uint32(a.Flags))
	at := slices.IndexFunc(sddlTypes[:], func(t sddlType) bool { return t.typ == a.Type })
	if at < 0 || a.SID == "" || flags.rest != 0 {
		return "", false
	}
	object, ok := guidText(a.Object)
	if !ok {
		return "", false
	}
	text := sddlTypes[at].name + ";" + flags.text + ";" + sddlMask(a.Type, a.Mask) + ";" + object + ";" + sddlSID(a.SID)
	if formOf(a.Type)&formData == 0 {
		return text, true
	}
	condition, ok := conditionText(a.Data)
	return text + ";" + condition, ok
}

// guidText writes the two GUIDs of an object entry; one that is absent is empty.
func guidText(object []byte) (string, bool) {
	if len(object) == 0 {
		return ";", true
	}
	flags, rest := binary.LittleEndian.Uint32(object), object[4:]
	if flags > 3 {
		return "", false
	}
	var text [2]string
	for i := range text {
		if flags>>i&1 != 0 {
			g := rest[:16]
			text[i] = fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g), binary.LittleEndian.Uint16(g[4:]),
				binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
			rest = rest[16:]
		}
	}
	return text[0] + ";" + text[1], true
}

func sddlSID(s SID) string {
	for i := range sddlSIDs {
		if sddlSIDs[i].sid == s {
			return sddlSIDs[i].name
		}
	}
	return s.String()
}

func sddlMask(typ uint8, mask uint32) string {
	bits := sddlBits[:]
	if typ == LabelACE {
		bits = sddlLabel[:]
	} else {
		for _, r := range sddlSets {
			if r.bits == mask {
				return r.name
			}
		}
	}
	if n := names(bits, mask); n.rest == 0 && mask != 0 {
		return n.text
	}
	return "0x" + strconv.FormatUint(uint64(mask), 16)
}

type named struct {
	text string
	rest uint32 // bits without a name
}

func names(table []right, bits uint32) (n named) {
	n.rest = bits
	for _, r := range table {
		if bits&r.bits == r.bits {
			n.text += r.name
			n.rest &^= r.bits
		}
	}
	return n
}
