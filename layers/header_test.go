package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mullion/mullion/internal/nt"
)

// reference is what archive/tar writes before the content of a normalised entry.
func reference(t interface{ Fatal(...any) }, e *Entry) []byte {
	hdr := &tar.Header{
		Format: tar.FormatPAX, Typeflag: tar.TypeReg, Name: e.Name, Size: e.Size, Mode: 0o644,
		ModTime: e.Modified.Time(), AccessTime: e.Accessed.Time(), ChangeTime: e.Changed.Time(),
	}
	switch e.Kind {
	case Whiteout:
		hdr = &tar.Header{Typeflag: tar.TypeReg, Name: whiteoutName(e.Name)}
	case Dir:
		hdr.Typeflag, hdr.Mode = tar.TypeDir, 0o755
	case HardLink:
		hdr.Typeflag, hdr.Linkname = tar.TypeLink, e.Target
	case Symlink:
		hdr.Typeflag, hdr.Linkname, hdr.Mode = tar.TypeSymlink, e.Target, 0o777
	}
	if e.Kind != Stream && e.Kind != Whiteout {
		hdr.PAXRecords = map[string]string{paxAttributes: strconv.Itoa(int(e.Attributes)), paxCreated: formatTime(e.Created)}
		if e.Junction {
			hdr.PAXRecords[paxMountPoint] = "1"
		}
		if len(e.SD) > 0 {
			hdr.PAXRecords[paxSD] = base64.StdEncoding.EncodeToString(e.SD)
		}
		for _, ea := range e.EAs {
			hdr.PAXRecords[paxEA+ea.Name] = base64.StdEncoding.EncodeToString(ea.Value)
		}
	}
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(hdr); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestHeadersAreArchiveTars(t *testing.T) {
	w := NewWriter(nil)
	check := func(t interface{ Fatal(...any) }, e *Entry) {
		plain, err := normalise(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.header(&plain)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, &plain); !bytes.Equal(got, want) {
			t.Fatal(plain, "\n", string(got), "\n", string(want))
		}
	}
	for _, size := range []int64{0, 1, most33, most33 + 1, 1 << 60} {
		check(t, at(Entry{Name: "Files/x", Size: size}))
	}
	for n := 60; n < 320; n++ { // around the lengths of fields, and of records whose length gets a digit more
		check(t, at(Entry{Name: "Files/" + strings.Repeat("n", n/2) + "/" + strings.Repeat("m", n/2), Kind: Dir}))
		check(t, at(Entry{Name: "Files/" + strings.Repeat("ü/", n/2) + "x", EAs: []EA{{strings.Repeat("e", n/2), make([]byte, n)}}}))
		check(t, at(Entry{Name: "Files/l", Kind: HardLink, Target: "Files/" + strings.Repeat("t/", n/2) + "t"}))
	}
	for _, sec := range []int64{-1 << 33, -1, 0, 1, most33, most33 + 1} {
		check(t, at(Entry{Name: "Files/x", Modified: nt.FiletimeOf(time.Unix(sec, 0)), Changed: nt.FiletimeOf(time.Unix(sec, 100))}))
		check(t, at(Entry{Name: "Files/x:s", Kind: Stream, Modified: nt.FiletimeOf(time.Unix(sec, 999_999_900))}))
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, e := range drawLayer(t) {
			check(t, e)
		}
	})
}
