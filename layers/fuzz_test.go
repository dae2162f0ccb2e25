package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader checks that what Reader accepts of our own form comes back the same from Writer and Reader.
func FuzzReader(f *testing.F) {
	b, err := write(everything()...)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(foreign(f, &tar.Header{Name: "./Files/", Typeflag: tar.TypeDir}, &tar.Header{Name: "Files/a:b", Size: 3}, &tar.Header{Name: "Files/.wh..wh..opq"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := readOn(b, Limits{Entries: 1000, Bytes: 1 << 20})
		for _, e := range list {
			if rootOf(e.Name) == "" && e.Kind != Stream {
				t.Fatalf("%q is outside of the roots", e.Name)
			}
			plain, err := normalise(e)
			if err != nil && e.Kind != Symlink && e.Kind != Opaque {
				t.Fatalf("%+v was read, but cannot be written: %v", e, err)
			}
			if err != nil || e.Size > 1<<20 {
				continue
			}
			var buf bytes.Buffer
			w := NewWriter(&buf)
			hdr, err := w.header(&plain)
			if err != nil || checkPlace(&plain) != nil {
				continue
			}
			buf.Write(hdr)
			if _, err := io.Copy(&buf, io.LimitReader(zeros{}, (plain.Size+blockSize-1)&^(blockSize-1))); err != nil {
				t.Fatal(err)
			}
			if ref := reference(t, &plain); !bytes.Equal(ref, hdr) {
				t.Fatalf("%+v: header\n%q, but archive/tar writes\n%q", plain, hdr, ref)
			}
			again, _, err := readAll(buf.Bytes(), Limits{})
			if len(again) != 1 {
				t.Fatalf("%+v: read again: %v", e, err)
			}
			if d := cmp.Diff(&plain, again[0]); d != "" {
				t.Fatal(d)
			}
		}
		if found, err := Validate(bytes.NewReader(b), false); err == nil && len(list) == 0 && len(found) == 0 {
			t.Fatal("an empty layer is not good")
		}
	})
}

// readOn reads like readAll, but goes on behind what is refused.
func readOn(b []byte, l Limits) (list []*Entry) {
	r := NewReader(bytes.NewReader(b), l)
	for {
		e, err := r.Next()
		if _, refused := errors.AsType[*Refusal](err); refused {
			continue
		}
		if err != nil {
			return list
		}
		list = append(list, e)
	}
}

// FuzzEA checks that an extended attribute that is accepted is within bounds and is written as it was read.
func FuzzEA(f *testing.F) {
	f.Add("$KERNEL.PURGE.ESBCACHE", "AAAA")
	f.Add("A", "!")
	f.Fuzz(func(t *testing.T, name, text string) {
		ea, err := decodeEA(name, text)
		if err != nil {
			if _, ok := errors.AsType[*Refusal](err); !ok {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		if len(ea.Name) == 0 || len(ea.Name) > maxEAName || len(ea.Value) > maxEAValue {
			t.Fatalf("%d and %d bytes were accepted", len(ea.Name), len(ea.Value))
		}
		again, err := decodeEA(ea.Name, base64.StdEncoding.EncodeToString(ea.Value))
		if d := cmp.Diff(ea, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

// FuzzLinkTarget checks that whatever a link holds, it leads to a clean name in the link's own root.
func FuzzLinkTarget(f *testing.F) {
	f.Add(`..\..\x`)
	f.Add(`C:\a\.\b\..`)
	f.Add(`\\?\C:\Windows`)
	f.Add(`\\server\share\x`)
	f.Fuzz(func(t *testing.T, target string) {
		for _, link := range []string{"Files/d/l", "UtilityVM/Files/l"} {
			name, ok := targetName(link, target)
			if !ok {
				continue
			}
			if err := checkPath(name, len(name)+1); err != nil && len(name) <= maxPath {
				t.Fatalf("%q leads to %q: %v", target, name, err)
			}
			if root, _, _ := strings.Cut(link, "/d"); !below(name, strings.TrimSuffix(root, "/l")) {
				t.Fatalf("%q leads from %q to %q", target, link, name)
			}
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
