package hives

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/mullion/mullion/internal/nt"
)

func TestSetInfo(t *testing.T) {
	base := treeBytes(t, sampleTree(t))
	e := NewEdit(newStack(t, base), Options{Time: newTime})
	acme, err := Find(rootOf(t, newStack(t, base)), "Acme")
	do(t, err)
	old, err := acme.Info()
	do(t, err)
	do(t,
		e.SetSD(`Acme`, deltaRootSD()), e.SetSD(`Acme`, old.SD), // and back
		e.SetClass(`Acme`, "x"), e.SetClass(`Acme`, ""),
	)
	if e.Changed() {
		t.Error("nothing changed in the end")
	}
	do(t,
		e.SetSD(`Select`, deltaRootSD()),
		e.SetClass(`Secret\Below`, "own"),
		e.SetClass(`Select`, "both"),
		e.CreateKey("New"), e.SetClass("New", "fresh"), e.SetSD("New", deltaRootSD()),
	)
	full := dump(t, rootOf(t, e), true)
	b := deltaBytes(t, e)
	sound(t, b)
	if got := dump(t, rootOf(t, newStack(t, base, b)), true); got != full {
		t.Errorf("stack:\n%s\nedit:\n%s", got, full)
	}
	root := rootOf(t, openBytes(t, b))
	for path, want := range map[string]Info{
		`Select`:       {Class: "both", SD: deltaRootSD(), LastWrite: newTime},
		`Secret`:       {LastWrite: oldTime, Layer: 0x80},
		`Secret\Below`: {Class: "own", LastWrite: newTime},
		`New`:          {Class: "fresh", SD: deltaRootSD(), LastWrite: newTime},
	} {
		k, err := Find(root, path)
		do(t, err)
		i, err := k.Info()
		do(t, err)
		if i.Class != want.Class || i.LastWrite != want.LastWrite || i.Layer != want.Layer || want.SD != nil && !bytes.Equal(i.SD, want.SD) {
			t.Errorf("%s is %+v, want %+v", path, i, want)
		}
	}
	for what, err := range map[string]error{
		"security of the root": e.SetSD("", deltaRootSD()), "class of the root": e.SetClass("", "x"), "a renamed root": e.Rename("", "x"),
	} {
		if !errors.Is(err, ErrRoot) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := e.SetSD("None", deltaRootSD()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("security of a missing key: %v", err)
	}
	if e.SetSD("Acme", []byte("junk")) == nil || e.SetClass("Acme", string(make([]byte, 1<<16))) == nil {
		t.Error("junk was accepted")
	}
}

func TestRename(t *testing.T) {
	tree := NewTree(Options{Time: oldTime})
	do(t, tree.Set(`p\a\b`, DWORDValue("x", 1)), tree.Set(`p\a`, DWORDValue("y", 1)), tree.CreateKey(`p\taken`), tree.CreateKey(`p\gone`), tree.SetSD(`p\a`, deltaRootSD()))
	base := treeBytes(t, tree)
	e := NewEdit(newStack(t, base), Options{Time: newTime})
	do(t, e.SetValue(`p\a\b`, DWORDValue("x", 2)), e.DeleteKey(`p\gone`))
	if err := e.Rename(`p\a`, "Taken"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a taken name: %v", err)
	}
	if err := e.Rename(`p\none`, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing key: %v", err)
	}
	if err := e.Rename(`p\a`, `x\y`); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a bad name: %v", err)
	}
	do(t, e.Rename(`p\A`, "gone"), e.Rename(`p\taken`, "TAKEN"), e.Rename(`p\TAKEN`, "TAKEN"))
	full := dump(t, rootOf(t, e), true)
	b := deltaBytes(t, e)
	sound(t, b)
	if got := dump(t, rootOf(t, newStack(t, base, b)), true); got != full {
		t.Errorf("stack:\n%s\nedit:\n%s", got, full)
	}
	root := rootOf(t, openBytes(t, b))
	for path, want := range map[string]struct {
		name  string
		layer uint8
		time  nt.Filetime
	}{`p\a`: {"a", 1, 0}, `p\gone`: {"gone", 3, oldTime}, `p\gone\b`: {"b", 3, newTime}, `p\taken`: {"TAKEN", 3, oldTime}} {
		k, err := Find(root, path)
		do(t, err)
		if i, err := k.Info(); err != nil || k.Name() != want.name || i.Layer != want.layer || i.LastWrite != want.time {
			t.Errorf("%s is %s, %+v, %v; want %+v", path, k.Name(), i, err, want)
		}
	}
	if k, err := Find(rootOf(t, e), `p\gone\b`); err != nil {
		t.Error(err)
	} else if v, err := k.Value("X"); err != nil || v.Data[0] != 2 {
		t.Errorf("the value is %v, %v", v, err)
	}
}
