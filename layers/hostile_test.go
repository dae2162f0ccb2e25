package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blocks is a tar of n members made while it is read.
type blocks struct {
	n, i int
	name func(i int) string // of at most 100 bytes
	dir  func(i int) bool
	rest []byte
}

func (b *blocks) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		switch {
		case b.i > b.n:
			return 0, io.EOF
		case b.i == b.n:
			b.rest = make([]byte, 1024)
		default:
			b.rest = b.header()
		}
		b.i++
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *blocks) header() []byte {
	h := make([]byte, 512)
	copy(h, b.name(b.i))
	copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0014544200600\x00        0")
	copy(h[257:], "ustar\x0000")
	if b.dir(b.i) {
		h[156] = '5'
	}
	resum(h)
	return h
}

// resum writes the checksum of the header at the start of b.
func resum(b []byte) {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// TestManyEntries validates a million entries, or a tenth, and holds the memory to what Validate promises.
func TestManyEntries(t *testing.T) {
	n := 100_000
	if os.Getenv("MULLION_FULL") != "" {
		n = 1_000_000
	}
	isDir := func(i int) bool { return i < 2 || i%1000 == 2 }
	name := func(i int) string {
		switch {
		case i == 0:
			return "Files"
		case i == 1:
			return "Hives"
		case isDir(i):
			return fmt.Sprintf("Files/directory%04d", i/1000)
		case i < 1000:
			return fmt.Sprintf("Files/directory%04d/file%07d", 0, i)
		}
		return fmt.Sprintf("Files/directory%04d/file%07d", (i-2)/1000, i)
	}
	before := heap()
	lr := NewReader(&blocks{n: n, name: name, dir: isDir}, Limits{})
	v := newValidator(Validation{}, lr)
	for {
		e, err := lr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = v.entry(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	used := heap() - before
	v.end()
	if d := cmp.Diff([]string{"W no-times", "W no-attributes", "W no-descriptor"}, graded(lr.Findings())); d != "" {
		t.Error(d)
	}
	if len(v.seen) != n {
		t.Errorf("%d entries seen of %d", len(v.seen), n)
	}
	if each := used / int64(n); each > 120 {
		t.Errorf("%d bytes of memory for each of %d entries", each, n)
	}
	t.Logf("%d entries, %d bytes for each", n, used/int64(n))
	runtime.KeepAlive(v)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What leads out of the layer or cannot be is refused with its name, the rest goes on.
func TestHostileEntries(t *testing.T) {
	deep := "Files" + strings.Repeat("/x", 100_000)
	for _, h := range []*tar.Header{
		{Name: "../x"}, {Name: "Files/../../x"}, {Name: "/etc/passwd"}, {Name: "//server/x"}, {Name: `C:\x`}, {Name: "C:/x"}, {Name: `\\?\C:\x`},
		{Name: `Files\x`}, {Name: `Files/..\x`}, {Name: "Files/./x"}, {Name: "Files//x"}, {Name: "Files/x\ny"}, {Name: "Files/a|b"}, {Name: "Files/a?"},
		{Name: deep}, {Name: "Files/" + strings.Repeat("x", 70_000)}, {Name: "Files/" + strings.Repeat("\U0001F600", 128)},
		{Name: "Files/l", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}, {Name: "Files/l", Typeflag: tar.TypeLink, Linkname: "Files/../../x"},
		{Name: "Files/l", Typeflag: tar.TypeLink, Linkname: `C:\x`}, {Name: "Files/l", Typeflag: tar.TypeLink, Linkname: "Files/" + strings.Repeat("x/", 600)},
		{Name: "Files/l", Typeflag: tar.TypeLink, Linkname: ""},
	} {
		_, err := NewReader(bytes.NewReader(foreign(t, h)), Limits{}).Next()
		refused, ok := errors.AsType[*Refusal](err)
		if !ok {
			t.Errorf("%q -> %q: %v", shorten(h.Name), shorten(h.Linkname), err)
			continue
		}
		if want := strings.TrimSuffix(shorten(h.Name), "..."); !strings.HasPrefix(refused.Entry, want) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", shorten(h.Name), err)
		}
	}
}

// A symbolic link may lead anywhere: it is only ever read, never followed on the host. What lies below it is reported.
func TestHostileLinks(t *testing.T) {
	b := foreign(t, derived(good('2', "Files/l", "../../../../etc", "1040"), tarFile("Files/l/passwd"))...)
	found, err := Validate(bytes.NewReader(b), false)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"E below-file"}, graded(found)); d != "" || found[0].Entry != "Files/l/passwd" {
		t.Errorf("%s %v", d, found)
	}
}

// A chain of links that grows without end, and one that forks, take bounded time.
func TestLinkBombs(t *testing.T) {
	var list []*tar.Header
	for i := range 200 {
		list = append(list, good('2', fmt.Sprintf("Files/l%03d", i), fmt.Sprintf(`C:\l%03d\l%03d`, (i+1)%200, (i+1)%200), "1040"))
	}
	list = append(list, good('2', "Files/self", `C:\self\`+strings.Repeat(`x\`, 200), "1040"))
	found, err := Validate(bytes.NewReader(foreign(t, derived(list...)...)), false)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"W link-cycle"}, graded(found)); d != "" {
		t.Error(d)
	}
}

// Go's tar reader gives up beyond 1 MiB of records; below that they are bounded one by one.
func TestHugeRecords(t *testing.T) {
	for _, kind := range []byte{tar.TypeXHeader, tar.TypeXGlobalHeader, tar.TypeGNULongName} {
		huge := foreign(t, &tar.Header{Typeflag: tar.TypeReg, Name: "Files/x", Size: 2 << 20})
		huge[156] += kind - tar.TypeReg
		resum(huge)
		if _, _, err := readAll(huge, Limits{}); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("2 MiB of records in a header of type %q: %v", kind, err)
		}
	}
	many := &tar.Header{Name: "Files/x", Format: tar.FormatPAX, PAXRecords: map[string]string{}}
	for i := range 20_000 {
		many.PAXRecords[fmt.Sprintf("%s%d", paxEA, i)] = "AAAA"
	}
	_, _, err := readAll(foreign(t, many), Limits{})
	if refused, ok := errors.AsType[*Refusal](err); !ok || refused.Rule != "bad-ea" {
		t.Errorf("many extended attributes: %v", err)
	}
}

// A tar of zeros unpacks from a blob a thousandth of its size; a tar from much less is a bomb.
func TestRatio(t *testing.T) {
	for _, c := range []struct {
		lim  Limits
		want int64
	}{
		{Limits{}, defaultBytes},
		{Limits{Packed: 1 << 30}, defaultBytes},
		{Limits{Packed: 1 << 20}, 4096 << 20},
		{Limits{Packed: 1000}, ratioFree},
		{Limits{Packed: 1 << 20, Ratio: 2000}, 2000 << 20},
		{Limits{Packed: 1 << 20, Bytes: 1000}, 1000},
	} {
		if got := c.lim.withDefaults().Bytes; got != c.want {
			t.Errorf("%+v gives %d bytes, want %d", c.lim, got, c.want)
		}
	}
	big := io.MultiReader(bytes.NewReader(foreign(t, &tar.Header{Name: "Files/x", Size: 5000})[:512]), zeros{})
	r := NewReader(big, Limits{Bytes: 4096})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
		t.Errorf("content beyond the limit: %v", err)
	}
}
