package guest

import (
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/runtime/wire"
)

// Incoming reads the pieces of a state from a Conn that carries nothing else
// meanwhile.
type Incoming struct {
	Conn *wire.Conn
	rest []byte
	end  bool
}

// Read implements [io.Reader].
func (r *Incoming) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.end {
			return 0, io.EOF
		}
		k, content, err := r.Conn.Receive()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		if k == KindFailed {
			return 0, errors.New(string(content))
		}
		if k != KindState {
			return 0, fmt.Errorf("got a frame %q in the middle of a state", k)
		}
		r.rest, r.end = content, len(content) == 0
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
