package disk

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

var stamp = nt.Filetime(133485408001234500) // 2024-01-01T00:00:00.12345Z

// image is a store with a chain of layers.
type image struct {
	st    *store.Store
	chain []view.Layer
}

func newImage(t testing.TB) *image {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &image{st: st}
}

// add adds a layer of the entries, whose Size is that of content.
func (im *image) add(t testing.TB, c pack.Compression, entries ...layers.Entry) {
	t.Helper()
	ctx := context.Background()
	in, err := im.st.Ingest(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pack.NewWriter(in, c)
	if err != nil {
		t.Fatal(err)
	}
	all := []layers.Entry{{Name: "Files", Kind: layers.Dir}}
	all = append(all, entries...)
	all = append(all, layers.Entry{Name: "Hives", Kind: layers.Dir})
	for _, e := range all {
		if e.Kind == layers.Dir {
			e.Attributes |= layers.DefaultDir
		} else if e.Kind == layers.File {
			e.Attributes |= layers.DefaultFile
		}
		e.Created, e.Modified, e.Accessed, e.Changed = stamp, stamp, stamp, stamp
		if err := w.WriteEntry(&e, content(&e)); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	r, toc, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	desc, err := in.Commit(ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size})
	if err != nil {
		t.Fatal(err)
	}
	desc.MediaType = r.MediaType
	if err := im.st.PutTOC(toc); err != nil {
		t.Fatal(err)
	}
	im.chain = append(im.chain, view.Layer{Desc: desc, DiffID: r.DiffID})
}

// content makes bytes that depend on the name, the size and the attributes.
func content(e *layers.Entry) io.Reader {
	if e.Kind != layers.File || e.Size == 0 {
		return nil
	}
	seed := sha256.Sum256(fmt.Append(nil, e.Name, e.Size, e.Attributes))
	return io.LimitReader(rand.NewChaCha8(seed), e.Size)
}

func dir(name string) layers.Entry { return layers.Entry{Name: "Files/" + name, Kind: layers.Dir} }

func file(name string, size int64) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.File, Size: size}
}

func link(name, target string, attributes uint32) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.Symlink, Target: target, Attributes: attributes}
}

func gone(name string) layers.Entry {
	return layers.Entry{Name: "Files/" + name, Kind: layers.Whiteout}
}

func (im *image) view(t testing.TB) *view.View {
	t.Helper()
	v, err := view.Open(context.Background(), im.st, im.chain)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (im *image) build(t testing.TB, under *Under) *Disk {
	t.Helper()
	d, err := Build(context.Background(), im.st, im.view(t), under)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var longName = strings.Repeat("長い名前", 40) + ".txt" // 484 bytes

// sample is a chain that has everything: sizes around the block size, cases that
// differ between layers, deletions, replacements, links, names too long for Linux.
func sample(t *testing.T) *image {
	im := newImage(t)
	base := []layers.Entry{dir("Windows"), dir("Windows/System32")}
	for i, size := range []int64{0, 1, 4095, 4096, 4097, 8192, 1 << 20, 3<<20 + 5} {
		base = append(base, file(fmt.Sprintf("Windows/System32/f%d.dll", i), size))
	}
	base = append(base, file("Windows/gone.txt", 10), dir("Windows/tree"), file("Windows/tree/x", 10), file("a.txt", 5), dir("b"), file("b/x", 7))
	slices.SortFunc(base, func(a, b layers.Entry) int { return layers.Order(&a, &b) })
	im.add(t, pack.Gzip, base...)

	top := []layers.Entry{
		dir("windows"), dir("windows/SYSTEM32"), file("windows/SYSTEM32/F1.DLL", 2), gone("windows/gone.txt"), gone("windows/tree"),
		dir("a.txt"), file("a.txt/now-a-folder", 3), file("b", 9), dir("app"), file("app/"+longName, 100),
		link("app/sys", `C:\WINDOWS\system32`, layers.DefaultDirLink), link("app/dll", `sys\f4.dll`, layers.DefaultFileLink),
		link("app/out", `D:\nowhere`, layers.DefaultFileLink),
		{Name: "Files/app/ro.txt", Kind: layers.File, Size: 4, Attributes: layers.AttrReadOnly},
		{Name: "Files/app/xattr.txt", Kind: layers.File, Size: 4, EAs: []layers.EA{{Name: "EA", Value: []byte("four")}}},
		{Name: "Files/app/same.txt", Kind: layers.HardLink, Target: "Files/app/ro.txt"},
	}
	slices.SortFunc(top, func(a, b layers.Entry) int { return layers.Order(&a, &b) })
	im.add(t, pack.Zstd, top...)
	im.add(t, pack.None) // nothing but the two folders every layer has
	return im
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
