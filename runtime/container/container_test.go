package container

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mullion/mullion/runtime"
)

// clock counts seconds from a fixed time, so that states can be compared.
type clock struct {
	mu sync.Mutex
	n  int
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC).Add(time.Duration(c.n) * time.Second)
}

func newSet(t *testing.T) *Set {
	t.Helper()
	set, err := Open(filepath.Join(t.TempDir(), "containers"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func create(t *testing.T, set *Set, cfg Config) *Container {
	t.Helper()
	if cfg.Isolation == "" {
		cfg.Isolation = runtime.ProcessIsolation
	}
	c, err := set.Create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func state(t *testing.T, c *Container) State {
	t.Helper()
	st, err := c.State()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestCreateAndFind(t *testing.T) {
	set := newSet(t)
	first := create(t, set, Config{Name: "first", Image: "hello", Created: time.Unix(1, 0)})
	second := create(t, set, Config{Image: "127.0.0.1:5000/team/hello:v1", Created: time.Unix(2, 0)})

	cfg, err := second.Config()
	if err != nil {
		t.Fatal(err)
	}
	if want := "hello-" + cfg.ID[:6]; cfg.Name != want {
		t.Errorf("default name %q, want %q", cfg.Name, want)
	}
	for _, name := range []string{"first", first.ID(), first.ID()[:12]} {
		if c, err := set.Find(name); err != nil || c.ID() != first.ID() {
			t.Errorf("Find(%q) = %v, %v", name, c, err)
		}
	}
	if _, err := set.Find("third"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "third") {
		t.Errorf("Find(third): %v", err)
	}
	if _, err := set.Find(""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find of nothing: %v", err)
	}
	all, err := set.All()
	if err != nil || len(all) != 2 || all[0].ID() != second.ID() {
		t.Errorf("All = %v, %v, want the newest first", all, err)
	}
	if st := state(t, first); st.Status != Created || st.Exit != nil {
		t.Errorf("state of a new container: %+v", st)
	}
}

func TestNames(t *testing.T) {
	set := newSet(t)
	create(t, set, Config{Name: "taken"})
	for _, name := range []string{"taken", "-x", "a b", "a/b", strings.Repeat("x", 129), `a\b`} {
		if c, err := set.Create(t.Context(), Config{Name: name}); err == nil {
			t.Errorf("name %q was accepted: %s", name, c.ID())
		}
	}
	if all, err := set.All(); err != nil || len(all) != 1 {
		t.Errorf("All = %v, %v: refused containers left something", all, err)
	}
	for image, want := range map[string]string{
		"hello": "hello", "hello:v1": "hello", "h.io:5000/a/b@sha256:00": "b", "": "container", "x/-": "container",
	} {
		if got := defaultName(image, strings.Repeat("a", 64)); got != want+"-aaaaaa" {
			t.Errorf("defaultName(%q) = %q", image, got)
		}
	}
}

func TestNamesAreUniqueUnderRace(t *testing.T) {
	set := newSet(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			if _, err := set.Create(t.Context(), Config{Name: "one"}); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d containers of one name were made", made)
	}
}

func TestRemove(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{Name: "gone"})
	var asked string
	if err := c.Remove(t.Context(), removerFunc(func(dir string) error { asked = dir; return nil })); err != nil {
		t.Fatal(err)
	}
	if asked != c.WorkDir() {
		t.Errorf("the remover was asked to remove %q, want %q", asked, c.WorkDir())
	}
	if _, err := c.State(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("state of a removed container: %v", err)
	}
	if err := c.Remove(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("second remove: %v", err)
	}
	if left := names(t, set.dir); strings.Join(left, " ") != ".lock .locks" {
		t.Errorf("left behind: %q", left)
	}
	if left := names(t, filepath.Join(set.dir, ".locks")); len(left) != 0 {
		t.Errorf("locks left behind: %q", left)
	}
}

func TestRemoveThatFailsKeepsTheContainer(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{Name: "kept"})
	refuse := errors.New("in use")
	err := c.Remove(t.Context(), removerFunc(func(string) error { return refuse }))
	if !errors.Is(err, refuse) {
		t.Errorf("Remove = %v", err)
	}
	if _, err := set.Find("kept"); err != nil {
		t.Error(err)
	}
}

type removerFunc func(dir string) error

func (f removerFunc) Remove(_ context.Context, dir string) error { return f(dir) }

func TestLeftoversAreSweptAndNeverShown(t *testing.T) {
	set := newSet(t)
	for _, dir := range []string{newPrefix + "x", rubbishPrefix + "x/some/deep"} {
		if err := os.MkdirAll(filepath.Join(set.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := set.All(); err != nil || len(all) != 0 {
		t.Fatalf("All = %v, %v", all, err)
	}
	if err := os.WriteFile(filepath.Join(set.dir, ".locks", strings.Repeat("0", 64)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := create(t, set, Config{})
	if left := names(t, filepath.Join(set.dir, ".locks")); len(left) != 0 {
		t.Errorf("after Create there are locks %q", left)
	}
	if left := names(t, set.dir); strings.Join(left, " ") != ".lock .locks "+c.ID() {
		t.Errorf("after Create there is %q", left)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestUpdate(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{Name: "pane"})
	toHyperV := func(cfg *Config) { cfg.Isolation = runtime.HyperVIsolation }
	if err := c.Update(t.Context(), toHyperV); err != nil {
		t.Fatal(err)
	}
	if cfg, err := c.Config(); err != nil || cfg.Isolation != runtime.HyperVIsolation || cfg.Name != "pane" {
		t.Errorf("after Update: %+v, %v", cfg, err)
	}
	l := hold(t, c, State{Status: Running})
	if err := c.Update(t.Context(), toHyperV); !errors.Is(err, ErrRunning) {
		t.Errorf("Update of a running container: %v", err)
	}
	if err := c.Remove(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("Remove of a running container: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), toHyperV); err != nil {
		t.Errorf("Update after the supervisor's end: %v", err)
	}
}

// hold plays a supervisor: it has the lock and has written st.
func hold(t *testing.T, c *Container, st State) interface{ Close() error } {
	t.Helper()
	l, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.setState(st); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestKilledSupervisorShowsAsExited(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{})
	l := hold(t, c, State{Status: Running, Pid: 42, Isolation: runtime.ProcessIsolation})
	if st := state(t, c); st.Status != Running || st.Pid != 42 {
		t.Errorf("while the lock is held: %+v", st)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	st := state(t, c)
	if st.Status != Exited || st.Exit != nil || st.Pid != 0 || st.Error != lostError {
		t.Errorf("after the lock was lost: %+v", st)
	}
	if st, err := c.Stop(t.Context(), time.Second); err != nil || st.Status != Exited {
		t.Errorf("Stop = %+v, %v", st, err)
	}
	if st, err := c.Wait(t.Context()); err != nil || st.Status != Exited {
		t.Errorf("Wait = %+v, %v", st, err)
	}
	if err := c.Kill(t.Context()); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("Kill = %v", err)
	}
}

func TestDamagedFilesAreErrors(t *testing.T) {
	set := newSet(t)
	for _, test := range []struct{ file, content, want string }{
		{"config.json", "{", "config.json"},
		{"config.json", `{"id":"00"}`, "config.json is that of"},
		{"state.json", "[]", "state.json"},
		{"state.json", strings.Repeat(" ", maxFile+1), "more than"},
	} {
		c := create(t, set, Config{})
		if err := os.WriteFile(c.file(test.file), []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, cfgErr := c.Config()
		_, stErr := c.State()
		if err := errors.Join(cfgErr, stErr); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %.20q: %v, want %q", test.file, test.content, err, test.want)
		}
		if err := os.RemoveAll(c.Dir()); err != nil {
			t.Fatal(err)
		}
	}
}
