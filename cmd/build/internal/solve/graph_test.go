package solve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

// planned plans a text that needs no base images.
func planned(t *testing.T, text string) *plan.Plan {
	t.Helper()
	f, err := containerfile.Parse("Containerfile", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(context.Background(), f, plan.Options{Platform: image.Platform{OS: "windows", Arch: "amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// nowhere is a writer that keeps nothing.
type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// Stages that do not need each other are at work at the same time.
func TestStagesSideBySide(t *testing.T) {
	st := newStore(t)
	p := planned(t, "FROM scratch AS a\nRUN echo a>C:\\a\nFROM scratch AS b\nRUN echo b>C:\\b\nFROM scratch\nCOPY --from=a C:/a C:/a\nCOPY --from=b C:/b C:/b")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var both sync.WaitGroup
	both.Add(2)
	r, err := solve.Run(ctx, p, solve.Options{Store: st, Cache: cache.Open(st), Time: day, Output: func(solve.Event) io.WriteCloser {
		both.Done()
		both.Wait() // for ever, if one stage waits for the other
		return nowhere{io.Discard}
	}})
	if err != nil || len(r.Layers) != 3 {
		t.Fatalf("%v, %v", r, err)
	}
}

// What a step's events say is in order, and the stage that needs another comes later.
func TestEvents(t *testing.T) {
	st := newStore(t)
	p := planned(t, "FROM scratch AS a\nWORKDIR /a\nFROM scratch\nCOPY --from=a /a /b\nLABEL x=y")
	var got []string
	_, err := solve.Run(context.Background(), p, solve.Options{Store: st, Cache: cache.Open(st), Time: day, Progress: func(e solve.Event) {
		if e.Stage == 2 && e.Step > 0 || e.Stage == 1 && e.Step == 1 {
			got = append(got, e.Text+" "+string(e.How))
		}
	}})
	want := []string{`WORKDIR C:\a begun`, `WORKDIR C:\a made`, "COPY --from=a /a /b begun", "COPY --from=a /a /b made", "LABEL x=y begun", "LABEL x=y "}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// A build that is called off leaves nothing behind but finished layers.
func TestCancel(t *testing.T) {
	st := newStore(t)
	p := planned(t, "FROM scratch AS a\nWORKDIR /a\nRUN echo a>C:\\a\\x\nRUN echo b>C:\\a\\y\nFROM scratch\nCOPY --from=a /a /b")
	for _, at := range []int{1, 2, 3} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := solve.Run(ctx, p, solve.Options{
			Store: st, Cache: cache.Open(st), Time: day, NoCache: func(*plan.Stage) bool { return true },
			Progress: func(e solve.Event) {
				if e.Stage == 1 && e.Step == at && e.How == solve.Begun {
					cancel()
				}
			},
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("step %d: %v", at, err)
		}
		left, err := os.ReadDir(st.Derived("spool"))
		if err != nil || len(left) > 0 {
			t.Errorf("step %d: %v are left in the spool, %v", at, left, err)
		}
		cancel()
	}
	if _, err := solve.Run(context.Background(), p, solve.Options{Store: st, Cache: cache.Open(st), Time: day}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// Builds at the same time in one store give one image.
func TestBuildsSideBySide(t *testing.T) {
	st := newStore(t)
	text := "FROM scratch AS a\nCOPY x.txt C:/a/\nRUN echo a>C:\\a\\y\nFROM scratch\nCOPY --from=a C:/a C:/b\nWORKDIR C:/w"
	digests := make([]string, 4)
	var all sync.WaitGroup
	for i := range digests {
		all.Go(func() {
			r, err := build(t, st, text, map[string]string{"x.txt": "x"})
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = r.Desc.Digest.String()
		})
	}
	all.Wait()
	if slices.Max(digests) != slices.Min(digests) {
		t.Errorf("digests %q", digests)
	}
}

// A repository is fetched by branch, tag and commit, whole or in part.
func TestGit(t *testing.T) {
	git := fixtures.Tool(t, "git", "git")
	work := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(git, append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Dir = filepath.Join(work, "repo")
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(work, "repo", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("sub/a.txt", "one\r\n")
	run("init", "-q")
	run("add", ".")
	run("commit", "-q", "-m", "one")
	run("tag", "v1")
	first := run("rev-parse", "HEAD")
	write("b.txt", "two\n")
	run("add", ".")
	run("commit", "-q", "-m", "two")
	run("clone", "-q", "--bare", ".", "../repo.git")
	update := exec.Command(git, "update-server-info")
	update.Dir = filepath.Join(work, "repo.git")
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(work)))
	t.Cleanup(server.Close)
	url := server.URL + "/repo.git"
	st := newStore(t)
	for _, test := range []struct{ add, want string }{
		{url + " C:/x/", "Files/x Files/x/b.txt Files/x/sub Files/x/sub/a.txt"},
		{url + "#main C:/x/", "Files/x Files/x/b.txt Files/x/sub Files/x/sub/a.txt"},
		{url + "#v1 C:/x/", "Files/x Files/x/sub Files/x/sub/a.txt"},
		{url + "#" + first + ":sub C:/x/", "Files/x Files/x/a.txt"},
		{url + "#" + first[:10] + " C:/x/", "Files/x Files/x/sub Files/x/sub/a.txt"},
		{url + "#:sub C:/x", "Files/x Files/x/a.txt"},
		{"--checksum=" + first + " " + url + "#v1 C:/x/", "Files/x Files/x/sub Files/x/sub/a.txt"},
	} {
		r, err := build(t, st, "FROM scratch\nADD "+test.add, nil)
		if err != nil {
			t.Errorf("%s: %v", test.add, err)
			continue
		}
		if got := fileNames(t, st, r); got != test.want {
			t.Errorf("%s: %s; want %s", test.add, got, test.want)
		}
	}
	for add, want := range map[string]string{
		url + "#nope C:/x/":                          "it has no branch, tag or commit nope",
		url + "#v1:nope C:/x/":                       "the repository has no folder nope",
		url + "#v1:../.. C:/x/":                      "leads out of the repository",
		url + "#--upload-pack=x C:/x/":               "neither address nor reference can begin with a dash",
		server.URL + "/none.git C:/x/":               "not found",
		"--checksum=0123456789 " + url + "#v1 C:/x/": "the commit is " + first + ", not 0123456789",
		server.URL + "/a.git C:/x/ ":                 "git fetch",
	} {
		if _, err := build(t, st, "FROM scratch\nADD "+add, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", add, err, want)
		}
	}
}

// fileNames lists the files and directories of the last layer.
func fileNames(t *testing.T, st *store.Store, r *solve.Result) string {
	var names []string
	for _, e := range entries(t, st, r.Layers[len(r.Layers)-1], false) {
		if strings.HasPrefix(e.Name, "Files/") {
			names = append(names, e.Name)
		}
	}
	return strings.Join(names, " ")
}
