package solve_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

var update = flag.Bool("update", false, "rewrite what the golden files say is built")

// Each file of testdata/golden holds a folder and Containerfiles that are built in it:
// NAME.in is a Containerfile, NAME.opt the options of its build, NAME.out what comes
// of it: warnings, or the error with its excerpt; the steps of the stages; the config;
// the entries of the layers. ctx/ is the context, ctx/NAME.tgz/ and ctx/NAME.tar/ are
// archives in it, url/ is what the server at $URL has, images/NAME are base images.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	st := newStore(t)
	cases := 0
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if strings.HasSuffix(f.Name, ".in") {
				cases++
			}
		}
		topic := strings.TrimSuffix(filepath.Base(name), ".txtar")
		t.Run(topic, func(t *testing.T) {
			g := newGolden(t, st, ar)
			var out []txtar.File
			for _, f := range ar.Files {
				if !strings.HasSuffix(f.Name, ".out") {
					out = append(out, f)
				}
				text, ok := strings.CutSuffix(f.Name, ".in")
				if !ok {
					continue
				}
				t.Run(text, func(t *testing.T) {
					got := g.build(t, text, g.edit(text, string(f.Data)))
					out = append(out, txtar.File{Name: text + ".out", Data: []byte(got)})
					if want := g.file(text + ".out"); !*update && want != got {
						t.Errorf("%s: -want +got; go test -update rewrites it:\n%s", text, cmp.Diff(want, got))
					}
				})
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: out}), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if cases < 120 {
		t.Errorf("only %d cases", cases)
	}
}

// golden is one file of the corpus at work.
type golden struct {
	ar  *txtar.Archive
	st  *store.Store
	dir string
	url string
}

func newGolden(t *testing.T, st *store.Store, ar *txtar.Archive) *golden {
	g := &golden{ar: ar, st: st, dir: t.TempDir()}
	archives := map[string][]txtar.File{}
	for _, f := range ar.Files {
		name, ok := strings.CutPrefix(f.Name, "ctx/")
		if !ok {
			continue
		}
		if i := strings.Index(name, ".tgz/") + strings.Index(name, ".tar/") + 1; i > 0 {
			archives[name[:i+4]] = append(archives[name[:i+4]], txtar.File{Name: name[i+5:], Data: f.Data})
			continue
		}
		g.put(t, name, f.Data)
	}
	for name, files := range archives {
		g.put(t, name, archive(t, strings.HasSuffix(name, ".tgz"), files))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range ar.Files {
			if f.Name == "url"+r.URL.Path {
				w.Write(f.Data)
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	for _, f := range ar.Files {
		if name, ok := strings.CutPrefix(f.Name, "images/"); ok {
			r, _, err := g.run("Containerfile", string(f.Data), "")
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Tag(context.Background(), name+":latest", r.Desc); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
}

func (g *golden) put(t *testing.T, name string, data []byte) {
	path := filepath.Join(g.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// archive packs files. A name that ends in "@" is a link to what it holds, one that
// ends in "=" a hard link, and one in "!" is read-only.
func archive(t *testing.T, zip bool, files []txtar.File) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range files {
		hdr := &tar.Header{Name: f.Name, Mode: 0o644, Size: int64(len(f.Data)), Typeflag: tar.TypeReg}
		text := strings.TrimSpace(string(f.Data))
		if name, ok := strings.CutSuffix(f.Name, "@"); ok {
			hdr = &tar.Header{Name: name, Linkname: text, Typeflag: tar.TypeSymlink}
		} else if name, ok := strings.CutSuffix(f.Name, "="); ok {
			hdr = &tar.Header{Name: name, Linkname: text, Typeflag: tar.TypeLink}
		} else if name, ok := strings.CutSuffix(f.Name, "!"); ok {
			hdr.Name, hdr.Mode = name, 0o444
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if hdr.Typeflag == tar.TypeReg {
			tw.Write(f.Data)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if !zip {
		return b.Bytes()
	}
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	zw.Write(b.Bytes())
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func (g *golden) file(name string) string {
	for _, f := range g.ar.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// edit makes the text of a case what its options ask for: $URL is the server, "crlf"
// and "bom" say how an editor on Windows has saved it.
func (g *golden) edit(name, text string) string {
	text = strings.ReplaceAll(text, "$URL", g.url)
	for line := range strings.Lines(g.file(name + ".opt")) {
		switch strings.TrimSpace(line) {
		case "crlf":
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case "bom":
			text = "\uFEFF" + text
		}
	}
	return text
}

// build builds a case and describes what comes of it.
func (g *golden) build(t *testing.T, name, text string) string {
	var b strings.Builder
	f, err := containerfile.Parse("Containerfile", strings.NewReader(text))
	var r *solve.Result
	var p *plan.Plan
	if err == nil {
		r, p, err = g.run("Containerfile", text, g.file(name+".opt"))
	}
	if err != nil {
		fmt.Fprintf(&b, "%s\n", err)
		if f != nil {
			b.WriteString(f.Source().Excerpt(err))
		}
		return strings.ReplaceAll(b.String(), g.url, "$URL")
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s: %s\n", w.Pos, w.Text)
	}
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "stage %d %s\n", s.Index, s.Name)
		for _, step := range s.Steps {
			fmt.Fprintf(&b, "%d %s%s\n", step.Pos.Line, strings.ReplaceAll(strings.ReplaceAll(step.Text, "\r", `\r`), "\n", `\n`), environment(step.Run))
		}
	}
	g.config(t, &b, r)
	g.layers(t, &b, r)
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), g.url, "$URL"), " \n", "\n")
}

// environment shows what a RUN can refer to, and where it runs.
func environment(r *plan.Run) string {
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("  {%s", r.Cwd)
	if r.User != "" {
		text += " " + r.User
	}
	return text + strings.TrimRight(" "+strings.Join(r.Env, " "), " ") + "}"
}

// config shows the config without what all have.
func (g *golden) config(t *testing.T, b *strings.Builder, r *solve.Result) {
	c := r.Config.Clone()
	c.History, c.Created, c.RootFS.DiffIDs = nil, nil, nil
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.NewReplacer(`"architecture":"amd64",`, "", `,"rootfs":{"type":"layers","diff_ids":null}`, "", `"os":"windows"`, "", `\\`, `\`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	fmt.Fprintf(b, "config %s\n", strings.NewReplacer(",}", "}", ",,", ",").Replace(line))
}

// layers shows the layers on top of the base.
func (g *golden) layers(t *testing.T, b *strings.Builder, r *solve.Result) {
	for i, l := range r.Layers[1:] {
		fmt.Fprintf(b, "layer %d\n", i+1)
		for _, e := range entries(t, g.st, l, false) {
			if e.Name == "Files" || e.Name == "Hives" {
				continue
			}
			fmt.Fprintf(b, "%s %s", e.Kind.String()[:1], e.Name)
			if e.Kind == layers.File && !strings.HasPrefix(e.Name, "Hives/") {
				fmt.Fprintf(b, " %d", e.Size)
			}
			if e.Attributes&layers.AttrReadOnly != 0 {
				b.WriteString(" read-only")
			}
			if e.Kind == layers.Symlink {
				fmt.Fprintf(b, " -> %s", e.Target)
				if e.Attributes&layers.AttrDirectory != 0 {
					b.WriteString(" (dir)")
				}
			}
			if sd, err := nt.ParseSD(e.SD); err == nil && e.Kind == layers.File && sd.Owner != nt.Administrators {
				fmt.Fprintf(b, " owner %s", sd.Owner)
			}
			b.WriteByte('\n')
		}
	}
}

// run builds a text in the folder with options, one in a line: "arg NAME=VALUE",
// "target NAME", "platform NAME", "label NAME=VALUE".
func (g *golden) run(name, text, opts string) (*solve.Result, *plan.Plan, error) {
	ctx := context.Background()
	f, err := containerfile.Parse(name, strings.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	o := plan.Options{Platform: image.Platform{OS: "windows", Arch: "amd64"}, Build: "linux/amd64"}
	o.Base = func(ctx context.Context, ref string, p image.Platform) (*image.Config, error) {
		img, err := image.Load(ctx, g.st, tagged(ref), p)
		if err != nil {
			return nil, err
		}
		return &img.Config, nil
	}
	for line := range strings.Lines(opts) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		left, right, _ := strings.Cut(value, "=")
		switch key {
		case "arg":
			o.Args = append(o.Args, containerfile.Pair{Name: left, Value: right})
		case "label":
			o.Labels = append(o.Labels, containerfile.Pair{Name: left, Value: right})
		case "target":
			o.Target = value
		case "platform":
			if o.Platform, err = image.ParsePlatform(value); err != nil {
				return nil, nil, err
			}
		}
	}
	p, err := plan.New(ctx, f, o)
	if err != nil {
		return nil, nil, err
	}
	c, err := solve.OpenContext(g.dir, solve.IgnoreFile{Name: ".dockerignore"})
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	r, err := solve.Run(ctx, p, solve.Options{
		Store: g.st, Cache: cache.Open(g.st), Context: c, Time: day,
		Load: func(ctx context.Context, ref string, p image.Platform) (*image.Image, error) {
			return image.Load(ctx, g.st, tagged(ref), p)
		},
	})
	return r, p, err
}

func tagged(ref string) string {
	if r, err := image.ParseRef(ref); err == nil {
		return r.String()
	}
	return ref
}
