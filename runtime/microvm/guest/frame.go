package guest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Kind says what a frame carries.
type Kind byte

// The frames from the host to the VM.
const (
	// KindConfig is a [Config] in JSON, the answer to KindHello.
	KindConfig Kind = 'c'
	// KindStdin is a piece of the program's standard input, sent when asked for by
	// KindWant; an empty one is its end.
	KindStdin Kind = 'i'
	// KindKill asks for the program's end.
	KindKill Kind = 'k'
	// KindTop asks for the process list.
	KindTop Kind = 't'
)

// The frames from the VM to the host.
const (
	// KindHello is the VM's first frame, a [Hello] in JSON.
	KindHello Kind = 'h'
	// KindStarted says that the program runs. It is empty.
	KindStarted Kind = 's'
	// KindFailed ends a VM that could not start or save the program: a message.
	KindFailed Kind = 'f'
	// KindWant asks for a piece of standard input. It is empty.
	KindWant Kind = 'w'
	// KindStdout is a piece of the program's standard output.
	KindStdout Kind = 'o'
	// KindStderr is a piece of the program's standard error.
	KindStderr Kind = 'e'
	// KindProcesses answers KindTop: a list of processes in JSON.
	KindProcesses Kind = 'p'
	// KindExit says how the program ended, in JSON, after all its output.
	KindExit Kind = 'x'
)

// KindState, in both directions, is a piece of the container's state (package
// runtime/microvm/state); an empty one is its end. The host sends it after the
// Config, the VM after KindExit.
const KindState Kind = 'S'

// Version is the version of the protocol and of the VM's first process.
const Version = 1

// Hello is the content of KindHello.
type Hello struct {
	Version int `json:"version"`
}

// Piece is how much of a stream one frame carries at most. Readers accept
// [maxFrame], which a Config with a long command line may need.
const (
	Piece    = 32 << 10
	maxFrame = 1 << 20
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
	if len(content) > maxFrame {
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
	if n > maxFrame {
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
