package container

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// The log is one JSON object a line, one line for each piece of output, with the
// keys of docker's json-file so that what reads those reads these. Windows
// programs also write in code pages; what is not UTF-8 goes under "raw", in
// base64, and comes out as it went in.
type record struct {
	Log    string    `json:"log,omitempty"`
	Raw    []byte    `json:"raw,omitempty"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

const (
	// maxPiece bounds the output in one record.
	maxPiece = 16 << 10
	// maxRecord bounds a line of the log: JSON spends at most six bytes on one.
	maxRecord = 8 * maxPiece
)

// logFile is the log of a running container, appended to by its supervisor.
type logFile struct {
	mu  sync.Mutex
	f   io.WriteCloser
	now func() time.Time
}

func openLog(path string, now func() time.Time) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	// A killed supervisor may have left half a line; an empty one does no harm.
	if _, err := f.WriteString("\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), f.Close())
	}
	return &logFile{f: f, now: now}, nil
}

func (l *logFile) Close() error { return l.f.Close() }

// stream returns a writer of one of the program's streams: into the log, and to
// through as well when that is not nil. That through is gone is no reason to stop
// the program: its terminal may be closed while it works on.
func (l *logFile) stream(name string, through io.Writer) io.Writer {
	return &logStream{log: l, name: name, through: through}
}

type logStream struct {
	log     *logFile
	name    string
	through io.Writer
}

func (s *logStream) Write(p []byte) (int, error) {
	if s.through != nil {
		if _, err := s.through.Write(p); err != nil {
			s.through = nil
		}
	}
	for done := 0; done < len(p); {
		n := min(maxPiece, len(p)-done)
		if err := s.log.write(s.name, p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

func (l *logFile) write(stream string, p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := record{Stream: stream, Time: l.now().UTC()}
	if utf8.Valid(p) {
		r.Log = string(p)
	} else {
		r.Raw = p
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = l.f.Write(append(line, '\n'))
	return err
}

// Logs writes all that the container has printed so far to stdout and stderr.
func (c *Container) Logs(stdout, stderr io.Writer) error {
	f, err := os.Open(c.file("log.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // never started
	}
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return errors.Join(replay(f, stdout, stderr), f.Close())
}

// replay takes a log apart again. Lines that are no records are what a kill left
// of one; they are passed over.
func replay(r io.Reader, stdout, stderr io.Writer) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxPiece), maxRecord)
	for lines.Scan() {
		var rec record
		if json.Unmarshal(lines.Bytes(), &rec) != nil {
			continue
		}
		w := stdout
		if rec.Stream == "stderr" {
			w = stderr
		}
		p := rec.Raw
		if p == nil {
			p = []byte(rec.Log)
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}
