package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/runtime"
)

// replay prints a whole log.
func replay(r io.Reader, stdout, stderr io.Writer) error {
	p := &printer{o: LogOptions{Tail: -1}, out: map[string]io.Writer{"stdout": stdout, "stderr": stderr}, inLine: map[string]bool{}}
	return p.all(newRecords(r))
}

type brokenPipe struct{ writes int }

func (b *brokenPipe) Write([]byte) (int, error) {
	b.writes++
	return 0, errors.New("broken pipe")
}

func TestLogKeepsBytesAndStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	clock := new(clock)
	text := []string{"plain\r\n", "half ", "line\n", "ünïcode ☃", "code page \xe4\xf6\xfc \x00\xff", strings.Repeat("long", 3*maxPiece), "☃"[:2], "☃"[2:]}
	var want bytes.Buffer
	through := new(bytes.Buffer)
	for _, part := range text {
		l, err := openLog(path, clock.now) // each in a run of its own
		if err != nil {
			t.Fatal(err)
		}
		out := l.stream("stdout", through)
		if n, err := out.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if _, err := l.stream("stderr", nil).Write([]byte("<" + part[:1] + ">")); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		want.WriteString(part)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stdout, stderr bytes.Buffer
	if err := replay(f, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stdout.Bytes(), want.Bytes()) {
		t.Errorf("replayed %d bytes, want %d, or not the same", stdout.Len(), want.Len())
	}
	if !bytes.Equal(through.Bytes(), want.Bytes()) {
		t.Errorf("passed through %d bytes, want %d", through.Len(), want.Len())
	}
	if want := "<p><h><l><\xc3><c><l><\xe2><\x83>"; stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
}

func TestLogGoesOnWithoutItsReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l, err := openLog(path, new(clock).now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	broken := new(brokenPipe)
	out := l.stream("stdout", broken)
	for range 3 {
		if _, err := out.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if broken.writes != 1 {
		t.Errorf("the broken pipe was written to %d times", broken.writes)
	}
}

func TestReplayPassesOverHalfRecords(t *testing.T) {
	var out bytes.Buffer
	log := "\n{\"log\":\"a\",\"stream\":\"stdout\"}\n{\"log\":\"lost\n\n{\"raw\":\"Yg==\",\"stream\":\"stdout\"}\n{\"log\""
	if err := replay(strings.NewReader(log), &out, &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != "ab" {
		t.Errorf("replayed %q, want ab", out.String())
	}
	if err := replay(strings.NewReader(strings.Repeat("x", maxRecord+1)), &out, &out); err == nil {
		t.Error("a line without end is no error")
	}
}

func TestLogOptions(t *testing.T) {
	var log bytes.Buffer
	for i, part := range []string{"one\ntw", "o\nthree\n", "four"} {
		log.WriteString(fmt.Sprintf(`{"log":%q,"stream":"stdout","time":"2026-01-02T03:04:0%dZ"}`+"\n", part, i))
	}
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	for name, test := range map[string]struct {
		o    LogOptions
		want string
	}{
		"all":        {LogOptions{Tail: -1}, "one\ntwo\nthree\nfour"},
		"none":       {LogOptions{}, ""},
		"one":        {LogOptions{Tail: 1}, "four"},
		"three":      {LogOptions{Tail: 3}, "two\nthree\nfour"},
		"many":       {LogOptions{Tail: 100}, "one\ntwo\nthree\nfour"},
		"since":      {LogOptions{Tail: -1, Since: at(2)}, "four"},
		"timestamps": {LogOptions{Tail: 3, Timestamps: true}, "2026-01-02T03:04:00Z two\n2026-01-02T03:04:01Z three\n2026-01-02T03:04:02Z four"},
	} {
		var out bytes.Buffer
		p := &printer{o: test.o, out: map[string]io.Writer{"stdout": &out}, inLine: map[string]bool{}}
		if err := errors.Join(p.all(newRecords(bytes.NewReader(log.Bytes()))), p.flush()); err != nil || out.String() != test.want {
			t.Errorf("%s: %q, %v; want %q", name, &out, err, test.want)
		}
	}
}

func TestLogRotates(t *testing.T) {
	set := newSet(t)
	c := create(t, set, Config{})
	l, err := openLog(c.file(logName), new(clock).now)
	if err != nil {
		t.Fatal(err)
	}
	l.max = 2000
	for i := range 100 {
		fmt.Fprintf(l.stream("stdout", nil), "line %d\n", i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var out, tail bytes.Buffer
	if err := c.Logs(t.Context(), LogOptions{Tail: -1}, &out, &out); err != nil {
		t.Fatal(err)
	}
	if err := c.Logs(t.Context(), LogOptions{Tail: 30, Follow: true}, &tail, &tail); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "line 98\nline 99\n") || strings.HasPrefix(out.String(), "line 0\n") || strings.Count(out.String(), "\n") < 30 {
		t.Errorf("of a log that was put aside there is %q", &out)
	}
	if !strings.HasPrefix(tail.String(), "line 70\n") || !strings.HasSuffix(out.String(), tail.String()) {
		t.Errorf("its tail is %q", &tail)
	}
}

func TestVolumes(t *testing.T) {
	set := newSet(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v, err := set.CreateVolume(t.Context(), "data", now)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := set.CreateVolume(t.Context(), "data", now.Add(time.Hour)); again != v || err != nil {
		t.Errorf("the same volume again: %+v, %v", again, err)
	}
	anon, err := set.CreateVolume(t.Context(), "", now)
	if err != nil || !anon.Anonymous || len(anon.Name) != 64 {
		t.Errorf("anonymous: %+v, %v", anon, err)
	}
	if list, err := set.Volumes(); err != nil || len(list) != 2 {
		t.Errorf("Volumes = %+v, %v", list, err)
	}
	c := create(t, set, Config{Name: "user", Mounts: []runtime.Mount{{Source: v.Dir, Target: `C:\d`, Volume: "data"}}})
	if err := set.RemoveVolume(t.Context(), "data"); err == nil || !strings.Contains(err.Error(), "user") {
		t.Errorf("removed a volume in use: %v", err)
	}
	if err := errors.Join(c.Remove(t.Context()), set.RemoveVolume(t.Context(), "data")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"data", "../x", ""} {
		if _, err := set.Volume(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Volume(%q): %v", name, err)
		}
	}
	if _, err := set.CreateVolume(t.Context(), "../x", now); err == nil {
		t.Error("a volume outside of its folder was made")
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte("{\"log\":\"a\",\"stream\":\"stdout\"}\n"))
	f.Add([]byte("\n{\"raw\":\"AA==\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05Z\"}"))
	f.Fuzz(func(t *testing.T, log []byte) {
		var out, again bytes.Buffer
		if replay(bytes.NewReader(log), &out, &out) != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "log")
		l, err := openLog(path, new(clock).now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.stream("stdout", nil).Write(out.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := replay(r, &again, &again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Errorf("%q came back as %q", out.Bytes(), again.Bytes())
		}
	})
}
