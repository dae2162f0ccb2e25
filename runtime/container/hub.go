package container

import (
	"errors"
	"io"
	"sync"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
)

// client is one connection that takes part in a program's streams, as the
// supervisor sees it.
type client struct {
	conn   *wire.Conn
	output bool
	input  chan []byte // a piece that was asked for
}

func newClient(conn *wire.Conn, output bool) *client {
	return &client{conn: conn, output: output, input: make(chan []byte, 1)}
}

// controls is what clients can do with a program beside its streams.
type controls interface {
	resize(runtime.Size)
	signal(Signal)
}

var errNotAsked = errors.New("a client sent input that nobody asked for")

// serve takes the client's frames until it has gone.
func (c *client) serve(to controls) error {
	defer close(c.input)
	for {
		kind, content, err := c.conn.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch kind {
		case kindStdin:
			select {
			case c.input <- content:
			default:
				return errNotAsked
			}
		case kindSize:
			var size runtime.Size
			if err := decode(kind, kindSize, content, &size); err != nil {
				return err
			}
			to.resize(size)
		case kindSignal:
			to.signal(Signal(content))
		default:
			return errors.New("a client sent a frame that is none of its")
		}
	}
}

// feed asks for input piece by piece, the next when the program has read the last,
// so that input never stands in the way of anything else. It returns true at the
// end of the input and false when the client has gone.
func (c *client) feed(to io.Writer) (end bool) {
	for {
		if c.conn.Send(kindWant, nil) != nil {
			return false
		}
		piece, ok := <-c.input
		if !ok {
			return false
		}
		if len(piece) == 0 {
			return true
		}
		if _, err := to.Write(piece); err != nil {
			return true // the program does not read any more
		}
	}
}

// writer is one of a program's output streams on its way to a client.
func (c *client) writer(kind wire.Kind) io.Writer { return c.conn.Stream(kind) }

// hub joins the program's streams with all clients that are attached.
type hub struct {
	mu      sync.Mutex
	clients map[*client]bool
	stdin   *io.PipeWriter
	input   *io.PipeReader // what the program reads
}

func newHub() *hub {
	h := &hub{clients: map[*client]bool{}}
	h.input, h.stdin = io.Pipe()
	return h
}

func (h *hub) add(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = true
}

func (h *hub) drop(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

// attend serves a client until it has gone. Its input becomes the program's.
func (h *hub) attend(c *client, stdin bool, to controls) {
	h.add(c)
	defer h.drop(c)
	if stdin {
		go func() {
			if c.feed(h.stdin) {
				h.stdin.Close()
			}
		}()
	}
	_ = c.serve(to) // whatever it was, the client is gone with it
}

// each sends a frame to every client that takes output or, with all, to all. One
// that cannot be reached is dropped: its terminal may be closed while the program
// works on.
func (h *hub) each(kind wire.Kind, content []byte, all bool) {
	h.mu.Lock()
	list := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		if all || c.output {
			list = append(list, c)
		}
	}
	h.mu.Unlock()
	for _, c := range list {
		var err error
		if kind == kindEnd || kind == kindReply {
			err = c.conn.Send(kind, content)
		} else {
			_, err = c.writer(kind).Write(content)
		}
		if err != nil {
			h.drop(c)
		}
	}
}

// stream is the writer of one of the program's outputs.
func (h *hub) stream(kind wire.Kind) io.Writer { return hubStream{h, kind} }

type hubStream struct {
	h    *hub
	kind wire.Kind
}

func (s hubStream) Write(p []byte) (int, error) {
	s.h.each(s.kind, p, false)
	return len(p), nil
}

// close tells all clients how the program ended, and the program's reads that
// there is no more input.
func (h *hub) close(e []byte) {
	h.each(kindEnd, e, true)
	h.stdin.Close()
	h.input.Close()
}
