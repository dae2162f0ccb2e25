package image_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/mullion/mullion/layers/view"
	"pgregory.net/rapid"
)

// Whatever is done to a Scratch, a View of the chain with its layer on top shows the Scratch's tree.
func TestViewOfACommitIsTheScratch(t *testing.T) {
	st := newStore(t)
	rapid.Check(t, func(r *rapid.T) {
		var chain []view.Layer
		for i := range rapid.IntRange(1, 4).Draw(r, "layers") {
			v := openView(r, t, st, chain...)
			s, err := view.NewScratch(v, os.TempDir(), view.ScratchOptions{Time: scratchTime(i)})
			if err != nil {
				r.Fatal(err)
			}
			for range rapid.IntRange(0, 12).Draw(r, "steps") {
				change(r, s)
			}
			l := commit(r, t, st, s)
			chain = append(chain, l)
			got, want := dump(r, openView(r, t, st, chain...)), dump(r, s)
			if err := s.Close(); err != nil {
				r.Fatal(err)
			}
			if got != want {
				r.Fatalf("View of %d layers\n%swant\n%s", len(chain), got, want)
			}
		}
	})
}

// change does one thing that may or may not be possible.
func change(r *rapid.T, s *view.Scratch) {
	path, other := drawPath(r), drawPath(r)
	var err error
	step := rapid.SampledFrom([]string{"mkdirall", "write", "append", "remove", "removeall", "rename", "attrib", "link", "mkdir"}).Draw(r, "step")
	switch step {
	case "mkdir":
		err = s.Mkdir(path)
	case "mkdirall":
		err = s.MkdirAll(path)
	case "write":
		err = s.WriteFile(path, strings.NewReader(other))
	case "append":
		err = s.Append(path, strings.NewReader(other))
	case "remove":
		err = s.Remove(path)
	case "removeall":
		err = s.RemoveAll(path)
	case "rename":
		err = s.Rename(path, other)
	case "attrib":
		err = s.SetAttributes(path, rapid.SampledFrom([]uint32{0, 1, 2, 35, 128}).Draw(r, "attributes"))
	case "link":
		err = s.Symlink(`\`+strings.ReplaceAll(other, "/", `\`), path, rapid.Bool().Draw(r, "to a directory"))
	}
	var pathErr *fs.PathError
	if err != nil && !errors.As(err, &pathErr) {
		r.Fatalf("%s %s %s: %v", step, path, other, err)
	}
}

func drawPath(r *rapid.T) string {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "A", "b", "é", "É", "a.b", "ab"}), 1, 4).Draw(r, "path")
	return strings.Join(names, "/")
}
