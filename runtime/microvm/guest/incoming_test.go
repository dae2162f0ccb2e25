package guest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/mullion/mullion/runtime/wire"
)

func TestIncomingState(t *testing.T) {
	read := func(send func(*wire.Conn)) (string, error) {
		var b bytes.Buffer
		c := wire.NewConn(&b)
		send(c)
		text, err := io.ReadAll(&Incoming{Conn: c})
		return string(text), err
	}
	got, err := read(func(c *wire.Conn) {
		_ = c.Send(KindState, []byte("ab"))
		_ = c.Send(KindState, []byte("c"))
		_ = c.Send(KindState, nil)
		_ = c.Send(KindStdout, []byte("later"))
	})
	if got != "abc" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := read(func(c *wire.Conn) { _ = c.Send(KindState, []byte("ab")) }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a state without its end gives %v", err)
	}
	if _, err := read(func(c *wire.Conn) { _ = c.Send(KindStdout, []byte("ab")) }); err == nil {
		t.Error("another frame is taken for a state")
	}
	if _, err := read(func(c *wire.Conn) { _ = c.Send(KindFailed, []byte("no space")) }); err == nil || err.Error() != "no space" {
		t.Errorf("a failure gives %v", err)
	}
}
