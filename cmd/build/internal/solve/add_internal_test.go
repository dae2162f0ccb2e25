package solve

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mullion/mullion/internal/nt"
)

// FuzzMembers reads whatever an archive may hold: every member has a name that Windows
// can have, and content of the size that is said.
func FuzzMembers(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "d/", Typeflag: tar.TypeDir}, {Name: "d/f", Typeflag: tar.TypeReg, Size: 3}, {Name: "l", Linkname: "d", Typeflag: tar.TypeSymlink},
		{Name: "h", Linkname: "d/f", Typeflag: tar.TypeLink}, {Name: strings.Repeat("long/", 40) + "x", Typeflag: tar.TypeReg, Format: tar.FormatPAX},
	} {
		if err := w.WriteHeader(h); err != nil {
			f.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte("abc"))
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("no tar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		list, err := readMembers(file, "a.tar")
		if err != nil {
			return
		}
		for _, it := range list {
			for name := range strings.SplitSeq(it.name, "/") {
				if it.name != "" && nt.ValidateName(name) != nil {
					t.Errorf("name %q", it.name)
				}
			}
			if it.open == nil {
				continue
			}
			r, err := it.open()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, r); err != nil || n != it.size {
				t.Errorf("%s: %d bytes, %v; want %d", it.name, n, err, it.size)
			}
		}
	})
}
