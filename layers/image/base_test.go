package image_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
)

func TestScratchBaseIsAWholeBaseLayer(t *testing.T) {
	st := newStore(t)
	l := base(t, st)
	validate(t, st, l, true)
	toc, err := st.TOC(t.Context(), l.Desc)
	if err != nil {
		t.Fatal(err)
	}
	tar := plain(t, st, l)
	found := map[string]bool{}
	for _, item := range toc.Items {
		if item.SD == nil {
			t.Errorf("%s has no security descriptor", item.Name)
		}
		for _, at := range []nt.Filetime{item.Created, item.Modified, item.Accessed, item.Changed} {
			if at != nt.FiletimeOf(epoch) {
				t.Errorf("%s has the time %s", item.Name, at.Time())
			}
		}
		if item.Kind != layers.File {
			continue
		}
		found[strings.TrimPrefix(item.Name, "Files/")] = true
		hive := io.NewSectionReader(bytes.NewReader(tar), item.Offset, item.Size)
		for _, f := range hives.Check(hive, item.Size) {
			t.Errorf("%s: %v", item.Name, f)
		}
		if h, err := hives.Open(hive, item.Size); err != nil || h.IsDelta() {
			t.Errorf("%s: %v", item.Name, err)
		}
	}
	for _, name := range hives.Names {
		if !found[name.BasePath()] {
			t.Errorf("no %s", name.BasePath())
		}
	}
	if len(found) != len(hives.Names) {
		t.Errorf("files: %v", found)
	}
}

func TestScratchBaseIsDeterministic(t *testing.T) {
	write := func(at time.Time) []byte {
		var b bytes.Buffer
		w, err := pack.NewWriter(&b, pack.Gzip)
		if err != nil {
			t.Fatal(err)
		}
		if err := image.ScratchBase(w, at); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	one := write(epoch)
	if !bytes.Equal(one, write(epoch.In(time.FixedZone("X", 3600)))) {
		t.Error("not the same bytes twice")
	}
	if bytes.Equal(one, write(epoch.Add(time.Second))) {
		t.Error("the time has no effect")
	}
}

func TestScratchBaseRegistry(t *testing.T) {
	st := newStore(t)
	v := openView(t, t, st, base(t, st))
	s := newScratch(t, t, v, epoch)
	key, err := s.Registry().Key(`HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`)
	if err != nil {
		t.Fatal(err)
	}
	path, err := key.Value("PATH")
	if err != nil {
		t.Fatal(err)
	}
	const want = `%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem;%SystemRoot%\System32\WindowsPowerShell\v1.0\`
	if path.Type != hives.ExpandSZ || path.Text() != want {
		t.Errorf("Path is %s %q", path.Type, path.Text())
	}
	env := nt.NewEnv(`SystemRoot=C:\Windows`)
	for dir := range strings.SplitSeq(env.Expand(path.Text()), ";") {
		at, err := nt.Rel("", dir)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := v.Lookup(at); err != nil || !f.IsDir() {
			t.Errorf("%s of the machine's Path: %v", dir, err)
		}
	}
	if s.Changed() {
		t.Error("reading changed something")
	}
}

// What ordinary users may do in the base follows Windows: nothing to programs and the system, their own files elsewhere.
func TestScratchBaseRights(t *testing.T) {
	st := newStore(t)
	v := openView(t, t, st, base(t, st))
	const full, modify, read, add = 0x1f01ff, 0x1301bf, 0x1200a9, 0x4 // add a subdirectory
	tests := []struct {
		path string
		sid  nt.SID
		has  uint32
		not  uint32
	}{
		{"Windows/System32", nt.Users, read, add},
		{"Windows/System32/config", nt.Users, 0, read},
		{"Windows/System32/config/SAM", nt.Users, 0, read},
		{"Windows/System32/config/SAM", nt.Administrators, full, 0},
		{"Program Files/Common Files", nt.Users, read, add},
		{"ProgramData/Microsoft", nt.Users, read | add, 0},
		{"Windows/Temp", nt.Users, add, 1},
		{"Users/Public/Desktop", nt.Users, modify, 0},
		{"Users/ContainerUser/AppData/Local/Temp", nt.ContainerUser, full, 0},
		{"Users/ContainerUser/AppData/Local/Temp", nt.Users, 0, read},
		{"Users/ContainerAdministrator/Desktop", nt.ContainerAdministrator, full, 0},
		{"Users/ContainerAdministrator/Desktop", nt.ContainerUser, 0, read},
	}
	for _, test := range tests {
		f, err := v.Lookup(test.path)
		if err != nil {
			t.Fatal(err)
		}
		sd, err := nt.ParseSD(f.Entry.SD)
		if err != nil {
			t.Fatal(err)
		}
		var mask uint32
		for _, a := range sd.DACL.ACEs {
			if a.SID == test.sid && a.Flags&0x08 == 0 { // not inherit-only
				mask |= a.Mask
			}
		}
		if mask&test.has != test.has || mask&test.not != 0 {
			t.Errorf("%s gives %s %#x: want %#x and nothing of %#x (%s)", test.path, test.sid, mask, test.has, test.not, sd.SDDL())
		}
	}
}
