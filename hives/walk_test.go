package hives

import (
	"fmt"
	"strings"
	"testing"
)

func TestWalk(t *testing.T) {
	file := treeBytes(t, sampleTree(t))
	h, err := OpenBytes(file)
	do(t, err)
	var got, want strings.Builder
	for k, err := range h.Walk() {
		do(t, err)
		info, err := k.Info()
		do(t, err)
		fmt.Fprintf(&got, "%d %s %d\n", k.Depth(), k.Name(), info.LastWrite)
		for v, err := range k.Values() {
			do(t, err)
			fmt.Fprintf(&got, "%q %s %x\n", v.Name(), v.Type, v.Data)
		}
	}
	var walk func(k Key, depth int)
	walk = func(k Key, depth int) {
		info, err := k.Info()
		do(t, err)
		fmt.Fprintf(&want, "%d %s %d\n", depth, k.Name(), info.LastWrite)
		for v, err := range k.Values() {
			do(t, err)
			fmt.Fprintf(&want, "%q %s %x\n", v.Name, v.Type, v.Data)
		}
		for c, err := range k.Subkeys() {
			do(t, err)
			walk(c, depth+1)
		}
	}
	walk(rootOf(t, openBytes(t, file)), 0)
	if got.String() != want.String() {
		t.Errorf("walked:\n%s\nwant\n%s", got.String(), want.String())
	}
	all := func() {
		for k, err := range h.Walk() {
			do(t, err)
			for _, err := range k.Values() {
				do(t, err)
			}
		}
	}
	// 1200 keys and more: what is allocated is for the two values in segments, and once.
	if n := testing.AllocsPerRun(3, all); n > 40 {
		t.Errorf("a walk allocates %v times", n)
	}
	n := 0
	for range h.Walk() {
		if n++; n == 3 {
			break
		}
	}
	empty, err := OpenBytes(nil)
	do(t, err)
	for range empty.Walk() {
		t.Error("an empty hive has keys")
	}
}
