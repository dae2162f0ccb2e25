package hives

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	tree := softwareTree(b, 250)
	b.SetBytes(int64(len(treeBytes(b, tree))))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	file := treeBytes(b, softwareTree(b, 250))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if f := Strict.CheckBytes(file); len(f) > 0 {
			b.Fatal(f)
		}
	}
}

// BenchmarkWalk reads every key, every value and all data of a hive in memory.
func BenchmarkWalk(b *testing.B) {
	file := treeBytes(b, softwareTree(b, 250))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		h, err := OpenBytes(file)
		if err != nil {
			b.Fatal(err)
		}
		keys, values := 0, 0
		for k, err := range h.Walk() {
			if err != nil {
				b.Fatal(err)
			}
			keys++
			for _, err := range k.Values() {
				if err != nil {
					b.Fatal(err)
				}
				values++
			}
		}
		b.ReportMetric(float64(keys), "keys")
		b.ReportMetric(float64(values), "values")
	}
}

// BenchmarkOpenOne opens a file of 100 MB and reads one key of it.
func BenchmarkOpenOne(b *testing.B) {
	path := filepath.Join(b.TempDir(), "SYSTEM")
	do(b, os.WriteFile(path, treeBytes(b, softwareTree(b, 1650)), 0o600))
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(path)
		do(b, err)
		info, err := f.Stat()
		do(b, err)
		h, err := Open(f, info.Size())
		do(b, err)
		k, err := Find(rootOf(b, h), `microsoft\WINDOWS\currentversion\sidebyside`)
		do(b, err)
		if _, err := k.Subkey("WINNERS"); err != nil {
			b.Fatal(err)
		}
		do(b, f.Close())
	}
}

// BenchmarkDeltaOne writes the delta for one value over a hive of 80 MB.
func BenchmarkDeltaOne(b *testing.B) {
	file := treeBytes(b, softwareTree(b, 1300))
	b.ReportAllocs()
	for b.Loop() {
		e := NewEdit(newStack(b, file), Options{Time: newTime})
		do(b, e.SetValue(`Microsoft\Windows\CurrentVersion`, DWORDValue("Start", 1<<30)))
		if _, err := e.WriteDelta(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDiff compares two hives that differ in one value.
func BenchmarkDiff(b *testing.B) {
	tree := softwareTree(b, 250)
	file := treeBytes(b, tree)
	do(b, tree.Set(`Microsoft\Windows`, DWORDValue("Start", 1<<30)))
	next := rootOf(b, openBytes(b, treeBytes(b, tree)))
	b.SetBytes(2 * int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := Diff(newStack(b, file), next, Options{}); err != nil || d.Empty() {
			b.Fatal(err)
		}
	}
}

// BenchmarkMerge flattens a hive of 80 MB with five deltas.
func BenchmarkMerge(b *testing.B) {
	s := NewStack(memoryHive(b, treeBytes(b, softwareTree(b, 1300))))
	for i := range 5 {
		e := NewEdit(s, Options{Time: newTime})
		for j := range 200 {
			do(b, e.SetValue(fmt.Sprintf(`Microsoft\Windows\Layer%d\Key%d`, i%2, j), DWORDValue("Start", uint32(i))))
		}
		do(b, e.CreateKey(fmt.Sprintf(`Classes\CLSID\New%d`, i)))
		if i > 1 {
			do(b, e.DeleteKey(fmt.Sprintf(`Classes\CLSID\New%d`, i-1)))
		}
		s = s.Apply(memoryHive(b, deltaBytes(b, e)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Merge(s, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func memoryHive(t testing.TB, file []byte) *Hive {
	t.Helper()
	h, err := OpenBytes(file)
	do(t, err)
	return h
}

// BenchmarkFind follows a path, the last part of it in a list of 6500 keys.
func BenchmarkFind(b *testing.B) {
	root := rootOf(b, NewStack(memoryHive(b, treeBytes(b, softwareTree(b, 250)))))
	clsid, err := Find(root, `Classes\CLSID`)
	do(b, err)
	last := ""
	for k, err := range clsid.Subkeys() {
		do(b, err)
		last = k.Name()
	}
	path := `classes\clsid\` + strings.ToLower(last) + `\INPROCSERVER32`
	for b.Loop() {
		if _, err := Find(root, path); err != nil {
			b.Fatal(err)
		}
	}
}
