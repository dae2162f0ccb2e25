package store

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var resumed = []byte("these bytes come in two parts")

func resume(t *testing.T, s *Store, have int64) *Ingest {
	t.Helper()
	i, got, err := s.Resume(t.Context(), ocispec.Descriptor{Digest: digest.FromBytes(resumed), Size: int64(len(resumed))})
	if err != nil {
		t.Fatal(err)
	}
	if got != have {
		t.Errorf("%d bytes are there, want %d", got, have)
	}
	return i
}

func write(t *testing.T, i *Ingest, b []byte) {
	t.Helper()
	if n, err := i.Write(b); err != nil || n != len(b) {
		t.Fatal(n, err)
	}
}

func TestResume(t *testing.T) {
	s := open(t, t.TempDir())
	want := ocispec.Descriptor{Digest: digest.FromBytes(resumed), Size: int64(len(resumed))}
	first := resume(t, s, 0)
	write(t, first, resumed[:5])
	// What somebody else writes is theirs.
	second := resume(t, s, 0)
	write(t, second, resumed[:9])
	if err := second.Suspend(); err != nil {
		t.Fatal(err)
	}
	third := resume(t, s, 9)
	write(t, third, resumed[9:])
	if _, err := third.Commit(want); err != nil || !s.Has(want.Digest) {
		t.Fatal(err)
	}
	if err := first.Suspend(); err != nil {
		t.Fatal(err)
	}
	// Bytes that are not those of the blob are found out when it is complete, and dropped.
	wrong := resume(t, s, 5)
	write(t, wrong, resumed[9:])
	write(t, wrong, []byte("wrong"))
	if _, err := wrong.Commit(want); err == nil {
		t.Error("other bytes were taken")
	}
	if err := resume(t, s, 0).Suspend(); err != nil { // of nothing nothing is left
		t.Fatal(err)
	}
	last := resume(t, s, 0)
	write(t, last, resumed[:3])
	if err := last.Suspend(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	prune(t, s, PruneOptions{})
	if err := resume(t, s, 0).Abort(); err != nil {
		t.Error(err)
	}
	if names, err := os.ReadDir(s.path(ingestDir)); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	clean(t, s)
}

// TestResumeAfterKill: what a killed process wrote is gone on with.
func TestResumeAfterKill(t *testing.T) {
	if dir := os.Getenv("MULLION_TEST_RESUME"); dir != "" {
		i := resume(t, open(t, dir), 0)
		write(t, i, resumed[:7])
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestResumeAfterKill$")
	cmd.Env = append(os.Environ(), "MULLION_TEST_RESUME="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "FAIL") {
		t.Fatalf("it was not killed: %v, %s", err, out)
	}
	i := resume(t, open(t, dir), 7)
	write(t, i, resumed[7:])
	if _, err := i.Commit(ocispec.Descriptor{Digest: digest.FromBytes(resumed)}); err != nil {
		t.Error(err)
	}
}
