package wine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/guest"
)

// TestMain lets the test binary be the guest that Mullion's own binary is.
func TestMain(m *testing.M) {
	guest.Main()
	os.Exit(m.Run())
}

// Two that want the base at the same time get the same one, made once, and
// nothing of the host is in it.
func TestBaseFromTheHostsWine(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Wine for the first time")
	}
	if r := Requirement(t.Context()); !r.Found {
		fixtures.Skip(t, r.Detail+"; "+r.Fix)
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		bases []*Base
		lines []string
	)
	for range 2 {
		wg.Go(func() {
			b, err := Open(t.Context(), st, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, line)
			})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			bases = append(bases, b)
		})
	}
	wg.Wait()
	if len(bases) != 2 {
		t.FailNow()
	}
	if len(lines) != 3 {
		t.Errorf("progress %q, want the three lines of one making", lines)
	}
	b := bases[0]
	if b.ID != bases[1].ID || b.Version == "" || b.Under.ID == "" {
		t.Errorf("bases %+v and %+v", b, bases[1])
	}
	checkUnder(t, b)
	checkBaseRegistry(t, b)
	entries, err := os.ReadDir(filepath.Dir(b.dir))
	if err != nil || len(entries) != 2 { // the base and the lock
		t.Errorf("the folder of bases holds %v, %v", entries, err)
	}
	if image, err := os.ReadFile(b.Runtime); err != nil || len(image) < 2048 || !bytes.Equal(image[1024:1028], []byte{0xe2, 0xe1, 0xf5, 0xe0}) {
		t.Errorf("the runtime tree is no erofs image: %v", err)
	}
}

func checkUnder(t *testing.T, b *Base) {
	t.Helper()
	info, err := os.Stat(b.Under.Data)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	links := 0
	for _, e := range b.Under.Entries {
		found[e.Path] = true
		if e.Target != "" {
			links++
		}
		if e.Offset+e.Size > info.Size() || e.Offset%4096 != 0 {
			t.Errorf("entry %+v lies outside the data file of %d bytes", e, info.Size())
		}
	}
	for _, want := range []string{
		"Windows/System32/kernel32.dll", "Windows/System32/cmd.exe", "Windows/System32/bcryptprimitives.dll",
		"Users/ContainerAdministrator/AppData/Local/Temp", "Users/ContainerUser/AppData/Local/Temp", "ProgramData",
	} {
		if !found[want] {
			t.Errorf("no %s", want)
		}
	}
	if links < 500 {
		t.Errorf("only %d files are links into the runtime tree", links)
	}
}

func checkBaseRegistry(t *testing.T, b *Base) {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range RegistryFiles() {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{`"` + host + `"`, `\\users\\root`, `\\usr\\share\\fonts`, "Volatile Environment", b.dir} {
			if strings.Contains(strings.ToLower(string(text)), strings.ToLower(bad)) {
				t.Errorf("%s holds %s", name, bad)
			}
		}
	}
	values, err := machineVariables(b.dir)
	if err != nil || len(values) < 5 {
		t.Errorf("the machine's environment has %d variables, %v", len(values), err)
	}
}
