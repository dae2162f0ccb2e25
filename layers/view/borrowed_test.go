package view_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// elsewhere fetches blobs out of another store.
type elsewhere struct{ st *store.Store }

func (e elsewhere) Fetch(ctx context.Context, s *store.Store, r store.Remote) error {
	b, err := e.st.ReadBlob(ctx, r.Desc, 1<<20)
	if err == nil {
		_, err = s.Put(ctx, r.Desc.MediaType, b)
	}
	return err
}

// A table of contents that somebody else made serves to look around, and to read once it was found right.
func TestBorrowedTOC(t *testing.T) {
	for _, c := range []pack.Compression{pack.Gzip, pack.None} {
		from := newStore(t)
		l := writeLayer(t, from, c, file{"Files/a.txt", layers.File, []byte("first")}, file{"Files/b.txt", layers.File, []byte("second")})
		toc, err := from.TOC(t.Context(), l.Desc)
		if err != nil {
			t.Fatal(err)
		}
		lying := *toc
		lying.Items = append([]pack.Item(nil), toc.Items...)
		lying.Items[1].Attributes |= layers.AttrReadOnly
		for name, borrowed := range map[string]*pack.TOC{"": toc, "lists something else": &lying} {
			st := newStore(t)
			st.FetchWith(elsewhere{from})
			if err := st.Record(t.Context(), "registry.example/app", l.Desc); err != nil {
				t.Fatal(err)
			}
			if err := st.BorrowTOC(borrowed); err != nil {
				t.Fatal(err)
			}
			if text, err := readFirst(t, st, l); name == "" && (err != nil || text != "first") || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
				t.Errorf("%v, %q: %q, %v", c, name, text, err)
			}
			// From now on the store has its own.
			if text, err := readFirst(t, st, l); err != nil || text != "first" {
				t.Errorf("%v, %q: again: %q, %v", c, name, text, err)
			}
		}
	}
}

func readFirst(t *testing.T, st *store.Store, l view.Layer) (string, error) {
	t.Helper()
	v, err := view.Open(t.Context(), st, []view.Layer{l})
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Lookup("a.txt")
	if err != nil {
		t.Fatal(err)
	}
	r, err := v.Open(f)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, r)
	return b.String(), err
}
