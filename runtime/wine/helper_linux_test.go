package wine

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// testView is the base of FROM scratch with a layer of files and registry values.
func testView(t *testing.T, files map[string]string, registry func(*hives.Registry) error) *view.View {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	epoch := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	base, err := image.WriteLayer(t.Context(), st, pack.Gzip, func(w *pack.Writer) error { return image.ScratchBase(w, epoch) })
	if err != nil {
		t.Fatal(err)
	}
	v, err := view.Open(t.Context(), st, []view.Layer{base})
	if err != nil {
		t.Fatal(err)
	}
	s, err := view.NewScratch(v, t.TempDir(), view.ScratchOptions{Time: nt.FiletimeOf(epoch), Owner: nt.Administrators})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, text := range files {
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			if err := s.MkdirAll(name[:i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.WriteFile(name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if registry != nil {
		if err := registry(s.Registry()); err != nil {
			t.Fatal(err)
		}
	}
	top, err := image.Commit(t.Context(), st, s, pack.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	v, err = view.Open(t.Context(), st, []view.Layer{base, top})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// exe is the head of a Windows program for a machine.
func exe(machine, characteristics uint16) string {
	b := make([]byte, 0x80)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[0x3c:], 0x40)
	copy(b[0x40:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x44:], machine)
	binary.LittleEndian.PutUint16(b[0x56:], characteristics)
	return string(b)
}

const amd64 = 0x8664

// testBase is a base with a few entries and no files behind them.
func testBase() *Base {
	return &Base{Under: &disk.Under{Entries: []disk.UnderEntry{
		{Path: "Windows", Mode: fs.ModeDir | 0o755},
		{Path: "Windows/System32", Mode: fs.ModeDir | 0o755},
		{Path: "Windows/System32/cmd.exe", Mode: fs.ModeSymlink | 0o777, Target: "/x", Over: true},
		{Path: "Windows/System32/ping.exe", Mode: fs.ModeSymlink | 0o777, Target: "/x"},
	}}}
}

func testSpec(v *view.View, dir, commandLine string) *runtime.Spec {
	return &runtime.Spec{ID: strings.Repeat("ab", 32), View: v, Dir: dir, CommandLine: commandLine}
}

func TestCheckPE(t *testing.T) {
	far := []byte(exe(amd64, 2))
	binary.LittleEndian.PutUint32(far[0x3c:], 1<<31)
	for _, c := range []struct{ name, text, want string }{
		{"a program", exe(amd64, 0x22), ""},
		{"a library", exe(amd64, 0x2022), "library"},
		{"32 bits", exe(0x14c, 2), "32-bit"},
		{"ARM64", exe(0xaa64, 2), "ARM64"},
		{"another machine", exe(0x1234, 2), "0x1234"},
		{"text", "hello, world: this is a text of more than sixty-four bytes, is it not?", "not a Windows program"},
		{"empty", "", "not a Windows program"},
		{"cut", exe(amd64, 2)[:0x50], "not a Windows program"},
		{"signature far away", string(far), "not a Windows program"},
	} {
		err := checkPE(strings.NewReader(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzCheckPE(f *testing.F) {
	f.Add([]byte(exe(amd64, 2)))
	f.Add(shim())
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkPE(bytes.NewReader(b)) == nil && (len(b) < 0x58 || b[0] != 'M') {
			t.Errorf("%q passes for a program", b)
		}
	})
}
