package hives

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// largeTree is shaped like the SYSTEM hive of Windows 10: two values a key, of whose data
// nearly half is four bytes or less, most others are strings of 20 to 120 characters, and
// few are large. A unit of size is 200 keys, some 75 KB.
func largeTree(b *testing.B, size int) *Tree {
	b.Helper()
	tree := NewTree(Options{Time: oldTime})
	r := rand.New(rand.NewPCG(1, 2))
	text := strings.Repeat(`%SystemRoot%\System32\drivers\`, 8)
	for i := range size {
		service := fmt.Sprintf(`ControlSet001\Services\Service%04d`, i)
		for j := range 200 {
			path := fmt.Sprintf(`%s\Parameters%03d`, service, j)
			do(b, tree.Set(path, DWORDValue("Start", uint32(j))))
			switch n := r.IntN(100); {
			case n < 90:
				do(b, tree.Set(path, StringValue("ImagePath", text[:20+r.IntN(100)])))
			case n < 99:
				do(b, tree.Set(path, BinaryValue("Configuration", make([]byte, 8+r.IntN(1000)))))
			}
		}
		do(b, tree.Set(service, BinaryValue("Blob", make([]byte, r.IntN(20000)))))
	}
	return tree
}

func BenchmarkWrite(b *testing.B) {
	tree := largeTree(b, 200)
	b.SetBytes(int64(len(treeBytes(b, tree))))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	file := treeBytes(b, largeTree(b, 200))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if f := Check(bytes.NewReader(file), int64(len(file))); len(f) > 0 {
			b.Fatal(f)
		}
	}
}

// BenchmarkWalk reads every key, every value and all data of a hive in memory.
func BenchmarkWalk(b *testing.B) {
	file := treeBytes(b, largeTree(b, 200))
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
		if keys != 40203 || values < 2*39000 {
			b.Fatal(keys, values)
		}
	}
}

// BenchmarkOpenOne opens a file of 100 MB and reads one key of it.
func BenchmarkOpenOne(b *testing.B) {
	path := filepath.Join(b.TempDir(), "SYSTEM")
	do(b, os.WriteFile(path, treeBytes(b, largeTree(b, 1400)), 0o600))
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(path)
		do(b, err)
		info, err := f.Stat()
		do(b, err)
		h, err := Open(f, info.Size())
		do(b, err)
		k, err := Find(rootOf(b, h), `controlset001\SERVICES\service1150\parameters150`)
		do(b, err)
		if _, err := k.Value("START"); err != nil {
			b.Fatal(err)
		}
		do(b, f.Close())
	}
}

// BenchmarkDeltaOne writes the delta for one value over a hive of 80 MB.
func BenchmarkDeltaOne(b *testing.B) {
	file := treeBytes(b, largeTree(b, 1100))
	b.ReportAllocs()
	for b.Loop() {
		e := NewEdit(benchStack(b, file), Options{Time: newTime})
		do(b, e.SetValue(`ControlSet001\Services\Service0007\Parameters007`, DWORDValue("Start", 1<<30)))
		if _, err := e.WriteDelta(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDiff compares two hives that differ in one value.
func BenchmarkDiff(b *testing.B) {
	tree := largeTree(b, 200)
	file := treeBytes(b, tree)
	do(b, tree.Set(`ControlSet001\Services\Service0007`, DWORDValue("Start", 1<<30)))
	next := rootOf(b, openBytes(b, treeBytes(b, tree)))
	b.SetBytes(2 * int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := Diff(benchStack(b, file), next, Options{}); err != nil || d.Empty() {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	file := treeBytes(b, largeTree(b, 200))
	e := NewEdit(benchStack(b, file), Options{Time: newTime})
	do(b, e.SetValue(`ControlSet001\Services\Service0007`, DWORDValue("Start", 4)), e.DeleteKey(`ControlSet001\Services\Service0008`))
	delta := deltaBytes(b, e)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Merge(benchStack(b, file, delta), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchStack(b *testing.B, files ...[]byte) *Stack { return newStack(b, files...) }

func BenchmarkFind(b *testing.B) {
	s := benchStack(b, treeBytes(b, largeTree(b, 200)))
	root, err := s.Root()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Find(root, `controlset001\SERVICES\service0150\parameters150`); err != nil {
			b.Fatal(err)
		}
	}
}
