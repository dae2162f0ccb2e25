package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

// stamp is the time of everything that does not say otherwise.
var stamp = nt.FiletimeOf(time.Unix(1704067200, 0))

func at(e Entry) *Entry {
	for _, t := range []*nt.Filetime{&e.Created, &e.Modified, &e.Accessed, &e.Changed} {
		if *t == 0 {
			*t = stamp
		}
	}
	return &e
}

func dir(name string) *Entry  { return at(Entry{Name: name, Kind: Dir}) }
func gone(name string) *Entry { return &Entry{Name: name, Kind: Whiteout} }
func file(name string, size int) *Entry {
	return at(Entry{Name: name, Kind: File, Size: int64(size)})
}
func link(name, target string) *Entry {
	return at(Entry{Name: name, Kind: HardLink, Target: target})
}

// write makes a layer of the entries, whose contents are their names repeated.
func write(entries ...*Entry) ([]byte, error) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	for _, e := range entries {
		if err := w.WriteEntry(e, filler(e)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func filler(e *Entry) io.Reader {
	return strings.NewReader(strings.Repeat(e.Name, int(e.Size)/len(e.Name)+1)[:e.Size])
}

func mustWrite(t testing.TB, entries ...*Entry) []byte {
	t.Helper()
	b, err := write(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headers returns what archive/tar finds in a layer.
func headers(t *testing.T, b []byte) []*tar.Header {
	t.Helper()
	var list []*tar.Header
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
}

// foreign makes a tar as other tools would.
func foreign(t testing.TB, list ...*tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range list {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil && h.Size > 0 {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// readAll returns the entries of a tar, the findings and the error that ended it.
func readAll(b []byte, l Limits) (list []*Entry, found []Finding, err error) {
	r := NewReader(bytes.NewReader(b), l)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r.Findings(), nil
		}
		if err != nil {
			return list, r.Findings(), err
		}
		list = append(list, e)
	}
}

func rules(found []Finding) []string {
	var list []string
	for _, f := range found {
		if !slices.Contains(list, f.Rule) {
			list = append(list, f.Rule)
		}
	}
	return list
}

func sd64(sd []byte) string { return base64.StdEncoding.EncodeToString(sd) }
