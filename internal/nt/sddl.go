package nt

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// sddlSIDs are the two-letter names of the security descriptor definition language
// that do not depend on a domain.
var sddlSIDs = [...]struct {
	name string
	sid  SID
}{
	{"BA", Administrators}, {"BU", Users}, {"SY", System}, {"CO", CreatorOwner}, {"CG", CreatorGroup},
	{"WD", Everyone}, {"AU", AuthenticatedUsers}, {"RC", Restricted}, {"AC", AllAppPackages},
	{"OW", OwnerRights}, {"LS", LocalService}, {"NS", NetworkService}, {"AN", sid(5, 7)}, {"IU", sid(5, 4)},
	{"NU", sid(5, 2)}, {"SU", sid(5, 6)}, {"BG", sid(5, 32, 546)}, {"PU", sid(5, 32, 547)}, {"BO", sid(5, 32, 551)},
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
	sddlTypes = [...]struct {
		name string
		typ  uint8
	}{{"A", AllowACE}, {"D", DenyACE}, {"AU", AuditACE}, {"AL", 3}, {"ML", LabelACE}, {"SP", 0x13}}
)

type right struct {
	name string
	bits uint32
}

// SDDL returns the text form, such as O:BAG:SYD:(A;CI;KA;;;BA). Entries whose type has
// no text form here (object and conditional ones) are written as (0xTYPE;flags;#HEX),
// which ParseSDDL reads back and Windows does not know.
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
	flags := names(sddlFlags[:], uint32(a.Flags))
	for _, t := range sddlTypes {
		if t.typ == a.Type && a.SID != "" && flags.rest == 0 {
			return t.name + ";" + flags.text + ";" + sddlMask(a.Type, a.Mask) + ";;;" + sddlSID(a.SID)
		}
	}
	body := a.Body
	if a.SID != "" {
		body = append([]byte{byte(a.Mask), byte(a.Mask >> 8), byte(a.Mask >> 16), byte(a.Mask >> 24)}, a.SID...)
	}
	return fmt.Sprintf("0x%x;0x%x;#%x", a.Type, a.Flags, body)
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

// ParseSDDL reads the text form. Domain-relative names of accounts, object entries
// and conditions are not supported.
func ParseSDDL(s string) (*SD, error) {
	sd := &SD{Control: SelfRelative}
	seen := ""
	for rest := s; rest != ""; {
		if len(rest) < 2 || rest[1] != ':' || strings.IndexByte(seen, rest[0]) >= 0 {
			return nil, fmt.Errorf("parse SDDL %q: at %q: want O:, G:, D: or S:, each once", s, rest)
		}
		part := rest[0]
		seen += rest[:1]
		body := rest[2:]
		end := partEnd(body)
		rest = body[end:]
		if err := sd.parsePart(part, body[:end]); err != nil {
			return nil, fmt.Errorf("parse SDDL %q: %w", s, err)
		}
	}
	return sd, nil
}

// partEnd finds where the next O:, G:, D: or S: begins.
func partEnd(s string) int {
	if i := strings.IndexByte(s, ':'); i > 0 {
		return i - 1
	}
	return len(s)
}

func (sd *SD) parsePart(part byte, s string) (err error) {
	switch part {
	case 'O':
		sd.Owner, err = parseSDDLSID(s)
	case 'G':
		sd.Group, err = parseSDDLSID(s)
	case 'D':
		sd.Control |= DACLPresent
		sd.DACL, err = sd.parseACL(s, DACLProtected, daclInheritReq, DACLAutoInherited)
	case 'S':
		sd.Control |= SACLPresent
		sd.SACL, err = sd.parseACL(s, SACLProtected, saclInheritReq, SACLAutoInherited)
	default:
		err = fmt.Errorf("unknown part %q", string(part))
	}
	return err
}

func parseSDDLSID(s string) (SID, error) {
	for i := range sddlSIDs {
		if strings.EqualFold(sddlSIDs[i].name, s) {
			return sddlSIDs[i].sid, nil
		}
	}
	return ParseSID(s)
}

func (sd *SD) parseACL(s string, protected, req, auto uint16) (*ACL, error) {
	flags, entries := s, ""
	if i := strings.IndexByte(s, '('); i >= 0 {
		flags, entries = s[:i], s[i:]
	}
	null := false
	for flags != "" {
		switch {
		case strings.HasPrefix(flags, "NO_ACCESS_CONTROL"):
			flags, null = flags[len("NO_ACCESS_CONTROL"):], true
		case strings.HasPrefix(flags, "AR"):
			flags, sd.Control = flags[2:], sd.Control|req
		case strings.HasPrefix(flags, "AI"):
			flags, sd.Control = flags[2:], sd.Control|auto
		case flags[0] == 'P':
			flags, sd.Control = flags[1:], sd.Control|protected
		default:
			return nil, fmt.Errorf("unknown list flags %q", flags)
		}
	}
	if null && entries == "" {
		return nil, nil
	}
	l := &ACL{Revision: 2}
	size := 8
	for entries != "" {
		end := strings.IndexByte(entries, ')')
		if entries[0] != '(' || end < 0 || null {
			return nil, fmt.Errorf("malformed entry %q", entries)
		}
		a, err := parseACE(entries[1:end])
		if err != nil {
			return nil, err
		}
		if size += 8 + len(a.SID) + len(a.Body); size > 0xFFFC {
			return nil, fmt.Errorf("list of more than 64 KiB")
		}
		l.ACEs = append(l.ACEs, a)
		entries = entries[end+1:]
	}
	return l, nil
}

func parseACE(s string) (a ACE, err error) {
	f := strings.Split(s, ";")
	if len(f) == 3 {
		return parseRawACE(f)
	}
	if len(f) != 6 || f[3] != "" || f[4] != "" {
		return a, fmt.Errorf("unsupported entry (%s)", s)
	}
	found := false
	for _, t := range sddlTypes {
		if t.name == f[0] {
			a.Type, found = t.typ, true
		}
	}
	if !found {
		return a, fmt.Errorf("unsupported entry type in (%s)", s)
	}
	flags, err := parseRights(f[1], sddlFlags[:])
	if err != nil {
		return a, fmt.Errorf("flags of (%s): %w", s, err)
	}
	a.Flags = uint8(flags)
	if a.Mask, err = parseMask(a.Type, f[2]); err != nil {
		return a, fmt.Errorf("rights of (%s): %w", s, err)
	}
	a.SID, err = parseSDDLSID(f[5])
	return a, err
}

// parseRawACE reads the form that SDDL writes for entries it has no words for.
func parseRawACE(f []string) (ACE, error) {
	typ, err1 := strconv.ParseUint(f[0], 0, 8)
	flags, err2 := strconv.ParseUint(f[1], 0, 8)
	text, ok := strings.CutPrefix(f[2], "#")
	body, err3 := hex.DecodeString(text)
	if err1 != nil || err2 != nil || err3 != nil || !ok || len(body)%4 != 0 || len(body) > 0xFF00 {
		return ACE{}, fmt.Errorf("malformed raw entry (%s)", strings.Join(f, ";"))
	}
	size := len(body) + 4
	return readACE(append([]byte{byte(typ), byte(flags), byte(size), byte(size >> 8)}, body...)), nil
}

func parseMask(typ uint8, s string) (uint32, error) {
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		v, err := strconv.ParseUint(s, 0, 32)
		return uint32(v), err
	}
	if typ == LabelACE {
		return parseRights(s, sddlLabel[:])
	}
	return parseRights(s, sddlSets[:], sddlBits[:])
}

func parseRights(s string, tables ...[]right) (bits uint32, err error) {
next:
	for s != "" {
		for _, table := range tables {
			for _, r := range table {
				if len(s) >= 2 && strings.EqualFold(s[:2], r.name) {
					bits |= r.bits
					s = s[2:]
					continue next
				}
			}
		}
		return 0, fmt.Errorf("unknown letters %q", s)
	}
	return bits, nil
}
