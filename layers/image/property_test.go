package image_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"pgregory.net/rapid"
)

// Whatever is done to a Scratch, a View of the chain with its layer on top shows the Scratch's tree and registry: the files
// with their contents, metadata and streams, and which of them are hard links of each other.
func TestViewOfACommitIsTheScratch(t *testing.T) {
	st := newStore(t)
	bottom := linkedBase(t, st)
	rapid.Check(t, func(r *rapid.T) {
		var chain []view.Layer
		if rapid.Bool().Draw(r, "base") {
			chain = append(chain, bottom)
		}
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
			v = openView(r, t, st, chain...)
			got, want := dump(r, v)+dumpHive(r, v.Registry), dump(r, s)+dumpHive(r, s.Registry().Edit)
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
	step := rapid.SampledFrom([]string{"mkdirall", "write", "append", "remove", "removeall", "rename", "attrib", "link", "mkdir", "hardlink", "setvalue", "deletekey"}).Draw(r, "step")
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
	case "hardlink":
		err = s.Link(other, path)
	case "setvalue":
		if err := s.Registry().SetValue(`HKLM\SOFTWARE\`+strings.ReplaceAll(path, "/", `\`), hives.StringValue("v", other)); err != nil {
			r.Fatal(err)
		}
	case "deletekey":
		err := s.Registry().DeleteKey(`HKLM\SOFTWARE\` + strings.ReplaceAll(path, "/", `\`))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Fatal(err)
		}
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

// linkedBase is a layer whose files are hard links of each other and have streams.
func linkedBase(t *testing.T, st *store.Store) view.Layer {
	t.Helper()
	l, err := image.WriteLayer(t.Context(), st, pack.Gzip, func(w *pack.Writer) error {
		for _, line := range []string{"d Files", "d Files/a", "f Files/a/a", "s Files/a/a:s", "h Files/a/ab Files/a/a", "d Files/b", "s Files/b:t",
			"h Files/b/a Files/a/a", "f Files/b/b", "f Files/\u00e9"} {
			f := strings.Fields(line)
			kind := map[string]layers.Kind{"d": layers.Dir, "f": layers.File, "s": layers.Stream, "h": layers.HardLink}[f[0]]
			e := stamped(f[1], kind)
			var content io.Reader
			switch kind {
			case layers.File, layers.Stream:
				e.Size, content = int64(len(line)), strings.NewReader(line)
			case layers.HardLink:
				e.Target = f[2]
			}
			if err := w.WriteEntry(e, content); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dumpHive lists the keys and values of SOFTWARE.
func dumpHive[T interface{ Root() (hives.Key, error) }](t fataler, open func(hives.Name) (T, error)) string {
	t.Helper()
	stack, err := open(hives.Software)
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var list func(k hives.Key, path string)
	list = func(k hives.Key, path string) {
		for v, err := range k.Values() {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\\%s = %q\n", path, v.Name, v.Text())
		}
		for sub, err := range k.Subkeys() {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\\%s\n", path, sub.Name())
			list(sub, path+`\`+sub.Name())
		}
	}
	list(root, "SOFTWARE")
	return b.String()
}
