package hives

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestCheckDepth hangs one chain of keys below another.
func TestCheckDepth(t *testing.T) {
	chain := func(n int) string { return strings.TrimSuffix(strings.Repeat(`k\`, n), `\`) }
	tree := NewTree(Options{})
	do(t, tree.CreateKey(`a\`+chain(300)), tree.CreateKey(`b\`+chain(300)))
	b := treeBytes(t, tree)
	s := spot{t, b, openBytes(t, treeBytes(t, tree))}
	end := s.at(`a\` + chain(300))
	copy(end[nkSubkeys:nkList+4], s.at("b")[nkSubkeys:nkList+4])
	put16(end, nkMaxName, 2)
	endOff := len(b) - len(end) - baseSize - 4
	put32(s.at(`b\k`), nkParent, uint32(endOff))
	put32(s.at("b"), nkSubkeys, 0)
	put32(s.at("b"), nkList, noCell)
	found := Check(bytes.NewReader(b), int64(len(b)))
	if len(found) != 1 || found[0].Rule != ruleDepth || !strings.HasPrefix(found[0].Key, `...\k\k`) && !strings.HasPrefix(found[0].Key, `a\k\k`) {
		t.Errorf("found %v", found)
	}
	long := NewTree(Options{})
	do(t, long.CreateKey(strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 255)+`\`, 300), `\`)))
	b = treeBytes(t, long)
	found = Check(bytes.NewReader(b), int64(len(b)))
	if len(found) != 1 || found[0].Rule != ruleDepth || len(found[0].Key) > 2000 {
		t.Errorf("found %v", found)
	}
}

// TestCheckHostile has shapes that are small and ask for much work or memory.
func TestCheckHostile(t *testing.T) {
	tree := NewTree(Options{})
	do(t, tree.Set("a", BinaryValue("v", make([]byte, 8<<20))), tree.CreateKey("b"), tree.CreateKey("c"))
	good := treeBytes(t, tree)
	// area is the data of the value, all but a few bytes of the file, and its cell offset.
	area := func(s spot) ([]byte, uint32) {
		db := s.file[baseSize+4+u32(s.value("a", 0), vkData):]
		off := u32(s.file[baseSize+4+u32(db, 4):], 0)
		return s.file[baseSize+off:], off
	}
	tests := []struct {
		what   string
		damage func(s spot)
	}{
		{"tiny cells", func(s spot) {
			for b, _ := area(s); len(b) > 0; b = b[min(len(b), 16384):] {
				for i := 0; i+8 <= 16344 && i+8 <= len(b); i += 8 {
					put32(b, i, 0xFFFFFFF8)
				}
			}
		}},
		{"one value many times", func(s spot) {
			list := s.cell("a", nkValueList)
			v := u32(list, 0)
			b, off := area(s)
			for i := 4; i < 16348; i += 4 {
				put32(b, i, v)
			}
			put32(s.at("a"), nkValues, 4000)
			put32(s.at("a"), nkValueList, off)
		}},
		{"a list of itself", func(s spot) {
			b, off := area(s)
			copy(b[4:], "ri")
			put16(b, 6, 4000)
			for i := 8; i < 16348; i += 4 {
				put32(b, i, off)
			}
			put32(s.at(""), nkList, off)
		}},
		{"one key many times", func(s spot) {
			at := u32(s.cell("", nkList), 4)
			b, off := area(s)
			copy(b[4:], "li")
			put16(b, 6, 4000)
			for i := 8; i < 16348; i += 4 {
				put32(b, i, at)
			}
			put32(s.at(""), nkList, off)
			put32(s.at(""), nkSubkeys, 4000)
		}},
	}
	for _, tt := range tests {
		b := bytes.Clone(good)
		tt.damage(spot{t, b, openBytes(t, good)})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found := Check(bytes.NewReader(b), int64(len(b)))
		runtime.ReadMemStats(&after)
		if len(found) == 0 || len(found) > 3*maxOfRule {
			t.Errorf("%s: %d findings", tt.what, len(found))
		}
		// The cache reads the file twice; nothing else may grow with what the file says.
		if n := after.TotalAlloc - before.TotalAlloc; n > 3*uint64(len(b)) {
			t.Errorf("%s: allocates %d bytes for %d", tt.what, n, len(b))
		}
		h, err := OpenBytes(b)
		if err != nil {
			continue
		}
		for k, err := range h.Walk() {
			if err != nil {
				break
			}
			for range k.Values() { // an error, or an end
			}
		}
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
