package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		},
	})
}

// makehives: writes base.hiv, and delta.hiv with deletions over it.
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
}

type writerTo func(io.Writer) (int64, error)

func (w writerTo) WriteTo(out io.Writer) (int64, error) { return w(out) }

// cmpcrlf A B: B is what A is, with line feeds alone.
func cmpCRLF(ts *testscript.TestScript, _ bool, args []string) {
	if got, want := strings.ReplaceAll(ts.ReadFile(args[0]), "\r\n", "\n"), ts.ReadFile(args[1]); got != want {
		ts.Fatalf("got\n%s\nwant\n%s", got, want)
	}
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
