package regfile

import (
	"bytes"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// key is a registry in memory.
type key struct {
	name   string
	values []hives.Value
	below  []*key
}

func (k *key) Name() string                            { return k.name }
func (k *key) Info() (hives.Info, error)               { return hives.Info{}, nil }
func (k *key) Subkey(string) (hives.Key, error)        { return nil, nil }
func (k *key) Value(string) (v hives.Value, err error) { return v, nil }
func (k *key) Subkeys() iter.Seq2[hives.Key, error] {
	return func(yield func(hives.Key, error) bool) {
		for _, sub := range k.below {
			if !yield(sub, nil) {
				return
			}
		}
	}
}

func (k *key) Values() iter.Seq2[hives.Value, error] {
	return func(yield func(hives.Value, error) bool) {
		for _, v := range k.values {
			if !yield(v, nil) {
				return
			}
		}
	}
}

const exported = string(Version5) + `

[HKEY_LOCAL_MACHINE\SOFTWARE\Acme]
@="default"
"a\"b\\c"="x\"y\\z é"
"dw"=dword:0000002a
"e"=hex(2):25,00,50,00,25,00,00,00
"bin"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,\
  17,18
"empty"=hex:
"lines"=hex(1):61,00,0a,00,00,00
"lone"=hex(1):00,d8,00,00
"bare"=hex(1):61,00

[HKEY_LOCAL_MACHINE\SOFTWARE\Acme\A]

[HKEY_LOCAL_MACHINE\SOFTWARE\Acme\A\deep]
"x"="1"

[HKEY_LOCAL_MACHINE\SOFTWARE\Acme\B]

`

func sample() *key {
	numbers := make([]byte, 25)
	for i := range numbers {
		numbers[i] = byte(i)
	}
	return &key{values: []hives.Value{
		hives.StringValue("", "default"),
		hives.StringValue(`a"b\c`, `x"y\z é`),
		hives.DWORDValue("dw", 42),
		hives.ExpandValue("e", "%P%"),
		hives.BinaryValue("bin", numbers),
		hives.BinaryValue("empty", nil),
		hives.StringValue("lines", "a\n"),
		{Name: "lone", Type: hives.SZ, Data: []byte{0, 0xd8, 0, 0}},
		{Name: "bare", Type: hives.SZ, Data: []byte("a\x00")},
	}, below: []*key{
		{name: "A", below: []*key{{name: "deep", values: []hives.Value{hives.StringValue("x", "1")}}}},
		{name: "B"},
	}}
}

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Version5, Root{`HKEY_LOCAL_MACHINE\SOFTWARE\Acme`, sample()}); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(exported, "\n", "\r\n")
	if diff := cmp.Diff(want, nt.FromUTF16Bytes(out.Bytes()[2:])); diff != "" || !bytes.HasPrefix(out.Bytes(), []byte{0xff, 0xfe}) {
		t.Error(diff)
	}

	sections, err := Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	if len(sections) != 4 || sections[2].Path != `HKEY_LOCAL_MACHINE\SOFTWARE\Acme\A\deep` {
		t.Fatalf("read back: %+v", sections)
	}
	for i, want := range sample().values {
		want.Data = append([]byte(nil), want.Data...)
		if got := sections[0].Values[i]; !cmp.Equal(got, Entry{Value: want}) {
			t.Errorf("read back: %s", cmp.Diff(Entry{Value: want}, got))
		}
	}
}

func TestParse(t *testing.T) {
	value := func(v hives.Value) Entry { return Entry{Value: v} }
	for _, c := range []struct {
		name, text string
		want       []Section
	}{
		{"deletions", string(Version5) + "\r\n\r\n[-HKLM\\a]\r\n[HKLM\\b\\]\r\n\"x\"=-\r\n@=- ; gone\r\n", []Section{
			{Path: `HKLM\a`, Delete: true},
			{Path: `HKLM\b`, Values: []Entry{{Value: hives.Value{Name: "x"}, Delete: true}, {Delete: true}}},
		}},
		{"comments and blanks", string(Version5) + "\n; c\n# c\n\n  [HKLM\\a]\n  \"n\" = \"v\" ; c\n\"d\"=dword:2A;c\n", []Section{
			{Path: `HKLM\a`, Values: []Entry{value(hives.StringValue("n", "v")), value(hives.DWORDValue("d", 42))}},
		}},
		{"continuation", string(Version5) + "\n[k]\n\"h\"=hex:01,\\ ; c\n  ; c\n\n  2,03,\\\n  4,\n\"e\"=hex:\n", []Section{
			{Path: "k", Values: []Entry{value(hives.BinaryValue("h", []byte{1, 2, 3, 4})), value(hives.BinaryValue("e", nil))}},
		}},
		{"version 4", string(Version4) + "\n[k]\n\"e\"=hex(2):25,41\n\"m\"=hex(7):61,00,00\n\"s\"=hex(1):61,80\n", []Section{
			{Path: "k", Values: []Entry{
				value(hives.ExpandValue("e", "%A")),
				value(hives.MultiValue("m", "a")),
				value(hives.StringValue("s", "a€")),
			}},
		}},
		{"escapes", string(Version5) + "\n[k]\n\"a\\\\b\"=\"c:\\\\d\\n\\r\\0\\q\"\n", []Section{
			{Path: "k", Values: []Entry{value(hives.StringValue(`a\b`, "c:\\d\n\r\x00q"))}},
		}},
		{"name with brackets", string(Version5) + "\n[k\\[x] y]\n", []Section{{Path: `k\[x] y`}}},
		{"latin-1", string(Version4) + "\n[k\xe9]\n", []Section{{Path: "ké"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const top = string(Version5) + "\n"
	for _, c := range []struct{ text, want string }{
		{"", "starts neither"},
		{"REGEDIT9\n", "starts neither"},
		{"\n" + top, "line 1"},
		{top + "\"a\"=\"b\"\n", "before the first key"},
		{top + "[ k]\n", "at once"},
		{top + "[k\n", "no ]"},
		{top + "[-k]\n\"a\"=\"b\"\n", "below a deleted key"},
		{top + "[k]\n\"a=\"b\"\n", "no ="},
		{top + "[k]\n\"a\"=\"b\n", "closing"},
		{top + "[k]\n\"a\"=\"b\" c\n", "after the data"},
		{top + "[k]\n\"a\"=dword:123456789\n", "1 to 8"},
		{top + "[k]\n\"a\"=dword:\n", "1 to 8"},
		{top + "[k]\n\"a\"=hex:1\\\n2\n", "without comma"},
		{top + "[k]\n\"a\"=hex:123\n", "1 or 2"},
		{top + "[k]\n\"a\"=hex:1,\\\n", "unexpected EOF"},
		{top + "[k]\n\"a\"=hex(0x2):1\n", "32 bits"},
		{top + "[k]\n\"é\"=what\n", "line 3, column 5: "},
		{top + "[k]\n  \"a\"=hex:1,\\\n ;\n  2,x\n", "line 5, column 5: "},
		{top + "[k]\n\"a\"=hex:1,,2\n", "line 3, column 11: "},
		{top + "what\n", "unexpected"},
	} {
		if _, err := Parse(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%q): %v, want %q in it", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(exported))
	f.Add(append([]byte{0xff, 0xfe}, nt.UTF16Bytes(exported)...))
	f.Add([]byte(string(Version4) + "\n[-k]\n[k]\n\"e\"=hex(2):25,\\\n 41\n@=-\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sections, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range sections {
			checkSection(t, s)
		}
	})
}

// checkSection writes the values of s and reads them again: nothing may change but
// what a deletion leaves out.
func checkSection(t *testing.T, s Section) {
	k := &key{}
	var want []Entry
	for _, e := range s.Values {
		if !e.Delete {
			k.values = append(k.values, e.Value)
			want = append(want, e)
		}
	}
	var out bytes.Buffer
	if err := Write(&out, Version5, Root{"k", k}); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatalf("%v in\n%q", err, out.Bytes())
	}
	if diff := cmp.Diff(want, again[0].Values); diff != "" {
		t.Error(diff)
	}
}
