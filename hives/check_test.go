package hives

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
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

// value returns the cell of a value.
func (s spot) value(path string, i int) []byte {
	s.t.Helper()
	return s.file[baseSize+4+u32(s.cell(path, nkValueList), 4*i):]
}

// rehash makes the entry of a key in the list of its parent that of another name.
func (s spot) rehash(parent string, i int, name string) {
	put32(s.cell(parent, nkList), 8+8*i, encode(name).hash())
}

// damagedTree has two lists of keys, values of each form, classes and two descriptors of
// the same length.
func damagedTree(t testing.TB) *Tree {
	tree := NewTree(Options{Time: oldTime})
	do(t,
		tree.Set(`a`, StringValue("v", "some text")),
		tree.Set(`a`, StringValue("w", "more text")),
		tree.Set(`b`, BinaryValue("big", make([]byte, 20000))),
		tree.Set(`b\c`, DWORDValue("n", 1)),
	)
	tree.root.kids[0].info.Class = "class"
	other := bytes.Clone(tree.root.kids[1].info.SD)
	other[len(other)-1]++
	do(t, tree.SetSD(`b\c`, other))
	return tree
}

// TestCheckFinds damages a hive in one place for each rule. That must be found, with its
// place and key, and nothing else.
func TestCheckFinds(t *testing.T) {
	good := treeBytes(t, damagedTree(t))
	sound(t, good)
	const nowhere = "" // no key
	tests := []struct {
		rule   Rule
		key    string
		damage func(s spot)
	}{
		{ruleSignature, nowhere, func(s spot) { s.file[0] = 'x' }},
		{ruleChecksum, nowhere, func(s spot) { s.file[offChecksum]++ }},
		{ruleVersion, nowhere, func(s spot) { put32(s.file, offMinor, 7); mend(s.file) }},
		{ruleType, nowhere, func(s spot) { put32(s.file, offType, 1); mend(s.file) }},
		{ruleSize, nowhere, func(s spot) { put32(s.file, offBins, uint32(len(s.file))); mend(s.file) }},
		{ruleSize, nowhere, func(s spot) { put32(s.file, offBins, 0); mend(s.file) }},
		{ruleSequence, nowhere, func(s spot) { s.file[offSeq1]++; mend(s.file) }},
		{ruleBin, nowhere, func(s spot) { s.file[baseSize] = 'x' }},
		{ruleBin, nowhere, func(s spot) { put32(s.file, baseSize+4, 4096) }},
		{ruleBin, nowhere, func(s spot) { put32(s.file, baseSize+8, 0) }},
		{ruleCell, nowhere, func(s spot) { put32(s.file, baseSize+32, 0) }},
		{ruleCell, nowhere, func(s spot) { put32(s.file, baseSize+32, 0x80000000) }},
		{ruleCell, nowhere, func(s spot) { put32(s.file, baseSize+32, 12) }},
		{ruleRoot, nowhere, func(s spot) { put16(s.at(""), nkFlags, keyLatin) }},
		{ruleRoot, nowhere, func(s spot) { s.at("")[0] = 'x' }},
		{ruleOffset, nowhere, func(s spot) { put32(s.file, offRoot, 40); mend(s.file) }},
		{ruleOffset, `a`, func(s spot) { put32(s.at("a"), nkValueList, 12) }},
		{ruleOffset, `\`, func(s spot) { put32(s.cell("", nkList), 12, 0x7FFFFFF8) }},
		{ruleOffset, `a`, func(s spot) { put32(s.at("a"), nkClass, 8) }},
		{ruleOverlap, `\`, func(s spot) { put32(s.cell("", nkList), 12, u32(s.cell("", nkList), 4)) }},
		{ruleOverlap, `b`, func(s spot) { put32(s.at("b"), nkValueList, u32(s.at("a"), nkValueList)) }},
		{ruleOverlap, `a`, func(s spot) {
			v := s.cell("a", nkValueList)
			put32(s.file[baseSize+4+u32(v, 0):], vkData, u32(s.file[baseSize+4+u32(v, 4):], vkData))
		}},
		{ruleOverlap, `b\c`, func(s spot) { put32(s.at(`b\c`), nkSecurity, u32(s.at("a"), nkClass)) }},
		{ruleLeak, nowhere, func(s spot) { put16(s.at("a"), nkClassLen, 0); put32(s.at("a"), nkClass, noCell) }},
		{ruleKey, `\`, func(s spot) { s.at("a")[0] = 'x' }},
		{ruleKey, `\`, func(s spot) { put16(s.at("a"), nkNameLen, 600) }},
		{ruleFlags, `a`, func(s spot) { s.at("a")[nkFlags] |= keyVolatile }},
		{ruleFlags, `a`, func(s spot) { s.at("a")[nkFlags] |= keyRoot }},
		{ruleName, `\`, func(s spot) { put16(s.at("a"), nkNameLen, 0); s.rehash("", 0, "") }},
		{ruleName, `\`, func(s spot) { s.at("a")[nkFlags] &^= keyLatin; s.rehash("", 0, "") }},
		{ruleSpelling, "\x00", func(s spot) { s.at("a")[nkName] = 0; s.rehash("", 0, "\x00") }},
		{ruleSpelling, "a", func(s spot) {
			n := s.at("a") // with room for a second byte of the name
			n[nkFlags] &^= keyLatin
			put16(n, nkNameLen, 2)
			n[nkName+1] = 0
		}},
		{ruleParent, `a`, func(s spot) { put32(s.at("a"), nkParent, 8) }},
		{ruleList, `\`, func(s spot) { s.cell("", nkList)[0] = 'x' }},
		{ruleList, `\`, func(s spot) { put16(s.cell("", nkList), 2, 0) }},
		{ruleList, `\`, func(s spot) { put16(s.cell("", nkList), 2, 0xFFFF) }},
		{ruleForm, `\`, func(s spot) {
			put32(s.file, offMinor, 4)
			mend(s.file)
			copy(s.cell("b", nkList), "li") // of one key: the same four bytes lead to it
		}},
		{ruleOrder, `b`, func(s spot) { s.at("a")[nkName] = 'z'; s.rehash("", 0, "z") }},
		{ruleOrder, `b`, func(s spot) { s.at("a")[nkName] = 'B'; s.rehash("", 0, "b") }},
		{ruleHash, `!`, func(s spot) { s.at("a")[nkName] = '!' }},
		{ruleHint, `b\c`, func(s spot) { copy(s.cell("b", nkList), "lf") }},
		{ruleCount, `\`, func(s spot) { put32(s.at(""), nkSubkeys, 3) }},
		{ruleCount, `\`, func(s spot) { put32(s.at(""), nkSubkeys, 1) }},
		{ruleMaximum, `\`, func(s spot) { put16(s.at(""), nkMaxName, 1) }},
		{ruleMaximum, `\`, func(s spot) { put32(s.at(""), nkMaxClass, 1) }},
		{ruleMaximum, `a`, func(s spot) { put32(s.at("a"), nkMaxData, 1) }},
		{ruleMaximum, `a`, func(s spot) { put32(s.at("a"), nkMaxValName, 1) }},
		{ruleClass, `a`, func(s spot) { put16(s.at("a"), nkClassLen, 80); put32(s.at(""), nkMaxClass, 80) }},
		{ruleClass, `b`, func(s spot) { put16(s.at("b"), nkClassLen, 8); put32(s.at(""), nkMaxClass, 10) }},
		{ruleClass, `a`, func(s spot) { put16(s.at("a"), nkClassLen, 9) }},
		{ruleValue, `a`, func(s spot) { s.value("a", 0)[0] = 'x' }},
		{ruleValue, `a`, func(s spot) { put16(s.value("a", 0), vkNameLen, 500) }},
		{ruleValue, `a`, func(s spot) { put32(s.at("a"), nkValues, 1000) }},
		{ruleRepeat, `a`, func(s spot) { s.value("a", 1)[vkName] = s.value("a", 0)[vkName] ^ 0x20 }},
		{ruleData, `a`, func(s spot) { put32(s.value("a", 0), vkSize, 1000); put32(s.at("a"), nkMaxData, 1000) }},
		{ruleData, `b\c`, func(s spot) { put32(s.value(`b\c`, 0), vkSize, inlineData|5); put32(s.at(`b\c`), nkMaxData, 5) }},
		{ruleData, `b\c`, func(s spot) { put32(s.value(`b\c`, 0), vkSize, 0) }},
		{ruleData, `b`, func(s spot) { put32(s.value("b", 0), vkSize, 90000); put32(s.at("b"), nkMaxData, 90000) }},
		{ruleSecurity, `a`, func(s spot) { put32(s.at("a"), nkSecurity, noCell) }},
		{ruleSecurity, `a`, func(s spot) { s.cell("a", nkSecurity)[skSD] = 9 }},
		{ruleSecurity, `b\c`, func(s spot) { put32(s.cell(`b\c`, nkSecurity), skSize, 1<<20) }},
		{ruleRing, nowhere, func(s spot) { put32(s.cell("a", nkSecurity), skFlink, 32) }},
		{ruleRing, nowhere, func(s spot) { put32(s.cell("a", nkSecurity), skBlink, 32) }},
		{ruleRing, nowhere, func(s spot) { // each its own ring
			off := u32(s.at(`b\c`), nkSecurity)
			for _, p := range []string{"", "a", `b\c`} {
				if at := u32(s.at(p), nkSecurity); u32(s.cell(p, nkSecurity), skFlink) == off {
					put32(s.cell(p, nkSecurity), skFlink, u32(s.at(""), nkSecurity))
					put32(s.cell("", nkSecurity), skBlink, at)
				}
			}
		}},
		{ruleRefcount, nowhere, func(s spot) { s.cell("a", nkSecurity)[skRefs]-- }},
		{ruleOvercount, nowhere, func(s spot) { s.cell("a", nkSecurity)[skRefs]++ }},
		{ruleTwin, `b\c`, func(s spot) {
			sd := s.cell("a", nkSecurity)
			copy(s.cell(`b\c`, nkSecurity)[skSD:], sd[skSD:skSD+u32(sd, skSize)])
		}},
	}
	rules := map[Rule]bool{ruleEmpty: true, ruleTail: true, ruleDepth: true, ruleLayer: true} // each has its own test
	for i, tt := range tests {
		rules[tt.rule] = true
		b := bytes.Clone(good)
		tt.damage(spot{t, b, openBytes(t, good)})
		found := Check(bytes.NewReader(b), int64(len(b)))
		if len(found) != 1 || found[0].Rule != tt.rule || found[0].Key != tt.key || found[0].Warning {
			t.Errorf("test %d: found %v, want one breach of %s in key %q", i, found, tt.rule, tt.key)
		}
		for _, f := range Tolerant.Check(bytes.NewReader(b), int64(len(b))) {
			if f.Warning != Tolerant.tolerates(tt.rule) {
				t.Errorf("test %d: %v is a warning: %v", i, f, f.Warning)
			}
		}
	}
	documented(t, rules)
}

// documented holds the rules that are tested against the table in the documentation.
func documented(t *testing.T, rules map[Rule]bool) {
	t.Helper()
	doc, err := os.ReadFile("../docs/formats/hive.md")
	do(t, err)
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|.*\\| (no|yes)").FindAllStringSubmatch(string(doc), -1) {
		rule := Rule(m[1])
		if !rules[rule] {
			t.Errorf("rule %s is documented and not tested", rule)
		}
		if (m[2] == "yes") != Tolerant.tolerates(rule) {
			t.Errorf("the documentation errs on whether rule %s is tolerated", rule)
		}
		delete(rules, rule)
	}
	if len(rules) > 0 {
		t.Errorf("rules without documentation: %v", slices.Sorted(maps.Keys(rules)))
	}
}

func TestCheckTail(t *testing.T) {
	b := treeBytes(t, NewTree(Options{}))
	sound(t, append(bytes.Clone(b), make([]byte, 100)...))
	b = append(b, 0, 1, 0)
	found := Tolerant.Check(bytes.NewReader(b), int64(len(b)))
	if len(found) != 1 || found[0].Rule != ruleTail || found[0].Offset != 8192 || !found[0].Warning {
		t.Errorf("found %v", found)
	}
}

func TestCheckLayers(t *testing.T) {
	tree := NewTree(Options{})
	do(t, tree.Set(`a\b`, DWORDValue("x", 1)), tree.Set(`dead`, DWORDValue("x", 1)), tree.CreateKey(`odd`), tree.CreateKey(`val`))
	for i, l := range []uint8{layerTree, layerTombstone, 0x10, layerMerge} {
		tree.root.kids[i].info.Layer = l
	}
	tree.root.kids[3].values = []Value{{Name: "v", Tombstone: true}}
	var b bytes.Buffer
	_, err := write(&b, tree.root, true)
	do(t, err)
	s := spot{t, b.Bytes(), openBytes(t, b.Bytes())}
	put32(s.value("val", 0), vkType, 1)
	var got []string
	for _, f := range Check(bytes.NewReader(b.Bytes()), int64(b.Len())) {
		if f.Rule != ruleLayer {
			t.Errorf("found %v", f)
		}
		got = append(got, f.Key+": "+f.Message)
	}
	want := []string{`a\b: merges with what the key above it hides`, `dead: a deleted key is not empty`, `odd: unknown layer bits 0x10`, `val: deleted value v has data`}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
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
		found := Tolerant.CheckBytes(b)
		if streamed := Tolerant.Check(bytes.NewReader(b), int64(len(b))); !slices.Equal(found, streamed) {
			t.Fatalf("findings in memory %v, from a file %v", found, streamed)
		}
		bad := slices.DeleteFunc(found, func(f Finding) bool { return f.Warning })
		h, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if len(bad) == 0 {
				t.Fatalf("a hive that does not open passes: %v", err)
			}
			return
		}
		merged, err := Merge(NewStack(under, h), Options{})
		if err != nil && len(bad) == 0 {
			t.Fatalf("a hive that passes does not merge: %v", err)
		}
		if err != nil || len(bad) > 0 {
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
