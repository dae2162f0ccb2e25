package container

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// LogOptions says what of a log is wanted.
type LogOptions struct {
	// Follow waits for more until the container has ended.
	Follow bool
	// Tail is how many lines of what is there, -1 for all.
	Tail int
	// Since leaves out what was printed before.
	Since time.Time
	// Timestamps puts the time before each line.
	Timestamps bool
}

// followPoll is how often a followed log is looked at.
const followPoll = 50 * time.Millisecond

// Logs writes what the container has printed to stdout and stderr.
func (c *Container) Logs(ctx context.Context, o LogOptions, stdout, stderr io.Writer) error {
	files, err := c.openLogs()
	if err != nil {
		return err
	}
	p := &printer{o: o, out: map[string]io.Writer{"stdout": stdout, "stderr": stderr}, inLine: map[string]bool{}}
	for i, f := range files {
		r := newRecords(f)
		err = p.all(r)
		if err == nil && i == len(files)-1 {
			if err = p.flush(); err == nil && o.Follow {
				return c.follow(ctx, r, f, p)
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if files == nil && o.Follow {
		return c.await(ctx, o, stdout, stderr)
	}
	return nil
}

// await waits for the log of a container that is about to be started for the first
// time.
func (c *Container) await(ctx context.Context, o LogOptions, stdout, stderr io.Writer) error {
	st, err := c.State()
	if err != nil || !st.Status.Alive() {
		return err
	}
	if err := pause(ctx); err != nil {
		return err
	}
	return c.Logs(ctx, o, stdout, stderr)
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(followPoll):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow prints what is added to the log f until the container has ended, and
// closes f.
func (c *Container) follow(ctx context.Context, r *records, f *os.File, p *printer) error {
	defer func() { f.Close() }()
	for {
		st, err := c.State() // before the read that is the last if it has ended
		gone := errors.As(err, new(*NotFoundError))
		if err != nil && !gone {
			return err
		}
		same, err := isAt(f, c.file(logName))
		if err != nil {
			return err
		}
		if err := p.all(r); err != nil {
			return err
		}
		switch {
		case gone || same && !st.Status.Alive():
			return nil
		case !same: // it was put aside, and has been read to its end
			next, err := os.Open(c.file(logName))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read log: %w", err)
			}
			f.Close()
			f, r = next, newRecords(next)
		default:
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
}

// records reads a log that may still grow.
type records struct {
	in   *bufio.Reader
	line []byte // the beginning of one that is not whole yet
}

func newRecords(r io.Reader) *records { return &records{in: bufio.NewReaderSize(r, maxPiece)} }

// next returns the next record; io.EOF when there is no more so far. Lines that are
// no records are what a kill left of one; they are passed over.
func (r *records) next() (*record, error) {
	for {
		piece, err := r.in.ReadSlice('\n')
		r.line = append(r.line, piece...)
		if len(r.line) > maxRecord {
			return nil, errors.New("read log: a line is longer than any record")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rec := new(record)
		err = json.Unmarshal(r.line, rec)
		r.line = r.line[:0]
		if err == nil {
			return rec, nil
		}
	}
}

// printer prints records as lines.
type printer struct {
	o      LogOptions
	out    map[string]io.Writer
	inLine map[string]bool // by stream: the last piece did not end its line
	// With Tail the last lines are held back until all are known.
	held    []segment
	lines   int
	flushed bool
}

// segment is a line or, where the program wrote it in pieces, a part of one.
type segment struct {
	stream string
	text   []byte
	at     time.Time
	begins bool
}

// all prints all records that are there.
func (p *printer) all(r *records) error {
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.Time.Before(p.o.Since) {
			continue
		}
		if p.out[rec.Stream] == nil {
			rec.Stream = "stdout" // as docker's readers take what they do not know
		}
		for part := range bytes.SplitAfterSeq(rec.text(), []byte("\n")) {
			if len(part) == 0 {
				continue
			}
			s := segment{stream: rec.Stream, text: part, at: rec.Time, begins: !p.inLine[rec.Stream]}
			p.inLine[rec.Stream] = part[len(part)-1] != '\n'
			if err := p.add(s); err != nil {
				return err
			}
		}
	}
}

func (p *printer) add(s segment) error {
	if p.o.Tail < 0 || p.flushed {
		return p.print(s)
	}
	if s.begins {
		p.lines++
	}
	p.held = append(p.held, s)
	for p.lines > p.o.Tail || len(p.held) > 0 && !p.held[0].begins {
		if p.held[0].begins {
			p.lines--
		}
		p.held = p.held[1:]
	}
	return nil
}

// flush prints the lines held back.
func (p *printer) flush() error {
	p.flushed = true
	for _, s := range p.held {
		if err := p.print(s); err != nil {
			return err
		}
	}
	p.held = nil
	return nil
}

func (p *printer) print(s segment) error {
	w := p.out[s.stream]
	if p.o.Timestamps && s.begins {
		if _, err := io.WriteString(w, s.at.Format(time.RFC3339Nano)+" "); err != nil {
			return err
		}
	}
	_, err := w.Write(s.text)
	return err
}
