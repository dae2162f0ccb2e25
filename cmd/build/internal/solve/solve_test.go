package solve_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

var day = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// build carries out a Containerfile in a folder of files.
func build(t *testing.T, st *store.Store, text string, files map[string]string) (*solve.Result, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := containerfile.Parse("Containerfile", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	load := func(ctx context.Context, ref string, p image.Platform) (*image.Image, error) {
		return image.Load(ctx, st, ref, p)
	}
	p, err := plan.New(ctx, f, plan.Options{Platform: image.Platform{OS: "windows", Arch: "amd64"}, Base: func(ctx context.Context, ref string, p image.Platform) (*image.Config, error) {
		img, err := load(ctx, ref, p)
		if err != nil {
			return nil, err
		}
		return &img.Config, nil
	}})
	if err != nil {
		return nil, err
	}
	c, err := solve.OpenContext(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return solve.Run(ctx, p, solve.Options{Store: st, Cache: cache.Open(st), Context: c, Time: day, Load: load})
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// Every layer keeps the rules that Windows' importer goes by, and has one time.
func TestLayersAreValid(t *testing.T) {
	st := newStore(t)
	r, err := build(t, st, `# escape=`+"`"+`
FROM scratch
WORKDIR C:\app\deep
COPY a.txt dir C:\windows\system32\
COPY --chown=ContainerUser a.txt C:\app\owned.txt
COPY a.txt C:\app\owned.txt
RUN reg add HKLM\SOFTWARE\Acme /v A /d b /f && del C:\app\owned.txt && cd \ && rd /s /q C:\app\deep
RUN setx /M X y
`, map[string]string{"a.txt": "a", "dir/b/c.txt": "c", "dir/Ünïcode.txt": "u"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Layers) != 7 {
		t.Fatalf("%d layers", len(r.Layers))
	}
	var deltas int
	for i, l := range r.Layers {
		items := entries(t, st, l, i == 0)
		for _, e := range items {
			if strings.HasPrefix(e.Name, "Hives/") {
				deltas++
			}
			if e.Kind != layers.Whiteout && e.Modified.Time() != day {
				t.Errorf("layer %d: %s is of %s", i, e.Name, e.Modified.Time())
			}
		}
	}
	if deltas != 2*5 {
		t.Errorf("%d deltas, want five in each of the two layers that change the registry", deltas)
	}
	// The lower layer's spelling is kept, what was copied twice is replaced, the owner is the one asked for.
	names := func(i int) string {
		var list []string
		for _, e := range entries(t, st, r.Layers[i], false) {
			list = append(list, e.Kind.String()[:1]+" "+e.Name)
		}
		return strings.Join(list, "\n")
	}
	if want := "d Files\nd Files/Windows\nd Files/Windows/System32\nf Files/Windows/System32/a.txt\nd Files/Windows/System32/b\n" +
		"f Files/Windows/System32/b/c.txt\nf Files/Windows/System32/Ünïcode.txt\nd Hives"; names(2) != want {
		t.Errorf("layer 2:\n%s\nwant\n%s", names(2), want)
	}
	for i, owner := range map[int]nt.SID{3: nt.ContainerUser, 4: nt.Administrators} {
		for _, e := range entries(t, st, r.Layers[i], false) {
			if e.Name != "Files/app/owned.txt" {
				continue
			}
			if sd, err := nt.ParseSD(e.SD); err != nil || sd.Owner != owner {
				t.Errorf("layer %d: owner %v, %v; want %s", i, sd, err, owner)
			}
		}
	}
	if want := "w Files/app/deep\nw Files/app/owned.txt"; !strings.Contains(names(5), want) {
		t.Errorf("layer 5:\n%s\nwant\n%s", names(5), want)
	}
}

// entries validates a layer and lists it.
func entries(t *testing.T, st *store.Store, l view.Layer, base bool) []*layers.Entry {
	t.Helper()
	b, err := st.Blob(context.Background(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tar, err := pack.Decompress(b, l.Desc.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	defer tar.Close()
	findings, err := layers.Validate(tar, base)
	if err != nil || len(findings) > 0 {
		t.Errorf("layer %s: %v, %v", l.DiffID, findings, err)
	}
	toc, err := st.TOC(context.Background(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	var list []*layers.Entry
	for i := range toc.Items {
		list = append(list, &toc.Items[i].Entry)
	}
	return list
}

// A stage on an image has the image's layers and history, whoever wrote it.
func TestBaseImage(t *testing.T) {
	st, ctx := newStore(t), context.Background()
	first, err := build(t, st, "FROM scratch\nCOPY a C:/a\nUSER x", map[string]string{"a": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Tag(ctx, "base:latest", first.Desc); err != nil {
		t.Fatal(err)
	}
	r, err := build(t, st, "FROM base:latest\nRUN echo x>> C:\\a\nCOPY --from=base:latest C:/A C:/copy", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Layers) != 4 || r.Layers[1].DiffID != first.Layers[1].DiffID || r.Config.Config.User != "x" {
		t.Errorf("layers %v on %v, user %q", r.Layers, first.Layers, r.Config.Config.User)
	}
	if n := len(r.Config.History); n != 5 || r.Config.History[1].CreatedBy != "COPY a C:/a" {
		t.Errorf("history %v", r.Config.History)
	}
	v, err := view.Open(ctx, st, r.Layers)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a": "1x\r\n", "copy": "1"} {
		f, err := v.Lookup(path)
		if err != nil {
			t.Fatal(err)
		}
		rc, err := v.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(rc); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v; want %q", path, b, err, want)
		}
		rc.Close()
	}
	if _, err := build(t, st, "FROM nope", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
