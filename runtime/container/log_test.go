package container

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
