// Package wire carries frames over a byte stream: what a utility VM and its host
// speak, and a container's supervisor and its clients.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Kind says what a frame carries; each protocol has its own.
type Kind byte

// Piece is how much of a stream one frame carries at most. Readers accept
// [MaxFrame], which a message with a long command line may need.
const (
	Piece    = 32 << 10
	MaxFrame = 1 << 20
)

// Conn speaks frames: a byte for the kind, four for the length of the content,
// little endian, the content. Several goroutines may send.
type Conn struct {
	r  *bufio.Reader
	mu sync.Mutex
	w  io.Writer
}

// NewConn returns a Conn over rw.
func NewConn(rw io.ReadWriter) *Conn {
	return &Conn{r: bufio.NewReaderSize(rw, 2*Piece), w: rw}
}

// Send sends one frame.
func (c *Conn) Send(k Kind, content []byte) error {
	if len(content) > MaxFrame {
		return fmt.Errorf("frame %q: %d bytes are too many", k, len(content))
	}
	b := make([]byte, 0, 5+len(content))
	b = append(b, byte(k))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(content)))
	b = append(b, content...)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.w.Write(b)
	return err
}

// SendJSON sends one frame that holds v.
func (c *Conn) SendJSON(k Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Send(k, b)
}

// Receive returns the next frame. Its error is io.EOF if the stream ends between frames.
func (c *Conn) Receive() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	k, n := Kind(head[0]), binary.LittleEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("frame %q of %d bytes is too long", k, n)
	}
	content := make([]byte, n)
	if _, err := io.ReadFull(c.r, content); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return k, content, nil
}

// Stream is a writer whose data goes out in frames of kind k. Its Close sends the
// empty frame that is the stream's end.
func (c *Conn) Stream(k Kind) io.WriteCloser { return &stream{c, k} }

type stream struct {
	c *Conn
	k Kind
}

func (s *stream) Write(p []byte) (int, error) {
	var done int
	for len(p) > 0 {
		n := min(len(p), Piece)
		if err := s.c.Send(s.k, p[:n]); err != nil {
			return done, err
		}
		p, done = p[n:], done+n
	}
	return done, nil
}

func (s *stream) Close() error { return s.c.Send(s.k, nil) }
