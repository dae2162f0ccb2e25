package nt

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
)

const (
	buildKitDir  = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8AAQIAAAAAAAUgAAAAIAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA"
	buildKitFile = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAA=="
	noDACL       = "AQAAgBQAAAAkAAAAAAAAAAAAAAABAgAAAAAABSAAAAAhAgAAAQIAAAAAAAUgAAAAIQIAAA=="
	ourFile      = "AQAEhBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAEBgA/wEfAAECAAAAAAAFIAAAACACAAAAEBQA/wEfAAEBAAAAAAAFEgAAAAAQGACpABIAAQIAAAAAAAUgAAAAIQIAAA=="
	ourDir       = "AQAEhBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAExgA/wEfAAECAAAAAAAFIAAAACACAAAAExQA/wEfAAEBAAAAAAAFEgAAAAAQGAD/AR8AAQIAAAAAAAUgAAAAIAIAAAAbFAAAAAAQAQEAAAAAAAMAAAAAABMYAKkAEgABAgAAAAAABSAAAAAhAgAAABIYAAQAAAABAgAAAAAABSAAAAAhAgAAABIYAAIAAAABAgAAAAAABSAAAAAhAgAA"
	ourRoot      = "AQAEkBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCkAAcAAAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAoYAAIAAAABAgAAAAAABSAAAAAhAgAAAAAUAKkAEgABAQAAAAAAAQAAAAA="
	chownFile    = "AQAEgBQAAAAoAAAAAAAAADwAAAABAwAAAAAABV0AAAACAAAAAgAAAAEDAAAAAAAFXQAAAAIAAAACAAAAAgBoAAQAAAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAAAAHAD/AR8AAQMAAAAAAAVdAAAAAgAAAAIAAAA="
)

func decode64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSDVectors: descriptors of published layers, in both forms and both directions.
func TestSDVectors(t *testing.T) {
	tests := []struct{ name, raw, sddl string }{
		{"buildkit dir", buildKitDir, "O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)"},
		{"buildkit file", buildKitFile, "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)"},
		{"ko", noDACL, "O:BUG:BU"},
		{"file", ourFile, "O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)"},
		{"dir", ourDir, "O:BAG:SYD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;ID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;LC;;;BU)(A;CIID;DC;;;BU)"},
		{"root", ourRoot, "O:BAG:SYD:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CIIO;DC;;;BU)(A;;0x1200a9;;;WD)"},
		{"chown", chownFile, "O:S-1-5-93-2-2G:S-1-5-93-2-2D:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)(A;;FA;;;S-1-5-93-2-2)"},
	}
	for _, tt := range tests {
		raw := decode64(t, tt.raw)
		sd, err := ParseSD(raw)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := sd.SDDL(); got != tt.sddl {
			t.Errorf("%s: SDDL %s, want %s", tt.name, got, tt.sddl)
		}
		if !bytes.Equal(sd.Marshal(), raw) {
			t.Errorf("%s: does not marshal to its own bytes", tt.name)
		}
		fromText, err := ParseSDDL(tt.sddl)
		if err != nil || !bytes.Equal(fromText.Marshal(), raw) {
			t.Errorf("%s: text does not give the bytes (%v)", tt.name, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	for want, got := range map[string][]byte{ourFile: DefaultFileSD(), ourDir: DefaultDirSD(), ourRoot: RootDirSD()} {
		if s := base64.StdEncoding.EncodeToString(got); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

// sameText holds each text to be what the bytes that it gives are written as.
func sameText(t *testing.T, list ...string) {
	t.Helper()
	for _, s := range list {
		sd, err := ParseSDDL(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		back, err := ParseSD(sd.Marshal())
		if err != nil {
			t.Errorf("%s: parse what was marshalled: %v", s, err)
			continue
		}
		if got := back.SDDL(); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
}

func TestSDDLForms(t *testing.T) {
	same := []string{
		"O:BAG:BAD:(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;WD)(A;CI;KR;;;RC)",
		"D:PARAI(D;;GXGR;;;AN)", "D:NO_ACCESS_CONTROL", "D:", "D:P", "S:AI(AU;SAFA;KA;;;WD)(ML;OICI;NW;;;LW)",
		"O:SYD:(A;OICI;KA;;;S-1-15-3-1024-1065365936-1281604716-3511738428-1654721687-432734479-3232135806-4053264122-3456934681)",
		"D:(0x9;0x10;#0102030401010000000000051200000061727478)", "",
	}
	sameText(t, same...)
	for _, s := range []string{"X:BA", "O:BAO:BA", "O:", "O:QQ", "D:(A;;FA;;;BA", "D:(A;;XX;;;BA)", "D:(Q;;FA;;;BA)", "D:Z", "D:(A;;FA;x;;BA)", "garbage", "D:(A;QQ;FA;;;BA)", "D:NO_ACCESS_CONTROL(A;;FA;;;BA)"} {
		if sd, err := ParseSDDL(s); err == nil {
			t.Errorf("%s was accepted as %s", s, sd.SDDL())
		}
	}
}

func TestParseSDRejects(t *testing.T) {
	good := decode64(t, buildKitDir)
	for n := range good {
		if sd, err := ParseSD(good[:n]); err == nil {
			t.Errorf("%d of %d bytes parsed as %s", n, len(good), sd.SDDL())
		}
	}
	for _, at := range []int{0, 3, 4, 16} {
		b := bytes.Clone(good)
		b[at] ^= 0xFF
		if _, err := ParseSD(b); err == nil {
			t.Errorf("damage at %d was not noticed", at)
		}
	}
}

func TestSID(t *testing.T) {
	tests := map[string]SID{
		"S-1-5-32-544": Administrators, "S-1-5-18": System, "S-1-1-0": Everyone, "S-1-3-0": CreatorOwner,
		"S-1-5-93-2-1": ContainerAdministrator, "S-1-5-93-2-2": ContainerUser,
		"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464": TrustedInstaller,
	}
	for text, s := range tests {
		if s.String() != text {
			t.Errorf("%x prints as %s, want %s", string(s), s, text)
		}
		if got, err := ParseSID(text); err != nil || got != s {
			t.Errorf("ParseSID(%s) = %v, %v", text, got, err)
		}
	}
	if s, err := ParseSID("S-1-0x10000000000-7"); err != nil || s.String() != "S-1-0x10000000000-7" {
		t.Errorf("large authority: %v, %v", s, err)
	}
	for _, bad := range []string{"", "S-1", "S-2-5-18", "S-1-5-x", "S-1-5-4294967296", "S-1-5" + strings.Repeat("-1", 16), "BA"} {
		if s, err := ParseSID(bad); err == nil {
			t.Errorf("ParseSID(%q) = %v", bad, s)
		}
	}
	if SID("").String() != "" || SID("junk").String() != "" {
		t.Error("what is not a SID must print as nothing")
	}
}

func TestAccountSID(t *testing.T) {
	for name, want := range map[string]SID{
		"ContainerUser": ContainerUser, `User Manager\containeradministrator`: ContainerAdministrator, "system": System,
		`BUILTIN\Users`: Users, "everyone": Everyone, "S-1-5-18": System, `nt service\trustedinstaller`: TrustedInstaller,
		`NT AUTHORITY\NetworkService`: NetworkService,
	} {
		if got, ok := AccountSID(name); !ok || got != want {
			t.Errorf("AccountSID(%s) = %v, %v; want %v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "bob", `X\Users`, `NT SERVICE\`} {
		if got, ok := AccountSID(name); ok {
			t.Errorf("AccountSID(%s) = %v", name, got)
		}
	}
}

func TestInherit(t *testing.T) {
	tests := []struct {
		name, parent string
		kind         string // file, dir or key
		owner        SID
		want         string
	}{
		{"root to dir", "O:BAG:SYD:P(A;OICI;FA;;;BA)(A;OICIIO;GA;;;CO)(A;CI;LC;;;BU)(A;CIIO;DC;;;BU)(A;;FR;;;WD)", "dir", ContainerUser,
			"O:S-1-5-93-2-2G:S-1-5-93-2-2D:AI(A;OICIID;FA;;;BA)(A;ID;FA;;;S-1-5-93-2-2)(A;OICIIOID;GA;;;CO)(A;CIID;LC;;;BU)(A;CIID;DC;;;BU)"},
		{"root to file", "O:BAG:SYD:P(A;OICI;FA;;;BA)(A;OICIIO;GA;;;CO)(A;CI;LC;;;BU)", "file", "",
			"O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;BA)"},
		{"object only through dir", "D:(A;OI;FR;;;BU)(A;OINP;FW;;;BU)", "dir", System, "O:SYG:SYD:AI(A;OIIOID;FR;;;BU)"},
		{"no propagate", "D:(A;OICINP;FA;;;BA)(A;CINP;GA;;;CO)", "dir", System, "O:SYG:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)"},
		{"nothing to inherit", "D:(A;;FA;;;BA)", "file", ContainerUser, "O:S-1-5-93-2-2G:S-1-5-93-2-2D:AI(A;;FA;;;S-1-5-93-2-2)(A;;FA;;;SY)"},
		{"no DACL", "O:BUG:BU", "file", "", "O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)"},
		{"key split", "O:BAG:SYD:(A;CI;KA;;;SY)(A;CI;GR;;;BU)(A;CIIO;KA;;;CO)(A;OI;KR;;;WD)", "key", ContainerAdministrator,
			"O:S-1-5-93-2-1G:S-1-5-93-2-1D:AI(A;CIID;KA;;;SY)(A;ID;KR;;;BU)(A;CIIOID;GR;;;BU)(A;ID;KA;;;S-1-5-93-2-1)(A;CIIOID;KA;;;CO)(A;OIIOID;KR;;;WD)"},
		{"audit", "D:(A;CI;KA;;;SY)S:(AU;CISA;KA;;;WD)(ML;;NW;;;LW)", "key", System, "O:SYG:SYD:AI(A;CIID;KA;;;SY)S:AI(AU;CIIDSA;KA;;;WD)"},
		{"conditional", "D:(A;CI;KA;;;SY)(0x9;0x2;#00000000aabbccdd)", "key", System, "O:SYG:SYD:AI(A;CIID;KA;;;SY)(0x9;0x12;#00000000aabbccdd)"},
	}
	for _, tt := range tests {
		p, err := ParseSDDL(tt.parent)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []byte
		switch tt.kind {
		case "key":
			got = InheritKey(p.Marshal(), tt.owner)
		default:
			got = InheritFile(p.Marshal(), tt.kind == "dir", tt.owner)
		}
		sd, err := ParseSD(got)
		if err != nil {
			t.Fatalf("%s: result: %v", tt.name, err)
		}
		if tt.kind == "key" {
			if sd.Control&0xFF7F&^SACLPresent != 0x8C04 {
				t.Errorf("%s: control %#x", tt.name, sd.Control)
			}
			sd.Control &^= boolBit(sd.SACL == nil, SACLAutoInherited)
		} else if sd.Control != 0x8404 {
			t.Errorf("%s: control %#x", tt.name, sd.Control)
		}
		if sd.SDDL() != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, sd.SDDL(), tt.want)
		}
	}
	if !bytes.Equal(InheritFile(nil, true, ""), DefaultDirSD()) || !bytes.Equal(InheritFile([]byte("x"), false, ""), DefaultFileSD()) {
		t.Error("an unknown parent must give the defaults")
	}
	if sd, err := ParseSD(InheritKey(nil, "")); err != nil || sd.SDDL() != "O:BAG:SYD:AI(A;CIID;KA;;;BA)(A;CIID;KA;;;SY)(A;CIID;KR;;;BU)" {
		t.Errorf("key without parent: %v", err)
	}
}

func boolBit(on bool, bit uint16) uint16 {
	if on {
		return bit
	}
	return 0
}

func FuzzSD(f *testing.F) {
	for _, s := range []string{buildKitDir, noDACL, ourRoot, chownFile} {
		f.Add(decode64(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sd, err := ParseSD(b)
		if err != nil {
			return
		}
		again, err := ParseSD(sd.Marshal())
		if err != nil || !reflect.DeepEqual(sd, again) {
			t.Fatalf("not stable: %+v, then %+v (%v)", sd, again, err)
		}
		InheritFile(b, true, System)
		InheritKey(b, "")
	})
}

func FuzzSDDL(f *testing.F) {
	f.Add("O:BAG:SYD:P(A;OICI;FA;;;BA)(0x9;0x10;#01020304)S:(ML;;NW;;;LW)")
	f.Add("D:NO_ACCESS_CONTROL")
	f.Add(windowsApps)
	f.Add("D:(OA;CI;RP;bf967950-0de6-11d0-a285-00aa003049e2;;PS)(XA;;FX;;;WD;(@User.a == {1, \"b\"} || !(c)))")
	f.Fuzz(func(t *testing.T, s string) {
		sd, err := ParseSDDL(s)
		if err != nil {
			return
		}
		again, err := ParseSDDL(sd.SDDL())
		if err != nil || !bytes.Equal(again.Marshal(), sd.Marshal()) {
			t.Fatalf("%q: %q is not the same (%v)", s, sd.SDDL(), err)
		}
		if _, err := ParseSD(sd.Marshal()); err != nil {
			t.Fatalf("%q: marshalled form: %v", s, err)
		}
	})
}
