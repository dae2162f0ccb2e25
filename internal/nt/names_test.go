package nt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestUpcaseTable compares the whole table with the one of a real volume by its hash.
func TestUpcaseTable(t *testing.T) {
	var b []byte
	changed := 0
	for u := range 0x10000 {
		up := Upcase(uint16(u))
		if up != uint16(u) {
			changed++
		}
		b = binary.LittleEndian.AppendUint16(b, up)
	}
	sum := sha256.Sum256(b)
	const want = "41c26bc7a12bdaeb26025c93118697c7e3ef81ee048b00fe5cce2a472e0e0742"
	if got := hex.EncodeToString(sum[:]); got != want || changed != 973 {
		t.Errorf("table has hash %s and %d pairs, want %s and 973", got, changed, want)
	}
}

func TestUpcaseVectors(t *testing.T) {
	for u, want := range map[uint16]uint16{
		'a': 'A', 'z': 'Z', '{': '{', '`': '`', 0xE4: 0xC4, 0xF7: 0xF7, 0xFF: 0x178, 0xB5: 0xB5, 0xDF: 0xDF,
		0x131: 0x131, 0x101: 0x100, 0x100: 0x100, 0x10D0: 0x10D0, 0x13A0: 0x13A0, 0xD83D: 0xD83D, 0xDE00: 0xDE00,
		0xFB01: 0xFB01, 0xFF41: 0xFF21, 0xFFFF: 0xFFFF, 0x3B1: 0x391, 0x3C2: 0x3C2, 0x430: 0x410,
	} {
		if got := Upcase(u); got != want {
			t.Errorf("Upcase(%#x) = %#x, want %#x", u, got, want)
		}
	}
}

// TestHashVectors uses Windows' own hashes of key names, which are over upper-cased
// names, so that they prove the fold as well.
func TestHashVectors(t *testing.T) {
	for name, want := range map[string]uint32{
		"ControlSet001": 0x8F3BA9A2, "MountedDevices": 0xFC7A072B, "Parameters": 0x6E7FEA98, "ComputerName": 0x3FCF8014,
		"Control": 0x55C16481, "Services": 0x227AF730, "Hardware Profiles": 0x84027BBA,
	} {
		var h uint32
		for _, u := range UTF16(Fold(name)) {
			h = h*37 + uint32(u)
		}
		if h != want {
			t.Errorf("hash of %s = %08X, want %08X", name, h, want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ABC1": "ABC1", "aBc": "ABC", "straße": "STRAßE", "ÿ": "Ÿ", "ﬁ": "ﬁ", "\U00010428": "\U00010428",
		"x\xED\xA0\x80y": "X\xED\xA0\x80Y", "ⱥ": "Ⱥ",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	sorted := []string{"", "A", "a!", "AB", "b", "B\x00", "[x", "_x", "é", "\U0001F600", "\uE000", "\uFFFD"}
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
	if !EqualFold("Système", "SYSTÈME") || EqualFold("ss", "ß") {
		t.Error("EqualFold disagrees with the table")
	}
}

func genUnits() *rapid.Generator[[]uint16] {
	return rapid.SliceOfN(rapid.OneOf(rapid.Uint16(), rapid.Uint16Range(0, 0x17F), rapid.Uint16Range(0xD7FE, 0xE001)), 0, 20)
}

func TestUTF16RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := genUnits().Draw(t, "units")
		s := String(u)
		if got := UTF16(s); !slices.Equal(got, u) {
			t.Fatalf("UTF16(String(%x)) = %x", u, got)
		}
		if got := FromUTF16Bytes(UTF16Bytes(s)); got != s {
			t.Fatalf("bytes: %q became %q", s, got)
		}
	})
}

// TestCompareIsUnitOrder holds Compare against the definition it implements.
func TestCompareIsUnitOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genUnits().Draw(t, "a"), genUnits().Draw(t, "b")
		up := func(u []uint16) []uint16 {
			out := slices.Clone(u)
			for i := range out {
				out[i] = Upcase(out[i])
			}
			return out
		}
		if got, want := Compare(String(a), String(b)), slices.Compare(up(a), up(b)); got != want {
			t.Fatalf("Compare(%x, %x) = %d, want %d", a, b, got, want)
		}
		if got := Fold(String(a)); got != String(up(a)) {
			t.Fatalf("Fold(%x) = %x", a, UTF16(got))
		}
	})
}

func TestInvalidUTF8(t *testing.T) {
	if got := UTF16("a\xFFb\xED\xA0"); !slices.Equal(got, []uint16{'a', 0xFFFD, 'b', 0xFFFD, 0xFFFD}) {
		t.Errorf("UTF16 of bad bytes = %x", got)
	}
}

func TestValidateName(t *testing.T) {
	long := make([]byte, 256)
	for i := range long {
		long[i] = 'x'
	}
	bad := []string{
		"", ".", "..", string(long), "a\xFF", "\xED\xA0\x80", "a.", "a ", ".wh.x", ".WH.x", "x.$wcidirs$", "X.$WCIDIRS$",
		"a/b", `a\b`, "a:b", "a*", "a?", `a"`, "<", ">", "|", "a\x1f", "con", "NUL.txt", "com1", "LPT9.a.b", "COM¹", "conin$", "aux .txt",
	}
	for _, s := range bad {
		if err := ValidateName(s); !errors.Is(err, ErrName) {
			t.Errorf("ValidateName(%q) = %v, want ErrName", s, err)
		}
	}
	for _, s := range []string{"a", ".x", "console", "com", "COM10", "nul1", string(long[:255]), "ä", "😀", "$Recycle.Bin", "a b.c"} {
		if err := ValidateName(s); err != nil {
			t.Errorf("ValidateName(%q): %v", s, err)
		}
	}
}

func TestRel(t *testing.T) {
	tests := []struct {
		cwd, path, want string
		err             error
	}{
		{"", "C:", "", ErrDriveOnly},
		{"", "d:", "", ErrDriveOnly},
		{"", `C:\a`, "a", nil},
		{"", "c:/a", "a", nil},
		{"", `\a`, "a", nil},
		{"", "/a", "a", nil},
		{`C:\w`, "C:a", "w/a", nil},
		{`C:\w`, `\a`, "a", nil},
		{`C:\w\`, `a\..\b`, "w/b", nil},
		{"", `d:\a`, "", ErrOtherDrive},
		{"", "d:a", "", ErrOtherDrive},
		{"", `\\srv\x`, "", ErrUNCPath},
		{"", "//x", "", ErrUNCPath},
		{"", `\a\b\..\c\`, "a/c", nil},
		{`C:\w`, "", "w", nil},
		{`C:\w`, ".", "w", nil},
		{`C:\w`, `..\..\..\x`, "x", nil},
		{"C:", "x", "x", nil},
		{"/w", "x", "w/x", nil},
		{`D:\w`, "x", "", ErrOtherDrive},
		{"", `C:\a:b`, "", ErrStreamPath},
		{"", `C:\`, "", nil},
	}
	for _, tt := range tests {
		got, err := Rel(tt.cwd, tt.path)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Rel(%q, %q) = %q, %v; want %q, %v", tt.cwd, tt.path, got, err, tt.want, tt.err)
		}
	}
	if _, err := Rel("", "a\x00"); err == nil {
		t.Error("a NUL was accepted")
	}
	if Win("app/x") != `C:\app\x` || Win("") != `C:\` {
		t.Error("Win is wrong")
	}
}
