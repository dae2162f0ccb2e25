package nt

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// windowsApps is what C:\Program Files\WindowsApps has, conditional entry included.
const windowsApps = "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464" +
	"D:PAI(A;OICI;0x1200a9;;;RC)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;LS)(A;OICI;0x1200a9;;;NS)(A;CI;0x1200a9;;;BA)(XA;;0x1200a9;;;BU;(Exists WIN://SYSAPPID))"

func TestEntryForms(t *testing.T) {
	sameText(t,
		windowsApps,
		"D:(OA;CI;RP;bf967950-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;PS)(OD;;WP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD)",
		"S:(OU;CIIDSA;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD)(OL;SA;WP;;;WD)(AL;SA;FA;;;WD)(SP;;0x0;;;S-1-17-1)(TL;;LC;;;S-1-19-512-8192)",
		`D:(XA;;FX;;;WD;((@User.Title == "PM") && ((@User.Division == "Finance") || (@User.Division == "Sales"))))`,
		"D:(XD;OICI;FA;;;WD;(@User.Project Not_Any_of @Resource.Project))(ZA;;CR;00299570-246d-11d0-a768-00aa006e0529;;PS;(Exists x))",
		"D:(XA;;FR;;;WD;((Member_of {SID(BO), SID(S-1-5-21-1-2-3-4)}) && @Device.Bitlocker))",
		`S:(XU;SAFA;FA;;;WD;(!(a%0020b >= 7)))(FL;;FX;;;WD;(Not_Exists @Device.x))`,
		`D:(XA;;FR;;;WD;((((n == -5) || (n < +0x1f)) || (n != 017)) || (n Contains {1, "a;)(b", #0aff})))`,
	)
}

// The bytes of entries, put together by hand from MS-DTYP 2.4.4.3 and 2.4.4.17.4.
func TestEntryBytes(t *testing.T) {
	for text, want := range map[string]string{
		`(XA;;FX;;;WD;(Title=="VP"))`: "09003400" + "a0001200" + "010100000000000100000000" +
			"61727478" + "f80a000000" + "5400690074006c006500" + "1004000000" + "56005000" + "80" + "000000",
		"(XA;;FX;;;WD;(a == 2))": "09002c00" + "a0001200" + "010100000000000100000000" +
			"61727478" + "f802000000" + "6100" + "04" + "0200000000000000" + "03" + "02" + "80" + "00",
		"(OA;;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD)": "05002800" + "10000000" + "02000000" + "ba7a96bfe60dd011a28500aa003049e2" +
			"010100000000000100000000",
	} {
		sd, err := ParseSDDL("D:" + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := hex.EncodeToString(sd.DACL.marshal()[8:]); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	sd, _ := ParseSDDL("D:(OA;;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD)")
	if sd.DACL.Revision != 4 {
		t.Errorf("a list with object entries has revision %d, want 4", sd.DACL.Revision)
	}
}

func TestConditionsRefused(t *testing.T) {
	for _, c := range []string{
		"", "x", "(", "()", "(x", "(x ==)", "(x == \"a)", "(== 1)", "(x && )", "(x) y", "(x == {1, {2}})", "(x == {1 2})", "(x == 1a)", "(x == --1)",
		"(x == #0)", "(x == SID(QQ))", "(x == SID(BA)", "(%00)", "(%zzzz)", strings.Repeat("(", 500) + "x" + strings.Repeat(")", 500),
		strings.Repeat("!", 500) + "(x)",
	} {
		if b, err := parseCondition(c); err == nil {
			t.Errorf("%.40q was accepted as %x", c, b)
		}
	}
	for _, s := range []string{
		"D:(XA;;FX;;;WD)", "D:(A;;FX;;;WD;(x))", "D:(OA;;RP;bf967aba;;WD)", "D:(A;;FX;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)", "D:(XA;;FX;;;WD;(x)",
	} {
		if sd, err := ParseSDDL(s); err == nil {
			t.Errorf("%s was accepted as %s", s, sd.SDDL())
		}
	}
}

// A condition that has no words, or would be read differently, keeps its bytes.
func TestConditionsWithoutWords(t *testing.T) {
	for _, data := range []string{
		"", "arty", "artx", "artx\xff\x00\x00\x00", "artx\x80\x00\x00\x00", "artx\xf8\xff\xff\xff\xff\x00\x00\x00",
		"artx\x10\x02\x00\x00\x00\"\x00\x00", "artx\x01\x05\x00\x00\x00\x00\x00\x00\x00\x03\x02\x00", "artx" + strings.Repeat("\xf8\x02\x00\x00\x00a\x00", 300),
	} {
		b := append([]byte{9, 0, 0, 0, 1, 0, 0, 0}, string(Everyone)+data...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		a := readACE(b)
		text := sddlACE(a)
		if !strings.HasPrefix(text, "0x9;") {
			t.Errorf("%q became %s", data, text)
		}
		again, err := parseACE(text)
		if err != nil || !bytes.Equal(again.body(), b[4:]) {
			t.Errorf("%q: %x, %v", data, again.body(), err)
		}
	}
}

// What Microsoft's table of inheritance rules says of each combination of a parent's flags.
func TestInheritanceRules(t *testing.T) {
	const no = ""
	for _, c := range []struct{ parent, file, dir string }{
		{"", no, no},
		{"OI", "ID", "OIIOID"},
		{"OINP", "ID", no},
		{"CI", no, "CIID"},
		{"CINP", no, "ID"},
		{"OICI", "ID", "OICIID"},
		{"OICINP", "ID", "ID"},
		{"OICIIO", "ID", "OICIID"},
		{"CIIO", no, "CIID"},
		{"CINPIO", no, "ID"},
		{"OIIO", "ID", "OIIOID"},
		{"OICIID", "ID", "OICIID"},
		{"ID", no, no},
	} {
		parent, err := ParseSDDL("O:BAG:SYD:P(A;;FA;;;BA)(A;" + c.parent + ";FR;;;BU)(A;OICI;FA;;;SY)")
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []bool{false, true} {
			want := "O:SYG:SYD:AI"
			flags, own := c.file, "(A;ID;FA;;;SY)"
			if dir {
				flags, own = c.dir, "(A;OICIID;FA;;;SY)"
			}
			if flags != no {
				want += "(A;" + flags + ";FR;;;BU)"
			}
			sd, err := ParseSD(InheritFile(parent.Marshal(), dir, System))
			if err != nil {
				t.Fatal(err)
			}
			if got := sd.SDDL(); got != want+own {
				t.Errorf("%q, directory %v: %s, want %s", c.parent, dir, got, want+own)
			}
			if sd.Control&DACLProtected != 0 {
				t.Errorf("%q: a child took over that its parent is protected", c.parent)
			}
		}
	}
}

// What becomes of CREATOR OWNER and CREATOR GROUP, of generic rights and of conditions.
func TestInheritedSubstitutes(t *testing.T) {
	for _, c := range []struct {
		parent string
		dir    bool
		want   string
	}{
		{"(A;OICIIO;FA;;;CO)", false, "(A;ID;FA;;;S-1-5-93-2-2)"},
		{"(A;OICIIO;FA;;;CO)", true, "(A;ID;FA;;;S-1-5-93-2-2)(A;OICIIOID;FA;;;CO)"},
		{"(A;OICINPIO;FA;;;CO)", true, "(A;ID;FA;;;S-1-5-93-2-2)"},
		{"(A;OIIO;FA;;;CO)", true, "(A;OIIOID;FA;;;CO)"},
		{"(A;CI;FR;;;CG)", true, "(A;ID;FR;;;S-1-5-93-2-2)(A;CIIOID;FR;;;CG)"},
		{"(A;OICI;GR;;;BU)", true, "(A;ID;FR;;;BU)(A;OICIIOID;GR;;;BU)"},
		{"(A;OICI;GXGW;;;BU)", false, "(A;ID;0x1201b6;;;BU)"},
		{"(D;OICI;FW;;;BU)", true, "(D;OICIID;FW;;;BU)"},
		{"(XA;OICI;GR;;;CO;(Exists x))", false, "(XA;ID;FR;;;S-1-5-93-2-2;(Exists x))"},
	} {
		parent, err := ParseSDDL("O:BAG:SYD:" + c.parent)
		if err != nil {
			t.Fatal(err)
		}
		sd, err := ParseSD(InheritFile(parent.Marshal(), c.dir, ContainerUser))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(sd.SDDL(), "O:S-1-5-93-2-2G:S-1-5-93-2-2D:AI"); got != c.want {
			t.Errorf("%s, directory %v: %s, want %s", c.parent, c.dir, got, c.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	for s, want := range map[string]bool{
		"D:": true, "D:(D;;FA;;;BU)(A;;FA;;;BA)(A;ID;FA;;;SY)": true, "D:(A;;FA;;;BA)(D;;FA;;;BU)": false, "D:(A;ID;FA;;;BA)(A;;FA;;;BU)": false,
		"D:(A;;FA;;;BA)(A;ID;FA;;;SY)(D;ID;FA;;;BU)": true, // denials of a grandparent behind grants of a parent
		"D:(A;;FA;;;BA)(XD;;FA;;;BU;(x))":            false, "D:(OD;;RP;;;WD)(OA;;RP;;;WD)": true, windowsApps: true,
	} {
		sd, err := ParseSDDL(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := sd.DACL.Canonical(); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func FuzzCondition(f *testing.F) {
	f.Add(`(@User.Title == "PM" && !(Exists WIN://SYSAPPID))`)
	f.Add(`(n Any_of {1, -0x2, "a", #00ff, SID(BA)} || Member_of SID(BU))`)
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseCondition(s)
		if err != nil {
			return
		}
		text, ok := conditionText(b)
		if !ok {
			return // deeper than what is written
		}
		again, err := parseCondition(text)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%q, written as %q, is read as %x, not %x (%v)", s, text, again, b, err)
		}
	})
}
