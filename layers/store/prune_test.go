package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestPrune(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	writer := open(t, dir)
	kept, doomed, byDigest := image(t, writer, "kept"), image(t, writer, "doomed"), image(t, writer, "by digest")
	tag(t, writer, "kept:1", kept)
	tag(t, writer, "doomed:1", doomed)
	children, err := writer.children(ctx, doomed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.TOC(ctx, children[1]); err != nil {
		t.Fatal(err)
	}
	if err := writer.Untag(ctx, "doomed:1"); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if p := prune(t, s, PruneOptions{}); p.Freed != 0 {
		t.Errorf("pruned %+v of a living lease", p.Removed)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	keep := []digest.Digest{byDigest.Digest}
	plan := prune(t, s, PruneOptions{DryRun: true, Keep: keep})
	if plan.Freed == 0 || !s.present(doomed.Digest) {
		t.Errorf("dry run: %+v", plan)
	}
	if i := plan.Removed[0]; i.Path != blobDir+"/"+doomed.Digest.Encoded() || i.Reason != "nothing needs it" {
		t.Errorf("the manifest does not go first: %+v", i)
	}
	why := map[string]string{}
	for _, i := range plan.Kept {
		why[i.Path] = i.Reason
	}
	if why[blobDir+"/"+kept.Digest.Encoded()] != "needed by kept:1" || why[blobDir+"/"+byDigest.Digest.Encoded()] != "needed by a container" {
		t.Errorf("reasons: %v", why)
	}
	done := prune(t, s, PruneOptions{Keep: keep})
	if diff := cmp.Diff(plan, done, cmpopts.IgnoreFields(Item{}, "Used")); diff != "" {
		t.Errorf("done is not what was planned: %s", diff)
	}
	for d, want := range map[digest.Digest]bool{
		kept.Digest: true, byDigest.Digest: true, doomed.Digest: false, children[0].Digest: false, children[1].Digest: false,
	} {
		if s.present(d) != want {
			t.Errorf("%s: present %v, want %v", d, !want, want)
		}
	}
	if left := files(t, s.path(derivedDir, "toc")); len(left) != 0 {
		t.Errorf("tables of contents left: %v", left)
	}
	clean(t, s)
	if prune(t, s, PruneOptions{}); s.present(byDigest.Digest) {
		t.Error("no longer kept, it is still there")
	}
}

// What a Store has looked up is shielded as what it has put.
func TestHasShields(t *testing.T) {
	dir := t.TempDir()
	writer := open(t, dir)
	d := image(t, writer, "x")
	reader := open(t, dir)
	if !reader.Has(d.Digest) {
		t.Fatal("not there")
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if prune(t, writer, PruneOptions{}); !reader.present(d.Digest) {
		t.Error("pruned under a lease")
	}
}

func TestPruneFailsOnDamage(t *testing.T) {
	s := open(t, t.TempDir())
	d, loose := image(t, s, "x"), image(t, s, "loose")
	tag(t, s, "x:1", d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, s, d.Digest)
	if _, err := s.Prune(t.Context(), PruneOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if !s.present(loose.Digest) {
		t.Error("it removed blobs all the same")
	}
}

func TestCheck(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	d := image(t, s, "x")
	tag(t, s, "x:1", d)
	idx := putJSON(t, s, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{d, {Digest: digest.FromString("other platform")}}})
	tag(t, s, "idx:1", idx)
	clean(t, s)
	children, err := s.children(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.blobPath(children[1].Digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(blobDir, "junk"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := s.Check(ctx)
	if err != nil || len(found) != 2 || !strings.Contains(found[0].String(), "is no blob") ||
		found[1].Object != "x:1" || !strings.Contains(found[1].Problem, string(children[1].Digest)) {
		t.Errorf("%v, %v", found, err)
	}
}

// prune prunes, which must not fail.
func prune(t testing.TB, s *Store, o PruneOptions) *Pruned {
	t.Helper()
	p, err := s.Prune(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// helperEnv makes the test binary one of the processes of the tests below.
const helperEnv = "MULLION_STORE_TEST"

func TestMain(m *testing.M) {
	switch dir, role, _ := strings.Cut(os.Getenv(helperEnv), "|"); role {
	case "":
		os.Exit(m.Run())
	case "stuck":
		stuck(dir)
	default:
		if err := neighbour(dir, role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// stuck begins a blob, leaves another untagged and waits to be killed.
func stuck(dir string) {
	s, err := Open(dir)
	if err == nil {
		var i *Ingest
		if _, err = s.Put(nobody(), "", []byte("left behind")); err == nil {
			if i, err = s.Ingest(nobody()); err == nil {
				_, err = i.Write([]byte("half"))
			}
		}
	}
	fmt.Println("ready", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func start(t *testing.T, dir, role string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+dir+"|"+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		_, err = cmd.StdinPipe() // held open, so that it waits
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	cmd, out := start(t, dir, "stuck")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready <nil>\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if p := prune(t, s, PruneOptions{}); p.Freed != 0 {
		t.Errorf("pruned %+v of a living process", p.Removed)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, which is no success
	if p := prune(t, s, PruneOptions{}); p.Freed < int64(len("left behind")+len("half")) {
		t.Errorf("freed %d bytes", p.Freed)
	}
	for _, d := range []string{blobDir, ingestDir, leaseDir} {
		if left := files(t, s.path(d)); len(left) != 0 {
			t.Errorf("left in %s: %v", d, left)
		}
	}
	clean(t, s)
}

const (
	neighbours = 3
	rounds     = 12
)

// Several processes build, tag, load and prune in one store; nothing of what they tagged is lost.
func TestNeighbours(t *testing.T) {
	dir := t.TempDir()
	var running sync.WaitGroup
	for n := range neighbours {
		cmd, _ := start(t, dir, fmt.Sprint("p", n))
		running.Add(1)
		go func() {
			defer running.Done()
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", n, err)
			}
		}()
	}
	running.Wait()
	s := open(t, dir)
	list, err := s.Tags(t.Context())
	if err != nil || len(list) != neighbours*rounds {
		t.Errorf("%d tags, want %d: %v", len(list), neighbours*rounds, err)
	}
	for _, tagged := range list {
		b, err := s.ReadBlob(t.Context(), tagged.Desc, 1<<20)
		if err != nil || !strings.Contains(string(b), "of "+tagged.Name) {
			t.Errorf("%s: %s, %v", tagged.Name, b, err)
		}
	}
	clean(t, s)
	if left := files(t, s.path(ingestDir)); len(left) != 0 {
		t.Errorf("left in ingest: %v", left)
	}
}
