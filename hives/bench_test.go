package hives

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// largeTree resembles a SYSTEM hive of some 12 MB: 40,000 keys with two values each.
func largeTree(b *testing.B) *Tree {
	b.Helper()
	tree := NewTree(Options{Time: oldTime})
	for i := range 200 {
		for j := range 200 {
			path := fmt.Sprintf(`ControlSet001\Services\Service%03d\Parameters%03d`, i, j)
			do(b,
				tree.Set(path, StringValue("ImagePath", `%SystemRoot%\System32\drivers\some_driver_of_usual_length.sys`)),
				tree.Set(path, DWORDValue("Start", uint32(j))),
			)
		}
	}
	return tree
}

func BenchmarkWrite(b *testing.B) {
	tree := largeTree(b)
	b.SetBytes(int64(len(treeBytes(b, tree))))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	file := treeBytes(b, largeTree(b))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if f := Check(bytes.NewReader(file), int64(len(file))); len(f) > 0 {
			b.Fatal(f)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	file := treeBytes(b, largeTree(b))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		h, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			b.Fatal(err)
		}
		root, err := h.Root()
		if err != nil {
			b.Fatal(err)
		}
		if n := countKeys(b, root); n != 40203 {
			b.Fatal(n)
		}
	}
}

func countKeys(b *testing.B, k Key) int {
	n := 1
	for _, err := range k.Values() {
		if err != nil {
			b.Fatal(err)
		}
	}
	for c, err := range k.Subkeys() {
		if err != nil {
			b.Fatal(err)
		}
		n += countKeys(b, c)
	}
	return n
}

func BenchmarkMerge(b *testing.B) {
	file := treeBytes(b, largeTree(b))
	e := NewEdit(benchStack(b, file), Options{Time: newTime})
	do(b, e.SetValue(`ControlSet001\Services\Service007`, DWORDValue("Start", 4)), e.DeleteKey(`ControlSet001\Services\Service008`))
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
	s := benchStack(b, treeBytes(b, largeTree(b)))
	root, err := s.Root()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Find(root, `controlset001\SERVICES\service150\parameters150`); err != nil {
			b.Fatal(err)
		}
	}
}
