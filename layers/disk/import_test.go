package disk

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

// fakeWindows stands for the two functions of Windows: a layer is a folder with a file.
type fakeWindows struct {
	calls   []string            // what was called, by the layer's folder
	parents map[string][]string // of each imported folder
	fail    error               // what the next import ends with, half done
	read    int64               // how much of the tar is read, 0 for all
}

func (w *fakeWindows) importer(im *image, root string) *importer {
	return &importer{st: im.st, root: root, layer: w.layer, destroy: w.destroy}
}

func (w *fakeWindows) layer(_ context.Context, tar io.Reader, dir string, parents []string) error {
	w.calls = append(w.calls, "import "+filepath.Base(dir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if w.fail != nil {
		return w.fail
	}
	if w.read > 0 {
		tar = io.LimitReader(tar, w.read)
	}
	if _, err := io.Copy(io.Discard, tar); err != nil {
		return err
	}
	if w.parents == nil {
		w.parents = map[string][]string{}
	}
	w.parents[dir] = parents
	return nil
}

func (w *fakeWindows) destroy(dir string) error {
	w.calls = append(w.calls, "destroy "+filepath.Base(dir))
	return os.RemoveAll(dir)
}

func threeLayers(t *testing.T) *image {
	im := newImage(t)
	for _, name := range []string{"a", "b", "c"} {
		im.add(t, pack.Gzip, file(name, 1000))
	}
	return im
}

func TestImportGoesFromTheBaseUpAndHappensOnce(t *testing.T) {
	im, root := threeLayers(t), filepath.Join(t.TempDir(), "windows")
	w := &fakeWindows{read: 10} // Windows does not read a tar to its end
	dirs, err := w.importer(im, root).run(context.Background(), im.chain)
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) != 3 || filepath.Base(dirs[0]) != im.chain[0].DiffID.Encoded() {
		t.Errorf("the folders are %v", dirs)
	}
	want := map[string][]string{dirs[0]: nil, dirs[1]: {dirs[0]}, dirs[2]: {dirs[1], dirs[0]}}
	if diff := cmp.Diff(want, w.parents); diff != "" {
		t.Error("the parents are not the nearest first: " + diff)
	}
	w.calls = nil
	again, err := w.importer(im, root).run(context.Background(), im.chain)
	if err != nil || !slices.Equal(again, dirs) || len(w.calls) > 0 {
		t.Errorf("the second time gave %v, %v after %v", again, err, w.calls)
	}
	// The same layer over other parents is another one to Windows.
	other, err := w.importer(im, root).run(context.Background(), im.chain[1:])
	if err != nil || slices.ContainsFunc(other, func(d string) bool { return slices.Contains(dirs, d) }) {
		t.Errorf("another chain shares folders: %v, %v", other, err)
	}
}

func TestAnImportThatFailsLeavesNothing(t *testing.T) {
	im, root := threeLayers(t), t.TempDir()
	w := &fakeWindows{fail: errors.New("no space")}
	if _, err := w.importer(im, root).run(context.Background(), im.chain); !errors.Is(err, w.fail) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, im.chain[0].DiffID.Encoded())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	// A killed one could not clean up.
	left := filepath.Join(root, im.chain[0].DiffID.Encoded())
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	w.fail, w.calls = nil, nil
	if _, err := w.importer(im, root).run(context.Background(), im.chain); err != nil {
		t.Fatal(err)
	}
	if want := []string{"destroy " + filepath.Base(left), "import " + filepath.Base(left)}; !slices.Equal(w.calls[:2], want) {
		t.Errorf("it did %v", w.calls)
	}
}

func TestADamagedBlobIsNotImported(t *testing.T) {
	im, root := threeLayers(t), t.TempDir()
	im.chain[0].Desc = im.chain[1].Desc
	w := &fakeWindows{}
	if _, err := w.importer(im, root).run(context.Background(), im.chain); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if len(w.calls) != 2 {
		t.Errorf("it did %v", w.calls)
	}
}
