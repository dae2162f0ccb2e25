package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
)

// Terminal is what a client has to do with a program: its side of the streams.
type Terminal struct {
	// Stdin is nil for none; it is read only while the program wants some.
	Stdin io.Reader
	// Stdout and Stderr are nil for no output at all.
	Stdout, Stderr io.Writer
	// Size is the terminal's at first, Sizes what it changes to.
	Size  runtime.Size
	Sizes <-chan runtime.Size
	// Signals are passed on to the program.
	Signals <-chan Signal
	// DetachKeys in the input leave the program to itself; none never do.
	DetachKeys []byte
}

func (t *Terminal) request(op string) request {
	return request{Op: op, Stdin: t.Stdin != nil, Output: t.Stdout != nil, Size: t.Size}
}

// errDetached is how the input ends that has the detach keys in it.
var errDetached = errors.New("detached")

// started waits for the word that the program runs.
func started(conn *wire.Conn) error {
	var rep reply
	if err := receive(conn, kindReply, &rep); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if rep.Error != "" {
		return &StartError{Text: rep.Error, Code: rep.Code}
	}
	return nil
}

// converse carries the streams of a program until it has ended or the client goes
// away. Nobody detaches from a program that does not run yet, as running may tell.
// Reads of Stdin may outlive it.
func (t *Terminal) converse(ctx context.Context, conn *wire.Conn, running bool) (Ending, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	want := make(chan struct{}, 1)
	runs := make(chan struct{})
	told := sync.OnceFunc(func() { close(runs) })
	if running {
		told()
	}
	detach := func() {
		select {
		case <-runs:
			cancel(errDetached)
		case <-ctx.Done():
		}
	}
	go t.feed(ctx, conn, want, detach)
	go t.pass(ctx, conn)
	type result struct {
		end Ending
		err error
	}
	done := make(chan result, 1)
	go func() {
		end, err := t.take(conn, want, told)
		done <- result{end, err}
	}()
	select {
	case r := <-done:
		return r.end, r.err
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errDetached) {
			return Ending{Detached: true}, nil
		}
		return Ending{}, context.Cause(ctx)
	}
}

// take takes the supervisor's frames until the last.
func (t *Terminal) take(conn *wire.Conn, want chan<- struct{}, running func()) (Ending, error) {
	for {
		kind, content, err := conn.Receive()
		if err != nil {
			return Ending{}, fmt.Errorf("%w: %w", errGone, err)
		}
		switch kind {
		case kindStdout:
			err = output(t.Stdout, content)
		case kindStderr:
			err = output(t.Stderr, content)
		case kindWant:
			select {
			case want <- struct{}{}:
			default: // it asked twice
			}
		case kindReply:
			var rep reply
			if err = decode(kind, kindReply, content, &rep); err == nil && rep.Error != "" {
				err = &StartError{Text: rep.Error, Code: rep.Code}
			} else if err == nil {
				running()
			}
		case kindEnd:
			var end Ending
			return end, decode(kind, kindEnd, content, &end)
		default:
			err = fmt.Errorf("the supervisor sent a frame %q", kind)
		}
		if err != nil {
			return Ending{}, err
		}
	}
}

func output(w io.Writer, p []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(p)
	return err
}

// readAhead is how many pieces of input are read before the program wants them, so
// that the detach keys work in a program that reads nothing.
const readAhead = 8

// feed sends standard input, a piece whenever the supervisor wants one.
func (t *Terminal) feed(ctx context.Context, conn *wire.Conn, want <-chan struct{}, detach func()) {
	if t.Stdin == nil {
		return
	}
	pieces := make(chan []byte, readAhead)
	go t.read(ctx, pieces, detach)
	for {
		select {
		case <-want:
		case <-ctx.Done():
			return
		}
		select {
		case piece := <-pieces: // nil at the end
			if conn.Send(kindStdin, piece) != nil || piece == nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// read reads standard input to its end or to the detach keys.
func (t *Terminal) read(ctx context.Context, pieces chan<- []byte, detach func()) {
	defer close(pieces)
	keys := detector{keys: t.DetachKeys}
	for {
		buf := make([]byte, wire.Piece)
		n, err := t.Stdin.Read(buf)
		if keys.found(buf[:n]) {
			detach()
			return
		}
		if n > 0 {
			select {
			case pieces <- buf[:n]:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass passes sizes and signals on.
func (t *Terminal) pass(ctx context.Context, conn *wire.Conn) {
	for {
		var err error
		select {
		case size := <-t.Sizes:
			err = conn.SendJSON(kindSize, size)
		case s := <-t.Signals:
			err = conn.Send(kindSignal, []byte(s))
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// detector finds a sequence of keys in input that comes in pieces.
type detector struct {
	keys []byte
	tail []byte // the last bytes, which may be the beginning of it
}

func (d *detector) found(p []byte) bool {
	if len(d.keys) == 0 {
		return false
	}
	text := append(d.tail, p...)
	if bytes.Contains(text, d.keys) {
		return true
	}
	d.tail = bytes.Clone(text[max(0, len(text)-len(d.keys)+1):])
	return false
}

// ParseDetachKeys reads docker's notation: letters and ctrl-LETTER, with commas
// between, such as "ctrl-p,ctrl-q".
func ParseDetachKeys(s string) ([]byte, error) {
	var keys []byte
	if s == "" {
		return nil, nil
	}
	for i, name := range bytes.Split([]byte(s), []byte(",")) {
		key, ctrl := bytes.CutPrefix(bytes.ToLower(name), []byte("ctrl-"))
		switch {
		case ctrl && len(key) == 1 && key[0] >= '@' && key[0] <= '_':
			keys = append(keys, key[0]-'@')
		case ctrl && len(key) == 1 && key[0] >= 'a' && key[0] <= 'z':
			keys = append(keys, key[0]-'a'+1)
		case !ctrl && len(name) == 1:
			keys = append(keys, name[0])
		default:
			return nil, fmt.Errorf("detach keys %q: key %d is neither a letter nor ctrl-LETTER", s, i+1)
		}
	}
	return keys, nil
}
