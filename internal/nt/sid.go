package nt

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// SID is a security identifier in its binary form: revision, number of
// subauthorities, authority (big endian), subauthorities (little endian). It can be
// compared with == and used as a map key. The zero value means "none".
type SID string

const (
	sidHeader = 8
	maxSubs   = 15
)

// The identifiers that images and the defaults of this module refer to.
var (
	Everyone               = sid(1, 0)
	CreatorOwner           = sid(3, 0)
	CreatorGroup           = sid(3, 1)
	OwnerRights            = sid(3, 4)
	AuthenticatedUsers     = sid(5, 11)
	Restricted             = sid(5, 12)
	System                 = sid(5, 18)
	LocalService           = sid(5, 19)
	NetworkService         = sid(5, 20)
	Administrators         = sid(5, 32, 544)
	Users                  = sid(5, 32, 545)
	ContainerAdministrator = sid(5, 93, 2, 1)
	ContainerUser          = sid(5, 93, 2, 2)
	AllAppPackages         = sid(15, 2, 1)
	TrustedInstaller       = serviceSID("TrustedInstaller")
)

func sid(authority uint8, subs ...uint32) SID {
	b := []byte{1, byte(len(subs)), 0, 0, 0, 0, 0, authority}
	for _, s := range subs {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return SID(b)
}

// serviceSID computes the identifier of NT SERVICE\name, which Windows derives from
// the SHA-1 of the upper-cased UTF-16 name.
func serviceSID(name string) SID {
	h := sha1.Sum(UTF16Bytes(Fold(name)))
	subs := []uint32{80}
	for i := 0; i < len(h); i += 4 {
		subs = append(subs, binary.LittleEndian.Uint32(h[i:]))
	}
	return sid(5, subs...)
}

// ParseSID reads the text form S-1-AUTHORITY-SUB..., with at most 15
// subauthorities. The authority may be decimal or, as Windows prints large ones,
// hexadecimal with 0x.
func ParseSID(s string) (SID, error) {
	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(parts) > 3+maxSubs || !strings.EqualFold(parts[0], "S") || parts[1] != "1" {
		return "", fmt.Errorf("parse SID %q: want S-1-AUTHORITY-...", s)
	}
	auth, err := strconv.ParseUint(parts[2], 0, 48)
	if err != nil {
		return "", fmt.Errorf("parse SID %q: authority: %w", s, err)
	}
	b := binary.BigEndian.AppendUint64(nil, auth)
	b[0], b[1] = 1, byte(len(parts)-3)
	for _, p := range parts[3:] {
		v, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return "", fmt.Errorf("parse SID %q: subauthority: %w", s, err)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return SID(b), nil
}

// readSID takes a binary SID from the start of b.
func readSID(b []byte) (SID, bool) {
	if len(b) < sidHeader || b[0] != 1 || b[1] > maxSubs {
		return "", false
	}
	n := sidHeader + 4*int(b[1])
	if len(b) < n {
		return "", false
	}
	return SID(b[:n]), true
}

// String returns the form S-1-5-32-544, or "" for the zero value and anything that
// is not a binary SID.
func (s SID) String() string {
	if _, ok := readSID([]byte(s)); !ok {
		return ""
	}
	auth := uint64(binary.BigEndian.Uint16([]byte(s[2:4])))<<32 | uint64(binary.BigEndian.Uint32([]byte(s[4:8])))
	b := append([]byte("S-1-"), strconv.FormatUint(auth, 10)...)
	if auth >= 1<<32 {
		b = append([]byte("S-1-"), fmt.Sprintf("0x%x", auth)...)
	}
	for i := sidHeader; i+4 <= len(s); i += 4 {
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(binary.LittleEndian.Uint32([]byte(s[i:i+4]))), 10)
	}
	return string(b)
}

// AccountSID returns the identifier of an account whose name means the same in every
// Windows image, in any case and with or without its domain (BUILTIN\Users,
// Users). NT SERVICE\NAME is computed; a text SID stands for itself. Accounts that
// only exist in an image's SAM are not known here.
func AccountSID(name string) (SID, bool) {
	if s, err := ParseSID(name); err == nil {
		return s, true
	}
	domain, account, ok := strings.Cut(name, `\`)
	if !ok {
		domain, account = "", name
	}
	if EqualFold(domain, "NT SERVICE") && account != "" {
		return serviceSID(account), true
	}
	for i := range accounts {
		a := &accounts[i]
		if EqualFold(a.name, account) && (domain == "" || EqualFold(domain, a.domain)) {
			return a.sid, true
		}
	}
	return "", false
}

// accounts is read only.
var accounts = [...]struct {
	domain, name string
	sid          SID
}{
	{"User Manager", "ContainerAdministrator", ContainerAdministrator},
	{"User Manager", "ContainerUser", ContainerUser},
	{"NT AUTHORITY", "SYSTEM", System},
	{"", "LocalSystem", System},
	{"NT AUTHORITY", "LOCAL SERVICE", LocalService},
	{"NT AUTHORITY", "LocalService", LocalService},
	{"NT AUTHORITY", "NETWORK SERVICE", NetworkService},
	{"NT AUTHORITY", "NetworkService", NetworkService},
	{"NT AUTHORITY", "Authenticated Users", AuthenticatedUsers},
	{"BUILTIN", "Administrators", Administrators},
	{"BUILTIN", "Users", Users},
	{"", "Everyone", Everyone},
	{"", "CREATOR OWNER", CreatorOwner},
	{"", "CREATOR GROUP", CreatorGroup},
}
