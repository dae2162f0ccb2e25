package hives

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// mend recomputes the checksum, so that damage elsewhere is what is found.
func mend(b []byte) []byte {
	put32(b, offChecksum, checksum(b))
	return b
}

// spot gives the position of fields in a file by the path of a key.
type spot struct {
	t    *testing.T
	file []byte
	hive *Hive
}

// at returns the node of a key, its payload in the file.
func (s spot) at(path string) []byte {
	s.t.Helper()
	k, err := Find(rootOf(s.t, s.hive), path)
	do(s.t, err)
	return s.file[baseSize+4+k.(*hiveKey).node.off:]
}

// cell returns the payload of the cell that a field of a key refers to.
func (s spot) cell(path string, field int) []byte {
	s.t.Helper()
	return s.file[baseSize+4+u32(s.at(path), field):]
}

func TestCheckFinds(t *testing.T) {
	tree := NewTree(Options{Time: oldTime})
	do(t,
		tree.Set(`a`, StringValue("v", "some text")),
		tree.Set(`a`, StringValue("w", "more text")),
		tree.Set(`b`, BinaryValue("big", make([]byte, 20000))),
		tree.Set(`b\c`, DWORDValue("n", 1)),
	)
	good := treeBytes(t, tree)
	tests := []struct {
		rule   string
		damage func(s spot)
	}{
		{"signature", func(s spot) { s.file[0] = 'x' }},
		{"checksum", func(s spot) { s.file[offChecksum]++ }},
		{"version", func(s spot) { put32(s.file, offMinor, 7); mend(s.file) }},
		{"type", func(s spot) { put32(s.file, offType, 1); mend(s.file) }},
		{"size", func(s spot) { put32(s.file, offBins, uint32(len(s.file))); mend(s.file) }},
		{"sequence", func(s spot) { s.file[offSeq1]++; mend(s.file) }},
		{"bin", func(s spot) { s.file[baseSize] = 'x' }},
		{"bin", func(s spot) { put32(s.file, baseSize+8, 0) }},
		{"cell", func(s spot) { put32(s.file, baseSize+32, 0) }},
		{"cell", func(s spot) { put32(s.file, baseSize+32, 0x80000000) }},
		{"offset", func(s spot) { put32(s.file, offRoot, 40); mend(s.file) }},
		{"root", func(s spot) { put16(s.at(""), nkFlags, keyLatin) }},
		{"key", func(s spot) { s.at("a")[0] = 'x' }},
		{"key", func(s spot) { put16(s.at("a"), nkNameLen, 600) }},
		{"name", func(s spot) { put16(s.at("a"), nkNameLen, 0) }},
		{"parent", func(s spot) { put32(s.at("a"), nkParent, 8) }},
		{"order", func(s spot) { s.at("a")[nkName] = 'z' }},
		{"order", func(s spot) { s.at("a")[nkName] = 'B' }},
		{"hash", func(s spot) { s.at("a")[nkName] = '!' }},
		{"count", func(s spot) { put32(s.at(""), nkSubkeys, 3) }},
		{"count", func(s spot) { put32(s.at("a"), nkValueList, noCell) }},
		{"maximum", func(s spot) { put16(s.at(""), nkMaxName, 1) }},
		{"maximum", func(s spot) { put32(s.at("a"), nkMaxData, 1) }},
		{"list", func(s spot) { s.cell("", nkList)[0] = 'x' }},
		{"list", func(s spot) {
			copy(s.cell("b", nkList), "ri")
			put32(s.cell("b", nkList), 4, u32(s.at("a"), nkValueList))
		}},
		{"overlap", func(s spot) { put32(s.cell("", nkList), 12, u32(s.cell("", nkList), 4)) }},
		{"overlap", func(s spot) { put32(s.at("b"), nkValueList, u32(s.at("a"), nkValueList)) }},
		{"offset", func(s spot) { put32(s.at("a"), nkValueList, 12) }},
		{"value", func(s spot) { s.file[baseSize+4+u32(s.cell("a", nkValueList), 0)] = 'x' }},
		{"value", func(s spot) { put32(s.file[baseSize+4+u32(s.cell("a", nkValueList), 0):], vkSize, 1000) }},
		{"value", func(s spot) { put32(s.file[baseSize+4+u32(s.cell("b", nkValueList), 0):], vkSize, 90000) }},
		{"overlap", func(s spot) {
			v := s.cell("a", nkValueList)
			put32(s.file[baseSize+4+u32(v, 0):], vkData, u32(s.file[baseSize+4+u32(v, 4):], vkData))
		}},
		{"class", func(s spot) { put16(s.at("a"), nkClassLen, 8) }},
		{"refcount", func(s spot) { s.cell("a", nkSecurity)[skRefs]++ }},
		{"security", func(s spot) { put32(s.cell("a", nkSecurity), skFlink, 32) }},
		{"security", func(s spot) { put32(s.cell("a", nkSecurity), skBlink, 32) }},
		{"security", func(s spot) { put32(s.at("a"), nkSecurity, noCell) }},
		{"security", func(s spot) { s.cell("a", nkSecurity)[skSD] = 9 }},
	}
	for i, tt := range tests {
		b := bytes.Clone(good)
		tt.damage(spot{t, b, openBytes(t, good)})
		found := Check(bytes.NewReader(b), int64(len(b)))
		ok := false
		for _, f := range found {
			ok = ok || f.Rule == tt.rule
		}
		if !ok {
			t.Errorf("test %d: no finding of rule %s among %v", i, tt.rule, found)
		}
	}
}

func TestCheckLayers(t *testing.T) {
	tree := NewTree(Options{})
	do(t, tree.Set(`a\b`, DWORDValue("x", 1)), tree.Set(`dead`, DWORDValue("x", 1)))
	for _, k := range tree.root.kids {
		k.info.Layer = layerTree
	}
	tree.root.kids[1].info.Layer = layerTombstone
	var b bytes.Buffer
	_, err := write(&b, tree.root, true)
	do(t, err)
	found := Check(bytes.NewReader(b.Bytes()), int64(b.Len()))
	text := fmt.Sprint(found)
	if len(found) != 2 || !strings.Contains(text, "deleted key dead is not empty") || !strings.Contains(text, "key b merges") {
		t.Errorf("findings: %v", found)
	}
}

// TestCheckTruncated cuts a file at every length that matters.
func TestCheckTruncated(t *testing.T) {
	good := treeBytes(t, NewTree(Options{}))
	for n := 1; n < len(good); n += 255 {
		if found := Check(bytes.NewReader(good[:n]), int64(n)); len(found) == 0 {
			t.Errorf("%d of %d bytes pass as sound", n, len(good))
		}
		if _, err := Open(bytes.NewReader(good[:n]), int64(n)); err == nil {
			t.Errorf("%d of %d bytes were opened", n, len(good))
		}
		// The size may also be a lie.
		Check(bytes.NewReader(good[:n]), int64(len(good)))
	}
}

// TestLoop makes a key its own grandchild: walking must end.
func TestLoop(t *testing.T) {
	tree := NewTree(Options{})
	do(t, tree.CreateKey(`a\b\c`), tree.CreateKey(`a\b\d`))
	b := treeBytes(t, tree)
	h := openBytes(t, b)
	s := spot{t, b, h}
	a := rootOf(t, h)
	a, err := a.Subkey("a")
	do(t, err)
	for _, target := range []uint32{a.(*hiveKey).node.off, h.root} {
		c := bytes.Clone(b)
		put32(spot{t, c, h}.cell(`a\b`, nkList), 4, target)
		n, failed := 0, false
		var walk func(k Key)
		walk = func(k Key) {
			for sub, err := range k.Subkeys() {
				if err != nil {
					failed = true
					return
				}
				if n++; n > 100 {
					t.Fatal("the walk does not end")
				}
				walk(sub)
			}
		}
		walk(rootOf(t, openBytes(t, c)))
		if !failed {
			t.Error("a loop went unnoticed")
		}
		if _, err := Merge(newStack(t, c), Options{}); err == nil {
			t.Error("a loop was merged")
		}
	}
	// The same list under two keys: each is refused where it does not belong.
	put32(s.at("a"), nkList, u32(s.at(`a\b`), nkList))
	if found := Check(bytes.NewReader(b), int64(len(b))); len(found) == 0 {
		t.Error("a shared list passes as sound")
	}
}

// TestSharedValues lets many keys claim the same values: merging must not multiply them.
func TestSharedValues(t *testing.T) {
	tree := NewTree(Options{})
	do(t, tree.Set(`a`, BinaryValue("big", make([]byte, 1<<20))))
	for i := range 100 {
		do(t, tree.CreateKey(fmt.Sprintf(`b%03d`, i)))
	}
	b := treeBytes(t, tree)
	s := spot{t, b, openBytes(t, b)}
	for i := range 100 {
		n := s.at(fmt.Sprintf(`b%03d`, i))
		put32(n, nkValues, 1)
		put32(n, nkValueList, u32(s.at("a"), nkValueList))
	}
	if _, err := Merge(newStack(t, b), Options{}); err == nil {
		t.Error("a hive of a hundred times its size was merged")
	}
}

func FuzzHive(f *testing.F) {
	tree := sample(f, true)
	for i, k := range tree.root.kids {
		if k.name == "Big" || k.name == "Wide" {
			tree.root.kids[i].values, tree.root.kids[i].kids = nil, nil
		}
	}
	base := treeBytes(f, tree)
	e := NewEdit(newStack(f, base), Options{Time: newTime})
	do(f, e.SetValue(`Acme`, DWORDValue("x", 1)), e.DeleteValue(`Acme`, "Q"), e.DeleteKey(`Secret`))
	f.Add(treeBytes(f, NewTree(Options{})))
	f.Add(base)
	f.Add(deltaBytes(f, e))
	under := openBytes(f, base)
	f.Fuzz(func(t *testing.T, b []byte) {
		if b = bytes.Clone(b); len(b) >= baseSize {
			put32(b, offSeq2, u32(b, offSeq1))
			mend(b)
		}
		found := Check(bytes.NewReader(b), int64(len(b)))
		h, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if len(found) == 0 {
				t.Fatalf("a hive that does not open is sound: %v", err)
			}
			return
		}
		merged, err := Merge(NewStack(under, h), Options{})
		if err != nil && len(found) == 0 {
			t.Fatalf("a sound hive does not merge: %v", err)
		}
		if err != nil || len(found) > 0 {
			return
		}
		// What is accepted can be written, and reads the same again.
		var out bytes.Buffer
		if _, err := merged.WriteTo(&out); err != nil {
			t.Fatalf("write what was merged: %v", err)
		}
		if got, want := dump(t, rootOf(t, openBytes(t, out.Bytes())), true), dump(t, merged.Root(), true); got != want {
			t.Fatalf("written:\n%s\nmerged:\n%s", got, want)
		}
	})
}
