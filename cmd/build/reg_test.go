package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mullion/mullion/hives"
)

// The scripts of the reg verbs, which need hive files and layouts.
func TestRegScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/reg",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MULLION_STORE", filepath.Join(env.WorkDir, "store"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "keep": keep, "oneline": oneLine, "makehives": makeHives, "untar": untar, "cmpcrlf": cmpCRLF,
			"layers": unpackLayers, "layerdigest": layerDigest, "cut": cut,
		},
	})
}

// makehives: writes base.hiv, delta.hiv with deletions over it, other.hiv that is like it, and base.hiv once more as
// the hive of a user.
func makeHives(ts *testscript.TestScript, _ bool, _ []string) {
	tree := hives.NewTree(hives.Options{})
	ts.Check(tree.Set("", hives.StringValue("at root", "r")))
	for _, v := range []hives.Value{
		hives.StringValue("", "default"), hives.ExpandValue("expand", `%windir%\x`), hives.DWORDValue("dword", 4294967295),
		hives.QWORDValue("qword", 1<<53+1), hives.MultiValue("multi", "a", "b"), hives.BinaryValue("binary", []byte{0, 0xAB}),
		{Name: "odd", Type: hives.SZ, Data: []byte{'x', 0, 'y'}}, {Name: "short", Type: hives.DWORD, Data: []byte{1}},
		{Name: "driver", Type: 0x100F, Data: []byte{1, 2, 3}}, hives.StringValue("lone \xed\xa0\x80", "<&>\x1b[31m\xed\xbf\xbf"),
	} {
		ts.Check(tree.Set(`Values`, v))
	}
	ts.Check(tree.CreateKey(`Gone\Below`))
	ts.Check(tree.Set(`Again`, hives.StringValue("old", "1")))
	write := func(name string, to io.WriterTo) {
		f, err := os.Create(ts.MkAbs(name))
		ts.Check(err)
		_, err = to.WriteTo(f)
		ts.Check(errors.Join(err, f.Close()))
	}
	write("base.hiv", tree)
	ts.Check(os.MkdirAll(ts.MkAbs("profiles"), 0o755))
	write("profiles/ntuser.dat", tree)
	f, err := os.Open(ts.MkAbs("base.hiv"))
	ts.Check(err)
	defer f.Close()
	info, err := f.Stat()
	ts.Check(err)
	base, err := hives.Open(f, info.Size())
	ts.Check(err)
	edit := hives.NewEdit(hives.NewStack(base), hives.Options{})
	ts.Check(edit.DeleteKey(`Gone`))
	ts.Check(edit.DeleteKey(`Again`))
	ts.Check(edit.SetValue(`Again`, hives.StringValue("new", "2")))
	ts.Check(edit.DeleteValue(`Values`, "dword"))
	write("delta.hiv", writerTo(edit.WriteDelta))
	other := hives.NewEdit(hives.NewStack(base), hives.Options{})
	ts.Check(other.DeleteKey(`Again`))
	ts.Check(other.DeleteKey(`Gone`))
	ts.Check(other.CreateKey(`Other\Below`))
	ts.Check(other.CreateKey(`Again`))
	ts.Check(other.DeleteValue(``, "at root"))
	ts.Check(other.DeleteValue(`Values`, "dword"))
	ts.Check(other.SetValue(`Values`, hives.StringValue("only here", "")))
	flat, err := other.Merge()
	ts.Check(err)
	write("other.hiv", flat)
}

type writerTo func(io.Writer) (int64, error)

func (w writerTo) WriteTo(out io.Writer) (int64, error) { return w(out) }

// cmpcrlf A B: B is what A is, with line feeds alone.
func cmpCRLF(ts *testscript.TestScript, _ bool, args []string) {
	if got, want := strings.ReplaceAll(ts.ReadFile(args[0]), "\r\n", "\n"), ts.ReadFile(args[1]); got != want {
		ts.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// layers ARCHIVE DIR: takes the layers out of what build save has written, as N.tgz and N.tar.
func unpackLayers(ts *testscript.TestScript, neg bool, args []string) {
	untar(ts, neg, args)
	dir := ts.MkAbs(args[1])
	read := func(name string, v any) { ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, name))), v)) }
	blob := func(d ocispec.Descriptor) string { return filepath.Join("blobs", "sha256", d.Digest.Encoded()) }
	var index ocispec.Index
	var manifest ocispec.Manifest
	read("index.json", &index)
	read(blob(index.Manifests[0]), &manifest)
	for i, l := range manifest.Layers {
		packed := ts.ReadFile(filepath.Join(dir, blob(l)))
		ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.tgz", i)), []byte(packed), 0o644))
		z, err := gzip.NewReader(strings.NewReader(packed))
		ts.Check(err)
		plain, err := io.ReadAll(z)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.tar", i)), plain, 0o644))
	}
}

// cut FILE SIZE TO: copies the beginning of a file.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[0])[:n]), 0o644))
}

// layerdigest IMAGE N: sets DIGEST to that of a layer.
func layerDigest(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("build", "inspect", "--format", "json", args[0]))
	var image struct{ Layers []struct{ Digest string } }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &image))
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Setenv("DIGEST", image.Layers[n].Digest)
}

// untar ARCHIVE DIR: unpacks what build save has written.
func untar(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(h.Name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		b, err := io.ReadAll(r)
		ts.Check(err)
		ts.Check(os.WriteFile(path, b, 0o644))
	}
}
