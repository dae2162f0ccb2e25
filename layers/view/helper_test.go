package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

const testTime = nt.Filetime(133485408000000000) // 2024-01-01T00:00:00Z

// toc makes a table of contents of lines such as
//
//	d app            a directory (all names are below Files, unless they start with a slash)
//	f app/x 3        a file of three bytes
//	w app/old        a whiteout
//	o app            an opaque marker
//	l app/cur v2     a symlink, L for one to a directory
//	h app/y Files/app/x
func toc(lines ...string) *pack.TOC {
	t := &pack.TOC{}
	for i, line := range lines {
		f := strings.Fields(line)
		name := "Files/" + f[1]
		if full, ok := strings.CutPrefix(f[1], "/"); ok {
			name = full
		}
		e := layers.Entry{Name: name, Created: nt.Filetime(i + 1)}
		switch f[0] {
		case "d":
			e.Kind, e.Attributes = layers.Dir, layers.DefaultDir
		case "f":
			e.Kind, e.Attributes = layers.File, layers.DefaultFile
			if len(f) > 2 {
				fmt.Sscan(f[2], &e.Size)
			}
		case "w":
			e.Kind = layers.Whiteout
		case "o":
			e.Kind = layers.Opaque
		case "l":
			e.Kind, e.Target, e.Attributes = layers.Symlink, f[2], layers.DefaultFileLink
		case "L":
			e.Kind, e.Target, e.Attributes = layers.Symlink, f[2], layers.DefaultDirLink
		case "h":
			e.Kind, e.Target = layers.HardLink, f[2]
		case "s":
			e.Kind = layers.Stream
		}
		t.Items = append(t.Items, pack.Item{Entry: e})
	}
	return t
}

// viewOf merges layers that no store has: good for everything but contents.
func viewOf(tocs ...*pack.TOC) *View {
	v := &View{merged: newMerge(), tocs: tocs, layers: make([]Layer, len(tocs)), layouts: make([]layoutOnce, len(tocs))}
	for _, t := range tocs {
		v.merged.add(t)
	}
	return v
}

type walker interface{ Walk(func(*File) error) error }

// shown lists what a View or Scratch shows below C:\, one line per file: kind, path, layer.
func shown(t *testing.T, w walker) []string {
	t.Helper()
	var list []string
	err := w.Walk(func(f *File) error {
		if f.Path == "" {
			return nil
		}
		mark := "f"
		switch {
		case f.IsDir():
			mark = "d"
		case f.Kind() == layers.Symlink:
			mark = "l"
		}
		list = append(list, fmt.Sprintf("%s %s %d", mark, f.Path, f.Layer))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func equalLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
