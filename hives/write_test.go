package hives

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestTreeRoundTrip(t *testing.T) {
	tree := sampleTree(t)
	b := treeBytes(t, tree)
	sound(t, b)
	h := openBytes(t, b)
	if h.IsDelta() {
		t.Error("a base hive says it is a delta")
	}
	if got, want := dump(t, rootOf(t, h), true), dump(t, tree.Root(), true); got != want {
		t.Errorf("read back differs:\n%s\nwant\n%s", got, want)
	}
	if !bytes.Equal(b, treeBytes(t, sampleTree(t))) {
		t.Error("the same tree gave other bytes")
	}
	// A reader must not mind what Windows leaves behind the last bin.
	long := append(bytes.Clone(b), bytes.Repeat([]byte{0xEE}, 8192)...)
	if got := dump(t, rootOf(t, openBytes(t, long)), true); got != dump(t, tree.Root(), true) {
		t.Error("a stale tail changes what is read")
	}
}

func TestMinimalHive(t *testing.T) {
	b := treeBytes(t, NewTree(Options{}))
	if len(b) != 8192 || u32(b, offMinor) != 5 || u32(b, offFlags) != 0 {
		t.Errorf("minimal hive of %d bytes, 1.%d, flags %d", len(b), u32(b, offMinor), u32(b, offFlags))
	}
	sound(t, b)
}

func TestEmptyFile(t *testing.T) {
	h, err := Open(bytes.NewReader(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	if k := rootOf(t, h); dump(t, k, false) != "[]\n" {
		t.Error("an empty file has keys")
	}
	if k := rootOf(t, NewStack(h, h)); dump(t, k, false) != "[]\n" {
		t.Error("a stack of empty files has keys")
	}
	if f := Check(bytes.NewReader(nil), 0); len(f) != 1 || f[0].Rule != ruleEmpty {
		t.Errorf("findings: %v", f)
	}
}

// TestChecksumVectors holds the checksum against hives that Windows wrote.
func TestChecksumVectors(t *testing.T) {
	for x, want := range map[uint32]uint32{0: 1, 0xFFFFFFFF: 0xFFFFFFFE, 0x12345678: 0x12345678} {
		b := make([]byte, baseSize)
		put32(b, 100, x)
		if got := checksum(b); got != want {
			t.Errorf("checksum of %#x = %#x, want %#x", x, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	tree := NewTree(Options{})
	for _, path := range []string{`a\\b`, `\a`, "a\x00", strings.Repeat("x", 256), strings.Repeat(`a\`, 513)} {
		if err := tree.CreateKey(path); err == nil {
			t.Errorf("key %.20q was created", path)
		}
	}
	for _, v := range []Value{
		{Name: strings.Repeat("x", 16384)}, {Name: "a\x00b"}, {Name: "t", Tombstone: true}, {Name: "big", Data: make([]byte, maxData+1)},
	} {
		if err := tree.Set("k", v); err == nil {
			t.Errorf("value %.10q was set", v.Name)
		}
	}
	if err := tree.SetSD("k", []byte("junk")); err == nil {
		t.Error("junk was taken as a security descriptor")
	}
	if dump(t, tree.Root(), false) != "[]\n" {
		t.Error("what was refused left a key behind")
	}
	if _, err := Find(tree.Root(), `no\such`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find = %v", err)
	}
}

func TestHashAndOrder(t *testing.T) {
	for name, want := range map[string]uint32{"ControlSet001": 0x8F3BA9A2, "Parameters": 0x6E7FEA98, "Hardware Profiles": 0x84027BBA} {
		if got := encode(name).hash(); got != want || hashUnits(foldUnits(name)) != want {
			t.Errorf("hash of %s = %#x, want %#x", name, got, want)
		}
	}
	if n := encode("\xFF"); n.latin || n.String() != "\uFFFD" {
		t.Errorf("a byte that is no text is stored as %v", n)
	}
	if n := encode("Ж"); n.latin || encode("ÿ").latin != true || encode("ÿ").compare(encode("Ÿ")) != 0 {
		t.Errorf("names are stored wrongly: %v", n)
	}
}
