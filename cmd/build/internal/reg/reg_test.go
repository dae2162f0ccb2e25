package reg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

func TestText(t *testing.T) {
	tests := []struct{ in, json, printed string }{
		{"", `""`, ""},
		{`a\"<&>`, `"a\\\"<&>"`, `a\"<&>`},
		{"\xed\xa0\x80", `"\uD800"`, `\uD800`},
		{"a\xed\xbf\xbfb\xed\xa0\x81", `"a\uDFFFb\uD801"`, `a\uDFFFb\uD801`},
		{"😀é\x00", `"😀é\u0000"`, `😀é\u0000`},
		{"\x1b[0m\u202e\u2028", "\"\\u001b[0m\u202e\\u2028\"", `\u001B[0m\u202E\u2028`},
		{"\xff\xed\xa0", `"\ufffd\ufffd\ufffd"`, "\ufffd\ufffd\ufffd"},
		{"\U000E0001", "\"\U000E0001\"", `\U000E0001`},
	}
	for _, test := range tests {
		var b bytes.Buffer
		if err := printJSON(&b, text(test.in)); err != nil {
			t.Fatalf("%q: %v", test.in, err)
		}
		if got := strings.TrimSuffix(b.String(), "\n"); got != test.json {
			t.Errorf("%q in JSON: %s, want %s", test.in, got, test.json)
		}
		if got := Printable(test.in); got != test.printed {
			t.Errorf("%q printed: %s, want %s", test.in, got, test.printed)
		}
		if !json.Valid(b.Bytes()) {
			t.Errorf("%q: no JSON: %s", test.in, &b)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte{0x41, 0, 0, 0xD8, 0x3D, 0xD8, 0, 0xDE, 0x1B, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := nt.FromUTF16Bytes(data)
		b, err := text(in).MarshalJSON()
		if err != nil || !json.Valid(b) {
			t.Fatalf("%q: %s, %v", in, b, err)
		}
		for _, r := range Printable(in) {
			if r < ' ' || r == 0x7F {
				t.Fatalf("%q is not escaped", in)
			}
		}
		// Every unit is there again: plain, as an escape, or in a pair.
		if got := unescape(string(b)); got != in {
			t.Fatalf("%q comes back from %s as %q", in, b, got)
		}
	})
}

// unescape reads a JSON string as one that keeps unpaired surrogates would.
func unescape(s string) string {
	var units []uint16
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && s[i+1] == 'u':
			var n uint16
			for _, c := range []byte(strings.ToLower(s[i+2 : i+6])) {
				n = n<<4 | uint16(strings.IndexByte("0123456789abcdef", c))
			}
			units = append(units, n)
			i += 6
		case s[i] == '\\':
			units = append(units, uint16("\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, s[i+1])]))
			i += 2
		default:
			end := i + 1
			for end < len(s) && s[end]&0xC0 == 0x80 {
				end++
			}
			units = append(units, nt.UTF16(s[i:end])...)
			i = end
		}
	}
	return nt.String(units)
}

func TestStamp(t *testing.T) {
	for f, want := range map[nt.Filetime]string{
		119600064000000001:  "1980-01-01T00:00:00.0000001Z",
		1:                   "1601-01-01T00:00:00.0000001Z",
		0x7FFFFFFFFFFFFFFF:  "9999-12-31T23:59:59.9999999Z",
		^nt.Filetime(0):     "9999-12-31T23:59:59.9999999Z",
		2650467744000000000: "9999-12-31T23:59:59.9999999Z",
	} {
		if got := stamp(f); got != want {
			t.Errorf("%d: %s, want %s", f, got, want)
		}
	}
}

// Whatever a value's bytes are, they can be had from its JSON.
func TestTyped(t *testing.T) {
	for typ := range hives.QWORD + 2 {
		for _, data := range [][]byte{nil, {1}, {0, 0}, {'a', 0, 0, 0}, {'a', 0, 0, 0, 0, 0}, {0, 0, 'b', 0, 0, 0}, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8}, {0, 0xD8, 0, 0}} {
			j := jsonValue(Value{Value: hives.Value{Type: typ, Data: data}})
			_, back := typed(hives.Value{Type: typ, Data: data})
			if j.Raw != nil {
				back = *j.Raw
			}
			if !bytes.Equal(back, data) {
				t.Errorf("%s %x: %v, and %x", typ, data, j.Data, back)
			}
		}
	}
}

// On a terminal columns are aligned, and what is long is cut with a hint how to see it.
func TestTerminal(t *testing.T) {
	tree := hives.NewTree(hives.Options{})
	for _, v := range []hives.Value{
		hives.StringValue("", "default"), hives.DWORDValue("a longer name", 1),
		hives.BinaryValue("data", bytes.Repeat([]byte{0xAB}, 5000)), hives.StringValue("esc", "\x1b[31m"),
	} {
		if err := tree.Set("K", v); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenFile(writeHive(t, "x.hiv", tree))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if err := (Query{Terminal: true}).Run(context.Background(), &b, r, "K"); err != nil {
		t.Fatal(err)
	}
	want := `
K
    (Default)      REG_SZ      default
    a longer name  REG_DWORD   0x1
    data           REG_BINARY  ` + strings.Repeat("AB", 30) + `... (5000 bytes; --format json has all)
    esc            REG_SZ      \u001B[31m
`
	if got := b.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// endless is a key with itself below twice, as damaged lists can make one.
type endless struct{ group }

func (e endless) Subkeys() iter.Seq2[hives.Key, error] {
	return func(yield func(hives.Key, error) bool) {
		for range 2 {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestWalkEnds(t *testing.T) {
	n := &Node{Key: endless{group{name: "x"}}}
	err := Walk(context.Background(), n, func(*Node) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "inside each other") {
		t.Errorf("walk of an endless key: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Walk(ctx, n, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled walk: %v", err)
	}
}

func writeHive(t *testing.T, name string, w io.WriterTo) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err == nil {
		_, err = w.WriteTo(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHiveFile(t *testing.T) {
	tree := hives.NewTree(hives.Options{})
	if err := tree.Set(`A\B`, hives.StringValue("v", "1")); err != nil {
		t.Fatal(err)
	}
	path := writeHive(t, "x.hiv", tree)
	if !IsHive(path) || IsHive(filepath.Dir(path)) || IsHive(path+"x") {
		t.Error("IsHive is wrong")
	}
	r, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.Find(`a\b\`)
	if err != nil || n.Path != `A\B` || r.IsImage() || r.IsDelta() {
		t.Fatalf("%+v, %v", n, err)
	}
	if layer, err := n.Layer(); layer != nil || err != nil {
		t.Errorf("layer %v, %v", layer, err)
	}
	if _, err := r.Find(`A\C`); !errors.Is(err, fs.ErrNotExist) || err.Error() != `key A\C is not in `+path+`: key A has no C` {
		t.Errorf("%v", err)
	}
	if err := Diff(context.Background(), io.Discard, r, OfImage("img", &view.View{}, ""), "", false); err == nil ||
		!strings.HasSuffix(err.Error(), "img: an image cannot be compared with a hive file") {
		t.Errorf("diff with an image: %v", err)
	}
	var b bytes.Buffer
	if err := ExportReg(&b, regfile.Version5, r, "A", ""); err != nil {
		t.Fatal(err)
	}
	sections, err := regfile.Parse(&b)
	if err != nil || len(sections) != 2 || sections[1].Path != `\A\B` || sections[1].Values[0].Text() != "1" {
		t.Errorf("%+v, %v", sections, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A hive that was not closed cleanly is not shown as if it were whole.
func TestDirtyHive(t *testing.T) {
	var b bytes.Buffer
	if _, err := hives.NewTree(hives.Options{}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	raw[4]++                          // the first sequence number
	raw[508] ^= raw[4] ^ (raw[4] - 1) // and the checksum over it
	path := writeHive(t, "dirty", bytes.NewReader(raw))
	if _, err := OpenFile(path); !errors.Is(err, hives.ErrDirty) {
		t.Errorf("dirty hive: %v", err)
	}
	if err := os.WriteFile(path+".LOG1", []byte("no log"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path); !errors.Is(err, hives.ErrDirty) {
		t.Errorf("dirty hive with a log that is none: %v", err)
	}
}
