package image_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// testing.T and rapid.T, as far as the helpers need them.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func base(t *testing.T, st *store.Store) view.Layer {
	t.Helper()
	l, err := image.WriteLayer(t.Context(), st, pack.Gzip, func(w *pack.Writer) error { return image.ScratchBase(w, epoch) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func openView(t fataler, tt *testing.T, st *store.Store, chain ...view.Layer) *view.View {
	t.Helper()
	v, err := view.Open(tt.Context(), st, chain)
	if err != nil {
		t.Fatal(err)
	}
	if f := v.Findings(); len(f) > 0 {
		t.Fatalf("findings: %v", f)
	}
	return v
}

func newScratch(t fataler, tt *testing.T, v *view.View, at time.Time) *view.Scratch {
	t.Helper()
	s, err := view.NewScratch(v, tt.TempDir(), view.ScratchOptions{Time: nt.FiletimeOf(at)})
	if err != nil {
		t.Fatal(err)
	}
	tt.Cleanup(func() {
		if err := s.Close(); err != nil {
			tt.Error(err)
		}
	})
	return s
}

func commit(t fataler, tt *testing.T, st *store.Store, s *view.Scratch) view.Layer {
	t.Helper()
	l, err := image.Commit(tt.Context(), st, s, pack.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type opener interface {
	Walk(func(*view.File) error) error
	Open(*view.File) (io.ReadCloser, error)
}

// dump lists all that can be seen of a tree, contents included, and which of the files are one.
func dump(t fataler, o opener) string {
	t.Helper()
	var b strings.Builder
	var files []*view.File
	err := o.Walk(func(f *view.File) error {
		e := *f.Entry
		for _, other := range files {
			if f.Same(other) {
				fmt.Fprintf(&b, "%q is ", other.Path)
				break
			}
		}
		files = append(files, f)
		fmt.Fprintf(&b, "%s %q attributes %d times %d %d %d %d sd %x target %q %v\n", f.Kind(), f.Path, e.Attributes,
			e.Created, e.Modified, e.Accessed, e.Changed, e.SD, e.Target, e.Junction)
		for _, stream := range f.Streams {
			fmt.Fprintf(&b, "\t:%s %d %x\n", stream.Name, stream.Item.Size, stream.Item.Content)
		}
		if f.Kind() != layers.File {
			return nil
		}
		text, err := readAll(o, f)
		fmt.Fprintf(&b, "\t%q\n", text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func readAll(o opener, f *view.File) (text string, err error) {
	r, err := o.Open(f)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b, err := io.ReadAll(r)
	return string(b), err
}

// scratchTime differs from layer to layer, so that a mix-up shows.
func scratchTime(layer int) nt.Filetime {
	return nt.FiletimeOf(epoch.Add(time.Duration(layer) * time.Minute))
}
