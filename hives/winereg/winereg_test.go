package winereg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// sample is in the form that Wine 8 writes.
const sample = `WINE REGISTRY Version 2
;; All keys relative to REGISTRY\\Machine

#arch=win64

[Software\\Acme\\a \[b\]] 1795446769
#time=1dd7b5d1a888ee4
#class="cl\"ass"
@="default"
"back\\slash"="a\\b \"q\" \xe9\x00e9a \x20acx\a\b\t\n\v\f\r\e\1\0017"
"bin"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,\
  17,18,19,1a
"dw"=dword:0000002a
"e"=str(2):"%PATH%"
"empty"=hex:
"m"=str(7):"a\0b\0c\0"
"odd"=hex(1):61
"q"=hex(b):01,00,00,00,00,00,00,00

[Software\\Link] 1795446769
#time=1dd7b5d1a888ee4
#link
"SymbolicLinkValue"=hex(6):5c,00
`

func TestRoundTripOfWinesForm(t *testing.T) {
	f, err := Read(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if f.Relative != `REGISTRY\Machine` || f.Arch != "win64" || len(f.Keys) != 2 {
		t.Errorf("relative %q, arch %q, %d keys", f.Relative, f.Arch, len(f.Keys))
	}
	k := f.Keys[0]
	if k.Path != `Software\Acme\a [b]` || k.Class != `cl"ass` || k.Modified != 0x1dd7b5d1a888ee4 || k.Link || !f.Keys[1].Link {
		t.Errorf("key %+v", k)
	}
	want := []hives.Value{
		hives.StringValue("", "default"),
		hives.StringValue(`back\slash`, "a\\b \"q\" é\u00e9a \u20acx\a\b\t\n\v\f\r\x1b\x01\x017"),
		hives.BinaryValue("bin", []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a")),
		hives.DWORDValue("dw", 42),
		hives.ExpandValue("e", "%PATH%"),
		{Name: "empty", Type: hives.Binary},
		hives.MultiValue("m", "a", "b", "c"),
		{Name: "odd", Type: hives.SZ, Data: []byte("a")},
		hives.QWORDValue("q", 1),
	}
	if diff := cmp.Diff(want, k.Values); diff != "" {
		t.Error(diff)
	}
	var out bytes.Buffer
	if err := Write(&out, f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteSortsAsWine(t *testing.T) {
	f := &File{Relative: `REGISTRY\Machine`, Keys: []Key{{Path: `b`}, {Path: `A\z`}, {Path: `a b`}, {Path: `a`}}}
	var out bytes.Buffer
	if err := Write(&out, f); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if path, _, ok := strings.Cut(line, "]"); ok {
			got = append(got, path)
		}
	}
	if diff := cmp.Diff([]string{`[a`, `[A\\z`, `[a b`, `[b`}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadRefuses(t *testing.T) {
	const top = header + "\n"
	for _, c := range []struct{ text, want string }{
		{"", "does not start with"},
		{"REGEDIT4\n", "line 1"},
		{top + "\"a\"=\"b\"\n", "before the first key"},
		{top + "[a\n", "no closing"},
		{top + "[a]\n\"a\n", "no closing"},
		{top + "[a]\n\"a\"\"b\"\n", "no ="},
		{top + "[a]\n\"a\"=\"b\n", "is no string"},
		{top + "[a]\n\"a\"=\"b\\\n", "is no string"},
		{top + "[a]\n\"a\"=dword:123456789\n", "out of range"},
		{top + "[a]\n\"a\"=hex:0g\n", "1 or 2"},
		{top + "[a]\n\"a\"=hex:00,\\\n", "after the last line"},
		{top + "[a]\n\"a\"=hex(zz):00\n", "type"},
		{top + "[a]\n\"a\"=what:00\n", "unknown data"},
		{top + "[a]\n#time=xyz\n", "line 3"},
		{top + "[a]\nwhat\n", "unexpected"},
		{top + "[" + strings.Repeat(`\\`, maxDepth) + "]\n", "deep"},
	} {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read(%.40q): %v, want %q in it", c.text, err, c.want)
		}
	}
}

// Every name and all data survive, lone surrogates and odd lengths included.
func TestRoundTripOfAnything(t *testing.T) {
	units := rapid.SliceOfN(rapid.Uint16(), 1, 20)
	rapid.Check(t, func(t *rapid.T) {
		name := func() string { return nt.String(units.Draw(t, "units")) }
		in := &File{Relative: "R", Keys: []Key{{
			Path:     strings.Trim(name(), `\`) + "k",
			Modified: nt.Filetime(rapid.Uint64Range(1<<56, 1<<57).Draw(t, "time")),
			Class:    name(),
			Values: []hives.Value{{
				Name: name(),
				Type: hives.Type(rapid.Uint32Range(0, 12).Draw(t, "type")),
				Data: rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "data"),
			}, hives.StringValue("s", name())},
		}}}
		var text bytes.Buffer
		if err := Write(&text, in); err != nil {
			t.Fatal(err)
		}
		out, err := Read(bytes.NewReader(text.Bytes()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text.Bytes())
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Errorf("%s\n%s", diff, text.Bytes())
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(header + "\n[a]\n\"b\"=hex(7):00,\\\n 01\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, first); err != nil {
			t.Fatal(err)
		}
		second, err := Read(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatalf("%v in what was written:\n%q", err, out.Bytes())
		}
		var again bytes.Buffer
		if err := Write(&again, second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Errorf("written twice, it differs:\n%q\n%q", out.Bytes(), again.Bytes())
		}
	})
}
