package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// drain is how long the streams of a program that has ended may stay open, should
// something else hold them.
const drain = 5 * time.Second

// Streams are the standard streams of one program, and what carries them.
type Streams struct {
	// Child are the program's ends, its standard input, output and error.
	Child [3]*os.File

	tty     *os.File   // our end of a terminal
	sources []*os.File // what is read from the program
	stdin   *os.File   // what the program reads
	in      io.Reader
	outs    []io.Writer
	copying sync.WaitGroup
}

// NewStreams makes pipes to carry in, out and errs. One that is nil leads nowhere. If out and errs are the same, they
// share a pipe, so that what goes to both stays in its order and nobody writes twice at a time.
func NewStreams(in io.Reader, out, errs io.Writer) (*Streams, error) {
	s := &Streams{in: in}
	if err := s.pipes(out, errs); err != nil {
		return nil, s.abandon(fmt.Errorf("make standard streams: %w", err))
	}
	return s, nil
}

func (s *Streams) pipes(out, errs io.Writer) (err error) {
	if s.in == nil {
		s.Child[0], err = os.Open(os.DevNull)
	} else {
		s.Child[0], s.stdin, err = os.Pipe()
	}
	if err != nil {
		return err
	}
	for i, w := range []io.Writer{out, errs} {
		if i == 1 && w != nil && same(out, errs) {
			s.Child[2] = s.Child[1]
			break
		}
		if w == nil {
			if s.Child[i+1], err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
				return err
			}
			continue
		}
		var r *os.File
		if r, s.Child[i+1], err = os.Pipe(); err != nil {
			return err
		}
		s.sources, s.outs = append(s.sources, r), append(s.outs, w)
	}
	return nil
}

// same compares two writers, which are of any type: those of some cannot be compared.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// NewTerminal makes a terminal; in is what is typed on it and out what appears.
func NewTerminal(rows, columns uint16, in io.Reader, out io.Writer) (*Streams, error) {
	s := &Streams{in: in}
	if err := s.terminal(rows, columns, out); err != nil {
		return nil, s.abandon(fmt.Errorf("make a terminal: %w", err))
	}
	return s, nil
}

func (s *Streams) terminal(rows, columns uint16, out io.Writer) (err error) {
	if s.tty, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return err
	}
	fd := int(s.tty.Fd())
	// Fd makes it blocking, which would let no deadline end a read.
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	child, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	s.Child = [3]*os.File{child, child, child}
	if out == nil {
		out = io.Discard
	}
	s.sources, s.outs = []*os.File{s.tty}, []io.Writer{out}
	if s.in != nil {
		s.stdin = s.tty
	}
	return s.Resize(rows, columns)
}

// Resize tells the program's terminal its size; 0 rows or columns change nothing,
// and neither does anything without a terminal.
func (s *Streams) Resize(rows, columns uint16) error {
	if s.tty == nil || rows == 0 || columns == 0 {
		return nil
	}
	conn, err := s.tty.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
	return errors.Join(err, failed)
}

// Carry begins to carry the streams. It is called when the program has its ends,
// which are closed here. Copying the input may outlive the program: a read of it
// cannot be called off.
func (s *Streams) Carry() {
	s.closeChild()
	for i, r := range s.sources {
		s.copying.Go(func() { _, _ = io.Copy(whole{s.outs[i]}, r) })
	}
	if s.stdin != nil {
		go func() {
			_, _ = io.Copy(whole{s.stdin}, s.in) // the program need not read all
			if s.stdin != s.tty {
				s.stdin.Close()
			}
		}()
	}
}

// whole hides that a file could be copied from or to by the kernel: splicing waits
// for whole pages.
type whole struct{ io.Writer }

// Finish waits until all output of the program, which has ended, is delivered. It
// is called once.
func (s *Streams) Finish() {
	for _, r := range s.sources {
		_ = r.SetReadDeadline(time.Now().Add(drain))
	}
	s.copying.Wait()
	_ = s.abandon(nil)
}

// abandon closes all, because of why.
func (s *Streams) abandon(why error) error {
	s.closeChild()
	for _, f := range append(s.sources, s.tty, s.stdin) {
		if f != nil {
			_ = f.Close()
		}
	}
	return why
}

func (s *Streams) closeChild() {
	for i, f := range s.Child {
		if f != nil && !slices.Contains(s.Child[:i], f) {
			_ = f.Close()
		}
	}
	s.Child = [3]*os.File{}
}
