package hives

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/mullion/mullion/internal/nt"
)

func newStack(t testing.TB, files ...[]byte) *Stack {
	t.Helper()
	var list []*Hive
	for _, b := range files {
		list = append(list, openBytes(t, b))
	}
	return NewStack(list[0], list[1:]...)
}

// do applies edits and fails on the first error.
func do(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeltaForms holds every operation against the node it must leave in the delta.
func TestDeltaForms(t *testing.T) {
	base := treeBytes(t, sampleTree(t))
	e := NewEdit(newStack(t, base), Options{Time: newTime, Owner: nt.ContainerAdministrator})
	do(t,
		e.SetValue(`ACME`, StringValue("EMPTY", "no longer")),
		e.DeleteValue(`acme`, "many"),
		e.DeleteValue(`acme`, ""),
		e.SetValue(`Wide\k0007`, DWORDValue("n", 7)), // as it is
		e.CreateKey(`Wide\k0008`),                    // exists
		e.SetValue(`Wide\new\deeper`, DWORDValue("x", 1)),
		e.DeleteKey(`CONTROLSET001\services\xblgamesave`),
		e.DeleteKey(`Secret`),
		e.SetValue(`secret\again`, StringValue("", "")),
		e.CreateKey(`Gone\away`),
		e.DeleteKey(`Gone`),
		e.SetValue(`Brief`, DWORDValue("x", 1)),
		e.DeleteValue(`Brief`, "X"),
	)
	b := deltaBytes(t, e)
	sound(t, b)
	if u32(b, offMinor) != 6 || u32(b, offFlags) != flagLayered {
		t.Errorf("version 1.%d, flags %#x", u32(b, offMinor), u32(b, offFlags))
	}
	h := openBytes(t, b)
	if !h.IsDelta() {
		t.Fatal("not a delta")
	}
	root, below := rootOf(t, h), rootOf(t, openBytes(t, base))
	tests := []struct {
		path  string
		layer uint8
		time  nt.Filetime
		base  bool // the descriptor is the base's
		size  int  // of what lies below, as a check that nothing else does
	}{
		{``, 0x00, newTime, false, 5},
		{`Acme`, 0x80, newTime, true, 0},
		{`Wide`, 0x80, newTime, true, 1},
		{`Wide\new`, 0x00, newTime, false, 1},
		{`Wide\new\deeper`, 0x00, newTime, false, 0},
		{`ControlSet001`, 0x80, oldTime, true, 1},
		{`ControlSet001\Services`, 0x80, newTime, true, 1},
		{`ControlSet001\Services\XblGameSave`, 0x01, 0, true, 0},
		{`secret`, 0x03, newTime, false, 1},
		{`secret\again`, 0x03, newTime, false, 0},
		{`Brief`, 0x00, newTime, false, 0},
	}
	for _, tt := range tests {
		k, err := Find(root, tt.path)
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		info, err := k.Info()
		do(t, err)
		if info.Layer != tt.layer || info.LastWrite != tt.time {
			t.Errorf("%s: layer %#x, time %d; want %#x, %d", tt.path, info.Layer, info.LastWrite, tt.layer, tt.time)
		}
		n := 0
		for range k.Subkeys() {
			n++
		}
		if n != tt.size {
			t.Errorf("%s has %d subkeys, want %d", tt.path, n, tt.size)
		}
		if !tt.base {
			continue
		}
		bk, err := Find(below, tt.path)
		do(t, err)
		bi, err := bk.Info()
		do(t, err)
		if !bytes.Equal(bi.SD, info.SD) || k.Name() != bk.Name() {
			t.Errorf("%s: descriptor or spelling (%s) is not the base's", tt.path, k.Name())
		}
	}
	acme, err := Find(root, "Acme")
	do(t, err)
	if v, err := acme.Value("EMPTY"); err != nil || v.Name != "Empty" || v.Text() != "no longer" {
		t.Errorf("the replaced value is %+v, %v", v, err)
	}
	for _, name := range []string{"Many", ""} {
		if v, err := acme.Value(name); err != nil || !v.Tombstone || v.Type != None || v.Name != name {
			t.Errorf("value %q is %+v, %v; want a tombstone", name, v, err)
		}
	}
	merged, err := Find(rootOf(t, newStack(t, base, b)), `secret`)
	do(t, err)
	if merged.Name() != "secret" {
		t.Errorf("a key created again has the name %s", merged.Name())
	}
	if got, want := dump(t, rootOf(t, newStack(t, base, b)), true), dump(t, rootOf(t, e), true); got != want {
		t.Errorf("stack with the delta differs from the edit:\n%s\nwant\n%s", got, want)
	}
}

func TestEditErrors(t *testing.T) {
	e := NewEdit(newStack(t, treeBytes(t, sampleTree(t))), Options{})
	for name, err := range map[string]error{
		"missing key":         e.DeleteKey(`No\Such`),
		"missing value":       e.DeleteValue(`Acme`, "none"),
		"value of missing":    e.DeleteValue(`None`, "none"),
		"value deleted twice": errors.Join(e.DeleteValue(`Acme`, "Q"), nil, e.DeleteValue(`Acme`, "Q")),
		"key deleted twice":   errors.Join(e.DeleteKey(`Big`), e.DeleteKey(`Big`)),
		"value of deleted":    e.DeleteValue(`Big`, "4"),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := e.DeleteKey(``); !errors.Is(err, ErrRoot) {
		t.Errorf("root: %v", err)
	}
	if err := e.SetValue(`a\\b`, Value{}); err == nil {
		t.Error("an empty name was accepted")
	}
}

func TestUnchanged(t *testing.T) {
	base := treeBytes(t, sampleTree(t))
	e := NewEdit(newStack(t, base), Options{Time: newTime})
	do(t,
		e.SetValue(`Acme`, StringValue("EMPTY", "x")),
		e.SetValue(`Acme`, StringValue("Empty", "")), // back to what it was
		e.CreateKey(`New\Key`),
		e.DeleteKey(`New`),
		e.CreateKey(`Big`),
	)
	if e.Changed() {
		t.Error("nothing changed in the end")
	}
	b := deltaBytes(t, e)
	sound(t, b)
	if got := dump(t, rootOf(t, openBytes(t, b)), false); got != "[]\n" {
		t.Errorf("the delta is not empty: %s", got)
	}
	if !bytes.Equal(b, deltaBytes(t, NewEdit(newStack(t, base), Options{Time: newTime}))) {
		t.Error("an edit that changed nothing differs from one that did nothing")
	}
	do(t, e.DeleteValue(`Acme`, "Empty"))
	if !e.Changed() {
		t.Error("a deleted value is a change")
	}
}

// TestLayers reads the layer bytes that only other writers use.
func TestLayers(t *testing.T) {
	low := NewTree(Options{Time: oldTime})
	do(t,
		low.Set(`local\kid`, DWORDValue("v", 1)),
		low.Set(`local`, DWORDValue("hidden", 1)),
		low.Set(`tree\kid`, DWORDValue("v", 1)),
		low.Set(`dead\kid`, DWORDValue("v", 1)),
		low.Set(`plain`, DWORDValue("kept", 1)),
	)
	i, _ := low.root.find("plain")
	low.root.kids[i].info.Class = "low class"
	top := &memKey{name: "other root", info: Info{SD: deltaRootSD()}}
	for _, k := range []struct {
		name  string
		layer uint8
		class string
	}{{"dead", 0x01, ""}, {"local", 0x02, "own"}, {"plain", 0x80, "ignored"}, {"tree", 0x83, ""}} {
		c := &memKey{name: k.name, info: Info{SD: deltaRootSD(), Layer: k.layer, Class: k.class, LastWrite: newTime}}
		if k.layer != 1 {
			c.values = []Value{DWORDValue("new", 2)}
		} else {
			c.info.Class = ""
		}
		top.kids = append(top.kids, c)
	}
	var b bytes.Buffer
	_, err := write(&b, top, true)
	do(t, err)
	sound(t, b.Bytes())
	merged := rootOf(t, newStack(t, treeBytes(t, low), b.Bytes()))
	for name, want := range map[string]string{"plain": "low class", "local": "own", "tree": ""} {
		k, err := merged.Subkey(name)
		do(t, err)
		if info, err := k.Info(); err != nil || info.Class != want {
			t.Errorf("%s has class %q, %v; want %q", name, info.Class, err, want)
		}
	}
	got := dump(t, merged, false)
	want := "[]\n[\\local]\n\"new\" REG_DWORD 02000000\n[\\local\\kid]\n\"v\" REG_DWORD 01000000\n" +
		"[\\plain]\n\"kept\" REG_DWORD 01000000\n\"new\" REG_DWORD 02000000\n[\\tree]\n\"new\" REG_DWORD 02000000\n"
	if got != want {
		t.Errorf("merged view:\n%s\nwant\n%s", got, want)
	}
	// The same bytes in a hive that is not layered mean nothing.
	plain := bytes.Clone(b.Bytes())
	put32(plain, offMinor, 5)
	put32(plain, offFlags, 0)
	put32(plain, offChecksum, checksum(plain))
	n := 0
	for range rootOf(t, openBytes(t, plain)).Subkeys() {
		n++
	}
	if n != 4 || openBytes(t, plain).IsDelta() {
		t.Errorf("an ordinary hive shows %d keys", n)
	}
}

func TestRegistry(t *testing.T) {
	files := map[Name][]byte{System: treeBytes(t, sampleTree(t))}
	opened := map[Name]int{}
	r := NewRegistry(func(n Name) (*Stack, error) {
		opened[n]++
		if files[n] == nil {
			return NewStack(nil), nil
		}
		return newStack(t, files[n]), nil
	}, Options{Time: newTime})
	env := `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	k, err := r.Key(env)
	do(t, err)
	if v, err := k.Value("PATH"); err != nil || v.Text() != `%SystemRoot%\system32` || v.Type != ExpandSZ {
		t.Errorf("Path = %v, %v", v, err)
	}
	if r.Changed() {
		t.Error("reading is no change")
	}
	do(t,
		r.SetValue(`hkey_local_machine\software\Acme\`, StringValue("Name", "x")),
		r.SetValue(env, StringValue("ACME", "1")),
		r.CreateKey(`HKCR\.txt`),
		r.SetValue(`HKU\.DEFAULT\Environment`, StringValue("T", "1")),
		r.SetValue(`HKEY_USERS\S-1-5-18\Environment`, StringValue("U", "1")),
		r.SetValue(`HKCC\Software`, DWORDValue("x", 1)),
		r.DeleteValue(`HKLM\SYSTEM\Select`, "Current"),
		r.SetValue(`HKLM\SYSTEM\Select`, DWORDValue("Current", 2)),
		r.CreateKey(`HKLM\SYSTEM\CurrentControlSet\Two`),
	)
	for _, path := range []string{
		`HKLM\Software\ACME`, `HKLM\SYSTEM\ControlSet001\Control`, `HKLM\SOFTWARE\Classes\.txt`, `HKU\.Default\environment`,
		`HKLM\SYSTEM\ControlSet001\Hardware Profiles\0001\Software`, `HKLM\SYSTEM\ControlSet002\Two`, `HKLM\SYSTEM`, `HKCR`,
	} {
		if _, err := r.Key(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{``, `HKLM`, `HKLM\HARDWARE\x`, `HKU\S-1-5-21-1`, `HKCU\Software`, `SOFTWARE\x`, `HKXX\a`} {
		if _, err := r.Key(path); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v, want ErrAddress", path, err)
		}
		if err := r.SetValue(path, Value{}); !errors.Is(err, ErrAddress) {
			t.Errorf("set %q: %v, want ErrAddress", path, err)
		}
	}
	if err := r.DeleteKey(`HKLM\SOFTWARE`); !errors.Is(err, ErrRoot) {
		t.Errorf("delete a root: %v", err)
	}
	if _, err := r.Key(`HKLM\SOFTWARE\None`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing key: %v", err)
	}
	if !r.Changed() || opened[System] != 1 || opened[SAM] != 0 {
		t.Errorf("changed %v, opened %v", r.Changed(), opened)
	}
}

func TestNames(t *testing.T) {
	for n, want := range map[Name]string{
		System: "System_Delta", Software: "Software_Delta", SAM: "Sam_Delta", Security: "Security_Delta", Default: "DefaultUser_Delta",
	} {
		if n.DeltaFile() != want {
			t.Errorf("%s has the delta %s, want %s", n, n.DeltaFile(), want)
		}
		if got, ok := DeltaName("sYSTEM_delta"); !ok || got != System {
			t.Errorf("DeltaName = %s, %v", got, ok)
		}
	}
	if _, ok := DeltaName("Drivers_Delta"); ok || System.BasePath() != "Windows/System32/config/SYSTEM" {
		t.Error("names are wrong")
	}
}
