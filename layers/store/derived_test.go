package store

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// Times of use in the tests below.
var (
	longAgo = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	lately  = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
)

// derivedStore makes a store with one image and derived data of every kind, each file of 100 bytes and used lately, and
// returns the layer.
func derivedStore(t *testing.T) (s *Store, l ocispec.Descriptor, diffID digest.Digest) {
	t.Helper()
	s = open(t, t.TempDir())
	l, diffID = layer(t, s, "x", pack.Gzip)
	tag(t, s, "x:1", image(t, s, "x"))
	gone := digest.FromString("gone").Encoded()
	for _, name := range []string{
		"toc/" + l.Digest.Encoded(), "toc/" + gone, "disk/data/" + diffID.Encoded() + "-1.data", "disk/data/" + gone + "-1.data",
		"disk/meta/a.erofs", "disk/meta/a.erofs.json", "disk/data/.tmp-1", "cache/ab/abcd", "chunks/" + l.Digest.Encoded(), "chunks/" + gone, "wine/id/data", "wine/id/sub/entries",
		"wine/tmp-1/data", "kernel/root/boot/vmlinuz", "kernel/lock", "initramfs/1.cpio", "kvm/boot", "spool/scratch-1/1",
	} {
		writeAt(t, s.path(derivedDir, filepath.FromSlash(name)), strings.Repeat("x", 100))
	}
	useAt(t, s, "", lately)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s, l, diffID
}

// useAt sets when all below a path of derived data was used.
func useAt(t *testing.T, s *Store, rel string, at time.Time) {
	t.Helper()
	err := filepath.WalkDir(s.path(derivedDir, rel), func(p string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chtimes(p, at, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// gone lists what Prune removed of derived data, with digests and sizes left out.
func gone(p *Pruned) []string {
	var list []string
	for _, i := range p.Removed {
		name, ok := strings.CutPrefix(i.Path, derivedLine)
		if !ok {
			continue
		}
		if hex := strings.LastIndexByte(name, '/') + 1; len(name) >= hex+64 {
			name = name[:hex] + "HEX" + name[hex+64:]
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

var (
	rubbish    = []string{"chunks/HEX", "disk/data/.tmp-1", "disk/data/HEX-1.data", "spool/scratch-1", "toc/HEX", "wine/tmp-1"}
	everything = []string{"cache/ab/abcd", "chunks/HEX", "chunks/HEX", "disk/data/.tmp-1", "disk/data/HEX-1.data", "disk/data/HEX-1.data", "disk/meta/a.erofs",
		"disk/meta/a.erofs.json", "initramfs/1.cpio", "kernel/root", "kvm/boot", "spool/scratch-1", "toc/HEX", "toc/HEX", "wine/id", "wine/tmp-1"}
)

func TestPruneDerived(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(t *testing.T, s *Store) // by another process, which lives on
		o    PruneOptions
		want []string
	}{
		{"what nothing needs", nil, PruneOptions{}, rubbish},
		{"all", nil, PruneOptions{AllDerived: true}, everything},
		{"older than everything", nil, PruneOptions{Before: longAgo}, rubbish},
		{"older", func(t *testing.T, s *Store) { useAt(t, s, "cache", longAgo); useAt(t, s, "wine/id", longAgo) },
			PruneOptions{Before: lately}, append([]string{"cache/ab/abcd", "wine/id"}, rubbish...)},
		{"size that holds all", nil, PruneOptions{MaxDerived: 1100}, rubbish},
		{"size", func(t *testing.T, s *Store) {
			useAt(t, s, "wine/id", longAgo)
			useAt(t, s, "kvm", longAgo.Add(time.Hour))
		},
			PruneOptions{MaxDerived: 850}, append([]string{"kvm/boot", "wine/id"}, rubbish...)},
		{"wine in use", func(t *testing.T, s *Store) { s.Derived("wine", "id") }, PruneOptions{AllDerived: true},
			slices.DeleteFunc(slices.Clone(everything), func(s string) bool { return strings.HasPrefix(s, "wine/") })},
		{"a file of a folder in use", func(t *testing.T, s *Store) { s.Derived("kernel", "root", "boot", "vmlinuz") }, PruneOptions{AllDerived: true},
			slices.DeleteFunc(slices.Clone(everything), func(s string) bool { return strings.HasPrefix(s, "kernel/") })},
		{"a whole kind in use", func(t *testing.T, s *Store) { s.Derived("disk") }, PruneOptions{AllDerived: true},
			slices.DeleteFunc(slices.Clone(everything), func(s string) bool { return strings.HasPrefix(s, "disk/") })},
		{"a build that runs", func(t *testing.T, s *Store) { s.Derived("spool") }, PruneOptions{},
			slices.DeleteFunc(slices.Clone(rubbish), func(s string) bool { return strings.HasPrefix(s, "spool/") })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, _ := derivedStore(t)
			if c.use != nil {
				c.use(t, open(t, s.Dir()))
			}
			c.o.DryRun = true
			plan := prune(t, s, c.o)
			c.o.DryRun = false
			done := prune(t, s, c.o)
			slices.Sort(c.want)
			if got := gone(plan); !slices.Equal(got, c.want) {
				t.Errorf("planned\n%v, want\n%v", got, c.want)
			}
			if !slices.Equal(gone(done), gone(plan)) || done.Freed != plan.Freed {
				t.Errorf("done %v, planned %v", gone(done), gone(plan))
			}
			for _, i := range done.Removed {
				if _, err := os.Lstat(s.path(filepath.FromSlash(i.Path))); err == nil || i.Reason == "" {
					t.Errorf("%s is still there, or went for no reason", i.Path)
				}
			}
			for _, i := range done.Kept {
				if _, err := os.Lstat(s.path(filepath.FromSlash(i.Path))); err != nil || i.Reason == "" {
					t.Errorf("%s has gone, or stays for no reason", i.Path)
				}
			}
			if _, err := os.Lstat(s.path(derivedDir, "kernel", "lock")); err != nil {
				t.Error("a lock was removed")
			}
			cleanButTables(t, s)
		})
	}
}

// cleanButTables is clean but for tables of contents, which here are none.
func cleanButTables(t *testing.T, s *Store) {
	t.Helper()
	found, err := s.Check(t.Context())
	found = slices.DeleteFunc(found, func(f Finding) bool { return strings.HasPrefix(f.Object, derivedDir+"/toc/") })
	if err != nil || len(found) > 0 {
		t.Errorf("check: %v, %v", found, err)
	}
}

// A lease that lists very many paths shields the whole kind instead.
func TestLeaseOfManyPaths(t *testing.T) {
	s := open(t, t.TempDir())
	for n := range maxPaths + 10 {
		s.Derived("chunks", digest.FromString(string(rune('a'+n))).Encoded())
	}
	if len(s.lease.has) > maxPaths+1 || !s.lease.holds(derivedLine+"chunks") {
		t.Errorf("%d lines", len(s.lease.has))
	}
}

// Whoever deletes all of the derived data, also under a living Store, loses nothing.
func TestDerivedDeleted(t *testing.T) {
	s, l, _ := derivedStore(t)
	before := save(t, s, "x:1")
	for range 2 {
		if err := os.RemoveAll(s.path(derivedDir)); err != nil {
			t.Fatal(err)
		}
		if toc, err := s.TOC(t.Context(), l); err != nil || len(toc.Items) != 3 {
			t.Errorf("%+v, %v", toc, err)
		}
		file := s.Derived("cache", "ab", "abcd")
		if err := s.WriteDerived(file, []byte("x")); err != nil {
			t.Error(err)
		}
		tag(t, s, "y:1", image(t, s, "y"))
		clean(t, s)
		prune(t, s, PruneOptions{})
		if string(before) != string(save(t, s, "x:1")) {
			t.Error("the image is another")
		}
	}
}

// A line that a full disk cut short harms no other.
func TestLeaseCutShort(t *testing.T) {
	s := open(t, t.TempDir())
	d := image(t, s, "x")
	if _, err := s.lease.list.WriteString("\nsha256:12"); err != nil {
		t.Fatal(err)
	}
	late, err := s.Put(t.Context(), "", []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	prune(t, open(t, s.Dir()), PruneOptions{})
	if !s.present(d.Digest) || !s.present(late.Digest) {
		t.Error("pruned under a lease")
	}
}
