package disk

import (
	"fmt"
	"os"
	"testing"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// wide is a chain of three layers with 20,000 entries: a base, some new files and some replaced ones.
func wide(tb testing.TB) *image {
	im := newImage(tb)
	base := []layers.Entry{dir("Windows")}
	for d := range 400 {
		name := fmt.Sprintf("Windows/component_%04d", d)
		base = append(base, dir(name))
		for f := range 48 {
			base = append(base, file(fmt.Sprintf("%s/File%02d.dll", name, f), int64(1+f*7%100)))
		}
	}
	im.add(tb, pack.Gzip, base...)
	for l, what := range []string{"File07.dll", "new.dll"} {
		top := []layers.Entry{dir("Windows")}
		for d := range 200 {
			name := fmt.Sprintf("WINDOWS/component_%04d", d+l*100)
			top = append(top, dir("Windows"+name[7:]), file("Windows"+name[7:]+"/"+what, 10))
		}
		im.add(tb, pack.Zstd, top...)
	}
	return im
}

// The metadata image of a chain is what a run waits for when the layers are there.
func BenchmarkMeta20000(b *testing.B) {
	im := wide(b)
	im.build(b, nil) // makes the data files
	for b.Loop() {
		d := im.build(b, nil)
		b.StopTimer()
		if err := os.Remove(d.Meta); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// A second run finds everything as it was.
func BenchmarkBuildAgain20000(b *testing.B) {
	im := wide(b)
	im.build(b, nil)
	for b.Loop() {
		if err := im.build(b, nil).Verify(); err != nil {
			b.Fatal(err)
		}
	}
}
