package container

import (
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

// text is the record's output.
func (r *record) text() []byte {
	if r.Raw != nil {
		return r.Raw
	}
	return []byte(r.Log)
}

const (
	// logName is the log's file; what was there before it was full is in oldLog.
	logName = "log.jsonl"
	oldLog  = ".1"
	// maxPiece bounds the output in one record.
	maxPiece = 16 << 10
	// maxRecord bounds a line of the log: JSON spends at most six bytes on one.
	maxRecord = 8 * maxPiece
	// maxLog bounds the log's file. With the old one twice as much is kept.
	maxLog = 16 << 20
)

// logFile is the log of a running container, appended to by its supervisor.
type logFile struct {
	path string
	max  int64
	now  func() time.Time

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(path string, now func() time.Time) (*logFile, error) {
	l := &logFile{path: path, max: maxLog, now: now}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// A killed supervisor may have left half a line; an empty one does no harm.
	if _, err := f.WriteString("\n"); err != nil {
		return errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size = f, info.Size()
	return nil
}

// rotate puts a full log aside.
func (l *logFile) rotate() error {
	err := l.f.Close()
	if err == nil {
		err = os.Rename(l.path, l.path+oldLog)
	}
	return errors.Join(err, l.open())
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > l.max {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.f.Write(append(line, '\n'))
	l.size += int64(n)
	return err
}

// openLogs opens the log and, if there is one, what was put aside before it; a log
// that is not there gives none.
func (c *Container) openLogs() (files []*os.File, err error) {
	path := c.file(logName)
	for {
		current, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // never started
		}
		if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		old, err := os.Open(path + oldLog)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("read log: %w", err), current.Close())
		}
		if old == nil {
			return []*os.File{current}, nil
		}
		if same, err := isAt(current, path); same || err != nil {
			return []*os.File{old, current}, err
		}
		// It was put aside between the two.
		if err := errors.Join(current.Close(), old.Close()); err != nil {
			return nil, err
		}
	}
}

// isAt tells whether the open file f is the one at path.
func isAt(f *os.File, path string) (bool, error) {
	there, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	here, herr := f.Stat()
	if err := errors.Join(err, herr); err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	return os.SameFile(here, there), nil
}
