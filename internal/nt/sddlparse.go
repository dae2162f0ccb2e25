package nt

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseSDDL reads the text form. Names of accounts that depend on a domain, and
// resource attributes, are not supported.
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
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ':' && i > 0:
			return i - 1
		case s[i] == '(':
			i += max(entryEnd(s[i:]), 0)
		}
	}
	return len(s)
}

// entryEnd returns where the parenthesis closes that s begins with, -1 if nowhere. Those
// in strings do not count.
func entryEnd(s string) int {
	depth, quoted := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
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
		end := entryEnd(entries)
		if entries[0] != '(' || end < 0 || null {
			return nil, fmt.Errorf("malformed entry %q", entries)
		}
		a, err := parseACE(entries[1:end])
		if err != nil {
			return nil, err
		}
		if size += 4 + len(a.body()); size > 0xFFFC {
			return nil, errors.New("list of more than 64 KiB")
		}
		if formOf(a.Type)&formObject != 0 {
			l.Revision = 4
		}
		l.ACEs = append(l.ACEs, a)
		entries = entries[end+1:]
	}
	return l, nil
}

func parseACE(s string) (a ACE, err error) {
	f := strings.SplitN(s, ";", 7)
	if len(f) == 3 {
		return parseRawACE(f)
	}
	at := slices.IndexFunc(sddlTypes[:], func(t sddlType) bool { return t.name == strings.TrimSpace(f[0]) })
	if at < 0 {
		return a, fmt.Errorf("unsupported entry type in (%s)", s)
	}
	a.Type = sddlTypes[at].typ
	form, fields := formOf(a.Type), 6
	if form&formData != 0 {
		fields = 7
	}
	if len(f) != fields {
		return a, fmt.Errorf("%d fields instead of %d in (%s)", len(f), fields, s)
	}
	flags, err := parseRights(f[1], sddlFlags[:])
	if err != nil {
		return a, fmt.Errorf("flags of (%s): %w", s, err)
	}
	a.Flags = uint8(flags)
	if a.Mask, err = parseMask(a.Type, f[2]); err != nil {
		return a, fmt.Errorf("rights of (%s): %w", s, err)
	}
	switch {
	case form&formObject != 0:
		if a.Object, err = parseGUIDs([2]string{f[3], f[4]}); err != nil {
			return a, fmt.Errorf("objects of (%s): %w", s, err)
		}
	case f[3] != "" || f[4] != "":
		return a, fmt.Errorf("objects in (%s)", s)
	}
	if form&formData != 0 {
		if a.Data, err = parseCondition(f[6]); err != nil {
			return a, fmt.Errorf("condition of (%s): %w", s, err)
		}
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

// parseGUIDs is the reverse of guidText.
func parseGUIDs(text [2]string) ([]byte, error) {
	object := make([]byte, 4)
	for i, s := range text {
		if s == "" {
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
		if err != nil || len(raw) != 16 || len(s) != 36 {
			return nil, fmt.Errorf("malformed GUID %q", s)
		}
		slices.Reverse(raw[:4])
		slices.Reverse(raw[4:6])
		slices.Reverse(raw[6:8])
		object[0] |= 1 << i
		object = append(object, raw...)
	}
	return object, nil
}
